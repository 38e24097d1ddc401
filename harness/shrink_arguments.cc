// Simpler arguments: each form offered weighs less than the one before, so simplifying ends.
#include <algorithm>
#include <bit>
#include <cstdlib>

#include "harness/shrink.h"

namespace shmcheck::harness {
namespace {

using program::Arg;
using program::ArgKind;
using program::Op;
using program::OpCode;
using program::Quantity;
using program::Slot;

constexpr std::uint8_t kReadWrite = program::kProtRead | program::kProtWrite;
constexpr std::uint8_t kPlainByte = 0x41, kOtherByte = 0x42;

unsigned weight(int pages, int bytes) {
  return static_cast<unsigned>(std::abs(pages) * 4 + (pages < 0) + (bytes < 0) +
                               (bytes == 0 ? 0 : 2 + std::min(std::abs(bytes), 64)));
}

// The simplest length is one page, the simplest offset or distance none.
unsigned weight(const Quantity& q, bool length) {
  unsigned w = weight(q.pages - (length ? 1 : 0), q.bytes);
  return q.base != 0 ? w + 200 : w;
}

class Forms {
 public:
  explicit Forms(const Op& op) : op_(op) {}
  std::vector<Op> take() { return std::move(forms_); }

  void add(Op form) {
    program::normalize(form);
    if (!(form == op_)) forms_.push_back(form);
  }
  template <typename T>
  void set(T Op::*member, T value) {
    Op form = op_;
    form.*member = value;
    add(form);
  }

  void quantity(Quantity Op::*member, bool length, bool may_rebase) {
    const Quantity& q = op_.*member;
    auto offer = [&](Quantity simpler) {
      if (weight(simpler, length) < weight(q, length)) set(member, simpler);
    };
    std::uint8_t base = may_rebase ? std::uint8_t{0} : q.base;
    auto pages = [](int n) { return static_cast<std::int16_t>(n); };
    offer({base, pages(length ? 1 : 0), 0});
    offer({base, 0, 0});
    offer({q.base, q.pages, 0});
    offer({q.base, pages(length ? 1 : 0), q.bytes});
    offer({q.base, 0, q.bytes});
    offer({q.base, pages(q.pages / 2), q.bytes});
    offer({q.base, pages(q.pages > 0 ? q.pages - 1 : q.pages + 1), q.bytes});
    offer({q.base, q.pages, 1});
    offer({q.base, q.pages, -1});
    offer({q.base, q.pages, pages(q.bytes / 2)});
  }

  void prot() {
    if (op_.small == kReadWrite) return;
    set(&Op::small, kReadWrite);
    for (unsigned bit = 32; bit > 0; bit /= 2) {
      auto changed = static_cast<std::uint8_t>(op_.small ^ bit);
      if (std::popcount(static_cast<unsigned>(changed ^ kReadWrite)) <
          std::popcount(static_cast<unsigned>(op_.small ^ kReadWrite))) {
        set(&Op::small, changed);
      }
    }
  }

  void flags() {
    for (std::uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
      if ((op_.flags & bit) != 0) set(&Op::flags, op_.flags & ~bit);
    }
  }

  void mode() {
    for (std::uint16_t m : {std::uint16_t{0}, std::uint16_t{0600}, std::uint16_t{0666}}) {
      if (op_.mode == m) return;
      set(&Op::mode, m);
    }
  }

  void lower(std::uint8_t Op::*member) {
    for (std::uint8_t v = 0; v < op_.*member; ++v) set(member, v);
  }

  void stored_bytes() {
    Op one = op_;
    one.small = 0;
    one.value = kPlainByte;
    add(one);
    if (op_.small != 0) {
      Op narrower = op_;
      --narrower.small;
      add(narrower);
    }
    std::uint64_t plain = 0x4141414141414141U >> (64 - (8U << op_.small));
    set(&Op::value, plain);
  }

  // Memory without a file does for most things, and needs no open.
  void without_file() {
    if (op_.code != OpCode::mmap || (op_.flags & program::map::kAnonymous) != 0) return;
    Op form = op_;
    form.object = program::kFileNone;
    form.flags |= program::map::kAnonymous;
    form.off = {};
    add(form);
  }

  // A store puts bytes into memory as a read from a file does, and needs no file.
  void without_read() {
    if (op_.code != OpCode::pread_to) return;
    Op form;
    form.code = OpCode::store;
    form.proc = op_.proc;
    form.addr = op_.addr;
    for (std::uint64_t value : {kPlainByte, kOtherByte}) {
      form.value = value;
      add(form);
    }
    // Its last page may be the one that counts.
    if (op_.len.pages < 2) return;
    form.addr.pages = static_cast<std::int16_t>(form.addr.pages + op_.len.pages - 1);
    add(form);
  }

  // What a transfer shows or does needs no memory of the process.
  void without_memory() {
    if (op_.code != OpCode::pread_to && op_.code != OpCode::pwrite_from) return;
    Op form = op_;
    form.code = op_.code == OpCode::pread_to ? OpCode::pread : OpCode::pwrite;
    form.byte = kPlainByte;
    add(form);
  }

 private:
  const Op& op_;
  std::vector<Op> forms_;
};

void simplify(Forms& forms, const Op& op, const Arg& arg) {
  switch (arg.kind) {
    case ArgKind::quantity: {
      bool address = arg.slot == Slot::addr || arg.slot == Slot::to;
      bool length = arg.slot == Slot::len || (op.code == OpCode::mremap && arg.slot == Slot::off);
      return forms.quantity(quantity_of(arg.slot), length, !address || !arg.required);
    }
    case ArgKind::small_len:
      return forms.quantity(&Op::len, true, true);
    case ArgKind::prot:
      return forms.prot();
    case ArgKind::flags:
      return forms.flags();
    case ArgKind::mode:
      return forms.mode();
    case ArgKind::bytes:
      return forms.stored_bytes();
    case ArgKind::byte:
      if (op.byte != kPlainByte) forms.set(&Op::byte, kPlainByte);
      return;
    case ArgKind::status:
      if (op.byte != 0) forms.set(&Op::byte, std::uint8_t{0});
      return;
    case ArgKind::choice:
    case ArgKind::key:
    case ArgKind::user:
    case ArgKind::access_size:
      return forms.lower(arg.slot == Slot::small ? &Op::small : &Op::byte);
    case ArgKind::object:
      return;
  }
}

}  // namespace

std::vector<Op> simpler_forms(const Op& op) {
  Forms forms(op);
  forms.without_file();
  forms.without_read();
  forms.without_memory();
  for (const Arg& arg : program::spec(op.code).args) simplify(forms, op, arg);
  return forms.take();
}

}  // namespace shmcheck::harness

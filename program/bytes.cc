#include "program/bytes.h"

#include <algorithm>
#include <array>

namespace shmcheck::program {
namespace {

class Writer {
 public:
  explicit Writer(std::uint8_t* out) : out_(out) {}
  void put(std::uint64_t v, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) *out_++ = static_cast<std::uint8_t>(v >> (8 * i));
  }
  void put(const Quantity& q) {
    put(q.base, 1);
    put(static_cast<std::uint16_t>(q.pages), 2);
    put(static_cast<std::uint16_t>(q.bytes), 2);
  }

 private:
  std::uint8_t* out_;
};

class Reader {
 public:
  explicit Reader(const std::uint8_t* in) : in_(in) {}
  template <typename T>
  T get() {
    std::uint64_t v = 0;
    for (unsigned i = 0; i < sizeof(T); ++i) v |= std::uint64_t{*in_++} << (8 * i);
    return static_cast<T>(v);
  }
  Quantity quantity() {
    Quantity q;
    q.base = get<std::uint8_t>();
    q.pages = static_cast<std::int16_t>(get<std::uint16_t>());
    q.bytes = static_cast<std::int16_t>(get<std::uint16_t>());
    return q;
  }

 private:
  const std::uint8_t* in_;
};

}  // namespace

void encode_record(const Op& op, std::uint8_t* out) {
  Writer w(out);
  w.put(static_cast<std::uint8_t>(op.code), 1);
  w.put(op.proc, 1);
  w.put(op.result, 1);
  w.put(op.object, 1);
  w.put(op.small, 1);
  w.put(op.byte, 1);
  w.put(op.mode, 2);
  w.put(op.flags, 4);
  w.put(op.addr);
  w.put(op.len);
  w.put(op.off);
  w.put(op.to);
  w.put(op.value, 8);
}

Op decode_record(const std::uint8_t* in) {
  Reader r(in);
  Op op;
  op.code = static_cast<OpCode>(r.get<std::uint8_t>());
  op.proc = r.get<std::uint8_t>();
  op.result = r.get<std::uint8_t>();
  op.object = r.get<std::uint8_t>();
  op.small = r.get<std::uint8_t>();
  op.byte = r.get<std::uint8_t>();
  op.mode = r.get<std::uint16_t>();
  op.flags = r.get<std::uint32_t>();
  op.addr = r.quantity();
  op.len = r.quantity();
  op.off = r.quantity();
  op.to = r.quantity();
  op.value = r.get<std::uint64_t>();
  normalize(op);
  return op;
}

std::vector<std::uint8_t> encode(const Program& program) {
  std::vector<std::uint8_t> out(1 + program.ops.size() * kRecordBytes);
  out[0] = kByteVersion;
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    encode_record(program.ops[i], out.data() + 1 + i * kRecordBytes);
  }
  return out;
}

Program decode(std::span<const std::uint8_t> bytes) {
  Program program;
  program.ops.reserve(std::min<std::size_t>(bytes.size() / kRecordBytes + 1, kMaxOps));
  for (std::size_t at = 1; at < bytes.size() && program.ops.size() < kMaxOps; at += kRecordBytes) {
    std::array<std::uint8_t, kRecordBytes> record{};
    std::copy_n(bytes.data() + at, std::min(kRecordBytes, bytes.size() - at), record.begin());
    program.ops.push_back(decode_record(record.data()));
  }
  return program;
}

std::string decode_exact(std::span<const std::uint8_t> bytes, Program& program) {
  if (bytes.empty()) return "the program is empty: not even a version byte";
  if (bytes[0] != kByteVersion) {
    return "the program has byte form version " + std::to_string(bytes[0]) + ", this build reads version " +
           std::to_string(kByteVersion);
  }
  if ((bytes.size() - 1) % kRecordBytes != 0) {
    return "the program ends inside record " + std::to_string((bytes.size() - 1) / kRecordBytes);
  }
  if ((bytes.size() - 1) / kRecordBytes > kMaxOps) {
    return "the program has more than " + std::to_string(kMaxOps) + " ops";
  }
  program = decode(bytes);
  std::vector<std::uint8_t> again = encode(program);
  auto [mine, theirs] = std::mismatch(again.begin(), again.end(), bytes.begin());
  if (mine != again.end()) {
    auto at = static_cast<std::size_t>(mine - again.begin());
    return "byte " + std::to_string(at) + " (record " + std::to_string((at - 1) / kRecordBytes) +
           ") is not what a canonical program has there";
  }
  return "";
}

}  // namespace shmcheck::program

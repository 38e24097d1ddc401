// Loads, stores and calls: which object supplies a byte, or which fault is taken.
#include <fmt/format.h>

#include "model/blame.h"
#include "model/memory.h"
#include "model/times.h"

namespace shmcheck::model {
namespace {

constexpr std::uint8_t kSIGBUS = 7, kSIGSEGV = 11;
constexpr std::uint8_t kMapErr = 1, kAccErr = 2, kAdrErr = 2;

// A page that is there but must not be accessed; x86-64 may use a protection key for one without PROT_READ.
bool denies(std::uint8_t code) {
  constexpr std::uint8_t kPkuErr = 4;
  return code == kAccErr || code == kPkuErr;
}

struct FaultSignal {
  std::uint8_t signal, code;
  C clause;
};

FaultSignal signal_of(const World& w, std::uint8_t who, const Access& a, std::uint64_t address, bool write) {
  C clause = clause_of_refusal(w, who, a, address, write);
  switch (a.kind) {
    case Access::Kind::no_mapping:
      return {kSIGSEGV, kMapErr, clause};
    case Access::Kind::beyond_object:
    case Access::Kind::no_space:
      return {kSIGBUS, kAdrErr, clause};
    default:
      return {kSIGSEGV, kAccErr, clause};
  }
}

// A fault at `address` with the action that the op asks for.
void takes_signal(World& w, Process& p, Step& s, const FaultSignal& f, std::uint64_t address) {
  auto action = static_cast<program::SignalAction>(s.op.byte);
  if (action == program::SignalAction::caught) {
    s.signals(f.signal, f.code, address, f.clause);
    p.faulted = true;
    return;
  }
  s.dies(f.signal, s.saw_death() ? C::access_fault_default : f.clause);
  w.end_process(index_of(w, p), s.when, C::access_fault_one_process);
}

struct Reach {
  bool accessible = true;
  Access first, second;    // of the two pages, if there are two
  std::uint64_t edge = 0;  // address where the second page begins, 0 if there is one page
};

Reach reach(World& w, Process& p, std::uint64_t address, std::uint64_t size, bool write) {
  Reach r;
  r.first = w.access(p, address, write);
  r.accessible = r.first.kind == Access::Kind::byte;
  std::uint64_t last = address + size - 1;
  if (w.down(last) != w.down(address)) {
    r.edge = w.down(last);
    r.second = w.access(p, r.edge, write);
    r.accessible = r.accessible && r.second.kind == Access::Kind::byte;
  }
  return r;
}

// An address that the processor itself refuses: no page fault is taken, so that neither code nor address are
// known (x86-64: SI_KERNEL at 0; User-Mode Linux: those of the fault before).
bool non_canonical(const World& w, std::uint64_t address) {
  return address >= w.facts().top && address < ~w.facts().top + 1;
}

// The signal of an access that cannot be completed. Two inaccessible pages: either may be reported.
void takes_fault(World& w, Process& p, Step& s, const Reach& r, std::uint64_t address, std::uint64_t size,
                 bool write) {
  bool first_bad = r.first.kind != Access::Kind::byte;
  bool second_bad = r.edge != 0 && r.second.kind != Access::Kind::byte;
  bool report_second = !first_bad;
  if (first_bad && second_bad && !s.running()) {
    s.uses(Freedom::straddling_address);
    FaultSignal second = signal_of(w, s.op.proc, r.second, r.edge, write);
    report_second = s.seen().signal == second.signal && s.seen().address == r.edge;
  }
  const Access& bad = report_second ? r.second : r.first;
  std::uint64_t where = report_second ? r.edge : address;
  FaultSignal f = signal_of(w, s.op.proc, bad, where, write);
  const Outcome* seen = s.running() ? nullptr : &s.seen();
  bool other_fault = seen && seen->kind == OutcomeKind::signal &&
                     (seen->signal != f.signal || seen->code != f.code || seen->address != where);
  if (other_fault) f.clause = plain_clause_of_refusal(bad, write);
  bool not_there = other_fault && bad.vma && seen->signal == kSIGSEGV && seen->code == kMapErr;
  if (not_there) f.clause = blame_of_fault(w, s.op.proc, *bad.vma, bad.offset, {kSIGSEGV, kMapErr}, write);
  if (r.edge != 0) s.applies(C::eof_straddling_access);
  // Of two pages the one that is there need not have been touched.
  for (const Access* a : {&r.first, &r.second}) {
    if (r.edge != 0 && a->kind == Access::Kind::byte && a->vma->inode >= 0)
      w.object_of(*a->vma).accessed_unsure = true;
  }
  if (!s.running() && non_canonical(w, address + size - 1) && s.seen().kind == OutcomeKind::signal &&
      s.seen().signal == kSIGSEGV) {
    s.uses(Freedom::non_canonical);
    return;
  }
  takes_signal(w, p, s, f, where);
}

// The access must complete: the signal that was seen instead has a clause of its own. True if it completed.
bool completed(World& w, Process& p, Step& s, const Reach& r, const char* allowed) {
  if (s.running() || s.seen().kind == OutcomeKind::ok) return true;
  bool second = r.edge != 0 && s.seen().kind == OutcomeKind::signal && s.seen().address >= r.edge;
  const Access& at = second ? r.second : r.first;
  SeenFault seen{s.seen().signal, s.seen().code};
  C clause = blame_of_fault(w, s.op.proc, *at.vma, at.offset, seen, s.op.code == OpCode::store);
  if (s.saw_death()) {
    s.diverge(clause, "no death");
    w.end_process(index_of(w, p), s.when);
  } else {
    s.diverge(clause, allowed);
  }
  return false;
}

void note_refused(World& w, const Reach& r) {
  for (const Access* a : {&r.first, &r.second}) {
    if (a->kind == Access::Kind::no_space || a->unsure) no_space_moves_mtime(w, *a->vma);
  }
}

// The page that there may be no storage for and that has none, as seen; or nothing.
std::optional<std::uint64_t> page_without_space(Step& s, const Reach& r, std::uint64_t address) {
  if (!r.first.unsure && !r.second.unsure) return std::nullopt;
  s.uses(Freedom::spare_space);
  if (s.running() || s.seen().kind == OutcomeKind::ok) return std::nullopt;
  const bool died = s.saw_death();
  const bool lacks = s.seen().signal == kSIGBUS && (died || s.seen().code == kAdrErr);
  const bool first = r.first.unsure && (died || s.seen().address == address);
  const bool second = r.second.unsure && (died || s.seen().address == r.edge);
  if (!lacks || (!first && !second)) return std::nullopt;
  return first ? address : r.edge;
}

void lacks_space(World& w, Process& p, Step& s, const Reach& r, std::uint64_t where) {
  note_refused(w, r);
  takes_signal(w, p, s, {kSIGBUS, kAdrErr, C::access_no_space}, where);
}

// Returns true if the op is over: a page that may be unreadable is, with the fault that such a page takes.
bool load_is_free(World& w, Process& p, Step& s, const Reach& r, std::uint64_t address) {
  bool first = read_is_free(r.first), second = r.edge && read_is_free(r.second);
  if (s.running() || (!first && !second)) return false;
  s.uses(Freedom::prot_implies);
  const Outcome& seen = s.seen();
  bool caught = static_cast<program::SignalAction>(s.op.byte) == program::SignalAction::caught;
  if (!caught && s.saw_death() && seen.signal == kSIGSEGV) {
    w.end_process(index_of(w, p), s.when);
    return true;
  }
  bool there = (first && seen.address == address) || (second && seen.address == r.edge);
  return seen.kind == OutcomeKind::signal && seen.signal == kSIGSEGV && denies(seen.code) && there;
}

}  // namespace

void rule_load(World& w, Process& p, Step& s) {
  std::uint64_t address = w.value(s.op.addr), size = std::uint64_t{1} << s.op.small;
  Reach r = reach(w, p, address, size, false);
  if (load_is_free(w, p, s, r, address)) return;
  if (const auto lacking = page_without_space(s, r, address)) return lacks_space(w, p, s, r, *lacking);
  if (!r.accessible) {
    takes_fault(w, p, s, r, address, size, false);
    return;
  }
  if (!completed(w, p, s, r, "a value")) return;
  C wrong = C::none;
  std::uint64_t value = 0;
  std::uint64_t at = 0;
  for_pieces(w, p, address, size, false, [&](std::uint64_t, std::uint64_t part, const Access& a) {
    w.note_touched(*a.vma, a.offset, s.op.proc);
    for (std::uint64_t i = 0; i < part; ++i, ++at) {
      std::uint8_t byte = w.load(*a.vma, a.offset + i);
      if (!s.running()) {
        auto seen = static_cast<std::uint8_t>(s.seen().value >> (8 * at));
        bool ask = seen != byte || w.supply(*a.vma, a.offset).has_doubts() || !a.vma->older.empty();
        // Noted before: what is accepted settles doubts.
        if (i == 0) note_load(w, s, *a.vma, a.offset);
        if (ask && accepts_bytes(w, s, *a.vma, a.offset + i, 1, seen) > 0) byte = seen;
        if (byte != seen && wrong == C::none) wrong = blame_of_load(w, s.op.proc, *a.vma, a.offset + i, seen);
      }
      value |= std::uint64_t{byte} << (8 * at);
    }
    return true;
  });
  if (s.running()) {
    s.made().value = value;
  } else if (value != s.seen().value) {
    s.diverge(wrong, fmt::format("the value {:#x} (bytes in memory order from the lowest)", value),
              fmt::format("{:#x}", s.seen().value));
  }
}

namespace {

// Whether what was seen is the fault of a page that is there and must not be accessed.
bool refuses(const Step& s, std::uint64_t address) {
  return !s.running() && s.seen().kind == OutcomeKind::signal && s.seen().signal == kSIGSEGV &&
         denies(s.seen().code) && s.seen().address == address;
}

// What certainly is not one return instruction is not run, and that is found out whatever the protection.
void call_code(World& w, Process& p, Step& s) {
  constexpr std::uint8_t kReturn = 0xc3;
  std::uint64_t address = w.value(s.op.addr);
  Reach r = reach(w, p, address, 1, false);
  bool there = r.accessible;
  if (!there && read_is_free(r.first) && refuses(s, address)) return s.uses(Freedom::prot_implies);
  if (r.first.kind == Access::Kind::protection) {
    Vma& hidden = *r.first.vma;
    bool copied = !hidden.shared && hidden.copies.find(r.first.offset / w.page());
    there = copied || w.can_be_had(hidden, r.first.offset, false);
    if (there && !copied) w.note_accessed(hidden, r.first.offset, false);
    w.note_reached(p, address);
    r.first.unsure = w.unsure_of_space;
  }
  if (const auto lacking = page_without_space(s, r, address)) return lacks_space(w, p, s, r, *lacking);
  if (!there) return takes_fault(w, p, s, r, address, 1, false);
  Vma& v = *r.first.vma;
  bool doubted = in_doubt(w, v, r.first.offset);
  bool returns = w.load(v, r.first.offset) == kReturn;
  bool refused = !s.running() && s.seen().kind == OutcomeKind::withheld;
  C clause = clause_of_load(w, s.op.proc, v, r.first.offset);
  if (doubted && !s.running()) {
    // Which other byte it is, the outcome does not say.
    if (refused) return returns ? s.lose_quietly(Freedom::copied_doubt) : void();
    returns = accepts_bytes(w, s, v, r.first.offset, 1, kReturn) > 0;
  }
  if (returns == refused && !s.running())
    return s.diverge(clause, returns ? "a return instruction" : "other bytes than a return instruction");
  if (!returns) {
    if (s.running()) s.made().kind = OutcomeKind::withheld;
    return;
  }
  if (!r.accessible) return takes_fault(w, p, s, r, address, 1, false);
  if (v.prot & program::kProtExec) {
    s.applies(C::access_exec);
    if (!s.running() && s.seen().kind != OutcomeKind::ok) s.diverge(C::access_exec, "a return");
    return;
  }
  if (s.exact() && w.facts().nx)
    return takes_signal(w, p, s, {kSIGSEGV, kAccErr, C::access_exec_implied}, address);
  s.applies(C::access_exec_implied);
  s.uses(Freedom::prot_implies);
  if (s.running() || s.seen().kind == OutcomeKind::ok) return;
  takes_signal(w, p, s, {kSIGSEGV, kAccErr, C::access_exec_implied}, address);
}

}  // namespace

void rule_call(World& w, Process& p, Step& s) {
  call_code(w, p, s);
  if (s.report().diverged) s.adopted();  // a wrong call changes nothing
}

namespace {

// What a store whose second page is refused has done to the first, if that was looked at before. False: this
// world has yet to be told.
bool may_have_begun(World& w, Step& s, const Reach& r, std::uint64_t address, const std::uint8_t* bytes) {
  if (r.first.kind != Access::Kind::byte) return true;
  Vma& vma = *r.first.vma;
  const std::uint64_t offset = r.first.offset;
  if (vma.inode >= 0 && !vma.shared && !vma.copies.find(offset / w.page())) {
    // Whether it was faulted in for writing, and so copied.
    const int pick = s.choose(2, Freedom::straddling_store);
    if (pick < 0) return false;
    if (pick == 0) w.copy_on_write(vma, offset);
  }
  may_dirty(w, vma, offset);
  if (s.exact()) return true;
  // The part before the edge may have been written.
  const std::uint64_t part = r.edge - address;
  if (!vma.shared) w.copy_on_write(vma, offset);
  Doubt d;
  d.low = offset;
  d.high = offset + part;
  PageRef other;
  std::memcpy(other.writable(w.page()) + d.low % w.page(), bytes, part);
  d.other = other;
  d.freedom = Freedom::straddling_store;
  w.supply(vma, d.low).doubt(std::move(d));
  return true;
}

}  // namespace

void rule_store(World& w, Process& p, Step& s) {
  std::uint64_t address = w.value(s.op.addr), size = std::uint64_t{1} << s.op.small;
  std::uint8_t bytes[8];
  for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(s.op.value >> (8 * i));
  Reach r = reach(w, p, address, size, true);
  if (const auto lacking = page_without_space(s, r, address)) {
    if (*lacking == address || may_have_begun(w, s, r, address, bytes)) lacks_space(w, p, s, r, *lacking);
    return;
  }
  if (!r.accessible) {
    if (!may_have_begun(w, s, r, address, bytes)) return;
    note_refused(w, r);
    takes_fault(w, p, s, r, address, size, true);
    return;
  }
  s.applies(C::access_write);
  if (!(r.first.vma->prot & program::kProtRead)) s.applies(C::access_write_implies_read);
  if (!s.running()) note_situation(w, s, *r.first.vma, r.first.offset);
  if (!completed(w, p, s, r, "success")) return;
  // Pages are copied when they fault, before any byte of the store is written.
  for_pieces(w, p, address, size, true, [&](std::uint64_t, std::uint64_t, const Access& a) {
    if (!a.vma->shared) w.copy_on_write(*a.vma, a.offset);
    return true;
  });
  if (r.edge != 0) w.straddling_stores.push_back(w.steps);
  const std::uint8_t* next = bytes;
  for_pieces(w, p, address, size, true, [&](std::uint64_t, std::uint64_t part, const Access& a) {
    w.note_touched(*a.vma, a.offset, s.op.proc);
    store_piece(w, s, *a.vma, a.offset, next, part);
    next += part;
    return true;
  });
}

}  // namespace shmcheck::model

// Every byte of a range, by loads or by a system call: what each page shows or which fault it takes.
#include "model/blame.h"
#include "model/memory.h"
#include "model/runs.h"

namespace shmcheck::model {

std::string describe(const program::Run& run) {
  switch (run.kind) {
    case program::RunKind::bytes:
      return fmt::format("{} bytes {:#04x}", run.length, run.value);
    case program::RunKind::signal:
      return signal_name(run.value, run.code);
    case program::RunKind::error:
      return error_name(run.value);
  }
  return "an unknown run";
}

namespace {

constexpr std::uint8_t kSIGBUS = 7, kSIGSEGV = 11, kEFAULT = 14;

program::Run fault_run(const Access& a, bool by_kernel, std::uint64_t length) {
  if (by_kernel) return {program::RunKind::error, kEFAULT, 0, length};
  if (a.of_object()) return {program::RunKind::signal, kSIGBUS, 2, length};
  return {program::RunKind::signal, kSIGSEGV,
          static_cast<std::uint8_t>(a.kind == Access::Kind::no_mapping ? 1 : 2), length};
}

C clause_of_fault(const World& w, std::uint8_t who, const Access& a, std::uint64_t address, bool by_kernel) {
  C removed = a.kind == Access::Kind::no_mapping ? clause_of_removed(w, who, address) : C::none;
  if (by_kernel) return removed == C::none ? C::access_syscall_efault : removed;
  return clause_of_refusal(w, who, a, address, false);
}

void make(World& w, Process& p, Step& s, std::uint64_t address, std::uint64_t length, bool by_kernel) {
  RunWriter out(s.made().words);
  for_pieces(w, p, address, length, false, [&](std::uint64_t, std::uint64_t part, const Access& a) {
    if (a.kind != Access::Kind::byte) {
      out.put(fault_run(a, by_kernel, part));
      return true;
    }
    const PageRef* page = w.supply(*a.vma, a.offset).find(a.offset / w.page());
    out.bytes(page && page->bytes() ? page->bytes() + a.offset % w.page() : nullptr, part);
    return true;
  });
}

bool match_fault(Step& s, RunReader& in, const Access& a, C clause, bool by_kernel, bool refused_by_processor,
                 std::uint64_t length, std::uint64_t place) {
  program::Run expected = fault_run(a, by_kernel, length);
  if (refused_by_processor) {
    s.uses(Freedom::non_canonical);
    expected.code = in.current().code;
  }
  while (length > 0) {
    const program::Run& seen = in.current();
    if (in.done() || seen.kind != expected.kind || seen.value != expected.value ||
        seen.code != expected.code) {
      bool other_fault = !in.done() && seen.kind == program::RunKind::signal && !by_kernel;
      s.diverge(other_fault ? plain_clause_of_refusal(a, false) : clause,
                fmt::format("at +{}: {}", place, describe(expected)),
                in.done() ? "the end of the data" : describe(seen));
      // What the kernel read although it must not changes nothing.
      if (by_kernel && !in.done()) s.adopted();
      return false;
    }
    std::uint64_t part = std::min(seen.length, length);
    in.take(part);
    place += part;
    length -= part;
  }
  s.applies(clause);
  return true;
}

// A page that may or may not be readable: executable only, or at address 0. Which freedom that is; count:
// none.
Freedom freedom_of_page(const World& w, const Access& a, std::uint64_t at, bool by_kernel) {
  if (by_kernel && at < w.page()) return Freedom::page_zero;
  return a.vma->prot & program::kProtRead ? Freedom::count : Freedom::prot_implies;
}

// Such a page is not readable: the whole of it shows the same fault.
bool match_refusal(Step& s, RunReader& in, bool by_kernel, std::uint64_t length, std::uint64_t place) {
  constexpr std::uint8_t kPkuErr = 4;
  program::Run expected{program::RunKind::signal, kSIGSEGV, 2, length};
  if (by_kernel) expected = {program::RunKind::error, kEFAULT, 0, length};
  if (!by_kernel && in.current().code == kPkuErr) expected.code = kPkuErr;
  while (length > 0) {
    const program::Run& seen = in.current();
    if (seen.kind != expected.kind || seen.value != expected.value || seen.code != expected.code ||
        in.done()) {
      s.diverge(by_kernel ? C::access_syscall_efault : C::access_none,
                fmt::format("at +{}: the bytes, or {}", place, describe(expected)),
                in.done() ? "the end of the data" : describe(seen));
      return false;
    }
    std::uint64_t part = std::min(seen.length, length);
    in.take(part);
    length -= part;
  }
  return true;
}

// What an untouched private page may show instead of the file's bytes. The range lies in one page, as each
// doubt does.
void use_older(const World& w, Step& s, const Vma& vma, const ObjectBytes& bytes, std::uint64_t offset,
               std::uint64_t length) {
  if (vma.older.empty()) return;
  const PageRef* page = bytes.find(offset / w.page());
  for (const Doubt& d : vma.older) {
    const std::uint64_t from = std::max(offset, d.low), end = std::min(offset + length, d.high);
    if (from >= end) continue;
    if (!same_bytes(page ? page->bytes() : nullptr, d.other.bytes(), from % w.page(), end - from))
      s.uses(d.freedom);
  }
}

}  // namespace

void rule_contents(World& w, Process& p, Step& s) {
  std::uint64_t address = w.value(s.op.addr), length = w.value(s.op.len);
  bool by_kernel = static_cast<program::Via>(s.op.small) == program::Via::kernel;
  if (s.running()) {
    make(w, p, s, address, length, by_kernel);
    return;
  }
  if (s.seen().kind != OutcomeKind::ok) {
    s.diverge(C::access_fault_recoverable, "the contents of the range");
    s.lose();
    return;
  }
  RunReader in(s.seen().words);
  bool whole = true;
  for_pieces(w, p, address, length, false, [&](std::uint64_t at, std::uint64_t part, const Access& a) {
    // The processor looks at the protection before the kernel looks for the page.
    bool refused = (a.of_object() || a.unsure) && read_is_free(a) && !by_kernel &&
                   in.current().kind == program::RunKind::signal && in.current().value == kSIGSEGV;
    if (refused) {
      s.uses(Freedom::prot_implies);
      return whole = match_refusal(s, in, by_kernel, part, at - address);
    }
    if (a.kind != Access::Kind::byte)
      return whole = match_fault(s, in, a, clause_of_fault(w, s.op.proc, a, at, by_kernel), by_kernel,
                                 at >= w.facts().top, part, at - address);
    if (a.unsure) {
      s.uses(Freedom::spare_space);
      const bool lacks = in.current().kind != program::RunKind::bytes;
      const Access none{Access::Kind::no_space, a.vma, a.offset};
      if (lacks)
        return whole = match_fault(s, in, none, clause_of_fault(w, s.op.proc, none, at, by_kernel), by_kernel,
                                   false, part, at - address);
    }
    Freedom freedom = freedom_of_page(w, a, at, by_kernel);
    if (freedom != Freedom::count) s.uses(freedom);
    if (freedom != Freedom::count && in.current().kind != program::RunKind::bytes)
      return whole = match_refusal(s, in, by_kernel, part, at - address);
    const ObjectBytes& bytes = w.supply(*a.vma, a.offset);
    note_load(w, s, *a.vma, a.offset);
    std::uint64_t other = bytes.origin_end(a.offset, w.page());
    if (other < a.offset + part) s.applies(clause_of_load(w, s.op.proc, *a.vma, other));
    auto accepts = [&](std::uint64_t offset, std::uint64_t length, std::uint8_t seen) {
      return accepts_bytes(w, s, *a.vma, offset, length, seen);
    };
    auto blame = [&](std::uint64_t offset, const program::Run& seen) {
      if (seen.kind == program::RunKind::bytes)
        return blame_of_load(w, s.op.proc, *a.vma, offset, seen.value);
      const bool full = a.vma->inode >= 0 && w.of_full(w.object_of(*a.vma));
      if (by_kernel && full) return blame_of_fault(w, s.op.proc, *a.vma, offset, {kSIGBUS, 2}, false);
      if (by_kernel) return C::access_syscall_efault;
      return blame_of_fault(w, s.op.proc, *a.vma, offset, {seen.value, seen.code}, false);
    };
    whole = match_bytes(s, in, bytes, a.offset, part, w.page(), at - address, accepts, blame);
    if (whole && &bytes != &a.vma->copies) use_older(w, s, *a.vma, bytes, a.offset, part);
    return whole;
  });
  if (whole && !in.done())
    s.diverge(C::none, fmt::format("{} bytes", length), fmt::format("{} more", in.left()));
}

}  // namespace shmcheck::model

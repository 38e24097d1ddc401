// shmat(2): checks in the order of do_shmat.
#include <optional>

#include "model/blame.h"
#include "model/map_limit.h"
#include "model/rlimit.h"
#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kENOMEM = 12, kEACCES = 13, kEINVAL = 22, kEMFILE = 24, kEIDRM = 43;

// Beyond so many attaches of a process a limit of them would show: POSIX has EMFILE for it (shmat).
constexpr std::size_t kMany = 4;

struct Request {
  std::uint64_t address;  // after rounding
  bool fixed, remap, read_only, exec;
};

// The address errors that come before the id is looked at.
Request request_of(World& w, Step& s) {
  using namespace program::shmat;
  std::uint64_t address = w.value(s.op.addr), lba = w.facts().shmlba;
  Request r{address, address != 0, (s.op.flags & kRemap) != 0, (s.op.flags & kReadOnly) != 0,
            (s.op.flags & kExec) != 0};
  if (address == 0) {
    if (r.remap) s.must(kEINVAL, C::shmat_remap_null);
  } else if (address % lba != 0) {
    if (s.op.flags & kRound) {
      r.address = address - address % lba;
      if (r.address == 0 && r.remap) s.must(kEINVAL, C::shmat_remap_null);
    } else {
      s.must(kEINVAL, C::shmat_unaligned);
    }
  }
  return r;
}

std::uint32_t wanted_access(const Request& r) {
  return 4U | (r.read_only ? 0U : 2U) | (r.exec ? 1U : 0U);
}

void permission_errors(const ShmidKernel& k, const Process& p, Step& s, const Request& r) {
  if (ipc_access(k.perm, p.cred, wanted_access(r))) return;
  const C of_group = clause_of_denial(k.perm, p.cred, wanted_access(r), C::none);
  // shmctl(2) says that the execute bit is not used: D23.
  Request without = r;
  without.exec = false;
  bool only_exec = ipc_access(k.perm, p.cred, wanted_access(without));
  if (only_exec && !s.exact())
    s.may(kEACCES, Freedom::documented_alternative);
  else if (only_exec)
    s.must(kEACCES, C::shmat_exec_flag);
  else if (of_group != C::none)
    s.must(kEACCES, of_group);
  else if (ipc_access(k.perm, p.cred, 1) && !ipc_access(k.perm, p.cred, 2) && !ipc_access(k.perm, p.cred, 4))
    s.must(kEACCES, C::perm_execute_bits);
  else
    s.must(kEACCES, r.read_only ? C::shmat_rdonly : C::shmat_rw_needs_both);
}

void placement_errors(World& w, Process& p, Step& s, const Request& r, std::uint64_t size) {
  if (!r.fixed) return mapping_limit_errors(w, p, s, 0, C::shmat_rlimit);
  std::uint64_t pages = w.up(size);
  bool wraps = r.address + size < r.address;
  bool beyond = pages > w.facts().top || r.address > w.facts().top - pages;
  bool overlaps = !wraps && occupied(w, p, r.address, r.address + pages);
  if (r.address != 0 && !r.remap) {
    if (wraps)
      s.must(kEINVAL, kENOMEM, C::shmat_invalid_addr);
    else if (overlaps)
      s.must(kEINVAL, C::shmat_occupied);
  }
  mapping_limit_errors(w, p, s, 0, C::shmat_rlimit);
  if (beyond) s.must(kENOMEM, kEINVAL, C::shmat_invalid_addr);
  if (r.address < w.facts().min_address && !p.cred.machine) s.must(kEPERM, kEINVAL, C::shmat_invalid_addr);
}

// The limits of what a process locks, which mlockall(MCL_FUTURE) makes of the new memory, and of what it
// maps. True if only the room for what is to be replaced does not do.
bool limit_errors(const World& w, const Process& p, Step& s, const Request& r, std::uint64_t pages) {
  constexpr int kEAGAIN = 11;
  if (p.lock_future) memlock_errors(w, p, s, pages, kEAGAIN, C::mlockall_future);
  std::uint64_t gone = r.fixed ? mapped_within(p, r.address, r.address + pages) : 0;
  if (!s.must_fail() && r.fixed) division_errors(w, p, s, r.address, r.address + pages, C::shmat_rlimit);
  if (s.must_fail() || fits_address_space(p, pages, gone)) return false;
  s.must(kENOMEM, C::shmat_rlimit);
  return r.fixed;
}

// Whether what was seen says that there is no such segment. At a given address EINVAL has other meanings.
bool says_gone(const Step& s, const Request& r) {
  return s.saw(kEIDRM) || (s.saw(kEINVAL) && !r.fixed);
}

// A call that finds no place while forced removal is on: with it the count falls to 0 again, and the segment
// is destroyed. That a call which fails does so, no document says. True if the op is over.
bool forced_removal_ends(World& w, Step& s, std::uint32_t segment) {
  const ShmidKernel& k = w.ipc.segments[segment];
  if (!w.ipc.of(k).limits.rmid_forced || k.nattch != 0) return false;
  int choice = s.exact() ? 1 : s.choose(2, Freedom::documented_alternative);
  if (choice < 0) return true;
  bool over = s.failed(C::shmat_explicit_addr);
  if (over && choice == 1) w.destroy_segment(segment, C::limit_rmid_forced_detach);
  return over;
}

// What a call that failed has done all the same. `attached`: it had counted; `granted`: nothing had to be
// wrong.
void note_failure(World& w, Step& s, std::int32_t segment, bool attached, bool granted) {
  if (segment < 0) return;
  ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(segment)];
  // What was refused because of locked memory that is miscounted (D38) had been attached for a moment, too.
  bool last = attached && granted && !s.running() && !s.report().diverged && k.nattch == 0 &&
              w.ipc.of(k).limits.rmid_forced;
  if (last && s.exact())
    w.destroy_segment(static_cast<std::uint32_t>(segment), C::limit_rmid_forced_detach);
  else if (last)
    s.lose_quietly(Freedom::documented_alternative);
  k.count_clause = k.atime_clause = k.lpid_clause = C::shmat_failure_no_effect;
}

// Where the attach comes to lie. Nothing: what the kernel is said to have chosen cannot be.
std::optional<std::uint64_t> placed(World& w, const Process& p, Step& s, const Request& r,
                                    std::uint64_t pages, C success) {
  if (r.fixed) return s.returns(r.address, s.op.flags & program::shmat::kRound ? C::shmat_rnd : success);
  const std::uint64_t low = s.chosen(free_range(w, p, pages), Freedom::address);
  const bool good = good_choice(w, p, low, pages);
  C choice = good ? C::shmat_null_addr : blame_of_choice(w, s.op.proc, low, pages, C::shmat_null_addr);
  if (!s.expect(good, choice, [] { return std::string("a page-aligned address of a free range"); }))
    return std::nullopt;
  return low;
}

void attach(World& w, Process& p, Step& s, const Request& r, std::int32_t segment, std::uint64_t low) {
  std::uint8_t who = index_of(w, p);
  ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(segment)];
  const std::uint64_t pages = w.up(k.segsz);
  // Attached before the old mappings go, so that an attach of the same segment below does not end it.
  w.open_attach(static_cast<std::uint32_t>(segment), who, s.when, true);
  w.unmap(who, low, low + pages, s.when);
  k.lprid.set(p.pid);
  if (k.perm.mode & kShmDest) s.applies(C::shmat_marked_still_attachable);
  if (k.creator < 0) s.applies(C::shmget_belongs_to_nobody);
  Vma v;
  v.id = w.next_vma++;
  v.made = w.steps;
  v.rounded_up = k.segsz % w.page() != 0;
  v.low = low;
  v.high = low + pages;
  v.prot = static_cast<std::uint8_t>(program::kProtRead | (r.read_only ? 0 : program::kProtWrite) |
                                     (r.exec ? program::kProtExec : 0));
  v.shared = true;
  v.may_write = !r.read_only;
  v.writable_file = !r.read_only;
  v.inode = static_cast<std::int32_t>(k.inode);
  v.segment = segment;
  v.attach = w.next_attach++;
  w.mapping_names[s.op.result] = low;
  p.memory.insert(std::move(v));
  lock_at_creation(w, p, s, low, false, false);
}

}  // namespace

void rule_shmat(World& w, Process& p, Step& s) {
  const Op& op = s.op;
  if (op.object == program::kSegmentNegative) s.must(kEINVAL, C::shmat_invalid_id);
  Request r = request_of(w, s);
  if (op.object == program::kSegmentBogus) s.must(kEINVAL, C::shmat_invalid_id);
  const bool named = op.object < program::kSegments;
  const std::int32_t segment = w.named_segment(p.ipc_namespace, op.object);
  bool no_space = false;  // in the address space, by RLIMIT_AS
  bool attached = false;  // for a moment, though no place is found: do_shmat counts before it looks for one
  if (named && segment < 0) {
    const C absence = w.clause_of_no_segment(p.ipc_namespace, op.object);
    s.must(kEINVAL, kEIDRM, absence == C::shmctl_gone_id ? C::shmat_removed_id : absence);
  } else if (named) {
    const ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(segment)];
    s.applies(clause_of_class(k.perm, p.cred, wanted_access(r)));
    permission_errors(k, p, s, r);
    attached = !s.must_fail();
    placement_errors(w, p, s, r, k.segsz);
    if (!r.fixed && k.segsz >= kNoRoom) s.must(kENOMEM, C::shmat_rlimit);
    if (!s.must_fail()) no_space = limit_errors(w, p, s, r, w.up(k.segsz));
  }
  C success = p.other_mappings && s.saw(kENOMEM) ? C::shmat_rlimit
              : r.remap                          ? C::shmat_remap
              : r.fixed                          ? C::shmat_explicit_addr
                                                 : C::shmat_null_addr;
  if (!s.must_fail() && says_gone(s, r)) {
    const ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(segment)];
    success = k.perm.mode & kShmDest ? C::shmat_marked_still_attachable : w.clause_of_presence(p, k);
  }
  if (attached && p.memory.attached() >= kMany) s.applies(C::limit_no_shmseg);
  if (!s.must_fail() && s.saw(kEMFILE)) success = C::limit_no_shmseg;
  if (!s.must_fail() && s.saw(kEACCES)) {
    const ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(segment)];
    const C by = clause_of_class(k.perm, p.cred, wanted_access(r));
    if (by == C::perm_class_group || by == C::perm_userns) success = by;
  }
  const bool bad_id = op.object >= program::kSegments || !attached;
  if (s.must_fail() && s.failures() > 1 && bad_id) s.applies(C::prec_shmat_id_args);
  auto divided = [&] {
    if (!no_space || s.report().diverged) return;
    std::uint64_t pages = w.up(w.ipc.segments[static_cast<std::size_t>(segment)].segsz);
    divide_at_edges(w, p, s, r.address, r.address + pages);
  };
  if (attached && s.must_fail() && forced_removal_ends(w, s, static_cast<std::uint32_t>(segment))) {
    if (s.choices_wanted() == 0) divided();
    return;
  }
  const bool granted = !s.must_fail();
  if (s.failed(success)) {
    note_failure(w, s, segment, attached, granted);
    divided();
    return;
  }
  const std::uint64_t pages = w.up(w.ipc.segments[static_cast<std::size_t>(segment)].segsz);
  if (const auto low = placed(w, p, s, r, pages, success)) attach(w, p, s, r, segment, *low);
}

}  // namespace shmcheck::model

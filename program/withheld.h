// Which ops the executor does not run, because they could reach its own memory or use up the machine's: one
// rule for executor and model.
//
// The ranges of the executor are Facts::own. An op is withheld if what it works on overlaps one of them,
// unless its arguments alone make the refusal certain, before anything is changed, on every target:
//
//   load, store, call, contents, pread_to, pwrite_from
//       every byte of the range
//   call
//       also an address that no program has: the kernel may have code of its own there (vsyscall)
//   munmap
//       the pages of the range; refused: unaligned address, no length, a range that wraps or passes `top`
//   mprotect, msync, madvise
//       the pages of the range. They may work on the first pages before they find a hole, so passing `top` is
//       no excuse; refused or without effect: unaligned address, no length, wrap
//   remap
//       the pages of the range, its start and its length rounded down; refused: no page, a range that wraps
//   mlock, munlock, mincore
//       the pages of the range, its start rounded down; without effect: no length, wrap
//   mmap
//       with `fixed` and not `noreplace`; refused: as munmap. And, since what it makes is more than a
//       mapping: a stack (`growsdown` of private anonymous memory), which would grow over what lies below;
//       private memory of /dev/zero, which is anonymous and yet has a file; and huge pages
//   mmap, shmget with `huge`
//       the machine's pages; refused: the kernel has none, or its pool is empty and cannot grow, and the
//       pages are reserved (no `noreserve`). What is at an address of the program's is unmapped before they
//       are asked for (`fixed`)
//   race_shmget with IPC_PRIVATE
//       each process would make a segment, and but one of them would have a name
//   memfd with `huge`
//       where it is not known whether the kernel has any
//   mremap
//       the old pages (at least one), and with `fixed` the new ones, which are unmapped before the old are
//       looked at; refused: unknown flags, `fixed` without `maymove`, no new length, an address that is
//       unaligned, new pages that wrap or pass `top`
//   shmat
//       with `remap`, the pages of the segment; refused: address 0, also after rounding, or unaligned, a
//       segment that the process may not read, a range that wraps or passes `top`
//   map_file, smaps
//       the address: what lies there may be a file of the executor's
//   fallocate
//       no memory of the executor's, but the machine's: more than 4 * kMaxIoPages pages, holes excepted;
//       refused: lengths and offsets that are negative or overflow
//
// An op on a descriptor of memory that has no name is withheld unless it is known of such (known_of_memory),
// and one on a file of huge pages if it is about more than what the file is (withheld_of_huge_file).
// Some are because of namespaces (withheld_of_namespaces).
// Every other op runs. Lengths are rounded up to pages as the kernel does, modulo 2^64.
#pragma once

#include <cstdint>
#include <span>

#include "program/facts.h"
#include "program/op.h"

namespace shmcheck::program {

// The numbers that an op's quantities stand for.
struct Resolved {
  std::uint64_t addr = 0, len = 0, off = 0, to = 0;
};

constexpr std::uint64_t resolve(const Quantity& q, std::uint64_t base, std::uint64_t page) {
  return base + static_cast<std::uint64_t>(std::int64_t{q.pages}) * page +
         static_cast<std::uint64_t>(std::int64_t{q.bytes});
}

// Bytes that a load or store moves.
constexpr std::uint64_t access_bytes(const Op& op) {
  return std::uint64_t{1} << op.small;
}

struct Layout {
  std::uint64_t page = 4096, shmlba = 4096, top = 0;
  std::span<const Range> own;
  HugePages huge = HugePages::unknown;
  std::uint64_t huge_page = 0;
  std::uint32_t huge_users = kHugeUsersUnknown;

  // Of [low, low + length) modulo 2^64, which may wrap.
  constexpr bool own_overlaps(std::uint64_t low, std::uint64_t length) const {
    if (length == 0) return false;
    for (const Range& r : own) {
      std::uint64_t high = low + length;
      bool wraps = high < low;
      if (wraps ? low < r.high || r.low < high : low < r.high && r.low < high) return true;
    }
    return false;
  }
  constexpr bool aligned(std::uint64_t v) const { return v % page == 0; }
  constexpr std::uint64_t round_up(std::uint64_t v) const { return (v + page - 1) & ~(page - 1); }
  constexpr bool wraps(std::uint64_t low, std::uint64_t length) const { return low + length < low; }
  // The target refuses to map or unmap these pages whatever is there.
  constexpr bool impossible(std::uint64_t low, std::uint64_t length) const {
    return !aligned(low) || length == 0 || wraps(low, length) || low + length > top;
  }
};

namespace withheld_detail {

constexpr bool of_mremap(const Op& op, const Resolved& at, const Layout& layout) {
  std::uint64_t old_length = layout.round_up(at.len), new_length = layout.round_up(at.off);
  bool fixed = (op.flags & mremap::kFixed) != 0;
  if ((op.flags & mremap::kUnknown) != 0 || (fixed && (op.flags & mremap::kMayMove) == 0)) return false;
  if (!layout.aligned(at.addr) || new_length == 0) return false;
  if (fixed && layout.impossible(at.to, new_length)) return false;
  if (fixed && layout.own_overlaps(at.to, new_length)) return true;
  return layout.own_overlaps(at.addr, old_length == 0 ? layout.page : old_length);
}

// Space for more than a program's objects can use would be the machine's memory.
constexpr bool of_fallocate(const Op& op, const Resolved& at, const Layout& layout) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 63;
  auto how = static_cast<Allocate>(op.small);
  bool takes_none = how == Allocate::punch || how == Allocate::collapse || at.len == 0;
  bool refused = at.len >= kMost || at.off >= kMost || at.off + at.len >= kMost;
  return !takes_none && !refused && at.len > std::uint64_t{4} * kMaxIoPages * layout.page;
}

constexpr bool takes_huge_pages(const Layout& layout, bool reserves) {
  return layout.huge != HugePages::none && (layout.huge != HugePages::empty || !reserves);
}

constexpr bool of_huge_mmap(const Op& op, const Layout& layout) {
  const bool chosen = (op.flags & (map::kFixed | map::kNoReplace)) == 0;
  return takes_huge_pages(layout, chosen && (op.flags & map::kNoReserve) == 0);
}

// The kernel rounds the length up, and of nothing it reserves nothing.
constexpr bool of_huge_segment(const Op& op, const Resolved& at, const Layout& layout) {
  if ((op.flags & shmget::kHuge) == 0) return false;
  const bool some = at.len <= UINT64_MAX - layout.huge_page, known = layout.huge_users < kHugeUsersUnknown;
  return takes_huge_pages(layout, some && known && (op.flags & shmget::kNoReserve) == 0);
}

constexpr bool of_kind(const Op& op, const Layout& layout) {
  constexpr std::uint32_t kType = map::kShared | map::kPrivate;
  bool anonymous = (op.flags & map::kAnonymous) != 0, is_private = (op.flags & kType) == map::kPrivate;
  if (anonymous && (op.flags & map::kHuge) != 0) return of_huge_mmap(op, layout);
  if (anonymous) return is_private && (op.flags & map::kGrowsDown) != 0;
  return is_private && static_cast<MapSource>(op.byte) == MapSource::zero;
}

constexpr bool of_shmat(const Op& op, const Resolved& at, const Layout& layout, std::uint64_t segment_bytes) {
  if ((op.flags & shmat::kRemap) == 0 || segment_bytes == 0) return false;
  std::uint64_t addr = (op.flags & shmat::kRound) != 0 ? at.addr & ~(layout.shmlba - 1) : at.addr;
  std::uint64_t length = layout.round_up(segment_bytes);
  return addr != 0 && !layout.impossible(addr, length) && layout.own_overlaps(addr, length);
}

}  // namespace withheld_detail

// What namespaces a process has got from the program.
struct Standing {
  bool first_of_pids = false;  // it began a PID namespace
  bool own_users = false;      // it, or one that it descends from, began a user namespace
};

// Whether an op is withheld because of the namespaces of who does it, or of the process that it names. The
// first process of a PID namespace takes with it what it has forked, knows no other process by a number, and
// lets nobody end it by a signal that it has no handler for (pid_namespaces(7)). In a user namespace, what is
// far from shared memory has its rules of its own: other ids, sysctl files, attributes, mounts, and who may
// look at whom.
constexpr bool withheld_of_standing(const Op& op, Standing actor, Standing object) {
  switch (op.code) {
    case OpCode::fork:
    case OpCode::race_shmget:
    case OpCode::race_shmat:
      return actor.first_of_pids;
    case OpCode::kill:
      return actor.first_of_pids || (object.first_of_pids && static_cast<Signal>(op.small) != Signal::kill);
    case OpCode::setns:
      return actor.first_of_pids || actor.own_users || object.own_users;
    case OpCode::unshare:
      return actor.own_users && static_cast<Unshare>(op.small) == Unshare::user;
    case OpCode::setid:
    case OpCode::limit:
    case OpCode::chattr:
    case OpCode::remount:
      return actor.own_users;
    default:
      return false;
  }
}

// Which namespaces processes of a target can begin.
struct Beginnings {
  bool ipc = false, pids = false, users = false;
};

// Whether an op is withheld because of namespaces: of processes, whose `Standing` standing_of(name) is, or of
// the target.
template <typename StandingOf>
bool withheld_of_namespaces(const Op& op, StandingOf standing_of, const Beginnings& possible) {
  const bool names_process = spec(op.code).object_kind == NameKind::process;
  const Standing object = names_process ? standing_of(op.object) : Standing();
  if (withheld_of_standing(op, standing_of(op.proc), object)) return true;
  switch (op.code) {
    case OpCode::fork:
      return static_cast<ForkInto>(op.small) == ForkInto::new_pids && !possible.pids;
    case OpCode::unshare:
      return static_cast<Unshare>(op.small) == Unshare::user ? !possible.users : !possible.ipc;
    case OpCode::setns:
      return !possible.ipc;
    default:
      return false;
  }
}

// Whether the op is known of a descriptor of memory that has no name, as map_file opens it of a segment or of
// shared anonymous memory: it reads, or needs a descriptor for writing.
constexpr bool known_of_memory(OpCode code) {
  switch (code) {
    case OpCode::close:
    case OpCode::pread:
    case OpCode::pread_to:
    case OpCode::fstat:
    case OpCode::pwrite:
    case OpCode::pwrite_from:
    case OpCode::ftruncate:
      return true;
    default:
      return false;
  }
}

// `segment_bytes` matters for shmat with `remap` only: the segment's size (IPC_STAT), 0 if it is gone or the
// process may not read it.
constexpr bool withheld(const Op& op, const Resolved& at, const Layout& layout,
                        std::uint64_t segment_bytes = 0) {
  switch (op.code) {
    case OpCode::map_file:
    case OpCode::smaps:
      return layout.own_overlaps(at.addr, 1);
    case OpCode::call:
      return at.addr >= layout.top || layout.own_overlaps(at.addr, 1);
    case OpCode::remap: {
      std::uint64_t low = at.addr & ~(layout.page - 1), length = at.len & ~(layout.page - 1);
      return !layout.wraps(low, length) && layout.own_overlaps(low, length);
    }
    case OpCode::load:
    case OpCode::store:
      return layout.own_overlaps(at.addr, access_bytes(op));
    case OpCode::contents:
    case OpCode::pread_to:
    case OpCode::pwrite_from:
      return layout.own_overlaps(at.addr, at.len);
    case OpCode::mmap:
      if (withheld_detail::of_kind(op, layout)) return true;
      if ((op.flags & map::kFixed) == 0 || (op.flags & map::kNoReplace) != 0) return false;
      [[fallthrough]];
    case OpCode::munmap: {
      std::uint64_t length = layout.round_up(at.len);
      return !layout.impossible(at.addr, length) && layout.own_overlaps(at.addr, length);
    }
    case OpCode::mprotect:
    case OpCode::msync:
    case OpCode::madvise: {
      std::uint64_t length = layout.round_up(at.len);
      return layout.aligned(at.addr) && !layout.wraps(at.addr, length) &&
             layout.own_overlaps(at.addr, length);
    }
    case OpCode::race_shmget:
      return op.byte == 0 || withheld_detail::of_huge_segment(op, at, layout);
    case OpCode::shmget:
      return withheld_detail::of_huge_segment(op, at, layout);
    case OpCode::memfd:
      return (op.flags & memfd::kHuge) != 0 && layout.huge == HugePages::unknown;
    case OpCode::fallocate:
      return withheld_detail::of_fallocate(op, at, layout);
    case OpCode::mlock:
    case OpCode::munlock:
    case OpCode::mincore: {
      std::uint64_t low = at.addr & ~(layout.page - 1), length = layout.round_up(at.len + (at.addr - low));
      return !layout.wraps(low, length) && layout.own_overlaps(low, length);
    }
    case OpCode::mremap:
      return withheld_detail::of_mremap(op, at, layout);
    case OpCode::shmat:
      return withheld_detail::of_shmat(op, at, layout, segment_bytes);
    default:
      return false;
  }
}

// Whether an op is withheld if the descriptor that it names is of a file of huge pages: its bytes are pages
// of the machine's, and what they are stored in is measured by another page.
inline bool withheld_of_huge_file(const Op& op) {
  if (spec(op.code).object_kind != NameKind::file || op.object >= kFiles) return false;
  switch (op.code) {
    case OpCode::close:
    case OpCode::seal:
    case OpCode::seals:
    case OpCode::fstat:
    case OpCode::ftruncate:
    case OpCode::memfd_name:
      return false;
    case OpCode::mmap:
      return (op.flags & map::kAnonymous) == 0 && static_cast<MapSource>(op.byte) == MapSource::slot;
    default:
      return true;
  }
}

}  // namespace shmcheck::program

// shmat: addresses, flags, extents, and what a failed attach leaves behind.

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conformance/framework/code.h"
#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/maps.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

// Rows of the maps without the heap, which the test itself may grow.
std::vector<MapsRow> Mapped() {
  std::vector<MapsRow> rows = ReadMaps();
  std::erase_if(rows, [](const MapsRow& row) { return row.path == "[heap]"; });
  return rows;
}

bool Overlaps(const std::vector<MapsRow>& rows, const uint8_t* address, size_t size) {
  const auto start = reinterpret_cast<uintptr_t>(address);
  for (const MapsRow& row : rows) {
    if (row.start < start + size && start < row.end) return true;
  }
  return false;
}

CONFORMANCE(Shmat, NullAddressFindsFreePages, Clause::shmat_null_addr, need::proc) {
  for (const size_t size : {size_t{1}, page(), page() + 1, 9 * page()}) {
    for (const int flags : {0, SHM_RDONLY, SHM_RND, SHM_RDONLY | SHM_RND}) {
      const Segment segment(size);
      Mapped();
      const auto before = Mapped();
      const Outcome at = Attached(segment.id(), nullptr, flags);
      ASSERT_THAT(at, Succeeds());
      EXPECT_EQ(static_cast<uintptr_t>(at.value) % page(), 0U);
      EXPECT_FALSE(Overlaps(before, at.address(), UpToPage(size, page()))) << "the pages were in use";
      const auto rows = MapsOf(at.address(), UpToPage(size, page()));
      ASSERT_EQ(rows.size(), 1U);
      EXPECT_EQ(rows[0].start, static_cast<uintptr_t>(at.value));
      EXPECT_EQ(rows[0].end, static_cast<uintptr_t>(at.value) + UpToPage(size, page()));
      EXPECT_EQ(rows[0].perms, (flags & SHM_RDONLY) != 0 ? "r--s" : "rw-s");
      EXPECT_EQ(rows[0].offset, 0U);
      EXPECT_THAT(Returned(shmdt(at.address())), Succeeds());
      EXPECT_EQ(Mapped(), before);
    }
  }
}

CONFORMANCE(Shmat, SlackOfTheLastPageIsZeroAndShared, Clause::shmat_whole_segment) {
  for (const size_t size : {size_t{1}, page() - 1, page(), page() + 1, 3 * page() + 7}) {
    const Segment segment(size);
    uint8_t* const at = segment.Attach();
    uint8_t* const again = segment.Attach();
    const size_t extent = UpToPage(size, page());
    EXPECT_THAT(Memory(at, extent), AllBytesAre(0));
    Child peer([&](Channel&) {
      uint8_t* const own = segment.Attach();
      EXPECT_THAT(FillPattern(own, 0, extent, 3), Works());
    });
    EXPECT_THAT(peer.Join(), ExitsWith(0));
    EXPECT_THAT(Memory(at, extent), HoldsPattern(0, extent, 3));
    EXPECT_THAT(KernelCopy(again, extent), HoldsPattern(0, extent, 3));
    EXPECT_EQ(StateOf(segment.id()).size, size);
  }
}

CONFORMANCE(Shmat, PageAfterTheAttachStaysAsItWas, Clause::shmat_beyond) {
  for (const size_t size : {size_t{1}, page(), page() + 1}) {
    const size_t extent = UpToPage(size, page());
    const Segment segment(size);
    const Hole hole(extent);
    ASSERT_THAT(Attached(segment.id(), hole.at()), ReturnsAddress(hole.at()));
    uint8_t* const end = hole.at(extent);
    EXPECT_THAT(Store(end - 1, 1), Works());
    EXPECT_THAT(Load(end), FaultsWith(SIGSEGV, SEGV_ACCERR, end));
    EXPECT_THAT(Store(end, 1), FaultsWith(SIGSEGV, SEGV_ACCERR, end));
    EXPECT_THAT(Load(hole.at() - 1), FaultsWith(SIGSEGV, SEGV_ACCERR, hole.at() - 1));
    EXPECT_THAT(Returned(shmdt(hole.at())), Succeeds());
  }
}

CONFORMANCE(Shmat, AlignedFreeAddressIsUsedExactly, Clause::shmat_explicit_addr) {
  const Segment segment(2 * page());
  const Hole hole(2 * static_cast<size_t>(SHMLBA) + 2 * page());
  const auto lba = static_cast<uintptr_t>(SHMLBA);
  const uintptr_t aligned = (reinterpret_cast<uintptr_t>(hole.at()) + lba - 1) / lba * lba;
  const auto* const address = reinterpret_cast<const void*>(aligned);
  for (const int flags : {0, SHM_RND, SHM_RDONLY, SHM_REMAP}) {
    EXPECT_THAT(Attached(segment.id(), address, flags), ReturnsAddress(address)) << flags;
    EXPECT_THAT(Returned(shmdt(address)), Succeeds());
  }
}

CONFORMANCE(Shmat, RndRoundsDownToShmlba, Clause::shmat_rnd, Clause::shmat_unaligned, need::proc) {
  const auto lba = static_cast<size_t>(SHMLBA);
  const Segment segment(page());
  const Hole hole(4 * lba);
  const uintptr_t base = (reinterpret_cast<uintptr_t>(hole.at()) + lba - 1) / lba * lba;
  const auto* const wanted = reinterpret_cast<const void*>(base);
  for (const size_t offset : {size_t{1}, size_t{2}, size_t{8}, lba / 2, lba - 1}) {
    const auto* const odd = reinterpret_cast<const void*>(base + offset);
    const auto before = Mapped();
    EXPECT_THAT(Attached(segment.id(), odd), FailsWith(EINVAL)) << offset;
    EXPECT_THAT(Attached(segment.id(), odd, SHM_RDONLY), FailsWith(EINVAL)) << offset;
    EXPECT_THAT(Attached(segment.id(), odd, SHM_REMAP), FailsWith(EINVAL)) << offset;
    EXPECT_EQ(Mapped(), before);
    EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
    EXPECT_THAT(Attached(segment.id(), odd, SHM_RND), ReturnsAddress(wanted)) << offset;
    EXPECT_THAT(Attached(segment.id(), odd, SHM_RND | SHM_REMAP | SHM_RDONLY), ReturnsAddress(wanted))
        << offset;
    EXPECT_THAT(Returned(shmdt(wanted)), Succeeds());
  }
}

CONFORMANCE(Shmat, OccupiedRangeIsRefusedAndKept, Clause::shmat_occupied, need::proc) {
  const Segment segment(3 * page());
  const Segment other(page());
  const Mapping area = Reserve(5 * page());
  // A mapping of one page in the first, middle or last page of the range.
  for (const size_t at : std::initializer_list<size_t>{0, 1, 2}) {
    for (const bool attach : {false, true}) {
      ASSERT_EQ(munmap(area.at(page()), 3 * page()), 0);
      uint8_t* const occupied = area.at((1 + at) * page());
      if (attach) {
        other.Attach(0, occupied);
      } else {
        Map(-1, page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0, occupied)
            .release();
      }
      ASSERT_THAT(FillPattern(occupied, 0, page(), 4), Works());
      const auto before = Mapped();
      const auto state = StateOf(segment.id());
      EXPECT_THAT(Attached(segment.id(), area.at(page())), FailsWith(EINVAL)) << at;
      EXPECT_THAT(Attached(segment.id(), area.at(page()), SHM_RDONLY), FailsWith(EINVAL)) << at;
      EXPECT_THAT(Attached(segment.id(), area.at(page() + 1), SHM_RND), FailsWith(EINVAL)) << at;
      EXPECT_EQ(Mapped(), before);
      EXPECT_EQ(StateOf(segment.id()), state);
      EXPECT_THAT(Memory(occupied, page()), HoldsPattern(0, page(), 4));
      Map(-1, 3 * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0, area.at(page())).release();
    }
  }
}

CONFORMANCE(Shmat, RemapReplacesExactlyItsRange, Clause::shmat_remap, need::proc) {
  for (const size_t size : {size_t{1}, 2 * page(), 2 * page() + 1}) {
    const size_t extent = UpToPage(size, page());
    const Segment segment(size);
    ASSERT_THAT(Fill(segment.Attach(), 0x5c, extent), Works());
    const Segment replaced(page());
    const Mapping area = MapPrivateAnonymous(extent + 2 * page());
    ASSERT_THAT(FillPattern(area.at(), 0, area.size()), Works());
    replaced.Attach(SHM_REMAP, area.at(page()));
    EXPECT_EQ(StateOf(replaced.id()).nattch, 1U);
    const unsigned long before = StateOf(segment.id()).nattch;
    EXPECT_THAT(Attached(segment.id(), area.at(page()), SHM_REMAP), ReturnsAddress(area.at(page())));
    EXPECT_EQ(StateOf(segment.id()).nattch, before + 1);
    EXPECT_EQ(StateOf(replaced.id()).nattch, 0U) << "the attach that was replaced is gone";
    EXPECT_THAT(Memory(area.at(), page()), HoldsPattern(0, page()));
    EXPECT_THAT(Memory(area.at(page()), extent), AllBytesAre(0x5c));
    EXPECT_THAT(Memory(area.at(page() + extent), page()), HoldsPattern(page() + extent, page()));
    const auto rows = MapsOf(area.at(page()), extent);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].start, reinterpret_cast<uintptr_t>(area.at(page())));
    EXPECT_EQ(rows[0].end, rows[0].start + extent);
  }
}

CONFORMANCE(Shmat, RemapNeedsAnAddress, Clause::shmat_remap_null, need::proc) {
  const Segment segment(page());
  const auto state = StateOf(segment.id());
  const auto before = Mapped();
  const auto* const below_shmlba = reinterpret_cast<const void*>(static_cast<uintptr_t>(SHMLBA) - 1);
  EXPECT_THAT(Attached(segment.id(), nullptr, SHM_REMAP), FailsWith(EINVAL));
  EXPECT_THAT(Attached(segment.id(), nullptr, SHM_REMAP | SHM_RDONLY), FailsWith(EINVAL));
  EXPECT_THAT(Attached(segment.id(), nullptr, SHM_REMAP | SHM_RND), FailsWith(EINVAL));
  EXPECT_THAT(Attached(segment.id(), below_shmlba, SHM_REMAP | SHM_RND), FailsWith(EINVAL));
  EXPECT_EQ(Mapped(), before);
  EXPECT_EQ(StateOf(segment.id()), state);
}

CONFORMANCE(Shmat, AddressOutsideUserSpaceFails, Clause::shmat_invalid_addr, Clause::shmat_failure_no_effect,
            need::proc) {
  const Segment segment(2 * page());
  const SegmentState before = StateOf(segment.id());
  const auto mapped = Mapped();
  const uintptr_t top = ~uintptr_t{0} / page() * page();
  for (const uintptr_t address : {top, top - page(), uintptr_t{1} << (8 * sizeof(uintptr_t) - 1)}) {
    for (const int flags : {0, SHM_RND, SHM_REMAP, SHM_RDONLY}) {
      EXPECT_THAT(Attached(segment.id(), reinterpret_cast<const void*>(address), flags),
                  FailsWithAnyOf({EINVAL, ENOMEM, EPERM}))
          << address << " flags " << flags;
    }
  }
  EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
  EXPECT_EQ(StateOf(segment.id()).lpid == 0, before.lpid == 0);
  EXPECT_EQ(Mapped(), mapped);
}

CONFORMANCE(Shmat, UnknownIdFails, Clause::shmat_invalid_id, need::ipc_namespace, need::proc) {
  const Segment segment(page());
  const NamespaceView before = ReadView();
  const auto mapped = Mapped();
  for (const int id :
       {-1, -2, INT32_MIN, INT32_MAX, segment.id() + 1, segment.id() + 32768, segment.id() + 0x10000}) {
    for (const int flags : {0, SHM_RDONLY, SHM_RND})
      EXPECT_THAT(Attached(id, nullptr, flags), FailsWith(EINVAL)) << id;
  }
  EXPECT_EQ(ReadView(), before);
  EXPECT_EQ(Mapped(), mapped);
}

CONFORMANCE(Shmat, DestroyedIdFails, Clause::shmat_removed_id, need::proc) {
  for (const bool was_attached : {false, true}) {
    const int id = Segment(page()).release();
    uint8_t* const at = was_attached ? static_cast<uint8_t*>(shmat(id, nullptr, 0)) : nullptr;
    EXPECT_THAT(Returned(shmctl(id, IPC_RMID, nullptr)), Succeeds());
    if (was_attached) {
      EXPECT_THAT(Returned(shmdt(at)), Succeeds());
    }
    const auto mapped = Mapped();
    for (const int flags : {0, SHM_RDONLY, SHM_RND}) {
      EXPECT_THAT(Attached(id, nullptr, flags), FailsWithAnyOf({EINVAL, EIDRM})) << was_attached;
    }
    EXPECT_EQ(Mapped(), mapped);
  }
}

HELPER(shmat_marked) {
  const Outcome at = Attached(atoi(arguments[0]));
  EXPECT_THAT(at, Succeeds());
  if (!at.ok()) return 1;
  EXPECT_THAT(Memory(at.address(), page()), HoldsPattern(0, page()));
  EXPECT_THAT(Store(at.address(), 0x2f), Works());
  return 0;
}

CONFORMANCE(Shmat, MarkedButAttachedSegmentCanBeAttachedById, Clause::shmat_marked_still_attachable) {
  Segment segment(page());
  uint8_t* const at = segment.Attach();
  ASSERT_THAT(FillPattern(at, 0, page()), Works());
  EXPECT_THAT(Returned(shmctl(segment.id(), IPC_RMID, nullptr)), Succeeds());
  Helper unrelated("shmat_marked", {std::to_string(segment.id())});
  EXPECT_THAT(unrelated.Join(), ExitsWith(0));
  EXPECT_THAT(Load(at), Reads(0x2f));
  const Outcome again = Attached(segment.id());
  ASSERT_THAT(again, Succeeds());
  EXPECT_EQ(StateOf(segment.id()).nattch, 2U);
  EXPECT_THAT(Returned(shmdt(at)), Succeeds());
  EXPECT_THAT(Load(again.address()), Reads(0x2f));
  EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
  EXPECT_THAT(Returned(shmdt(again.address())), Succeeds());
  EXPECT_THAT(Attached(segment.release()), FailsWithAnyOf({EINVAL, EIDRM}));
}

CONFORMANCE(Shmat, ReadOnlyAttachReadsAndDoesNotStore, Clause::shmat_rdonly, Clause::shmat_rdonly_no_upgrade,
            need::proc) {
  const Segment segment(2 * page());
  uint8_t* const writable = segment.Attach();
  ASSERT_THAT(FillPattern(writable, 0, 2 * page()), Works());
  uint8_t* const at = segment.Attach(SHM_RDONLY);
  EXPECT_THAT(Memory(at, 2 * page()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Store(at, 1), FaultsWith(SIGSEGV, SEGV_ACCERR, at));
  EXPECT_THAT(Store(at + 2 * page() - 1, 1), FaultsWith(SIGSEGV, SEGV_ACCERR, at + 2 * page() - 1));
  for (const int prot : {PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE | PROT_EXEC}) {
    EXPECT_THAT(Returned(mprotect(at, page(), prot)), FailsWith(EACCES)) << prot;
    EXPECT_THAT(Returned(mprotect(at, 2 * page(), prot)), FailsWith(EACCES)) << prot;
  }
  EXPECT_EQ(PermsByPage(at, 2 * page()), (std::vector<std::string>{"r--s", "r--s"}));
  EXPECT_THAT(Store(at, 1), FaultsWith(SIGSEGV, SEGV_ACCERR, at));
  EXPECT_THAT(Store(writable, 0x77), Works());
  EXPECT_THAT(Load(at), Reads(0x77));
}

CONFORMANCE(Shmat, ReadOnlyExecutableAttachCannotBeMadeWritable, Clause::shmat_rdonly_no_upgrade,
            need::proc) {
  const Segment segment(2 * page(), 0700);
  uint8_t* const writable = segment.Attach();
  uint8_t* const at = segment.Attach(SHM_RDONLY | SHM_EXEC);
  for (const int prot : {PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE | PROT_EXEC}) {
    EXPECT_THAT(Returned(mprotect(at, page(), prot)), FailsWith(EACCES)) << prot;
    EXPECT_THAT(Returned(mprotect(at, 2 * page(), prot)), FailsWith(EACCES)) << prot;
  }
  EXPECT_EQ(PermsByPage(at, 2 * page()), (std::vector<std::string>{"r-xs", "r-xs"}));
  EXPECT_THAT(Store(at, 1), FaultsWith(SIGSEGV, SEGV_ACCERR, at));
  EXPECT_THAT(Memory(writable, 2 * page()), AllBytesAre(0));
}

struct AttachCase {
  int mode;
  int flags;
  bool allowed;
};
constexpr AttachCase kStrangerAttaches[] = {
    {0666, 0, true},           {0666, SHM_RDONLY, true},  {0444, SHM_RDONLY, true},
    {0444, 0, false},          {0222, 0, false},          {0222, SHM_RDONLY, false},
    {0000, 0, false},          {0000, SHM_RDONLY, false}, {0660, 0, false},
    {0660, SHM_RDONLY, false}, {0664, 0, false},          {0664, SHM_RDONLY, true},
    {0662, 0, false},          {0111, 0, false},          {0111, SHM_RDONLY, false},
    {0006, 0, true},           {0004, SHM_RDONLY, true},  {0002, SHM_RDONLY, false},
    {0777, 0, true},           {0555, 0, false},          {0771, SHM_RDONLY, false},
    {0770, 0, false},
};

CONFORMANCE(Shmat, WritingNeedsBothPermissions, Clause::shmat_rw_needs_both, Clause::shmat_rdonly,
            Clause::shmat_failure_no_effect, need::second_uid, need::root) {
  std::vector<Segment> segments;
  for (const AttachCase& c : kStrangerAttaches) {
    segments.emplace_back(page(), c.mode);
    ASSERT_THAT(Store(segments.back().Attach(), 0x31), Works());
  }
  RunAs({kSecondUid, kSecondUid}, [&] {
    for (size_t i = 0; i < segments.size(); ++i) {
      const AttachCase& c = kStrangerAttaches[i];
      SCOPED_TRACE("case " + std::to_string(i));
      const Outcome at = Attached(segments[i].id(), nullptr, c.flags);
      if (!c.allowed) {
        EXPECT_THAT(at, FailsWith(EACCES));
        continue;
      }
      ASSERT_THAT(at, Succeeds());
      EXPECT_THAT(Load(at.address()), Reads(0x31));
      EXPECT_THAT(Store(at.address(), 0x32),
                  c.flags == 0 ? Works() : FaultsWith(SIGSEGV, SEGV_ACCERR, at.address()));
    }
  });
  for (const Segment& segment : segments) EXPECT_EQ(StateOf(segment.id()).nattch, 1U);
}

CONFORMANCE(Shmat, ExecMakesTheAttachExecutable, Clause::shmat_exec_flag, need::second_uid, need::root,
            need::proc) {
  const Segment segment(page(), 0777);
  uint8_t* const at = segment.Attach();
  for (size_t i = 0; i < sizeof kCode; ++i) ASSERT_THAT(Store(at + i, kCode[i]), Works());
  RunAs({kSecondUid, kSecondUid}, [&] {
    uint8_t* const executable = segment.Attach(SHM_EXEC | SHM_RDONLY);
    EXPECT_EQ(PermsByPage(executable, page()), std::vector<std::string>{"r-xs"});
    EXPECT_THAT(Call(executable), Reads(kCodeResult));
    EXPECT_EQ(PermsByPage(segment.Attach(SHM_EXEC), page()), std::vector<std::string>{"rwxs"});
    EXPECT_EQ(PermsByPage(segment.Attach(), page()), std::vector<std::string>{"rw-s"});
  });
  // The bit of the caller's class is missing: EACCES, or success as one manual page has it.
  for (const int mode : {0666, 0776, 0766, 0444}) {
    const Segment without(page(), mode);
    RunAs({kSecondUid, kSecondUid}, [&] {
      const Outcome refused = Attached(without.id(), nullptr, SHM_EXEC | SHM_RDONLY);
      if (!refused.ok()) {
        EXPECT_THAT(refused, FailsWith(EACCES)) << mode;
      }
    });
  }
}

}  // namespace
}  // namespace shmcheck::conformance

// fallocate under mappings: holes, zeroing, shifting and extending.

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "conformance/framework/conformance.h"
#include "conformance/framework/witness.h"

namespace shmcheck::conformance {
namespace {

constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
constexpr unsigned kPrivate = 7;

// No page multiple, so that the last page has slack.
size_t FileSize() {
  return 5 * page() + 33;
}

int Fallocate(const TempFile& file, int mode, size_t offset, size_t len) {
  return fallocate(file.fd(), mode, static_cast<off_t>(offset), static_cast<off_t>(len));
}

struct Range {
  size_t offset;
  size_t len;
};
std::vector<Range> Ranges() {
  const size_t p = page();
  return {// from the edge of a page: to an edge, into the same page, into another page
          {p, p},
          {p, 2 * p},
          {0, 6 * p},
          {3 * p, 9 * p},
          {0, 1},
          {2 * p, 100},
          {p, p + 100},
          {0, 3 * p + 1},
          // from inside a page: to its edge, to another edge, into the same page, into another page
          {p + 100, p - 100},
          {p + 100, 2 * p - 100},
          {10, 20},
          {p - 1, 2},
          {p + 1, p},
          {p - 1, p + 2},
          {2 * p + 5, 3 * p},
          {5 * p + 1, p}};
}
std::string Name(const Range& range) {
  return "offset " + std::to_string(range.offset) + " length " + std::to_string(range.len);
}

// The pattern with the part of `range` that lies in the file made zero.
std::vector<uint8_t> PatternWithZeros(const Range& range, size_t size) {
  std::vector<uint8_t> bytes = Pattern(0, size);
  for (size_t i = range.offset; i < std::min(size, range.offset + range.len); ++i) bytes[i] = 0;
  return bytes;
}

void ExpectEverywhere(const TempFile& file, const std::vector<const Mapping*>& maps,
                      const std::vector<uint8_t>& bytes) {
  EXPECT_EQ(file.size(), bytes.size());
  EXPECT_THAT(WholeFile(file.fd()), BytesAre(bytes));
  for (const Mapping* map : maps) {
    EXPECT_THAT(Memory(map->at(), bytes.size()), BytesAre(bytes));
  }
  EXPECT_THAT(KernelCopy(maps.front()->at(), bytes.size()), BytesAre(bytes));
}

// fallocate that zeroes every range while two processes have it mapped. Freedom: the file system lacks it.
void ExpectZeroes(int mode, bool may_lack) {
  for (const Range& range : Ranges()) {
    SCOPED_TRACE(Name(range));
    TempFile file(FileSize());
    file.FillPattern();
    const Mapping shared = MapShared(file.fd(), FileSize());
    const Mapping reader = Map(file.fd(), FileSize(), PROT_READ, MAP_SHARED);
    const Mapping untouched = MapShared(file.fd(), FileSize());
    Outcome outcome;
    BeforeAndAfter(
        [&] {
          EXPECT_THAT(Memory(shared.at(), FileSize()), HoldsPattern(0, FileSize()));
          EXPECT_THAT(Memory(reader.at(), FileSize()), HoldsPattern(0, FileSize()));
        },
        [&] {
          outcome = Returned(Fallocate(file, mode, range.offset, range.len));
          if (outcome.error == EOPNOTSUPP && may_lack) {
            file.FillPattern();
            for (size_t i = range.offset; i < std::min(FileSize(), range.offset + range.len); ++i) {
              file.WriteByte(i, 0);
            }
          } else {
            EXPECT_THAT(outcome, Succeeds());
          }
        },
        [&] {
          ExpectEverywhere(file, {&shared, &reader, &untouched}, PatternWithZeros(range, FileSize()));
          EXPECT_THAT(Memory(shared.at(5 * page() + 33), page() - 33), AllBytesAre(0));
        });
    if (outcome.error == EOPNOTSUPP && may_lack) return;
  }
}

CONFORMANCE(Punch, HoleReadsZeroInEveryMappingAndByRead, Clause::punch_zero, Clause::punch_size_kept,
            on::files) {
  ExpectZeroes(kPunch, false);
}

CONFORMANCE(Punch, ZeroRangeReadsZeroInEveryMapping, Clause::fallocate_zero_range, on::files) {
  ExpectZeroes(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, true);
}

CONFORMANCE(Punch, ZeroRangeIsSupportedByExt4AndMayExtendTheFile, Clause::fallocate_zero_range, need::ext4) {
  TempFile file(FileSize(), Place::ext4);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 8 * page());
  EXPECT_THAT(Memory(map.at(), FileSize()), HoldsPattern(0, FileSize()));
  ASSERT_THAT(Returned(Fallocate(file, FALLOC_FL_ZERO_RANGE, page() + 7, 6 * page())), Succeeds());
  EXPECT_EQ(file.size(), 7 * page() + 7);
  EXPECT_THAT(Memory(map.at(), page() + 7), HoldsPattern(0, page() + 7));
  EXPECT_THAT(Memory(map.at(page() + 7), 6 * page()), AllBytesAre(0));
  EXPECT_THAT(Contents(file.fd(), static_cast<off_t>(page()) + 7, 6 * page()), AllBytesAre(0));
}

CONFORMANCE(Punch, HolesNeverChangeTheSizeAndNeverFault, Clause::punch_size_kept, on::files) {
  for (const size_t size : {size_t{1}, page() - 1, page(), page() + 1}) {
    SCOPED_TRACE("F " + std::to_string(size));
    TempFile file(size);
    file.FillPattern();
    const Mapping map = MapShared(file.fd(), 3 * page());
    for (const Range& range :
         {Range{0, size}, Range{0, 3 * page()}, Range{size - 1, 1}, Range{2 * page(), page()}}) {
      EXPECT_THAT(Returned(Fallocate(file, kPunch, range.offset, range.len)), Succeeds()) << Name(range);
      EXPECT_EQ(file.size(), size) << Name(range);
      EXPECT_THAT(Load(map.at(size - 1)), Works());
      EXPECT_THAT(Store(map.at(size - 1), 0x44), Works());
      EXPECT_THAT(Load(map.at(2 * page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(2 * page())));
    }
    EXPECT_THAT(Contents(file.fd(), 0, size - 1), AllBytesAre(0));
    EXPECT_THAT(Contents(file.fd(), static_cast<off_t>(size) - 1, 1), AllBytesAre(0x44));
  }
}

CONFORMANCE(Punch, HoleWithoutKeepSizeIsRefusedAndChangesNothing, Clause::punch_keep_size_required,
            on::files) {
  TempFile file(FileSize());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), FileSize());
  for (const Range& range : Ranges()) {
    EXPECT_THAT(Returned(Fallocate(file, FALLOC_FL_PUNCH_HOLE, range.offset, range.len)),
                FailsWithAnyOf({EOPNOTSUPP, EINVAL}))
        << Name(range);
  }
  ExpectEverywhere(file, {&map}, Pattern(0, FileSize()));
}

struct BadCall {
  const char* name;
  off_t offset;
  off_t len;
  int open_flags;
  int error;
};
constexpr BadCall kBadCalls[] = {
    {"length 0", 0, 0, O_RDWR, EINVAL},
    {"negative length", 0, -1, O_RDWR, EINVAL},
    {"negative offset", -1, 1, O_RDWR, EINVAL},
    {"read-only descriptor", 0, 1, O_RDONLY, EBADF},
};

CONFORMANCE(Punch, RefusedHolesChangeNothing, Clause::punch_zero, on::directories) {
  TempFile file(FileSize());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), FileSize());
  for (const BadCall& call : kBadCalls) {
    const Fd fd = file.Reopen(call.open_flags);
    EXPECT_THAT(Returned(fallocate(fd.get(), kPunch, call.offset, call.len)), FailsWith(call.error))
        << call.name;
  }
  ExpectEverywhere(file, {&map}, Pattern(0, FileSize()));
}

CONFORMANCE(Punch, WholePagesInAHoleAreReleased, Clause::punch_frees, on::files) {
  TempFile file(8 * page());
  file.FillPattern();
  ASSERT_THAT(Returned(fsync(file.fd())), Succeeds());
  const Mapping map = MapShared(file.fd(), 8 * page());
  EXPECT_THAT(Memory(map.at(), 8 * page()), HoldsPattern(0, 8 * page()));
  const auto two_pages = static_cast<blkcnt_t>(2 * page() / 512);
  const blkcnt_t full = file.Stat().st_blocks;
  ASSERT_GE(full, 4 * two_pages);
  ASSERT_THAT(Returned(Fallocate(file, kPunch, page(), 2 * page())), Succeeds());
  EXPECT_LE(file.Stat().st_blocks, full - two_pages);
  ASSERT_THAT(Returned(Fallocate(file, kPunch, 5 * page() - 1, 2 * page() + 2)), Succeeds());
  EXPECT_LE(file.Stat().st_blocks, full - 2 * two_pages) << "unaligned hole over two whole pages";
  ASSERT_THAT(Returned(Fallocate(file, kPunch, 0, 8 * page())), Succeeds());
  EXPECT_LT(file.Stat().st_blocks, two_pages);
}

CONFORMANCE(Punch, PrivateCopiesKeepTheirBytes, Clause::punch_private_kept, on::files) {
  TempFile file(FileSize());
  file.FillPattern();
  const Mapping copy = MapPrivate(file.fd(), FileSize());
  EXPECT_THAT(Memory(copy.at(), FileSize()), HoldsPattern(0, FileSize()));
  ASSERT_THAT(FillPattern(copy.at(page()), page(), page(), kPrivate), Works());
  ASSERT_THAT(Store(copy.at(3 * page() + 9), 0xee), Works());
  const auto punch = [&] { EXPECT_THAT(Returned(Fallocate(file, kPunch, 0, 6 * page())), Succeeds()); };
  const auto expect_kept = [&] {
    EXPECT_THAT(Memory(copy.at(page()), page()), HoldsPattern(page(), page(), kPrivate));
    std::vector<uint8_t> third = Pattern(3 * page(), page());
    third[9] = 0xee;
    EXPECT_THAT(Memory(copy.at(3 * page()), page()), BytesAre(third));
    // What an uncopied page shows is unspecified; both answers that make sense are accepted.
    for (const size_t uncopied : {size_t{0}, 2 * page(), 4 * page()}) {
      EXPECT_THAT(Memory(copy.at(uncopied), page()),
                  testing::AnyOf(AllBytesAre(0), HoldsPattern(uncopied, page())));
    }
  };
  BeforeAndAfter([&] { EXPECT_THAT(Load(copy.at()), Works()); }, punch, expect_kept);
  EXPECT_THAT(WholeFile(file.fd()), BytesAre(std::vector<uint8_t>(FileSize(), 0)));
}

CONFORMANCE(Punch, HoleCanBeFilledAgainThroughAMapping, Clause::punch_refill, on::files) {
  TempFile file(FileSize());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), FileSize());
  const Mapping other = MapShared(file.fd(), FileSize());
  const auto punch_and_fill = [&] {
    ASSERT_THAT(Returned(Fallocate(file, kPunch, page(), 2 * page())), Succeeds());
    ASSERT_THAT(Load(map.at(page())), Reads(0));
    ASSERT_THAT(Store(map.at(page() + 3), 0x61), Works());
    ASSERT_THAT(Store(other.at(2 * page() + 4), 0x62), Works());
  };
  std::vector<uint8_t> wanted = PatternWithZeros({page(), 2 * page()}, FileSize());
  wanted[page() + 3] = 0x61;
  wanted[2 * page() + 4] = 0x62;
  BeforeAndAfter([&] { EXPECT_THAT(Memory(map.at(), FileSize()), HoldsPattern(0, FileSize())); },
                 punch_and_fill,
                 [&] {
                   ExpectEverywhere(file, {&map, &other}, wanted);
                 });
  ASSERT_THAT(Returned(msync(map.at(), FileSize(), MS_SYNC)), Succeeds());
  ExpectEverywhere(file, {&map, &other}, wanted);
}

// Page or file system block, whichever is larger: the unit that content can be shifted by.
size_t ShiftUnit(const TempFile& file) {
  struct statfs status {};
  EXPECT_THAT(Returned(fstatfs(file.fd(), &status)), Succeeds());
  return std::max(page(), static_cast<size_t>(status.f_bsize));
}

CONFORMANCE(Punch, CollapseShiftsWhatMappingsShow, Clause::fallocate_collapse_insert, on::files) {
  TempFile file(1);
  const size_t unit = ShiftUnit(file);
  const size_t size = 6 * unit + 50;
  file.Resize(size);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 7 * unit);
  const Mapping reader = Map(file.fd(), 7 * unit, PROT_READ, MAP_SHARED);
  Outcome outcome;
  std::vector<uint8_t> wanted = Pattern(0, size);
  BeforeAndAfter([&] { EXPECT_THAT(Memory(map.at(), size), HoldsPattern(0, size)); },
                 [&] { outcome = Returned(Fallocate(file, FALLOC_FL_COLLAPSE_RANGE, unit, 2 * unit)); },
                 [&] {
                   // The witness was forked before the outcome was known; the size tells it.
                   if (file.size() < size) {
                     wanted.erase(wanted.begin() + static_cast<long>(unit),
                                  wanted.begin() + static_cast<long>(3 * unit));
                   }
                   ExpectEverywhere(file, {&map, &reader}, wanted);
                   if (file.size() == size) return;
                   EXPECT_THAT(Memory(map.at(4 * unit + 50), unit - 50), AllBytesAre(0));
                   EXPECT_THAT(Load(map.at(5 * unit)), FaultsWith(SIGBUS, BUS_ADRERR, map.at(5 * unit)));
                   EXPECT_THAT(Store(map.at(6 * unit), 1), FaultsWith(SIGBUS, BUS_ADRERR, map.at(6 * unit)));
                 });
  EXPECT_THAT(outcome, testing::AnyOf(Succeeds(), FailsWithAnyOf({EOPNOTSUPP, EINVAL})));
  EXPECT_EQ(file.size(), outcome.ok() ? size - 2 * unit : size);
}

CONFORMANCE(Punch, InsertShiftsWhatMappingsShow, Clause::fallocate_collapse_insert, on::files) {
  TempFile file(1);
  const size_t unit = ShiftUnit(file);
  const size_t size = 3 * unit + 50;
  file.Resize(size);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 6 * unit);
  const Mapping reader = Map(file.fd(), 6 * unit, PROT_READ, MAP_SHARED);
  Outcome outcome;
  std::vector<uint8_t> wanted = Pattern(0, size);
  BeforeAndAfter([&] { EXPECT_THAT(Memory(map.at(), size), HoldsPattern(0, size)); },
                 [&] { outcome = Returned(Fallocate(file, FALLOC_FL_INSERT_RANGE, unit, unit)); },
                 [&] {
                   if (file.size() > size) wanted.insert(wanted.begin() + static_cast<long>(unit), unit, 0);
                   ExpectEverywhere(file, {&map, &reader}, wanted);
                   EXPECT_THAT(Load(map.at(5 * unit)), FaultsWith(SIGBUS, BUS_ADRERR, map.at(5 * unit)));
                 });
  EXPECT_THAT(outcome, testing::AnyOf(Succeeds(), FailsWithAnyOf({EOPNOTSUPP, EINVAL})));
  EXPECT_EQ(file.size(), outcome.ok() ? size + unit : size);
}

CONFORMANCE(Punch, ShiftsThatAreNotBlockAlignedAreRefusedAndChangeNothing, Clause::fallocate_collapse_insert,
            on::files) {
  TempFile file(FileSize());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), FileSize());
  for (const int mode : {FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE}) {
    for (const Range& range : {Range{1, page()}, Range{page(), 1}, Range{page() - 1, page() + 1}}) {
      EXPECT_THAT(Returned(Fallocate(file, mode, range.offset, range.len)),
                  FailsWithAnyOf({EOPNOTSUPP, EINVAL}))
          << Name(range);
    }
  }
  ExpectEverywhere(file, {&map}, Pattern(0, FileSize()));
}

CONFORMANCE(Punch, ModeZeroExtendsTheFileWithZeros, Clause::fallocate_extend, on::files) {
  const size_t old = page() + 21;
  for (const Range& range : {Range{0, 3 * page()}, Range{old, 1}, Range{2 * page() + 1, page()},
                             Range{0, old + 1}, Range{page(), 2 * page() - 1}}) {
    SCOPED_TRACE(Name(range));
    TempFile file(old);
    file.FillPattern();
    const Mapping map = MapShared(file.fd(), 5 * page());
    const size_t end = range.offset + range.len;
    std::vector<uint8_t> wanted = Pattern(0, old);
    wanted.resize(end, 0);
    BeforeAndAfter(
        [&] {
          EXPECT_THAT(Load(map.at(old - 1)), Reads(PatternByte(old - 1)));
          EXPECT_THAT(Load(map.at(2 * page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(2 * page())));
        },
        [&] { EXPECT_THAT(Returned(Fallocate(file, 0, range.offset, range.len)), Succeeds()); },
        [&] {
          ExpectEverywhere(file, {&map}, wanted);
          EXPECT_THAT(Load(map.at(4 * page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(4 * page())));
        });
    EXPECT_THAT(Store(map.at(end - 1), 0x21), Works());
    EXPECT_THAT(Contents(file.fd(), static_cast<off_t>(end) - 1, 1), AllBytesAre(0x21));
  }
}

CONFORMANCE(Punch, KeepSizeBeyondTheEndLeavesTheSize, Clause::fallocate_extend, on::files) {
  const size_t old = page() + 21;
  TempFile file(old);
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 5 * page());
  for (const Range& range : {Range{2 * page(), page()}, Range{old, 1}, Range{old - 1, 2},
                             Range{0, 3 * page()}, Range{4 * page() + 5, 7}}) {
    SCOPED_TRACE(Name(range));
    EXPECT_THAT(Returned(Fallocate(file, FALLOC_FL_KEEP_SIZE, range.offset, range.len)), Succeeds());
    ExpectEverywhere(file, {&map}, Pattern(0, old));
    for (const size_t beyond : {2 * page(), 4 * page()})
      EXPECT_THAT(Load(map.at(beyond)), FaultsWith(SIGBUS, BUS_ADRERR, map.at(beyond)));
  }
}

CONFORMANCE(Punch, ModeZeroInsideTheFileChangesNoByte, Clause::fallocate_extend, on::files) {
  TempFile file(FileSize());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), FileSize());
  ASSERT_THAT(Returned(Fallocate(file, kPunch, page(), page())), Succeeds());
  ASSERT_THAT(Returned(Fallocate(file, 0, 0, FileSize())), Succeeds());
  ExpectEverywhere(file, {&map}, PatternWithZeros({page(), page()}, FileSize()));
  ASSERT_THAT(Returned(Fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 8 * page())), Succeeds());
  ExpectEverywhere(file, {&map}, PatternWithZeros({page(), page()}, FileSize()));
}

}  // namespace
}  // namespace shmcheck::conformance

#include "program/withheld.h"

#include <gtest/gtest.h>

namespace shmcheck::program {
namespace {

constexpr std::uint64_t kPage = 4096, kTop = std::uint64_t{1} << 47;
constexpr Range kOwn[] = {{0x400000, 0x500000}, {0x7ff0'0000'0000, 0x7ff0'0010'0000}};
constexpr Layout kLayout = {kPage, kPage, kTop, kOwn};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the order of reading
struct Case {
  const char* why;
  OpCode code;
  Resolved at;
  std::uint32_t flags;
  std::uint64_t segment_bytes;
  bool withheld;
};

constexpr std::uint64_t kBelow = 0x400000 - kPage, kFree = 0x2000'0000'0000;

constexpr Case kCases[] = {
    {"the last byte before", OpCode::contents, {.addr = kBelow, .len = kPage}, 0, 0, false},
    {"the first byte of an own range", OpCode::contents, {.addr = kBelow, .len = kPage + 1}, 0, 0, true},
    {"the file of an own range", OpCode::map_file, {.addr = 0x400000}, 0, 0, true},
    {"the residency of an own range", OpCode::smaps, {.addr = 0x400000}, 0, 0, true},
    {"the file of what lies before it", OpCode::map_file, {.addr = kBelow}, 0, 0, false},
    {"a race with IPC_PRIVATE", OpCode::race_shmget, {.len = kPage}, 0, 0, true},
    {"no byte at all", OpCode::contents, {.addr = 0x400010, .len = 0}, 0, 0, false},
    {"wraps into the low range", OpCode::pread_to, {.addr = ~std::uint64_t{0}, .len = 0x400002}, 0, 0, true},
    {"wraps to just below it", OpCode::pread_to, {.addr = ~std::uint64_t{0}, .len = 0x400001}, 0, 0, false},
    {"an aligned unmap", OpCode::munmap, {.addr = kBelow, .len = kPage + 1}, 0, 0, true},
    {"an unaligned unmap", OpCode::munmap, {.addr = kBelow + 1, .len = 2 * kPage}, 0, 0, false},
    {"an unmap of nothing", OpCode::munmap, {.addr = 0x400000, .len = 0}, 0, 0, false},
    {"an unmap past top", OpCode::munmap, {.addr = kBelow, .len = kTop}, 0, 0, false},
    {"an unmap that wraps", OpCode::munmap, {.addr = kBelow, .len = ~std::uint64_t{0}}, 0, 0, false},
    {"a protection past top works on its first pages",
     OpCode::mprotect,
     {.addr = kBelow, .len = kTop},
     0,
     0,
     true},
    {"advice on nothing", OpCode::madvise, {.addr = 0x400000, .len = 0}, 0, 0, false},
    {"advice that wraps", OpCode::madvise, {.addr = kBelow, .len = 0 - kBelow}, 0, 0, false},
    {"sync of a page", OpCode::msync, {.addr = 0x4ff000, .len = 1}, 0, 0, true},
    {"a hint", OpCode::mmap, {.addr = 0x400000, .len = kPage}, 0, 0, false},
    {"a fixed map", OpCode::mmap, {.addr = 0x400000, .len = kPage}, map::kFixed, 0, true},
    {"a fixed map that replaces nothing",
     OpCode::mmap,
     {.addr = 0x400000, .len = kPage},
     map::kFixed | map::kNoReplace,
     0,
     false},
    {"a move of old pages", OpCode::mremap, {.addr = 0x400000, .off = kPage}, 0, 0, true},
    {"a move onto own pages from nowhere",
     OpCode::mremap,
     {.addr = kFree, .len = kTop, .off = kPage, .to = 0x400000},
     mremap::kFixed | mremap::kMayMove,
     0,
     true},
    {"fixed needs maymove",
     OpCode::mremap,
     {.addr = kFree, .len = kPage, .off = kPage, .to = 0x400000},
     mremap::kFixed,
     0,
     false},
    {"an address is ignored without fixed",
     OpCode::mremap,
     {.addr = kFree, .len = kPage, .off = kPage, .to = 0x400000},
     mremap::kMayMove,
     0,
     false},
    {"an attachment that replaces", OpCode::shmat, {.addr = kBelow}, shmat::kRemap, kPage + 1, true},
    {"an attachment beside", OpCode::shmat, {.addr = kBelow}, shmat::kRemap, kPage, false},
    {"rounded down", OpCode::shmat, {.addr = kBelow + 1}, shmat::kRemap | shmat::kRound, kPage + 1, true},
    {"not rounded down", OpCode::shmat, {.addr = kBelow + 1}, shmat::kRemap, kPage + 1, false},
    {"a segment that cannot be read", OpCode::shmat, {.addr = 0x400000}, shmat::kRemap, 0, false},
    {"without remap nothing is replaced", OpCode::shmat, {.addr = 0x400000}, 0, kPage, false},
    {"code of the executor", OpCode::call, {.addr = 0x400000}, 0, 0, true},
    {"code elsewhere", OpCode::call, {.addr = kFree}, 0, 0, false},
    {"code beyond user space", OpCode::call, {.addr = kTop}, 0, 0, true},
    {"rearranged from within", OpCode::remap, {.addr = 0x4fffff, .len = kPage}, 0, 0, true},
    {"rearranged up to it", OpCode::remap, {.addr = kBelow + 1, .len = 2 * kPage - 1}, 0, 0, false},
    {"no page is rearranged", OpCode::remap, {.addr = 0x400000, .len = kPage - 1}, 0, 0, false},
    {"a stack",
     OpCode::mmap,
     {.addr = kFree, .len = kPage},
     map::kPrivate | map::kAnonymous | map::kGrowsDown,
     0,
     true},
    {"what is refused as a stack",
     OpCode::mmap,
     {.addr = kFree, .len = kPage},
     map::kShared | map::kAnonymous | map::kGrowsDown,
     0,
     false},
    {"huge pages",
     OpCode::mmap,
     {.addr = kFree, .len = kPage},
     map::kShared | map::kAnonymous | map::kHuge,
     0,
     true},
    {"a segment of huge pages", OpCode::shmget, {.len = kPage}, shmget::kHuge, 0, true},
    {"a memory file of huge pages", OpCode::memfd, {}, memfd::kHuge, 0, true},
    {"a fork", OpCode::fork, {.addr = 0x400000}, 0, 0, false},
};

TEST(Withheld, HoldsForEveryCase) {
  for (const Case& c : kCases) {
    Op op;
    op.code = c.code;
    op.flags = c.flags;
    EXPECT_EQ(withheld(op, c.at, kLayout, c.segment_bytes), c.withheld) << c.why;
  }
}

// What they are asked of decides whether an op can take any.
TEST(Withheld, HugePagesAreTakenOfAPoolThatMayHaveSome) {
  struct Asked {
    std::string_view why;
    OpCode code;
    std::uint32_t flags;
    std::uint64_t length;
    bool of_none, of_empty, of_some;
  };
  constexpr std::uint32_t kAnonymous = map::kShared | map::kAnonymous | map::kHuge;
  constexpr Asked kAsked[] = {
      {"a mapping", OpCode::mmap, kAnonymous, kPage, false, false, true},
      {"one without pages of its own", OpCode::mmap, kAnonymous | map::kNoReserve, kPage, false, true, true},
      {"one over another", OpCode::mmap, kAnonymous | map::kFixed, kPage, false, true, true},
      {"one over nothing", OpCode::mmap, kAnonymous | map::kNoReplace, kPage, false, true, true},
      {"a segment", OpCode::shmget, shmget::kHuge, kPage, false, false, true},
      {"one without pages of its own", OpCode::shmget, shmget::kHuge | shmget::kNoReserve, kPage, false, true,
       true},
      {"one that is rounded up to nothing", OpCode::shmget, shmget::kHuge, ~std::uint64_t{0}, false, true,
       true},
      {"a memory file", OpCode::memfd, memfd::kHuge, 0, false, false, false},
  };
  for (const Asked& a : kAsked) {
    Op op;
    op.code = a.code;
    op.flags = a.flags;
    Layout layout = kLayout;
    layout.huge_page = 2 << 20;
    layout.huge_users = 0;
    const Resolved at{.addr = kFree, .len = a.length};
    layout.huge = HugePages::none;
    EXPECT_EQ(withheld(op, at, layout), a.of_none) << a.why;
    layout.huge = HugePages::empty;
    EXPECT_EQ(withheld(op, at, layout), a.of_empty) << a.why;
    layout.huge = HugePages::some;
    EXPECT_EQ(withheld(op, at, layout), a.of_some) << a.why;
  }
}

TEST(Withheld, OfAFileOfHugePagesOnlyWhatItIs) {
  const auto is_withheld = [](OpCode code, std::uint32_t flags, std::uint8_t object) {
    Op op;
    op.code = code;
    op.flags = flags;
    op.object = object;
    return withheld_of_huge_file(op);
  };
  for (OpCode code :
       {OpCode::close, OpCode::seal, OpCode::seals, OpCode::fstat, OpCode::ftruncate, OpCode::memfd_name})
    EXPECT_FALSE(is_withheld(code, 0, 0)) << spec(code).name;
  for (OpCode code : {OpCode::pread, OpCode::pwrite, OpCode::fallocate, OpCode::fsync, OpCode::blocks})
    EXPECT_TRUE(is_withheld(code, 0, 0)) << spec(code).name;
  EXPECT_TRUE(is_withheld(OpCode::mmap, map::kShared, 0));
  EXPECT_FALSE(is_withheld(OpCode::mmap, map::kShared | map::kAnonymous, 0));
  EXPECT_FALSE(is_withheld(OpCode::pread, 0, kFileBad));
  EXPECT_FALSE(is_withheld(OpCode::unlink, 0, 0));
}

TEST(Withheld, OfWhoHasNamespacesFromTheProgram) {
  constexpr Standing kPlain = {}, kFirst = {true, false}, kRoot = {false, true};
  const auto is_withheld = [](OpCode code, std::uint8_t small, Standing actor, Standing object = {}) {
    Op op;
    op.code = code;
    op.small = small;
    return withheld_of_standing(op, actor, object);
  };
  const auto kKill = static_cast<std::uint8_t>(Signal::kill), kTerm = static_cast<std::uint8_t>(Signal::term);
  const auto kUsers = static_cast<std::uint8_t>(Unshare::user);
  for (OpCode code : {OpCode::fork, OpCode::kill, OpCode::setns, OpCode::race_shmget, OpCode::race_shmat}) {
    EXPECT_TRUE(is_withheld(code, 0, kFirst)) << spec(code).name;
    EXPECT_FALSE(is_withheld(code, 0, kPlain)) << spec(code).name;
  }
  EXPECT_TRUE(is_withheld(OpCode::kill, kTerm, kPlain, kFirst));
  EXPECT_FALSE(is_withheld(OpCode::kill, kKill, kPlain, kFirst));
  EXPECT_TRUE(is_withheld(OpCode::setns, 0, kPlain, kRoot));
  EXPECT_FALSE(is_withheld(OpCode::setns, 0, kPlain, kFirst));
  for (OpCode code : {OpCode::setns, OpCode::setid, OpCode::limit, OpCode::chattr, OpCode::remount}) {
    EXPECT_TRUE(is_withheld(code, 0, kRoot)) << spec(code).name;
    EXPECT_FALSE(is_withheld(code, 0, kPlain)) << spec(code).name;
  }
  EXPECT_TRUE(is_withheld(OpCode::unshare, kUsers, kRoot));
  EXPECT_FALSE(is_withheld(OpCode::unshare, kUsers, kFirst));
  EXPECT_FALSE(is_withheld(OpCode::unshare, 0, kRoot));
  for (OpCode code : {OpCode::fork, OpCode::exec, OpCode::kill, OpCode::shmctl, OpCode::shmat, OpCode::mmap})
    EXPECT_FALSE(is_withheld(code, 0, kRoot)) << spec(code).name;
}

TEST(Withheld, AnAccessIsAsLongAsItsSize) {
  Op op;
  op.code = OpCode::load;
  for (std::uint8_t log = 0; log < 4; ++log) {
    op.small = log;
    EXPECT_TRUE(withheld(op, {.addr = 0x400001 - access_bytes(op)}, kLayout)) << access_bytes(op);
    EXPECT_FALSE(withheld(op, {.addr = 0x400000 - access_bytes(op)}, kLayout)) << access_bytes(op);
  }
}

TEST(Withheld, QuantitiesWrapAsAddressesDo) {
  EXPECT_EQ(resolve({0, -1, 1}, 0, kPage), std::uint64_t{0} - 4095);
  EXPECT_EQ(resolve({0, 2, -1}, kFree, 65536), kFree + 131071);
}

}  // namespace
}  // namespace shmcheck::program

// End of file: which bytes of a file mapping can be reached, and what happens to the others.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

// Documented extent: min(up(len), max(0, up(F) - o)).
size_t AccessibleBytes(size_t file_size, size_t offset, size_t len) {
  const auto up = [](size_t n) { return (n + page() - 1) / page() * page(); };
  return std::min(up(len), up(file_size) > offset ? up(file_size) - offset : 0);
}

// Loads, then stores, the first and the last byte of every page of the mapping.
void ExpectExtent(const Mapping& map, size_t accessible) {
  for (size_t at = 0; at < map.size(); at += page()) {
    for (const size_t byte : {at, at + page() - 1}) {
      SCOPED_TRACE("byte " + std::to_string(byte) + " of the mapping");
      if (byte < accessible) {
        EXPECT_THAT(Load(map.at(byte)), Works());
        EXPECT_THAT(Store(map.at(byte), 0x5a), Works());
        EXPECT_THAT(Load(map.at(byte)), Reads(0x5a));
      } else {
        EXPECT_THAT(Load(map.at(byte)), FaultsWith(SIGBUS, BUS_ADRERR, map.at(byte)));
        EXPECT_THAT(Store(map.at(byte), 0x5a), FaultsWith(SIGBUS, BUS_ADRERR, map.at(byte)));
      }
    }
  }
}

CONFORMANCE(Eof, OneByteFileGivesExactlyOneAccessiblePage, Clause::eof_one_byte_file, on::files) {
  const TempFile file(1);
  const Mapping map = MapShared(file.fd(), 2 * page());
  for (const size_t byte : {size_t{0}, size_t{1}, page() - 1}) {
    EXPECT_THAT(Load(map.at(byte)), Reads(0)) << byte;
    EXPECT_THAT(Store(map.at(byte), 0x41), Works()) << byte;
    EXPECT_THAT(Load(map.at(byte)), Reads(0x41)) << byte;
  }
  for (const size_t byte : {page(), 2 * page() - 1}) {
    EXPECT_THAT(Load(map.at(byte)), FaultsWith(SIGBUS, BUS_ADRERR, map.at(byte)));
    EXPECT_THAT(Store(map.at(byte), 0x41), FaultsWith(SIGBUS, BUS_ADRERR, map.at(byte)));
  }
  EXPECT_EQ(file.size(), 1U);
}

void ExpectExtentOfManySizes(int type) {
  const size_t p = page();
  for (const size_t size : {size_t{0}, size_t{1}, p - 1, p, p + 1, 2 * p}) {
    for (const size_t offset : {size_t{0}, p, 2 * p}) {
      for (const size_t len : {size_t{1}, p, p + 1, 3 * p}) {
        SCOPED_TRACE("F " + std::to_string(size) + " offset " + std::to_string(offset) + " len " +
                     std::to_string(len));
        const TempFile file(size);
        const Mapping map = Map(file.fd(), len, PROT_READ | PROT_WRITE, type, static_cast<off_t>(offset));
        ExpectExtent(map, AccessibleBytes(size, offset, len));
        EXPECT_EQ(file.size(), size);
      }
    }
  }
}

CONFORMANCE(Eof, SharedMappingReachesExactlyTheDocumentedExtent, Clause::eof_accessible_extent,
            Clause::eof_seed_bound, Clause::eof_offset_mapping, on::files) {
  ExpectExtentOfManySizes(MAP_SHARED);
}

CONFORMANCE(Eof, PrivateMappingReachesExactlyTheDocumentedExtent, Clause::eof_accessible_extent,
            Clause::eof_seed_bound, Clause::eof_offset_mapping, on::files) {
  ExpectExtentOfManySizes(MAP_PRIVATE);
}

CONFORMANCE(Eof, MappingAtAnOffsetHasSlackOnlyInTheLastPageOfTheFile, Clause::eof_offset_mapping, on::files) {
  TempFile file(page() + 1);
  file.FillPattern();
  const Mapping map =
      Map(file.fd(), 2 * page(), PROT_READ | PROT_WRITE, MAP_SHARED, static_cast<off_t>(page()));
  EXPECT_THAT(Load(map.at(0)), Reads(PatternByte(page())));
  EXPECT_THAT(Memory(map.at(1), page() - 1), AllBytesAre(0));
  EXPECT_THAT(Store(map.at(page() - 1), 7), Works());
  EXPECT_THAT(Load(map.at(page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(page())));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page() + 1));
}

CONFORMANCE(Eof, AccessAcrossTheEdgeFaultsInTheInaccessiblePage, Clause::eof_straddling_access, on::files) {
  TempFile file(page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 2 * page());
  for (size_t inside = 1; inside < 8; ++inside) {
    SCOPED_TRACE(std::to_string(inside) + " bytes inside");
    uint8_t* const word = map.at(page() - inside);
    EXPECT_THAT(LoadWord(word), FaultsWith(SIGBUS, BUS_ADRERR, map.at(page())));
    EXPECT_THAT(StoreWord(word, 0), FaultsWith(SIGBUS, BUS_ADRERR, map.at(page())));
  }
  // The store may have written its part before the edge, and nothing else.
  EXPECT_THAT(Memory(map.at(), page() - 7), HoldsPattern(0, page() - 7));
  for (size_t at = page() - 7; at < page(); ++at) {
    EXPECT_THAT(Load(map.at(at)), testing::AnyOf(Reads(PatternByte(at)), Reads(0))) << at;
  }
}

// Ways to extend a file from one byte to three pages; each leaves zeros behind the first byte, but for a
// given byte.
struct Extension {
  const char* name;
  void (*extend)(int fd);
  uint8_t last_byte;
};
constexpr Extension kExtensions[] = {
    {"ftruncate",
     [](int fd) { EXPECT_THAT(Returned(ftruncate(fd, static_cast<off_t>(3 * page()))), Succeeds()); }, 0},
    {"pwrite",
     [](int fd) {
       EXPECT_THAT(Returned(pwrite(fd, "Z", 1, static_cast<off_t>(3 * page() - 1))), Returns(1));
     },
     'Z'},
    {"fallocate",
     [](int fd) {
       EXPECT_THAT(Answered(posix_fallocate(fd, 0, static_cast<off_t>(3 * page()))), Succeeds());
     },
     0},
};

void ExpectGrowthSeen(const Mapping& map, uint8_t last_byte) {
  EXPECT_THAT(Memory(map.at(page()), 2 * page() - 1), AllBytesAre(0));
  EXPECT_THAT(Load(map.at(3 * page() - 1)), Reads(last_byte));
}

CONFORMANCE(Eof, GrowthMakesPagesOfOldMappingsAccessible, Clause::eof_grow_makes_accessible, on::files) {
  for (const Extension& extension : kExtensions) {
    SCOPED_TRACE(extension.name);
    const TempFile file(1);
    const Mapping shared = MapShared(file.fd(), 3 * page());
    const Mapping untouched = MapShared(file.fd(), 3 * page());
    const Mapping copy = MapPrivate(file.fd(), 3 * page());
    for (const Mapping* map : {&shared, &copy}) {
      EXPECT_THAT(Load(map->at(page())), FaultsWith(SIGBUS, BUS_ADRERR, map->at(page())));
      EXPECT_THAT(Store(map->at(2 * page()), 1), FaultsWith(SIGBUS, BUS_ADRERR, map->at(2 * page())));
    }
    extension.extend(file.fd());
    for (const Mapping* map : {&shared, &untouched, &copy}) ExpectGrowthSeen(*map, extension.last_byte);
    EXPECT_THAT(Store(shared.at(2 * page()), 0x33), Works());
    EXPECT_THAT(Load(untouched.at(2 * page())), Reads(0x33));
    EXPECT_THAT(Contents(file.fd(), static_cast<off_t>(2 * page()), 1), AllBytesAre(0x33));
  }
}

CONFORMANCE(Eof, GrowthByAnotherProcessMakesPagesAccessible, Clause::eof_grow_makes_accessible, on::files) {
  for (const Extension& extension : kExtensions) {
    SCOPED_TRACE(extension.name);
    const TempFile file(1);
    const Mapping map = MapShared(file.fd(), 3 * page());
    EXPECT_THAT(Load(map.at(page())), FaultsWith(SIGBUS, BUS_ADRERR, map.at(page())));
    Child grower([&](Channel&) { extension.extend(file.fd()); });
    EXPECT_THAT(grower.Join(), ExitsWith(0));
    ExpectGrowthSeen(map, extension.last_byte);
  }
}

}  // namespace
}  // namespace shmcheck::conformance

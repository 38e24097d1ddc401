// End of file: which bytes of a file mapping can be reached, and what happens to the others.

#include <sys/mman.h>

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

}  // namespace
}  // namespace shmcheck::conformance

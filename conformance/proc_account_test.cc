// /proc/sysvipc/shm, and how /proc counts shared memory.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <sstream>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

constexpr const char kListing[] = "/proc/sysvipc/shm";

CONFORMANCE(Proc, ListingEqualsIpcStat, Clause::proc_sysvipc_listing, need::ipc_namespace, need::root,
            need::second_uid, need::proc) {
  EXPECT_TRUE(ReadListing().empty());
  std::vector<int> ids;
  for (const unsigned key : {0U, 1U, 0x7fffffffU, 0x80000001U, 0U, 0xabcdefU}) {
    const size_t size = page() * ids.size() + 1;
    ids.push_back(shmget(static_cast<key_t>(key), size, IPC_CREAT | static_cast<int>(0600 + ids.size())));
  }
  shmid_ds wanted{};
  wanted.shm_perm.uid = 70001;
  wanted.shm_perm.gid = 70002;
  wanted.shm_perm.mode = 0461;
  ASSERT_EQ(shmctl(ids[1], IPC_SET, &wanted), 0);
  ASSERT_EQ(shmctl(ids[2], SHM_LOCK, nullptr), 0);
  ASSERT_NE(shmat(ids[3], nullptr, 0), reinterpret_cast<void*>(-1));
  ASSERT_EQ(shmctl(ids[3], IPC_RMID, nullptr), 0);
  ASSERT_EQ(shmdt(shmat(ids[4], nullptr, 0)), 0);
  InChild([&] { EXPECT_THAT(Attached(ids[5]), Succeeds()); });
  const auto listing = ReadListing();
  EXPECT_EQ(listing.size(), ids.size());
  for (const int id : ids) {
    EXPECT_EQ(Entry(listing, id).state, StateOf(id));
  }
  EXPECT_EQ(Entry(listing, ids[3]).state.mode & SHM_DEST, static_cast<unsigned>(SHM_DEST));
  EXPECT_EQ(Entry(listing, ids[2]).state.mode & SHM_LOCKED, static_cast<unsigned>(SHM_LOCKED));
  // One header line with the names of the columns in their order.
  std::istringstream text(ReadText(kListing));
  std::string header;
  std::getline(text, header);
  std::istringstream columns(header);
  for (const char* name : {"key", "shmid", "perms", "size", "cpid", "lpid", "nattch", "uid", "gid", "cuid",
                           "cgid", "atime", "dtime", "ctime", "rss", "swap"}) {
    std::string column;
    columns >> column;
    EXPECT_EQ(column, name);
  }
  for (const int id : ids) {
    EXPECT_EQ(shmctl(id, IPC_RMID, nullptr), 0);
    if (id != ids[3]) {
      EXPECT_FALSE(ReadListing().contains(id));
    }
  }
}

// The shmids in the order of their lines; the file is read in pieces of `piece` bytes.
std::vector<int> ListedIds(size_t piece) {
  const Fd fd = Open(kListing, O_RDONLY);
  std::string text;
  std::string bytes(piece, '\0');
  for (ssize_t count; (count = read(fd.get(), bytes.data(), piece)) > 0;)
    text.append(bytes, 0, static_cast<size_t>(count));
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  std::vector<int> ids;
  for (int key = 0, id = -1; std::getline(lines, line); ids.push_back(id))
    EXPECT_EQ(sscanf(line.c_str(), "%d %d", &key, &id), 2) << line;
  return ids;
}

void ExpectListed(std::vector<int> made, size_t piece) {
  std::vector<int> listed = ListedIds(piece);
  std::vector<int> lacking;
  std::vector<int> surplus;
  std::sort(made.begin(), made.end());
  std::sort(listed.begin(), listed.end());
  std::set_difference(made.begin(), made.end(), listed.begin(), listed.end(), std::back_inserter(lacking));
  std::set_difference(listed.begin(), listed.end(), made.begin(), made.end(), std::back_inserter(surplus));
  EXPECT_THAT(lacking, testing::IsEmpty()) << "segments without a line, " << piece << " bytes at a time";
  EXPECT_THAT(surplus, testing::IsEmpty()) << "lines too many, " << piece << " bytes at a time";
}

CONFORMANCE(Proc, ListingOfManySegmentsHasEachOnceHoweverItIsRead, Clause::proc_sysvipc_listing,
            need::ipc_namespace, need::proc) {
  std::vector<int> made(70);
  for (int& id : made) id = shmget(IPC_PRIVATE, page(), IPC_CREAT | 0600);
  for (const size_t piece : {size_t{100}, size_t{1000}, page(), size_t{1} << 20}) ExpectListed(made, piece);
  for (const size_t victim : {size_t{60}, size_t{30}, size_t{0}}) {
    ASSERT_EQ(shmctl(made[victim], IPC_RMID, nullptr), 0);
    made.erase(made.begin() + static_cast<long>(victim));
  }
  ExpectListed(made, 100);  // with gaps in the table
}

CONFORMANCE(Proc, ListingIsOpenToEverybody, Clause::proc_sysvipc_world_readable, need::ipc_namespace,
            need::second_uid, need::root, need::proc) {
  std::vector<Segment> segments;
  for (const int mode : {0600, 0000, 0644}) segments.emplace_back(page(), mode);
  const auto listing = ReadListing();
  RunAs({kSecondUid, kSecondUid}, [&] { EXPECT_EQ(ReadListing(), listing); });
}

CONFORMANCE(Proc, ListedBytesEqualTheCountersOfShmInfo, Clause::proc_sysvipc_rss_bytes, need::ipc_namespace,
            need::proc) {
  std::vector<Segment> segments;
  for (const size_t pages : std::initializer_list<size_t>{1, 3, 8}) {
    segments.emplace_back(8 * page() + 1);
    ASSERT_THAT(Fill(segments.back().Attach(), 1, pages * page()), Works());
    const ListedSegment row = Entry(ReadListing(), segments.back().id());
    EXPECT_EQ(row.resident_bytes + row.swapped_bytes, pages * page());
  }
  unsigned long resident = 0;
  unsigned long swapped = 0;
  for (const auto& [id, row] : ReadListing()) {
    resident += row.resident_bytes;
    swapped += row.swapped_bytes;
  }
  const Usage usage = ReadUsage();
  EXPECT_EQ(resident, usage.resident * page());
  EXPECT_EQ(swapped, usage.swapped * page());
  EXPECT_EQ(resident + swapped, 12 * page());
}

// Some shared memory: how to map `size` bytes of it, and how to let the object die.
struct SharedKind {
  const char* name;
  std::function<uint8_t*(size_t)> map;
  std::function<void(uint8_t*, size_t)> destroy;
};
std::vector<SharedKind> SharedKinds() {
  const auto unmap = [](uint8_t* at, size_t size) { munmap(at, size); };
  return {
      {"shared anonymous", [](size_t size) { return MapSharedAnonymous(size).release(); }, unmap},
      {"memfd",
       [](size_t size) {
         const TempFile file(size, Place::memfd);
         return MapShared(file.fd(), size).release();
       },
       unmap},
      {"segment",
       [](size_t size) {
         Segment segment(size);
         return segment.Attach();  // marked when `segment` goes, destroyed by the detach
       },
       [](uint8_t* at, size_t) { shmdt(at); }},
  };
}

CONFORMANCE(Proc, ShmemGrowsOnTouchAndFallsWithTheObject, Clause::proc_meminfo_shmem, need::proc,
            need::memfd) {
  constexpr long kKilobytes = 3 << 10;
  constexpr size_t kSize = static_cast<size_t>(kKilobytes) << 10;
  const auto shared_kb = [] { return NumberIn("/proc/meminfo", "Shmem"); };
  for (const SharedKind& kind : SharedKinds()) {
    bool as_documented = false;
    std::string seen;
    // The counter is the whole machine's: others may disturb some attempts, not all.
    for (int attempt = 0; attempt < 8 && !as_documented; ++attempt) {
      const long before = shared_kb();
      uint8_t* const at = kind.map(kSize);
      const long mapped = shared_kb();
      for (size_t offset = 0; offset < kSize; offset += page()) ASSERT_THAT(Store(at + offset, 1), Works());
      const long touched = shared_kb();
      kind.destroy(at, kSize);
      const long destroyed = shared_kb();
      as_documented = mapped - before < kKilobytes / 2 && touched - mapped > kKilobytes / 2 &&
                      touched - destroyed > kKilobytes / 2;
      for (const long value : {before, mapped, touched, destroyed}) seen += std::to_string(value) + " ";
    }
    EXPECT_TRUE(as_documented) << kind.name << ": Shmem before, mapped, touched, destroyed: " << seen;
  }
}

long Status(const char* key) {
  return NumberIn("/proc/self/status", key);
}

CONFORMANCE(Proc, TouchedPagesCountByKind, Clause::proc_status_rss, need::proc, need::memfd) {
  constexpr long kKilobytes = 2 << 10;
  constexpr size_t kSize = static_cast<size_t>(kKilobytes) << 10;
  constexpr long kTolerance = 512;  // counters are kept in batches
  for (const SharedKind& kind : SharedKinds()) {
    const long shmem = Status("RssShmem");
    const long file = Status("RssFile");
    uint8_t* const at = kind.map(kSize);
    EXPECT_NEAR(static_cast<double>(Status("RssShmem")), static_cast<double>(shmem), kTolerance) << kind.name;
    for (size_t offset = 0; offset < kSize; offset += page()) ASSERT_THAT(Store(at + offset, 1), Works());
    EXPECT_NEAR(static_cast<double>(Status("RssShmem")), static_cast<double>(shmem + kKilobytes), kTolerance)
        << kind.name;
    EXPECT_NEAR(static_cast<double>(Status("RssFile")), static_cast<double>(file), kTolerance) << kind.name;
    kind.destroy(at, kSize);
    EXPECT_NEAR(static_cast<double>(Status("RssShmem")), static_cast<double>(shmem), kTolerance) << kind.name;
  }
}

CONFORMANCE(Proc, StoredPagesOfPrivateMemoryCountAsAnonymous, Clause::proc_status_rss, need::proc) {
  constexpr long kKilobytes = 2 << 10;
  constexpr size_t kSize = static_cast<size_t>(kKilobytes) << 10;
  constexpr long kTolerance = 512;
  const TempFile file(kSize);
  const Mapping maps[] = {MapPrivateAnonymous(kSize), MapPrivate(file.fd(), kSize)};
  for (const Mapping& map : maps) {
    const long anonymous = Status("RssAnon");
    for (size_t offset = 0; offset < kSize; offset += page()) ASSERT_THAT(Store(map.at(offset), 1), Works());
    EXPECT_NEAR(static_cast<double>(Status("RssAnon")), static_cast<double>(anonymous + kKilobytes),
                kTolerance);
    ASSERT_THAT(Returned(madvise(map.at(), kSize, MADV_DONTNEED)), Succeeds());
    EXPECT_NEAR(static_cast<double>(Status("RssAnon")), static_cast<double>(anonymous), kTolerance);
  }
}

CONFORMANCE(Proc, TouchedPagesOfADiskFileCountAsFile, Clause::proc_status_rss, need::proc, need::ext4) {
  constexpr long kKilobytes = 2 << 10;
  constexpr size_t kSize = static_cast<size_t>(kKilobytes) << 10;
  constexpr long kTolerance = 512;
  const TempFile disk(kSize, Place::ext4);
  const Mapping map = MapShared(disk.fd(), kSize);
  const long shmem = Status("RssShmem");
  const long file = Status("RssFile");
  for (size_t offset = 0; offset < kSize; offset += page()) ASSERT_THAT(Store(map.at(offset), 1), Works());
  EXPECT_NEAR(static_cast<double>(Status("RssFile")), static_cast<double>(file + kKilobytes), kTolerance);
  EXPECT_NEAR(static_cast<double>(Status("RssShmem")), static_cast<double>(shmem), kTolerance);
}

CONFORMANCE(Proc, VmLckCountsLocksOfTheProcessOnly, Clause::proc_vmlck, need::proc, need::root) {
  const Segment segment(8 * page());
  uint8_t* const at = segment.Attach();
  const auto kilobytes = [](size_t pages) { return static_cast<long>(pages * page() / 1024); };
  EXPECT_EQ(Status("VmLck"), 0);
  ASSERT_EQ(shmctl(segment.id(), SHM_LOCK, nullptr), 0);
  EXPECT_EQ(Status("VmLck"), 0) << "a lock of the segment";
  ASSERT_EQ(mlock(at, 3 * page()), 0);
  EXPECT_EQ(Status("VmLck"), kilobytes(3));
  const Mapping memory = MapPrivateAnonymous(2 * page());
  ASSERT_EQ(mlock(memory.at(), 2 * page()), 0);
  EXPECT_EQ(Status("VmLck"), kilobytes(5));
  ASSERT_EQ(munlock(at + page(), page()), 0);
  EXPECT_EQ(Status("VmLck"), kilobytes(4));
  ASSERT_EQ(shmctl(segment.id(), SHM_UNLOCK, nullptr), 0);
  EXPECT_EQ(Status("VmLck"), kilobytes(4));
  ASSERT_EQ(shmdt(at), 0);
  EXPECT_EQ(Status("VmLck"), kilobytes(2));
}

// The ids that a program of util-linux prints.
std::set<int> Printed(const char* command, int column) {
  std::set<int> ids;
  FILE* const output = popen(command, "r");
  char line[512];
  while (fgets(line, sizeof line, output) != nullptr) {
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i <= column; ++i) words >> word;
    char* end = nullptr;
    const long id = strtol(word.c_str(), &end, 10);
    if (!word.empty() && *end == '\0') ids.insert(static_cast<int>(id));
  }
  EXPECT_EQ(pclose(output), 0) << command;
  return ids;
}

std::set<int> Made() {
  std::set<int> ids;
  for (int i = 0; i < 5; ++i) ids.insert(shmget(i, page(), IPC_CREAT | 0600));
  for (const auto& [id, state] : ReadTable()) EXPECT_TRUE(ids.contains(id));
  return ids;
}

CONFORMANCE(Proc, IpcsShowsTheSegments, Clause::proc_ipcs_agree, need::ipc_namespace, need::proc,
            need::path("/usr/bin/ipcs")) {
  EXPECT_EQ(Printed("/usr/bin/ipcs -m", 1), std::set<int>{});
  const std::set<int> made = Made();
  EXPECT_EQ(Printed("/usr/bin/ipcs -m", 1), made);
}

CONFORMANCE(Proc, LsipcShowsTheSegments, Clause::proc_ipcs_agree, need::ipc_namespace, need::proc,
            need::path("/usr/bin/lsipc")) {
  const std::set<int> made = Made();
  EXPECT_EQ(Printed("/usr/bin/lsipc -m --raw --noheadings -o ID", 0), made);
}

}  // namespace
}  // namespace shmcheck::conformance

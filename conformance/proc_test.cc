// How /proc shows mappings: maps, smaps, map_files.

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <sstream>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

uintptr_t Number(const void* address) {
  return reinterpret_cast<uintptr_t>(address);
}

// The permissions and file offset that the maps give for each page of a range; "" where there is none.
void ExpectPages(const void* start, const std::vector<std::string>& perms, uint64_t offset) {
  const auto rows = MapsOf(start, perms.size() * page());
  for (size_t index = 0; index < perms.size(); ++index) {
    const uintptr_t at = Number(start) + index * page();
    std::string seen;
    for (const MapsRow& row : rows) {
      if (at < row.start || at >= row.end) continue;
      seen = row.perms;
      EXPECT_EQ(row.offset + (at - row.start), offset + index * page()) << "page " << index;
    }
    EXPECT_EQ(seen, perms[index]) << "page " << index;
  }
}

CONFORMANCE(Proc, MapsFollowEveryOperation, Clause::proc_maps_row, Clause::proc_maps_unmapped_gone, on::files,
            need::proc) {
  const size_t p = page();
  TempFile file(8 * p);
  struct Case {
    int prot;
    int flags;
    const char* perms;
  };
  for (const Case& c : {Case{PROT_NONE, MAP_SHARED, "---s"},
                        {PROT_READ, MAP_SHARED, "r--s"},
                        {PROT_READ | PROT_WRITE, MAP_SHARED, "rw-s"},
                        {PROT_READ | PROT_EXEC, MAP_SHARED, "r-xs"},
                        {PROT_NONE, MAP_PRIVATE, "---p"},
                        {PROT_READ, MAP_PRIVATE, "r--p"},
                        {PROT_READ | PROT_WRITE, MAP_PRIVATE, "rw-p"},
                        {PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, "rwxp"}}) {
    SCOPED_TRACE(c.perms);
    const std::string perms = c.perms;
    const std::string none = std::string("---") + perms[3];
    const std::string read = std::string("r--") + perms[3];
    const Mapping area = Reserve(6 * p);
    Map(file.fd(), 4 * p, c.prot, c.flags | MAP_FIXED, static_cast<off_t>(2 * p), area.at(p)).release();
    ExpectPages(area.at(p), {perms, perms, perms, perms}, 2 * p);
    EXPECT_EQ(PermsByPage(area.at(), 6 * p).front(), "---p");
    ASSERT_EQ(mprotect(area.at(2 * p), p, PROT_NONE), 0);
    ExpectPages(area.at(p), {perms, none, perms, perms}, 2 * p);
    ASSERT_EQ(mprotect(area.at(3 * p), 2 * p, PROT_READ), 0);
    ExpectPages(area.at(p), {perms, none, read, read}, 2 * p);
    ASSERT_EQ(munmap(area.at(3 * p), p), 0);
    ExpectPages(area.at(p), {perms, none, "", read}, 2 * p);
    ASSERT_EQ(mprotect(area.at(p), 2 * p, PROT_READ), 0);
    ExpectPages(area.at(p), {read, read, "", read}, 2 * p);
    ASSERT_EQ(munmap(area.at(p), 4 * p), 0);
    ExpectPages(area.at(p), {"", "", "", ""}, 0);
  }
}

CONFORMANCE(Proc, MapsShowOffsetsOfFourGigabytesAndMore, Clause::proc_maps_row, on::files, need::proc) {
  const TempFile file(page());
  constexpr uint64_t kFour = uint64_t{1} << 32;
  for (const uint64_t offset : {kFour - page(), kFour, kFour + 5 * page(), 2 * kFour, 256 * kFour}) {
    SCOPED_TRACE("offset " + std::to_string(offset));
    for (const int type : kTypes) {
      const Mapping map = Map(file.fd(), 3 * page(), PROT_READ, type, static_cast<off_t>(offset));
      ExpectPages(map.at(), std::vector<std::string>(3, type == MAP_SHARED ? "r--s" : "r--p"), offset);
    }
  }
}

CONFORMANCE(Proc, SharedMappingOfAReadOnlyDescriptorShowsS, Clause::proc_maps_shared_readonly, on::files,
            need::proc) {
  const TempFile file(page());
  const Fd readable = file.Reopen(O_RDONLY);
  const Mapping map = Map(readable.get(), page(), PROT_READ, MAP_SHARED);
  EXPECT_EQ(PermsByPage(map.at(), page()), std::vector<std::string>{"r--s"});
}

CONFORMANCE(Proc, MapsNameTheFile, Clause::proc_maps_file, on::directories, need::proc) {
  TempFile file(4 * page());
  const Mapping map = Map(file.fd(), 2 * page(), PROT_READ, MAP_PRIVATE, static_cast<off_t>(page()));
  const struct stat status = file.Stat();
  const auto expect = [&](const std::string& path) {
    const auto rows = MapsOf(map.at(), 2 * page());
    ASSERT_EQ(rows.size(), 1U);
    char device[32];
    snprintf(device, sizeof device, "%02x:%02x", major(status.st_dev), minor(status.st_dev));
    EXPECT_EQ(rows[0], (MapsRow{Number(map.at()), Number(map.at(2 * page())), "r--p", page(), device,
                                status.st_ino, path}));
  };
  expect(file.path());
  const std::string renamed = FreshPath();
  ASSERT_EQ(rename(file.path().c_str(), renamed.c_str()), 0);
  expect(renamed);
  ASSERT_EQ(unlink(renamed.c_str()), 0);
  expect(renamed + " (deleted)");
}

CONFORMANCE(Proc, AttachIsNamedAfterKeyAndId, Clause::proc_maps_sysv_name, Clause::proc_maps_row,
            need::ipc_namespace, need::proc) {
  for (const unsigned pattern : {0U, 1U, 0x1234U, 0x80000000U, 0xdeadbeefU}) {
    const Segment segment =
        Segment::Adopt(shmget(static_cast<key_t>(pattern), 2 * page() + 1, IPC_CREAT | 0600));
    char name[32];
    snprintf(name, sizeof name, "/SYSV%08x (deleted)", pattern);
    struct Case {
      int flags;
      const char* perms;
    };
    for (const Case& c : {Case{0, "rw-s"}, {SHM_RDONLY, "r--s"}}) {
      uint8_t* const at = segment.Attach(c.flags);
      for (const bool marked : {false, true}) {
        if (marked && c.flags == 0) continue;
        if (marked) {
          ASSERT_EQ(shmctl(segment.id(), IPC_RMID, nullptr), 0);
        }
        const auto rows = MapsOf(at, 3 * page());
        ASSERT_EQ(rows.size(), 1U);
        EXPECT_EQ(rows[0].path, name) << "the key of its creation, also when marked";
        EXPECT_EQ(rows[0].inode, static_cast<uint64_t>(segment.id()));
        EXPECT_EQ(rows[0].perms, c.perms);
        EXPECT_EQ(rows[0].start, Number(at));
        EXPECT_EQ(rows[0].end, Number(at + 3 * page()));
        EXPECT_EQ(rows[0].offset, 0U);
      }
    }
  }
}

CONFORMANCE(Proc, AnonymousObjectsHaveNames, Clause::proc_maps_anon_name, need::proc, need::memfd) {
  const Mapping shared = MapSharedAnonymous(page());
  EXPECT_EQ(MapsOf(shared.at(), page()).at(0).path, "/dev/zero (deleted)");
  EXPECT_EQ(MapsOf(shared.at(), page()).at(0).perms, "rw-s");
  const Fd memory(static_cast<int>(syscall(SYS_memfd_create, "a name", 0)));
  ASSERT_EQ(ftruncate(memory.get(), static_cast<off_t>(page())), 0);
  const Mapping map = MapShared(memory.get(), page());
  EXPECT_EQ(MapsOf(map.at(), page()).at(0).path, "/memfd:a name (deleted)");
}

HELPER(proc_old_range) {
  const auto* const address = reinterpret_cast<const void*>(strtoul(arguments[0], nullptr, 10));
  for (const MapsRow& row : MapsOf(address, page()))
    EXPECT_TRUE(row.path.find("zero") == std::string::npos && row.path.find("SYSV") == std::string::npos)
        << row;
  return 0;
}

CONFORMANCE(Proc, RemovedRangesDoNotAppear, Clause::proc_maps_unmapped_gone, need::proc) {
  const Mapping map = MapSharedAnonymous(3 * page());
  ASSERT_EQ(munmap(map.at(page()), page()), 0);
  EXPECT_EQ(PermsByPage(map.at(), 3 * page()), (std::vector<std::string>{"rw-s", "", "rw-s"}));
  const Segment segment(2 * page());
  uint8_t* const at = segment.Attach();
  EXPECT_EQ(PermsByPage(at, 2 * page()), (std::vector<std::string>{"rw-s", "rw-s"}));
  for (const void* inherited : {static_cast<const void*>(map.at()), static_cast<const void*>(at)}) {
    Helper fresh("proc_old_range", {std::to_string(Number(inherited))});
    EXPECT_THAT(fresh.Join(), ExitsWith(0));
  }
  ASSERT_EQ(shmdt(at), 0);
  EXPECT_TRUE(MapsOf(at, 2 * page()).empty());
}

// The block of /proc/self/smaps that describes the mapping which `address` lies in.
std::string Smaps(const void* address) {
  std::istringstream text(ReadText("/proc/self/smaps"));
  std::string block;
  for (std::string line; std::getline(text, line);) {
    const bool header = line.find('-') != std::string::npos && line.find('-') < line.find(' ');
    if (header && !block.empty()) break;
    unsigned long low = 0, high = 0;
    const bool here = header && sscanf(line.c_str(), "%lx-%lx", &low, &high) == 2 && low <= Number(address) &&
                      Number(address) < high;
    if (here || !block.empty()) block += line + "\n";
  }
  return block;
}
long SmapsKb(const std::string& block, const std::string& key) {
  const size_t at = block.find("\n" + key + ":");
  return at == std::string::npos ? -1 : strtol(block.c_str() + at + key.size() + 2, nullptr, 10);
}

CONFORMANCE(Proc, SmapsTellSharedFromPrivatePages, Clause::proc_smaps_shared, need::proc,
            need::path("/proc/self/smaps")) {
  const Segment segment(4 * page());
  uint8_t* const at = segment.Attach();
  ASSERT_THAT(Fill(at, 1, 2 * page()), Works());
  const long two_pages = static_cast<long>(2 * page() / 1024);
  const auto shared = [&] { return SmapsKb(Smaps(at), "Shared_Clean") + SmapsKb(Smaps(at), "Shared_Dirty"); };
  const auto own = [&] { return SmapsKb(Smaps(at), "Private_Clean") + SmapsKb(Smaps(at), "Private_Dirty"); };
  const auto proportional = [&] { return SmapsKb(Smaps(at), "Pss"); };
  EXPECT_EQ(shared(), 0);
  EXPECT_EQ(own(), two_pages);
  EXPECT_EQ(proportional(), two_pages);
  EXPECT_NE((Smaps(at) + " ").find(" sh "), std::string::npos) << Smaps(at);
  Child peer([&](Channel& test) {
    uint8_t* const again = segment.Attach();
    EXPECT_THAT(Memory(again, 2 * page()), AllBytesAre(1));
    test.Signal();
    test.Wait();
  });
  peer.Wait();
  EXPECT_EQ(shared(), two_pages);
  EXPECT_EQ(own(), 0);
  EXPECT_EQ(SmapsKb(Smaps(at), "Rss"), two_pages);
  EXPECT_EQ(proportional(), two_pages / 2);
  peer.Signal();
  EXPECT_THAT(peer.Join(), ExitsWith(0));
  EXPECT_EQ(own(), two_pages);
  const Mapping private_memory = MapPrivateAnonymous(page());
  ASSERT_THAT(Store(private_memory.at(), 1), Works());
  EXPECT_EQ(Smaps(private_memory.at()).find(" sh "), std::string::npos);
}

// The words of VmFlags that say something of advice or of the kind of pages, in their order in the block.
std::string AdviceShown(const void* address) {
  const std::string block = Smaps(address);
  const size_t at = block.find("\nVmFlags:");
  EXPECT_NE(at, std::string::npos) << block;
  if (at == std::string::npos) return "";
  std::istringstream words(block.substr(at + 9));
  std::string shown;
  for (std::string word; words >> word;) {
    for (const char* known : {"io", "sr", "rr", "dc", "ht", "wf", "dd"}) {
      if (word == known) (shown += shown.empty() ? "" : " ") += word;
    }
  }
  return shown;
}

CONFORMANCE(Proc, SmapsFlagsTellAdvice, Clause::proc_smaps_flags, need::proc,
            need::path("/proc/self/smaps")) {
  const Mapping shared = MapSharedAnonymous(3 * page());
  uint8_t* const middle = shared.at() + page();
  EXPECT_EQ(AdviceShown(shared.at()), "");
  const struct {
    int advice;
    const char* shown;
  } kSteps[] = {{MADV_RANDOM, "rr"},   {MADV_SEQUENTIAL, "sr"}, {MADV_NORMAL, ""},
                {MADV_DONTFORK, "dc"}, {MADV_RANDOM, "rr dc"},  {MADV_DOFORK, "rr"}};
  for (const auto& step : kSteps) {
    ASSERT_THAT(Returned(madvise(middle, page(), step.advice)), Succeeds());
    EXPECT_EQ(AdviceShown(shared.at()), "") << step.advice;
    EXPECT_EQ(AdviceShown(middle), step.shown) << step.advice;
    EXPECT_EQ(AdviceShown(middle + page()), "") << step.advice;
  }
  const Segment segment(page());
  EXPECT_EQ(AdviceShown(segment.Attach()), "");
}

CONFORMANCE(Proc, SmapsFlagsTellWhatIsWipedInChildrenToo, Clause::proc_smaps_flags, need::proc,
            need::path("/proc/self/smaps"), need::kernel(4, 14)) {
  const Mapping wiped = MapPrivateAnonymous(page());
  const Mapping hinted = MapSharedAnonymous(page());
  ASSERT_THAT(Returned(madvise(wiped.at(), page(), MADV_WIPEONFORK)), Succeeds());
  ASSERT_THAT(Returned(madvise(hinted.at(), page(), MADV_SEQUENTIAL)), Succeeds());
  EXPECT_EQ(AdviceShown(wiped.at()), "wf");
  Child child([&](Channel&) {
    EXPECT_EQ(AdviceShown(wiped.at()), "wf");
    EXPECT_EQ(AdviceShown(hinted.at()), "sr");
    ASSERT_THAT(Returned(madvise(wiped.at(), page(), MADV_KEEPONFORK)), Succeeds());
    EXPECT_EQ(AdviceShown(wiped.at()), "");
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_EQ(AdviceShown(wiped.at()), "wf");
}

std::string MapFile(const void* address, size_t size) {
  char name[96];
  snprintf(name, sizeof name, "/proc/self/map_files/%lx-%lx", Number(address), Number(address) + size);
  return name;
}

CONFORMANCE(Proc, MapFilesHaveALinkForEachFileOrSharedMapping, Clause::proc_map_files, need::root,
            need::tmpfs, need::proc, need::path("/proc/self/map_files")) {
  TempFile file(page(), Place::tmpfs);
  const Mapping map = MapPrivate(file.fd(), page());
  const Mapping shared = MapSharedAnonymous(page());
  const Mapping unshared = Reserve(page());
  const Segment segment(page() + 1);
  uint8_t* const at = segment.Attach();
  const auto target = [](const std::string& link) {
    char text[512] = {};
    const ssize_t size = readlink(link.c_str(), text, sizeof text - 1);
    return size < 0 ? ErrnoName(errno) : std::string(text);
  };
  EXPECT_EQ(target(MapFile(map.at(), page())), file.path());
  EXPECT_EQ(target(MapFile(shared.at(), page())), "/dev/zero (deleted)");
  EXPECT_EQ(target(MapFile(at, 2 * page())).substr(0, 5), "/SYSV");
  EXPECT_EQ(target(MapFile(unshared.at(), page())), "ENOENT");
  ASSERT_EQ(shmdt(at), 0);
  EXPECT_EQ(target(MapFile(at, 2 * page())), "ENOENT");
}

CONFORMANCE(Proc, MapFileOfAnAttachReadsTheSegment, Clause::proc_map_files_sysv, need::root, need::proc,
            need::path("/proc/self/map_files")) {
  const Segment segment(2 * page());
  uint8_t* const at = segment.Attach();
  ASSERT_THAT(FillPattern(at, 0, 2 * page()), Works());
  const Outcome opened = Returned(open(MapFile(at, 2 * page()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened.ok()) {
    EXPECT_THAT(opened, FailsWithAnyOf({EPERM, EACCES, ENOENT, ENXIO}));
    return;
  }
  const Fd fd(static_cast<int>(opened.value));
  EXPECT_THAT(Contents(fd.get(), 0, 2 * page()), HoldsPattern(0, 2 * page()));
}

}  // namespace
}  // namespace shmcheck::conformance

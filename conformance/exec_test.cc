// execve: mappings go, objects stay.

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

constexpr uint8_t kMark = 0xe1;

// A file as a row of maps names it: an inode number alone may be that of another file system's file as well.
std::string NameInMaps(const std::string& device, uint64_t inode) {
  return device + " " + std::to_string(inode);
}

std::string NameInMaps(const struct stat& status) {
  char device[32];
  snprintf(device, sizeof device, "%02x:%02x", major(status.st_dev), minor(status.st_dev));
  return NameInMaps(device, status.st_ino);
}

// Arguments: an address that was mapped, the file that was mapped there, the segment that was attached.
HELPER(mappings_gone) {
  const auto* const address = reinterpret_cast<uint8_t*>(strtoul(arguments[0], nullptr, 10));
  const std::string file = arguments[1];
  const int segment = atoi(arguments[2]);
  for (const MapsRow& row : ReadMaps()) {
    EXPECT_NE(NameInMaps(row.device, row.inode), file) << row;
    EXPECT_EQ(row.path.find("SYSV"), std::string::npos) << row;
    EXPECT_NE(row.perms.back(), 's') << row;
  }
  const Access access = Load(address);
  EXPECT_TRUE(access.signal == SIGSEGV || access.value != kMark) << access;
  shmid_ds status{};
  EXPECT_THAT(Returned(shmctl(segment, IPC_STAT, &status)), Succeeds());
  EXPECT_EQ(status.shm_nattch, 0U);
  return 0;
}

CONFORMANCE(Exec, OldMappingsAreGone, Clause::exec_mappings_gone, need::proc, on::directories) {
  const TempFile file(page());
  const Segment segment(page());
  Child child([&](Channel& test) {
    const Mapping map = MapShared(file.fd(), page());
    const Mapping anonymous = MapSharedAnonymous(page());
    uint8_t* const attached = segment.Attach();
    for (uint8_t* const memory : {map.at(), anonymous.at(), attached})
      ASSERT_THAT(Fill(memory, kMark, page()), Works());
    EXPECT_EQ(segment.Stat().shm_nattch, 1U);
    const auto address = std::to_string(reinterpret_cast<uintptr_t>(map.at()));
    const Outcome outcome =
        ExecHelper("mappings_gone", {address, NameInMaps(file.Stat()), std::to_string(segment.id())}, test);
    ADD_FAILURE() << "execve " << outcome;
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_EQ(segment.Stat().shm_nattch, 0U);
}

// Arguments: path of a file, number of an inherited memfd descriptor, id of a segment.
HELPER(objects_survive) {
  const Fd file = Open(arguments[0], O_RDWR);
  const int memfd = atoi(arguments[1]);
  const Segment segment = Segment::Adopt(atoi(arguments[2]));
  const Mapping by_path = MapShared(file.get(), page());
  const Mapping by_descriptor = MapShared(memfd, page());
  uint8_t* const attached = segment.Attach();
  unsigned seed = 1;
  for (uint8_t* const memory : {by_path.at(), by_descriptor.at(), attached}) {
    EXPECT_THAT(Memory(memory, page()), HoldsPattern(0, page(), seed++));
    EXPECT_THAT(Store(memory + 9, kMark), Works());
  }
  return 0;
}

CONFORMANCE(Exec, ObjectsKeepTheirContent, Clause::exec_object_survives, need::memfd, on::directories) {
  const TempFile file(page());
  const TempFile memfd(page(), Place::memfd);
  Segment segment(page());
  const Mapping by_path = MapShared(file.fd(), page());
  const Mapping by_descriptor = MapShared(memfd.fd(), page());
  uint8_t* const attached = segment.Attach();
  unsigned seed = 1;
  for (uint8_t* const memory : {by_path.at(), by_descriptor.at(), attached}) {
    ASSERT_THAT(FillPattern(memory, 0, page(), seed++), Works());
  }
  ASSERT_THAT(Returned(fcntl(memfd.fd(), F_SETFD, 0)), Succeeds());
  Helper helper("objects_survive",
                {file.path(), std::to_string(memfd.fd()), std::to_string(segment.release())});
  EXPECT_THAT(helper.Join(), ExitsWith(0));
  for (uint8_t* const memory : {by_path.at(), by_descriptor.at(), attached})
    EXPECT_THAT(Load(memory + 9), Reads(kMark));
}

CONFORMANCE(Exec, FailedExecLeavesAllMappings, Clause::exec_failed_keeps, on::directories) {
  TempFile file(page());
  const Segment segment(page());
  const Mapping map = MapShared(file.fd(), page());
  const Mapping copy = MapPrivateAnonymous(page());
  uint8_t* const attached = segment.Attach();
  for (uint8_t* const memory : {map.at(), copy.at(), attached})
    ASSERT_THAT(FillPattern(memory, 0, page()), Works());
  const std::string text_path = FreshPath("text");
  {
    const Fd text = Open(text_path, O_WRONLY | O_CREAT, 0755);
    constexpr char kNoProgram[] = "neither a program nor a script";
    ASSERT_THAT(Returned(write(text.get(), kNoProgram, sizeof kNoProgram)), Returns(sizeof kNoProgram));
  }
  char name[] = "nothing";
  char* const argv[] = {name, nullptr};
  EXPECT_THAT(Returned(execve((directory() + "/missing").c_str(), argv, environ)), FailsWith(ENOENT));
  EXPECT_THAT(Returned(execve(file.path().c_str(), argv, environ)), FailsWith(EACCES));
  EXPECT_THAT(Returned(execve(text_path.c_str(), argv, environ)), FailsWith(ENOEXEC));
  for (uint8_t* const memory : {map.at(), copy.at(), attached}) {
    EXPECT_THAT(Memory(memory, page()), HoldsPattern(0, page()));
    EXPECT_THAT(Store(memory, 1), Works());
  }
  EXPECT_EQ(segment.Stat().shm_nattch, 1U);
}

HELPER(nothing_locked) {
  EXPECT_EQ(NumberIn("/proc/self/status", "VmLck"), 0);
  const Mapping later = MapPrivateAnonymous(8 * page());
  EXPECT_EQ(NumberIn("/proc/self/status", "VmLck"), 0) << "MCL_FUTURE outlived execve";
  return 0;
}

CONFORMANCE(Exec, LocksEnd, Clause::exec_locks_dropped, need::root, need::proc) {
  Child child([&](Channel& test) {
    const Mapping map = MapSharedAnonymous(4 * page());
    ASSERT_THAT(Returned(mlock(map.at(), 4 * page())), Succeeds());
    ASSERT_THAT(Returned(mlockall(MCL_FUTURE)), Succeeds());
    ASSERT_GT(NumberIn("/proc/self/status", "VmLck"), 0);
    const Outcome outcome = ExecHelper("nothing_locked", {}, test);
    ADD_FAILURE() << "execve " << outcome;
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

// Linux 6.11 and 6.12 let files be executed that are open for writing; the change was taken back.
CONFORMANCE(Exec, FileMappedForWritingIsBusy, Clause::exec_text_busy, need::kernel_outside(6, 11, 12),
            on::directories) {
  const std::string path = FreshPath("program");
  Fd fd = Open(path, O_RDWR | O_CREAT, 0755);
  ASSERT_THAT(Returned(ftruncate(fd.get(), static_cast<off_t>(page()))), Succeeds());
  Mapping map = MapShared(fd.get(), page());
  fd.reset();
  char name[] = "program";
  char* const argv[] = {name, nullptr};
  EXPECT_THAT(Returned(execve(path.c_str(), argv, environ)), FailsWith(ETXTBSY));
  EXPECT_THAT(Store(map.at(), 1), Works());
  map.Unmap();
  EXPECT_THAT(Returned(execve(path.c_str(), argv, environ)), FailsWith(ENOEXEC)) << "busy without a mapping";
}

}  // namespace
}  // namespace shmcheck::conformance

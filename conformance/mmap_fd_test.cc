// Which descriptors can be mapped, and how.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using testing::AnyOf;

Outcome TryMap(int fd, int prot, int type) {
  return Returned(RawMmap(nullptr, page(), prot, type, fd, 0));
}

CONFORMANCE(Mmap, DescriptorThatIsNotOpenFails, Clause::mmap_fd_bad) {
  const int closed = dup(ReportFd());
  close(closed);
  for (const int type : kTypes) {
    for (const int fd : {-1, closed, 1 << 20})
      EXPECT_THAT(TryMap(fd, PROT_READ, type), FailsWith(EBADF)) << fd;
  }
}

CONFORMANCE(Mmap, PathOnlyDescriptorFails, Clause::mmap_fd_bad, on::directories) {
  const TempFile file(page());
  const Fd fd = file.Reopen(O_PATH);
  for (const int type : kTypes) EXPECT_THAT(TryMap(fd.get(), PROT_READ, type), FailsWith(EBADF));
}

CONFORMANCE(Mmap, WriteOnlyDescriptorCannotBeMapped, Clause::mmap_fd_write_only, on::directories) {
  const TempFile file(page());
  const Fd fd = file.Reopen(O_WRONLY);
  for (const int type : kTypes) {
    for (const int prot : {PROT_NONE, PROT_READ, PROT_WRITE, kReadWrite}) {
      EXPECT_THAT(TryMap(fd.get(), prot, type), FailsWith(EACCES)) << "prot " << prot;
    }
  }
}

CONFORMANCE(Mmap, SharedWritingNeedsAWritableDescriptor, Clause::mmap_fd_read_only_shared_write,
            on::directories) {
  TempFile file(page());
  file.FillPattern();
  const Fd fd = file.Reopen(O_RDONLY);
  EXPECT_THAT(TryMap(fd.get(), kReadWrite, MAP_SHARED), FailsWith(EACCES));
  EXPECT_THAT(TryMap(fd.get(), PROT_WRITE, MAP_SHARED), FailsWith(EACCES));
  EXPECT_THAT(TryMap(fd.get(), PROT_READ, MAP_SHARED), Succeeds());
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page()));
}

CONFORMANCE(Mmap, PrivateWritingNeedsOnlyAReadableDescriptor, Clause::mmap_fd_read_only_private_write,
            on::directories) {
  TempFile file(2 * page());
  file.FillPattern();
  const Fd fd = file.Reopen(O_RDONLY);
  Mapping map = MapPrivate(fd.get(), 2 * page());
  EXPECT_THAT(Fill(map.at(), 0xbd, page() + 1), Works());
  EXPECT_THAT(Memory(map.at(), page() + 1), AllBytesAre(0xbd));
  EXPECT_THAT(Memory(map.at(page() + 1), page() - 1), HoldsPattern(page() + 1, page() - 1));
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 2 * page()));
  EXPECT_THAT(Returned(msync(map.at(), 2 * page(), MS_SYNC)), Succeeds());
  map.Unmap();
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 2 * page()));
}

CONFORMANCE(Mmap, AppendDescriptorMapsLikeAnyOther, Clause::mmap_fd_o_append, on::directories) {
  TempFile file(page());
  file.FillPattern();
  const Fd fd = file.Reopen(O_RDWR | O_APPEND);
  const Mapping map = MapShared(fd.get(), page());
  EXPECT_THAT(Store(map.at(0), 0x0a), Works());
  EXPECT_EQ(file.size(), page());
  EXPECT_THAT(Contents(file.fd(), 0, 1), AllBytesAre(0x0a));
  EXPECT_THAT(Contents(file.fd(), 1, page() - 1), HoldsPattern(1, page() - 1));
}

// The append-only attribute of an inode, for the life of this object: with it the file could not be removed.
class AppendOnly {
 public:
  explicit AppendOnly(int fd) : fd_(fd) { Set(FS_APPEND_FL, 0); }
  AppendOnly(const AppendOnly&) = delete;
  ~AppendOnly() { Set(0, FS_APPEND_FL); }

 private:
  void Set(int on, int off) const {
    int flags = 0;
    ASSERT_THAT(Returned(ioctl(fd_, FS_IOC_GETFLAGS, &flags)), Succeeds());
    flags = (flags | on) & ~off;
    ASSERT_THAT(Returned(ioctl(fd_, FS_IOC_SETFLAGS, &flags)), Succeeds());
  }
  int fd_;
};

CONFORMANCE(Mmap, AppendOnlyInodeRefusesSharedWritableMappings, Clause::mmap_fd_append_only_inode, need::root,
            need::ext4) {
  TempFile file(page(), Place::ext4);
  file.FillPattern();
  const AppendOnly append_only(file.fd());
  EXPECT_THAT(TryMap(file.fd(), kReadWrite, MAP_SHARED), FailsWith(EACCES));
  EXPECT_THAT(TryMap(file.fd(), PROT_READ, MAP_SHARED), AnyOf(Succeeds(), FailsWith(EACCES)));
  EXPECT_THAT(TryMap(file.fd(), kReadWrite, MAP_PRIVATE), Succeeds());
  EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, page()));
}

CONFORMANCE(Mmap, ObjectsWithoutPagesCannotBeMapped, Clause::mmap_fd_unsupported_type) {
  int pipe_ends[2];
  int sockets[2];
  ASSERT_THAT(Returned(pipe2(pipe_ends, O_CLOEXEC)), Succeeds());
  ASSERT_THAT(Returned(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets)), Succeeds());
  const Fd pipe_in(pipe_ends[0]);
  const Fd pipe_out(pipe_ends[1]);
  const Fd socket(sockets[0]);
  const Fd other_socket(sockets[1]);
  const Fd root_directory = Open("/", O_RDONLY | O_DIRECTORY);
  const Fd event(eventfd(0, EFD_CLOEXEC));
  const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  struct Case {
    const char* what;
    int fd;
  };
  for (const Case& object :
       {Case{"directory", root_directory.get()}, Case{"pipe read end", pipe_in.get()},
        Case{"socket", socket.get()}, Case{"eventfd", event.get()}, Case{"epoll", epoll.get()}}) {
    for (const int type : kTypes) {
      EXPECT_THAT(TryMap(object.fd, PROT_READ, type), FailsWithAnyOf({ENODEV, EACCES})) << object.what;
    }
  }
  for (const int type : kTypes) EXPECT_THAT(TryMap(pipe_out.get(), PROT_READ, type), FailsWith(EACCES));
}

CONFORMANCE(Mmap, NullDeviceCannotBeMapped, Clause::mmap_fd_unsupported_type, need::path("/dev/null")) {
  const Fd fd = Open("/dev/null", O_RDWR);
  for (const int type : kTypes)
    EXPECT_THAT(TryMap(fd.get(), PROT_READ, type), FailsWithAnyOf({ENODEV, EACCES}));
}

CONFORMANCE(Mmap, ProcfsFileCannotBeMapped, Clause::mmap_fd_unsupported_type,
            need::path("/proc/self/status")) {
  const Fd fd = Open("/proc/self/status", O_RDONLY);
  for (const int type : kTypes)
    EXPECT_THAT(TryMap(fd.get(), PROT_READ, type), FailsWithAnyOf({ENODEV, EACCES}));
}

CONFORMANCE(Mmap, NoexecMountRefusesExecutableMappings, Clause::mmap_fd_noexec_mount,
            Clause::mprotect_noexec_denied, need::root, need::mount_namespace, need::tmpfs) {
  const std::string where = FreshPath("noexec");
  ASSERT_THAT(Returned(mkdir(where.c_str(), 0700)), Succeeds());
  ASSERT_THAT(Returned(mount("tmpfs", where.c_str(), "tmpfs", MS_NOEXEC, "")), Succeeds());
  const Fd fd = Open(where + "/file", O_RDWR | O_CREAT);
  ASSERT_THAT(Returned(ftruncate(fd.get(), static_cast<off_t>(page()))), Succeeds());
  for (const int type : kTypes) {
    EXPECT_THAT(TryMap(fd.get(), PROT_READ | PROT_EXEC, type), FailsWith(EPERM));
    EXPECT_THAT(TryMap(fd.get(), PROT_EXEC, type), FailsWith(EPERM));
    const Mapping map = Map(fd.get(), page(), PROT_READ, type);
    EXPECT_THAT(Returned(mprotect(map.at(), page(), PROT_READ | PROT_EXEC)), FailsWith(EACCES));
    EXPECT_THAT(Load(map.at()), Reads(0));
  }
}

}  // namespace
}  // namespace shmcheck::conformance

// Pipe and Unix stream socket: the kernel copies in and out, and a message may come in parts.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/ipc/mechanisms.h"
#include "bench/ipc/memory.h"
#include "harness/fd.h"

namespace shmcheck::bench {
namespace {

class Stream : public Channel {
 public:
  Stream(int to, int from, std::size_t size) : to_(to), from_(from), size_(size), own_(size) {}

  std::byte* compose() override { return own_.data(); }
  void send() override {
    for (std::size_t done = 0; done < size_;) {
      const ssize_t n = ::write(to_.get(), own_.data() + done, size_ - done);
      if (n < 0) fail("write");
      done += static_cast<std::size_t>(n);
    }
  }
  const std::byte* receive() override {
    for (std::size_t done = 0; done < size_;) {
      const ssize_t n = ::read(from_.get(), own_.data() + done, size_ - done);
      if (n < 0) fail("read");
      if (n == 0) throw std::runtime_error("the sender has ended");
      done += static_cast<std::size_t>(n);
    }
    return own_.data();
  }

 private:
  harness::Fd to_, from_;
  std::size_t size_;
  Buffer own_;
};

}  // namespace

std::unique_ptr<Channel> through_pipe(std::size_t size) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
  return std::make_unique<Stream>(ends[1], ends[0], size);
}

std::unique_ptr<Channel> through_socket(std::size_t size) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) unavailable("socketpair");
  return std::make_unique<Stream>(ends[1], ends[0], size);
}

}  // namespace shmcheck::bench

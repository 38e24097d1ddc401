// POSIX and System V message queues, for messages that an unprivileged process may send by default limits.

#include <fcntl.h>
#include <fmt/format.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "bench/ipc/mechanisms.h"
#include "bench/ipc/memory.h"

namespace shmcheck::bench {
namespace {

// Of a sysctl; what is not said limits nothing here, and the call that follows will tell.
long limit(const char* sysctl, long unsaid) {
  std::ifstream in(fmt::format("/proc/sys/{}", sysctl));
  long value = 0;
  return in >> value ? value : unsaid;
}

void require_at_most(const char* sysctl, std::size_t size) {
  const long most = limit(sysctl, static_cast<long>(size));
  if (static_cast<long>(size) <= most) return;
  std::string name = sysctl;
  for (char& c : name) c = c == '/' ? '.' : c;
  throw Unavailable(fmt::format("{} allows messages of {} bytes at most", name, most));
}

class PosixQueue : public Channel {
 public:
  explicit PosixQueue(std::size_t size) : size_(size), own_(size) {
    require_at_most("fs/mqueue/msgsize_max", size);
    static unsigned number = 0;
    const std::string name = fmt::format("/bench_ipc-{}-{}", ::getpid(), number++);
    mq_attr attributes = {};
    attributes.mq_maxmsg = std::min(10L, limit("fs/mqueue/msg_max", 10));
    attributes.mq_msgsize = static_cast<long>(size);
    queue_ = ::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
    if (queue_ < 0) unavailable("mq_open");
    // The descriptor keeps it until the last of us has ended.
    if (::mq_unlink(name.c_str()) != 0) fail("mq_unlink");
  }
  ~PosixQueue() override { ::mq_close(queue_); }

  std::byte* compose() override { return own_.data(); }
  void send() override {
    if (::mq_send(queue_, reinterpret_cast<const char*>(own_.data()), size_, 0) != 0) fail("mq_send");
  }
  const std::byte* receive() override {
    const ssize_t n = ::mq_receive(queue_, reinterpret_cast<char*>(own_.data()), size_, nullptr);
    if (n < 0) fail("mq_receive");
    if (static_cast<std::size_t>(n) != size_) throw std::runtime_error("mq_receive gave a part of a message");
    return own_.data();
  }

 private:
  std::size_t size_;
  Buffer own_;
  mqd_t queue_ = -1;
};

class SystemVQueue final : public Channel {
 public:
  explicit SystemVQueue(std::size_t size) : size_(size), own_(kType + size) {
    require_at_most("kernel/msgmax", size);
    require_at_most("kernel/msgmnb", size);
    id_ = ::msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    if (id_ < 0) unavailable("msgget");
    *reinterpret_cast<long*>(own_.data()) = 1;
  }
  ~SystemVQueue() override { abandon(); }

  std::byte* compose() override { return own_.data() + kType; }
  void send() override {
    if (::msgsnd(id_, own_.data(), size_, 0) != 0) fail("msgsnd");
  }
  const std::byte* receive() override {
    const ssize_t n = ::msgrcv(id_, own_.data(), size_, 0, 0);
    if (n < 0) fail("msgrcv");
    if (static_cast<std::size_t>(n) != size_) throw std::runtime_error("msgrcv gave a part of a message");
    return own_.data() + kType;
  }
  // The processes may come to this one after the other; that it is gone already is what is wanted.
  void abandon() noexcept override { ::msgctl(id_, IPC_RMID, nullptr); }

 private:
  static constexpr std::size_t kType = sizeof(long);

  std::size_t size_;
  Buffer own_;
  int id_ = -1;
};

}  // namespace

std::unique_ptr<Channel> through_posix_queue(std::size_t size) {
  return std::make_unique<PosixQueue>(size);
}

std::unique_ptr<Channel> through_system_v_queue(std::size_t size) {
  return std::make_unique<SystemVQueue>(size);
}

}  // namespace shmcheck::bench

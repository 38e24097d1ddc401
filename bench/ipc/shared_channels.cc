// Shared memory: a ring of messages in it, copied into and out of it or left where they are. And the ring
// whose messages lie in the sender's own memory, from where process_vm_readv fetches them.

#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "bench/ipc/mechanisms.h"
#include "bench/ipc/memory.h"
#include "bench/ipc/ring.h"

namespace shmcheck::bench {
namespace {

class InPlace : public Channel {
 public:
  InPlace(Kind kind, HandOver hand_over, std::size_t size)
      : stride_(stride_of(size)),
        memory_(kind, sizeof(RingState) + stride_ * slots_for(stride_)),
        ring_(new (memory_.data()) RingState, slots_for(stride_), hand_over) {}

  std::byte* compose() override { return slot(ring_.await_free()); }
  void send() override { ring_.publish(); }
  const std::byte* receive() override { return slot(ring_.await_message()); }
  void release() override { ring_.release(); }

 private:
  std::byte* slot(std::uint32_t index) const { return memory_.data() + sizeof(RingState) + index * stride_; }

  std::size_t stride_;
  SharedMemory memory_;
  Ring ring_;
};

class Copied : public Channel {
 public:
  Copied(Kind kind, HandOver hand_over, std::size_t size)
      : size_(size), own_(size), in_place_(kind, hand_over, size) {}

  std::byte* compose() override { return own_.data(); }
  void send() override {
    std::memcpy(in_place_.compose(), own_.data(), size_);
    in_place_.send();
  }
  const std::byte* receive() override {
    std::memcpy(own_.data(), in_place_.receive(), size_);
    in_place_.release();
    return own_.data();
  }

 private:
  std::size_t size_;
  Buffer own_;
  InPlace in_place_;
};

class Fetched : public Channel {
 public:
  explicit Fetched(std::size_t size)
      : size_(size),
        stride_(stride_of(size)),
        own_(stride_ * slots_for(stride_)),
        memory_(Kind::anonymous, sizeof(RingState)),
        state_(new (memory_.data()) RingState),
        ring_(state_, slots_for(stride_), HandOver::futex) {}

  void open(Side side) override {
    if (side != Side::sender) return;
    // Under Yama only a parent may otherwise read; without Yama there is nothing to allow.
    if (::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0) != 0 && errno != EINVAL) fail("prctl");
    state_->sender = ::getpid();
  }
  std::byte* compose() override { return own_.data() + ring_.await_free() * stride_; }
  void send() override { ring_.publish(); }
  const std::byte* receive() override {
    // Made before the fork, so the sender's slots lie where ours do; the first of ours takes the message.
    std::byte* remote = own_.data() + ring_.await_message() * stride_;
    const iovec to = {own_.data(), size_}, from = {remote, size_};
    const ssize_t n = ::process_vm_readv(state_->sender, &to, 1, &from, 1, 0);
    if (n < 0) unavailable("process_vm_readv");
    if (static_cast<std::size_t>(n) != size_)
      throw std::runtime_error("process_vm_readv read less than asked");
    ring_.release();
    return own_.data();
  }

 private:
  std::size_t size_, stride_;
  Buffer own_;
  SharedMemory memory_;
  RingState* state_;
  Ring ring_;
};

}  // namespace

std::unique_ptr<Channel> shared_in_place(Kind kind, HandOver hand_over, std::size_t size) {
  return std::make_unique<InPlace>(kind, hand_over, size);
}

std::unique_ptr<Channel> shared_copied(Kind kind, HandOver hand_over, std::size_t size) {
  return std::make_unique<Copied>(kind, hand_over, size);
}

std::unique_ptr<Channel> fetched(std::size_t size) {
  return std::make_unique<Fetched>(size);
}

}  // namespace shmcheck::bench

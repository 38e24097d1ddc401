// One direction of a mechanism between two processes.
//
// It is made before the processes are, and each opens its side. Every message is written whole by the sender,
// into the place that compose() gives, and read whole by the receiver where receive() says it lies; a
// mechanism that copies gives buffers of the process's own.
#pragma once

#include <cstddef>
#include <stdexcept>

namespace shmcheck::bench {

enum class Side { sender, receiver };

// What a mechanism says that this machine does not have, or not for messages of this size.
class Unavailable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Channel {
 public:
  Channel() = default;
  virtual ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  virtual void open(Side) {}
  virtual std::byte* compose() = 0;
  virtual void send() = 0;
  virtual const std::byte* receive() = 0;
  virtual void release() {}  // the receiver has read it
  // Removes what would outlive its processes; the other one then fails at the next message. For signal
  // handlers.
  virtual void abandon() noexcept {}
};

[[noreturn]] void fail(const char* call);         // with errno
[[noreturn]] void unavailable(const char* call);  // likewise

}  // namespace shmcheck::bench

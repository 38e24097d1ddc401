// Child processes that take turns with the test over a channel. Nobody ever sleeps or polls.
//
//   Child peer([&](Channel& test) { EXPECT_THAT(Store(map.at(), 7), Works()); test.Signal(); });
//   peer.Wait();
//   EXPECT_THAT(Load(map.at()), Reads(7));
//   EXPECT_THAT(peer.Join(), ExitsWith(0));
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conformance/framework/outcome.h"
#include "conformance/framework/report.h"

namespace shmcheck::conformance {

// One end of a two-way line. When the peer is gone, Wait and Receive end this process with a failure.
class Channel {
 public:
  Channel() = default;
  Channel(int in, int out) : in_(in), out_(out) {}
  void Signal(Where where = Where::Here()) { Send(0, where); }
  void Wait(Where where = Where::Here()) { Receive(where); }
  void Send(uint64_t value, Where where = Where::Here());
  void SendPointer(const volatile void* p, Where where = Where::Here()) {
    Send(reinterpret_cast<uintptr_t>(p), where);
  }
  uint64_t Receive(Where where = Where::Here());
  int in() const { return in_; }
  int out() const { return out_; }
  void Close();

 private:
  int in_ = -1;
  int out_ = -1;
};

class Child {
 public:
  // Runs `body` in a forked process, which then ends with exit code 0. Its assertions count as the test's
  // own.
  explicit Child(const std::function<void(Channel&)>& body, Where where = Where::Here());
  Child(const Child&) = delete;
  ~Child();

  void Signal(Where where = Where::Here()) { channel_.Signal(where); }
  void Wait(Where where = Where::Here()) { channel_.Wait(where); }
  void Send(uint64_t value, Where where = Where::Here()) { channel_.Send(value, where); }
  uint64_t Receive(Where where = Where::Here()) { return channel_.Receive(where); }
  void Kill(int signal, Where where = Where::Here());
  // Waits until the process has ended completely.
  Exit Join(Where where = Where::Here());
  pid_t pid() const { return pid_; }

 protected:
  Child() = default;
  void Fork(const std::function<void(Channel&)>& body, Where where);

 private:
  pid_t pid_ = -1;
  Channel channel_;
};

// A child that replaces its image by a fresh one of this binary and runs HELPER(name) there, with nothing
// inherited but descriptors. The helper reaches its test with HelperChannel().
class Helper : public Child {
 public:
  Helper(const char* name, const std::vector<std::string>& arguments, Where where = Where::Here());
};
Channel& HelperChannel();
// Replaces the image of the calling process, for tests about execve. Returns only when it failed.
Outcome ExecHelper(const char* name, const std::vector<std::string>& arguments, Channel channel);
// main() of a helper image; nothing when the arguments name no helper.
bool RunAsHelper(int argc, char** argv, int& exit_code);

// Turns the calling process into uid and gid 65534 with no capabilities; it must be a child of the test.
inline constexpr uid_t kSecondUid = 65534;
void BecomeUnprivileged(Where where = Where::Here());
void BecomeUser(uid_t uid, gid_t gid, Where where = Where::Here());

}  // namespace shmcheck::conformance

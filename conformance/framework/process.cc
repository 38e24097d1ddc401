#include "conformance/framework/process.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/framework/environment.h"
#include "conformance/framework/memory.h"
#include "conformance/framework/registry.h"

namespace shmcheck::conformance {
namespace {

constexpr const char kHelperFlag[] = "--run-helper";

// Ends of lines to other children, which a new child must close: else it would hide their death from the
// test.
std::vector<Channel>& OpenChannels() {
  static std::vector<Channel> channels;
  return channels;
}

Channel helper_channel;

}  // namespace

void Channel::Send(uint64_t value, Where where) {
  ssize_t count;
  do {
    count = write(out_, &value, sizeof value);
  } while (count < 0 && errno == EINTR);
  if (count != sizeof value) Abandon(where, "the peer ended before it took its turn: " + ErrnoName(errno));
}

uint64_t Channel::Receive(Where where) {
  uint64_t value = 0;
  ssize_t count;
  do {
    count = read(in_, &value, sizeof value);
  } while (count < 0 && errno == EINTR);
  if (count != sizeof value) Abandon(where, "the peer ended without giving its turn back");
  return value;
}

void Channel::Close() {
  if (in_ >= 0) close(in_);
  if (out_ >= 0) close(out_);
  in_ = out_ = -1;
}

Child::Child(const std::function<void(Channel&)>& body, Where where) {
  Fork(body, where);
}

void Child::Fork(const std::function<void(Channel&)>& body, Where where) {
  int there[2];
  int back[2];
  if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0) Abandon(where, "no pipe");
  Channel theirs(there[0], back[1]);
  channel_ = Channel(back[0], there[1]);
  pid_ = fork();
  if (pid_ < 0) Abandon(where, "fork fails with " + ErrnoName(errno));
  if (pid_ == 0) {
    for (Channel& other : OpenChannels()) other.Close();
    OpenChannels().clear();
    channel_.Close();
    body(theirs);
    _exit(0);
  }
  theirs.Close();
  OpenChannels().push_back(channel_);
}

Child::~Child() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  std::erase_if(OpenChannels(), [this](const Channel& other) { return other.in() == channel_.in(); });
  channel_.Close();
}

void Child::Kill(int signal, Where where) {
  if (kill(pid_, signal) != 0) Abandon(where, "kill fails with " + ErrnoName(errno));
}

Exit Child::Join(Where where) {
  Exit exit{};
  pid_t ended;
  do {
    ended = waitpid(pid_, &exit.status, 0);
  } while (ended < 0 && errno == EINTR);
  if (ended != pid_) Abandon(where, "waitpid fails with " + ErrnoName(errno));
  pid_ = -1;
  return exit;
}

Helper::Helper(const char* name, const std::vector<std::string>& arguments, Where where) {
  const auto become_helper = [&](Channel& channel) {
    const Outcome outcome = ExecHelper(name, arguments, channel);
    Abandon(where, "execve of a helper fails with " + ErrnoName(outcome.error));
  };
  Fork(become_helper, where);
}

Channel& HelperChannel() {
  return helper_channel;
}

Outcome ExecHelper(const char* name, const std::vector<std::string>& arguments, Channel channel) {
  for (const int fd : {channel.in(), channel.out(), ReportFd()}) fcntl(fd, F_SETFD, 0);
  std::vector<std::string> words = {env().own_binary,
                                    kHelperFlag,
                                    std::to_string(ReportFd()),
                                    std::to_string(channel.in()),
                                    std::to_string(channel.out()),
                                    name};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // By descriptor: the path may be unreachable for another uid or another root.
  syscall(SYS_execveat, env().own_binary_fd, "", argv.data(), environ, AT_EMPTY_PATH);
  if (errno != ENOSYS) return Returned(-1);
  return Returned(execve(env().own_binary.c_str(), argv.data(), environ));
}

bool RunAsHelper(int argc, char** argv, int& exit_code) {
  if (argc < 6 || strcmp(argv[1], kHelperFlag) != 0) return false;
  UseReportFd(atoi(argv[2]));
  RouteAssertionsToReport();
  InstallFaultHandler();
  helper_channel = Channel(atoi(argv[3]), atoi(argv[4]));
  const HelperFunction function = FindHelper(argv[5]);
  if (function == nullptr) Abandon(Where::Here(), std::string("there is no helper ") + argv[5]);
  exit_code = function({argv + 6, argv + argc});
  return true;
}

void BecomeUser(uid_t uid, gid_t gid, Where where) {
  if (setgroups(0, nullptr) != 0) Abandon(where, "setgroups fails with " + ErrnoName(errno));
  if (setresgid(gid, gid, gid) != 0) Abandon(where, "setresgid fails with " + ErrnoName(errno));
  if (setresuid(uid, uid, uid) != 0) Abandon(where, "setresuid fails with " + ErrnoName(errno));
  // Changing the uid makes the process undumpable, which hands its /proc files to root.
  if (prctl(PR_SET_DUMPABLE, 1) != 0) Abandon(where, "prctl fails with " + ErrnoName(errno));
}

void BecomeUnprivileged(Where where) {
  BecomeUser(kSecondUid, kSecondUid, where);
}

}  // namespace shmcheck::conformance

#include "liar/session.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

namespace shmcheck::liar {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kPatience = std::chrono::seconds(60);  // with a binary that does nothing at all

// --- the tracee's side ------------------------------------------------------------------------------------

// Stops the process at the calls of the table, and at no other.
std::vector<sock_filter> filter() {
  std::vector<sock_filter> code = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  const auto calls = call_specs();
  for (size_t i = 0; i < calls.size(); ++i) {
    const auto jump = static_cast<uint8_t>(calls.size() - i);
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(calls[i].number), jump, 0));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  return code;
}

struct Start {
  std::vector<std::string> words;
  std::vector<sock_filter> code;  // may be empty
  int output, report, gate;
};

// Between fork and exec: system calls only, other threads of the liar may hold any lock.
[[noreturn]] void become_binary(const Start& start, char** argv, char** environment) {
  char go;
  while (::read(start.gate, &go, 1) < 0 && errno == EINTR) {
  }
  dup2(start.output, 1);
  dup2(start.output, 2);
  dup2(start.report, 3);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGALRM, SIG_DFL);
  const sock_fprog program{static_cast<unsigned short>(start.code.size()),
                           const_cast<sock_filter*>(start.code.data())};
  if (!start.code.empty() && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(126);
  }
  execve(argv[0], argv, environment);
  _exit(127);
}

// A file of our own that the binary writes to and we read from.
class Written {
 public:
  Written() : fd_(memfd_create("liar", MFD_CLOEXEC)) { fcntl(fd_, F_SETFL, O_APPEND); }
  ~Written() { close(fd_); }
  Written(const Written&) = delete;
  int fd() const { return fd_; }
  const std::string& text() {
    char chunk[16384];
    for (;;) {
      const ssize_t count = pread(fd_, chunk, sizeof chunk, static_cast<off_t>(text_.size()));
      if (count <= 0) return text_;
      text_.append(chunk, static_cast<size_t>(count));
    }
  }

 private:
  int fd_;
  std::string text_;
};

// --- the tracer's side ------------------------------------------------------------------------------------

// A running test.
struct Live {
  std::string name;
  const Choice* choice = nullptr;
  Run run;
  pid_t leader = 0;
  Clock::time_point deadline;
  bool ended = false;  // by us
  std::string kept;    // by a lie
};

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  Live* test = nullptr;
  bool begun = false;
  bool thread = false;
  bool in_call = false;        // one that we follow
  bool in_other = false;       // one that we do not; without a filter only
  Event event{};               // the call it is in
  std::optional<long> told{};  // what a lie said it will answer
  uint64_t door = 0;
  std::vector<Range> mappings{};
};

uint64_t round_up(uint64_t size) {
  return (size + kPage - 1) & ~(kPage - 1);
}

void forget(std::vector<Range>& mappings, uint64_t address, uint64_t size) {
  std::vector<Range> kept;
  for (const Range& range : mappings) {
    const uint64_t end = range.address + range.size;
    if (range.address < address) kept.push_back({range.address, std::min(end, address) - range.address});
    if (end > address + size) {
      const uint64_t from = std::max(range.address, address + size);
      kept.push_back({from, end - from});
    }
  }
  mappings = kept;
}

void follow_mappings(Process& process) {
  const Event& event = process.event;
  if (!event.ok()) return;
  const Arguments& a = event.arguments;
  const auto at = static_cast<uint64_t>(event.result);
  switch (event.spec->number) {
    case SYS_mmap:
      forget(process.mappings, at, round_up(a[1]));
      process.mappings.push_back({at, round_up(a[1])});
      break;
    case SYS_munmap:
      forget(process.mappings, a[0], round_up(a[1]));
      break;
    case SYS_mremap:
      if ((a[3] & MREMAP_DONTUNMAP) == 0) forget(process.mappings, a[0], round_up(a[1]));
      process.mappings.push_back({at, round_up(a[2])});
      break;
    case SYS_shmat:
      for (const Tracee::Area& area : Tracee(process.pid).areas()) {
        if (area.start == at) process.mappings.push_back({at, area.end - area.start});
      }
      break;
    case SYS_shmdt:
      std::erase_if(process.mappings, [&](const Range& range) { return range.address == a[0]; });
      break;
    default:
      break;
  }
}

// What a lie gets to see of a process of a test.
Scene scene_of(Process& process, Event& event, Registers& registers) {
  return {.tracee = Tracee(process.pid),
          .door = process.door,
          .event = event,
          .registers = registers,
          .mappings = process.mappings,
          .kept = process.test->kept};
}

class Tracer {
 public:
  Tracer(const Binary& binary, const std::vector<Task>& tasks) : binary_(binary) {
    for (const Task& task : tasks) tasks_[task.test] = &task;
  }
  Outcome run();

 private:
  bool start();
  void loop();
  void handle(pid_t pid, int status);
  void stopped(Process& process, int status);
  void resume(Process& process, int signal = 0);
  void adopt(Process& parent, int event);
  void first_stop(Process& process);
  void enter(Process& process);
  void leave(Process& process);
  void at_call(Process& process);
  void signalled(Process& process, int signal);
  void begin_test(Process& process);
  void look_at_the_clock();
  static void end(Live& test) {
    test.ended = true;
    kill(test.leader, SIGKILL);
  }
  std::string test_that_runs();
  bool is_broken(const std::string& test);
  // Counts an event and tells the lie that belongs there, if there is one.
  bool note(Process& process, When when, Scene& scene);

  const Binary& binary_;
  std::map<std::string, const Task*> tasks_;
  std::map<pid_t, Process> processes_;
  std::set<pid_t> early_;  // stopped before their parent told of them
  std::deque<Live> tests_;
  Written output_, report_;
  size_t report_read_ = 0;
  std::set<std::string> broken_;
  pid_t root_ = 0;
  int root_status_ = -1;
  Clock::time_point last_news_ = Clock::now();
  Outcome outcome_;
};

bool Tracer::start() {
  Start start{.words = {binary_.path, "--report-fd=3"},
              .code = binary_.filtered ? filter() : std::vector<sock_filter>(),
              .output = output_.fd(),
              .report = report_.fd(),
              .gate = -1};
  start.words.insert(start.words.end(), binary_.arguments.begin(), binary_.arguments.end());
  std::string names;
  size_t most = 1;
  for (const auto& [name, task] : tasks_) {
    names += (names.empty() ? "" : ":") + name;
    most = std::max(most, task->choices.size());
  }
  start.words.push_back("--gtest_filter=" + names);
  start.words.push_back("--gtest_repeat=" + std::to_string(most));
  std::vector<char*> argv;
  for (std::string& word : start.words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (strncmp(*entry, "GTEST_", 6) != 0) environment.push_back(*entry);
  }
  environment.push_back(nullptr);
  int gate[2];
  if (pipe2(gate, O_CLOEXEC) != 0) return false;
  start.gate = gate[0];
  root_ = fork();
  if (root_ == 0) become_binary(start, argv.data(), environment.data());
  close(gate[0]);
  const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                       PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
  const bool seized = root_ > 0 && ptrace(PTRACE_SEIZE, root_, nullptr, options) == 0;
  if (!seized && root_ > 0) {
    outcome_.problem = std::string("ptrace: ") + strerror(errno);
    kill(root_, SIGKILL);
    waitpid(root_, nullptr, __WALL);
  }
  if (seized) processes_[root_] = Process{.pid = root_, .begun = true};
  const bool opened = write(gate[1], "g", 1) == 1;
  close(gate[1]);
  return seized && opened;
}

void Tracer::loop() {
  while (!processes_.empty()) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, __WALL | __WNOTHREAD);
    if (pid < 0 && errno == ECHILD) return;
    if (pid < 0) {
      look_at_the_clock();
      continue;
    }
    last_news_ = Clock::now();
    look_at_the_clock();
    handle(pid, status);
  }
}

void Tracer::handle(pid_t pid, int status) {
  const auto found = processes_.find(pid);
  if (WIFEXITED(status) || WIFSIGNALED(status)) {
    if (pid == root_) root_status_ = status;
    early_.erase(pid);
    if (found != processes_.end()) processes_.erase(found);
  } else if (WIFSTOPPED(status) && found == processes_.end()) {
    early_.insert(pid);
  } else if (WIFSTOPPED(status)) {
    stopped(found->second, status);
  }
}

void Tracer::stopped(Process& process, int status) {
  const int signal = WSTOPSIG(status);
  switch (status >> 16) {
    case PTRACE_EVENT_SECCOMP:
      return enter(process);
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
      return adopt(process, status >> 16);
    case PTRACE_EVENT_EXEC:
      process.mappings.clear();
      process.door = 0;
      return resume(process);
    case PTRACE_EVENT_STOP:
      if (!process.begun) return first_stop(process);
      if (signal == SIGTRAP) return resume(process);
      ptrace(PTRACE_LISTEN, process.pid, nullptr, nullptr);
      return;
    case 0:
      break;
    default:
      return resume(process);
  }
  if (signal == (SIGTRAP | 0x80)) return at_call(process);
  signalled(process, signal);
}

// With a filter only the ends of calls stop here, without one their beginnings as well.
void Tracer::at_call(Process& process) {
  if (process.in_call) return leave(process);
  if (binary_.filtered) return resume(process);
  process.in_other = !process.in_other;
  if (!process.in_other) return resume(process);
  enter(process);
  if (process.in_call) process.in_other = false;
}

void Tracer::resume(Process& process, int signal) {
  ptrace(process.in_call || !binary_.filtered ? PTRACE_SYSCALL : PTRACE_CONT, process.pid, nullptr,
         static_cast<long>(signal));
}

void Tracer::adopt(Process& parent, int event) {
  unsigned long message = 0;
  ptrace(PTRACE_GETEVENTMSG, parent.pid, nullptr, &message);
  const auto pid = static_cast<pid_t>(message);
  Process child{.pid = pid,
                .parent = parent.pid,
                .test = parent.test,
                .door = parent.door,
                .mappings = parent.mappings};
  child.thread = event == PTRACE_EVENT_CLONE;
  Process& kept = processes_[pid] = std::move(child);
  if (early_.erase(pid) > 0) first_stop(kept);
  resume(parent);
}

void Tracer::first_stop(Process& process) {
  process.begun = true;
  if (process.test != nullptr && !process.thread) {
    Event birth{.label = "fork"};
    Registers unused{};
    Scene scene = scene_of(process, birth, unused);
    note(process, When::birth, scene);
  }
  resume(process);
}

bool Tracer::note(Process& process, When when, Scene& scene) {
  Live& test = *process.test;
  Tally& tally = test.run.recording[{when, scene.event.label}];
  if (tally.count++ == 0) tally.first = scene.event;
  const Choice* choice = test.choice;
  if (choice == nullptr || choice->lie == nullptr || choice->lie->when != when) return false;
  if (choice->label != scene.event.label || (choice->which != 0 && choice->which != tally.count))
    return false;
  if (when == When::before && !choice->lie->fits(scene.event)) return false;
  if (!choice->lie->tell(scene)) return false;
  ++test.run.told;
  return true;
}

void Tracer::enter(Process& process) {
  const Tracee tracee(process.pid);
  auto registers = tracee.registers();
  if (!registers) return;  // killed meanwhile
  const CallSpec* spec = find_call(static_cast<long>(registers->orig_rax));
  if (spec == nullptr) return resume(process);
  const Arguments arguments = arguments_of(*registers);
  process.door = registers->rip - 2;
  if (process.test == nullptr) {
    // The last thing that the framework does before the body.
    if (spec->number == SYS_prlimit64 && arguments[1] == RLIMIT_CORE && arguments[2] != 0)
      begin_test(process);
    return resume(process);
  }
  if (binary_.filtered && spec->number == SYS_prctl && arguments[0] == PR_SET_SECCOMP) {
    end(*process.test);  // it would be refused: our filter is there
    return resume(process);
  }
  process.event = name_call(tracee, *spec, arguments);
  if (process.event.spared) return resume(process);
  process.in_call = true;
  process.told.reset();
  Scene scene = scene_of(process, process.event, *registers);
  if (note(process, When::before, scene)) {
    process.told = scene.answer;
    if (process.told) registers->orig_rax = SYS_getpid;
    tracee.set_registers(*registers);
  }
  resume(process);
}

void Tracer::leave(Process& process) {
  const Tracee tracee(process.pid);
  auto registers = tracee.registers();
  process.in_call = false;
  if (!registers) return;
  const Registers before = *registers;
  if (process.told) registers->rax = static_cast<uint64_t>(*process.told);
  // The kernel keeps the argument registers, and compilers rely on it.
  if (process.event.spec->number != SYS_execve && process.event.spec->number != SYS_execveat)
    set_arguments(*registers, process.event.arguments);
  process.event.result = static_cast<long>(registers->rax);
  follow_mappings(process);
  Scene scene = scene_of(process, process.event, *registers);
  note(process, process.event.ok() ? When::success : When::failure, scene);
  note(process, When::answer, scene);
  if (memcmp(&before, &*registers, sizeof before) != 0) tracee.set_registers(*registers);
  resume(process);
}

void Tracer::signalled(Process& process, int signal) {
  siginfo_t info{};
  const bool fault = (signal == SIGSEGV || signal == SIGBUS) && process.test != nullptr &&
                     process.door != 0 && ptrace(PTRACE_GETSIGINFO, process.pid, nullptr, &info) == 0 &&
                     info.si_code > 0;
  if (!fault) return resume(process, signal);
  Event event{.label = signal == SIGBUS ? "SIGBUS" : "SIGSEGV"};
  Registers unused{};
  Scene scene = scene_of(process, event, unused);
  scene.fault = &info;
  if (note(process, When::fault, scene) && info.si_signo != 0)
    ptrace(PTRACE_SETSIGINFO, process.pid, nullptr, &info);
  resume(process, info.si_signo);
}

// GoogleTest's own output names the test that begins; the binary flushes it before it forks.
std::string Tracer::test_that_runs() {
  static constexpr std::string_view kBegins = "[ RUN      ] ";
  const std::string& text = output_.text();
  const size_t at = text.rfind(kBegins);
  if (at == std::string::npos) return "";
  return text.substr(at + kBegins.size(), text.find('\n', at) - at - kBegins.size());
}

// When a test begins, what was reported of the earlier ones is complete.
bool Tracer::is_broken(const std::string& test) {
  const std::string_view text = report_.text();
  for (const Verdict& verdict : read_report(text.substr(report_read_))) {
    if (verdict.kind == Verdict::Kind::broken) broken_.insert(verdict.test);
  }
  report_read_ = text.size();
  return broken_.contains(test);
}

void Tracer::begin_test(Process& process) {
  Live& test = tests_.emplace_back();
  test.name = test_that_runs();
  test.leader = process.pid;
  process.test = &test;
  const auto task = tasks_.find(test.name);
  if (task == tasks_.end()) return;
  test.deadline = Clock::now() + milliseconds(task->second->limit_ms);
  const auto before = static_cast<size_t>(std::count_if(
      tests_.begin(), tests_.end() - 1, [&](const Live& other) { return other.name == test.name; }));
  if (before < task->second->choices.size()) test.choice = &task->second->choices[before];
  const bool pointless = before >= std::max<size_t>(1, task->second->choices.size());
  if (pointless || (before > 0 && is_broken(test.name))) end(test);
}

void Tracer::look_at_the_clock() {
  const auto now = Clock::now();
  if (!tests_.empty() && !tests_.back().ended && now > tests_.back().deadline) {
    end(tests_.back());
  }
  if (now - last_news_ > kPatience) kill(root_, SIGKILL);
}

Outcome Tracer::run() {
  if (!start()) {
    if (outcome_.problem.empty()) outcome_.problem = "cannot start the binary";
    return std::move(outcome_);
  }
  loop();
  const std::vector<Verdict> verdicts = read_report(report_.text());
  std::map<std::string, std::vector<Live*>> lives;
  for (Live& test : tests_) lives[test.name].push_back(&test);
  std::map<std::string, size_t> reported;
  for (const Verdict& verdict : verdicts) {
    const auto& of_test = lives[verdict.test];
    const size_t index = reported[verdict.test]++;
    const auto task = tasks_.find(verdict.test);
    if (task == tasks_.end() || index >= std::max<size_t>(1, task->second->choices.size())) continue;
    Run run;
    if (index < of_test.size()) run = std::move(of_test[index]->run);
    run.verdict = verdict;
    auto& runs = outcome_.runs[verdict.test];
    if (runs.empty() || runs.back().verdict.kind != Verdict::Kind::broken) runs.push_back(std::move(run));
  }
  if (!WIFEXITED(root_status_) || WEXITSTATUS(root_status_) > 1) {
    const std::string& text = output_.text();
    outcome_.problem = "the binary did not come to its end (wait status " + std::to_string(root_status_) +
                       "): " + text.substr(text.size() > 300 ? text.size() - 300 : 0);
  }
  return std::move(outcome_);
}

// Interrupts the waits of this thread a few times per second, so that they can look at the clock.
class Ticker {
 public:
  // Empty on success.
  std::string start() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigaction(SIGALRM, &action, nullptr);  // without SA_RESTART: waits end
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGALRM;
    event._sigev_un._tid = gettid();
    if (timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0)
      return std::string("timer_create: ") + strerror(errno);
    const timespec often{.tv_sec = 0, .tv_nsec = 50'000'000};
    const itimerspec ticks{.it_interval = often, .it_value = often};
    timer_settime(timer_, 0, &ticks, nullptr);
    running_ = true;
    return "";
  }
  Ticker() = default;
  Ticker(const Ticker&) = delete;
  ~Ticker() {
    if (running_) timer_delete(timer_);
  }

 private:
  timer_t timer_{};
  bool running_ = false;
};

}  // namespace

Outcome run_tasks(const Binary& binary, const std::vector<Task>& tasks) {
  Ticker ticker;
  std::string problem = ticker.start();
  if (!problem.empty()) return Outcome{.runs = {}, .problem = std::move(problem)};
  return Tracer(binary, tasks).run();
}

}  // namespace shmcheck::liar

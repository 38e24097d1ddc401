#include "harness/workers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "harness/pipes.h"
#include "harness/result_json.h"

namespace shmcheck::harness {
namespace {

// How long after the end of the run the others may take to hand over what they found.
constexpr milliseconds kHandOver{20'000};

struct Worker {
  pid_t pid = -1;
  Fd share;
  std::string text;
};

// In the child: a run of its own. It never returns, and leaves the parent's session alone.
[[noreturn]] void be_worker(Run& parent, RandomOptions options, Deadline deadline, int worker, int share) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  options.worker = worker;
  Options own = parent.options();
  own.time = parent.deadline().left();
  own.file_prefix = fmt::format("w{}-", worker);
  Output output;
  output.be_quiet();
  Run run("random", own, output);
  if (run.open(worker)) run_random(run, options, deadline);
  run.finish();
  if (!run.result().unjudged.empty())
    run.result().warnings.push_back(fmt::format("process {}: {}", worker, run.result().unjudged));
  const std::string all = share_to_json(run.result());
  std::string_view text = all;
  while (!text.empty()) {
    const ssize_t n = ::write(share, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;  // the parent has gone
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  run.close();
  ::_exit(0);
}

std::string start(Run& run, const RandomOptions& options, Deadline deadline, int number, Worker& worker) {
  Pipe pipe;
  const std::string sentence = pipe.make();
  if (!sentence.empty()) return sentence;
  run.output().clear_progress();
  worker.pid = ::fork();
  if (worker.pid == 0) be_worker(run, options, deadline, number, pipe.write.get());
  if (worker.pid < 0) return fmt::format("cannot fork: {}", std::strerror(errno));
  worker.share = std::move(pipe.read);
  return {};
}

// Reads all that a worker hands over; false if it does not end in time.
bool collect(Worker& worker, Deadline limit) {
  for (;;) {
    pollfd waiting = {worker.share.get(), POLLIN, 0};
    const int ready = ::poll(&waiting, 1, limit.poll_timeout());
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    char buffer[65536];
    const ssize_t n = ::read(worker.share.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    worker.text.append(buffer, static_cast<std::size_t>(n));
  }
}

}  // namespace

void run_random_in_processes(Run& run, const RandomOptions& options, Deadline deadline) {
  RandomOptions share = options;
  share.workers = run.options().processes;
  std::vector<Worker> workers(static_cast<std::size_t>(share.workers - 1));
  for (std::size_t i = 0; i < workers.size(); ++i) {
    const std::string sentence = start(run, share, deadline, static_cast<int>(i) + 1, workers[i]);
    if (!sentence.empty()) run.result().warnings.push_back(sentence);
  }
  run_random(run, share, deadline);
  const Deadline limit = Deadline::in(kHandOver + run.deadline().left());
  for (Worker& worker : workers) {
    if (worker.pid < 0) continue;
    if (!collect(worker, limit)) ::kill(worker.pid, SIGKILL);
    while (::waitpid(worker.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    const std::string trouble = add_share(worker.text, run.result());
    if (!trouble.empty()) run.result().warnings.push_back(trouble);
  }
}

}  // namespace shmcheck::harness

#include "bench/ipc/exchange.h"

#include <fmt/format.h>

#include <vector>

#include "bench/ipc/message.h"
#include "harness/ipc_run.h"

namespace shmcheck::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

// One process's part. Both number all messages alike.
class Party {
 public:
  explicit Party(const Task& task) : task_(task) {}

  void send(Channel& channel, Way way) {
    write_message(channel.compose(), task_.size, way, number_[index(way)]++);
    channel.send();
  }

  void receive(Channel& channel, Way way) {
    const std::uint64_t number = number_[index(way)]++;
    if (!is_message(channel.receive(), task_.size, way, number))
      throw std::runtime_error(fmt::format("message {} did not arrive as it was sent", number));
    channel.release();
  }

 private:
  static std::size_t index(Way way) { return static_cast<std::size_t>(way); }

  const Task& task_;
  std::uint64_t number_[2] = {0, 0};
};

class Leader {
 public:
  explicit Leader(const Task& task) : task_(task), party_(task) {}

  nanoseconds round_trips(std::uint64_t count) {
    announce(Desk::Order::round_trips, count);
    round_trip();  // until it is back, the other may still be on its way from the barrier
    const Clock::time_point start = Clock::now();
    for (std::uint64_t i = 0; i < count; ++i) round_trip();
    return Clock::now() - start;
  }

  nanoseconds stream(std::uint64_t count) {
    announce(Desk::Order::stream, count);
    round_trip();
    const Clock::time_point start = Clock::now();
    for (std::uint64_t i = 0; i < count; ++i) party_.send(task_.there, Way::there);
    party_.receive(task_.back, Way::back);  // all have been read
    return Clock::now() - start;
  }

  void announce(Desk::Order order, std::uint64_t count) {
    task_.desk.order = order;
    task_.desk.count = count;
    pthread_barrier_wait(&task_.desk.both);
  }

 private:
  void round_trip() {
    party_.send(task_.there, Way::there);
    party_.receive(task_.back, Way::back);
  }

  const Task& task_;
  Party party_;
};

constexpr std::uint64_t kLeastStream = 8;  // fewer large messages would hardly be one

// Short ones, of which the median is taken: what else the machine does meanwhile meets some of them only.
constexpr int kBatches = 10;

// Nanoseconds of one, by batches that take about as long as is wanted together. The first ones are the
// warm-up.
template <typename Measure>
double each(nanoseconds wanted, std::uint64_t least, const Measure& measure) {
  const nanoseconds batch = wanted / kBatches;
  std::uint64_t count = least;
  nanoseconds taken = measure(count);
  while (taken < batch) {
    count *= 2;
    taken = measure(count);
  }
  std::vector<double> figures;
  figures.reserve(kBatches);
  for (int i = 0; i < kBatches; ++i)
    figures.push_back(static_cast<double>(measure(count).count()) / static_cast<double>(count));
  return harness::median_of_rounds(figures);
}

}  // namespace

void lead(const Task& task) {
  Leader leader(task);
  const double round_trip =
      each(task.time, 1, [&leader](std::uint64_t count) { return leader.round_trips(count); });
  const double message =
      each(task.time, kLeastStream, [&leader](std::uint64_t count) { return leader.stream(count); });
  constexpr double kMiB = 1 << 20, kSecond = 1e9;
  task.desk.timing = {round_trip / 2, static_cast<double>(task.size) / kMiB * kSecond / message};
  leader.announce(Desk::Order::end, 0);
}

void follow(const Task& task) {
  Party party(task);
  for (;;) {
    pthread_barrier_wait(&task.desk.both);
    const Desk::Order order = task.desk.order;
    const std::uint64_t count = task.desk.count;
    if (order == Desk::Order::end) return;
    const std::uint64_t round_trips = order == Desk::Order::round_trips ? count + 1 : 1;
    for (std::uint64_t i = 0; i < round_trips; ++i) {
      party.receive(task.there, Way::there);
      party.send(task.back, Way::back);
    }
    if (order == Desk::Order::round_trips) continue;
    for (std::uint64_t i = 0; i < count; ++i) party.receive(task.there, Way::there);
    party.send(task.back, Way::back);
  }
}

}  // namespace shmcheck::bench

// Synchronisation through shared mappings: order, atomicity, futexes and process-shared primitives.

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <new>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

using Word = std::atomic<uint32_t>;

Outcome FutexWait(Word* word, uint32_t expected) {
  return Returned(syscall(SYS_futex, word, FUTEX_WAIT, expected, nullptr, nullptr, 0));
}
Outcome FutexWake(Word* word, int count) {
  return Returned(syscall(SYS_futex, word, FUTEX_WAKE, count, nullptr, nullptr, 0));
}

template <typename T>
T* At(const Mapping& map, size_t offset = 0) {
  return std::launder(reinterpret_cast<T*>(map.at(offset)));
}

// Waits until the word has the value, giving the processor away in the meantime.
void AwaitValue(Word* word, uint32_t value) {
  for (uint32_t seen = word->load(); seen != value; seen = word->load()) FutexWait(word, seen);
}
void SetValue(Word* word, uint32_t value) {
  word->store(value);
  FutexWake(word, 1);
}

// Ping and pong over a flag; the data beside it are plain bytes which the flag orders.
void ExpectMessagesInOrder(const Mapping& mine, const Mapping& theirs) {
  constexpr uint32_t kRounds = 300;
  Child child([&](Channel&) {
    for (uint32_t round = 1; round <= kRounds; ++round) {
      AwaitValue(At<Word>(theirs), 2 * round - 1);
      ASSERT_THAT(LoadWord(theirs.at(page() + 64)), Reads(round * 3ULL));
      ASSERT_THAT(StoreWord(theirs.at(2 * page() - 8), round * 5ULL), Works());
      SetValue(At<Word>(theirs), 2 * round);
    }
  });
  for (uint32_t round = 1; round <= kRounds; ++round) {
    ASSERT_THAT(StoreWord(mine.at(page() + 64), round * 3ULL), Works());
    SetValue(At<Word>(mine), 2 * round - 1);
    AwaitValue(At<Word>(mine), 2 * round);
    ASSERT_THAT(LoadWord(mine.at(2 * page() - 8)), Reads(round * 5ULL));
  }
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Share, OrderedStoresAreSeenInFiles, Clause::share_immediate, on::files) {
  const TempFile file(2 * page());
  ExpectMessagesInOrder(MapShared(file.fd(), 2 * page()), MapShared(file.fd(), 2 * page()));
}

CONFORMANCE(Share, OrderedStoresAreSeenInAnonymousMemory, Clause::share_immediate) {
  const Mapping map = MapSharedAnonymous(2 * page());
  ExpectMessagesInOrder(map, map);
}

CONFORMANCE(Share, AtomicOperationsAreAtomicBetweenProcesses, Clause::share_atomics, on::files) {
  constexpr uint32_t kProcesses = 4;
  constexpr uint32_t kIncrements = 20'000;
  const TempFile file(page());
  const Mapping map = MapShared(file.fd(), page());
  {
    std::vector<std::unique_ptr<Child>> children;
    for (uint32_t i = 0; i < kProcesses; ++i) {
      children.push_back(std::make_unique<Child>([&](Channel&) {
        const Mapping own = MapShared(file.fd(), page());
        for (uint32_t n = 0; n < kIncrements; ++n) At<Word>(own)->fetch_add(1);
      }));
    }
    for (const auto& child : children) EXPECT_THAT(child->Join(), ExitsWith(0));
  }
  EXPECT_EQ(At<Word>(map)->load(), kProcesses * kIncrements);
}

void ExpectOneFutex(const Mapping& mine, const Mapping& theirs) {
  Child child([&](Channel& test) {
    const Outcome outcome = FutexWait(At<Word>(theirs, 64), 0);
    EXPECT_THAT(outcome, Returns(0)) << "a waiter that is woken";
    test.Signal();
  });
  // The word keeps its value, so nothing but a wake-up through the other address can end the wait.
  while (FutexWake(At<Word>(mine, 64), 1).value == 0) sched_yield();
  child.Wait();
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_THAT(FutexWake(At<Word>(mine, 64), 1), Returns(0)) << "nobody waits any more";
}

CONFORMANCE(Share, FutexInAFileIsOneFutexAtAllAddresses, Clause::share_futex, on::files) {
  const TempFile file(page());
  ExpectOneFutex(MapShared(file.fd(), page()), MapShared(file.fd(), page()));
}

CONFORMANCE(Share, FutexInAnonymousMemoryIsOneFutexAfterFork, Clause::share_futex) {
  const Mapping map = MapSharedAnonymous(page());
  ExpectOneFutex(map, map);
}

CONFORMANCE(Share, FutexInASegmentIsOneFutexAtAllAddresses, Clause::share_futex) {
  const Segment segment(page());
  uint8_t* const one = segment.Attach();
  uint8_t* const two = segment.Attach();
  ExpectOneFutex(Mapping(one, page()), Mapping(two, page()));
}

CONFORMANCE(Share, FutexesOfDifferentObjectsAreDifferent, Clause::share_futex, on::files) {
  const TempFile file(page());
  const TempFile other(page());
  const Mapping map = MapShared(file.fd(), page());
  const Mapping other_map = MapShared(other.fd(), page());
  Child child([&](Channel&) { EXPECT_THAT(FutexWait(At<Word>(map), 0), Returns(0)); });
  for (int i = 0; i < 200; ++i) {
    ASSERT_THAT(FutexWake(At<Word>(other_map), 1), Returns(0)) << "a waiter of another object was woken";
    sched_yield();
  }
  while (FutexWake(At<Word>(map), 1).value == 0) sched_yield();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

struct Primitives {
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  pthread_barrier_t barrier;
  sem_t semaphore;
  uint32_t counter;
  bool child_ready;
};

void InitialisePrimitives(Primitives* shared) {
  pthread_mutexattr_t mutex_attributes;
  pthread_condattr_t condition_attributes;
  pthread_barrierattr_t barrier_attributes;
  pthread_mutexattr_init(&mutex_attributes);
  pthread_condattr_init(&condition_attributes);
  pthread_barrierattr_init(&barrier_attributes);
  ASSERT_THAT(Answered(pthread_mutexattr_setpshared(&mutex_attributes, PTHREAD_PROCESS_SHARED)), Succeeds());
  ASSERT_THAT(Answered(pthread_condattr_setpshared(&condition_attributes, PTHREAD_PROCESS_SHARED)),
              Succeeds());
  ASSERT_THAT(Answered(pthread_barrierattr_setpshared(&barrier_attributes, PTHREAD_PROCESS_SHARED)),
              Succeeds());
  ASSERT_THAT(Answered(pthread_mutex_init(&shared->mutex, &mutex_attributes)), Succeeds());
  ASSERT_THAT(Answered(pthread_cond_init(&shared->condition, &condition_attributes)), Succeeds());
  ASSERT_THAT(Answered(pthread_barrier_init(&shared->barrier, &barrier_attributes, 2)), Succeeds());
  ASSERT_THAT(Returned(sem_init(&shared->semaphore, 1, 0)), Succeeds());
}

constexpr uint32_t kTurns = 500;

void CountUnderMutex(Primitives* shared) {
  for (uint32_t i = 0; i < kTurns; ++i) {
    pthread_mutex_lock(&shared->mutex);
    const uint32_t seen = shared->counter;
    if (i % 50 == 0) sched_yield();  // invites the other process into the critical section
    shared->counter = seen + 1;
    pthread_mutex_unlock(&shared->mutex);
  }
}

CONFORMANCE(Share, ProcessSharedPrimitivesWorkBetweenProcesses, Clause::share_pshared_sync, on::files) {
  const TempFile file(page());
  const Mapping map = MapShared(file.fd(), page());
  auto* const shared = At<Primitives>(map);
  InitialisePrimitives(shared);
  Child child([&](Channel&) {
    const Mapping own = MapShared(file.fd(), page());
    auto* const mine = At<Primitives>(own);
    pthread_barrier_wait(&mine->barrier);
    CountUnderMutex(mine);
    pthread_mutex_lock(&mine->mutex);
    mine->child_ready = true;
    pthread_cond_signal(&mine->condition);
    pthread_mutex_unlock(&mine->mutex);
    EXPECT_THAT(Returned(sem_wait(&mine->semaphore)), Succeeds());
    EXPECT_THAT(Returned(sem_wait(&mine->semaphore)), Succeeds());
    EXPECT_THAT(Returned(sem_trywait(&mine->semaphore)), FailsWith(EAGAIN));
  });
  pthread_barrier_wait(&shared->barrier);
  CountUnderMutex(shared);
  pthread_mutex_lock(&shared->mutex);
  while (!shared->child_ready) pthread_cond_wait(&shared->condition, &shared->mutex);
  pthread_mutex_unlock(&shared->mutex);
  EXPECT_EQ(shared->counter, 2 * kTurns);
  EXPECT_THAT(Returned(sem_post(&shared->semaphore)), Succeeds());
  EXPECT_THAT(Returned(sem_post(&shared->semaphore)), Succeeds());
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

// The writer gives up all system calls but exit before the exchange begins: one more would kill it.
CONFORMANCE(Share, ExchangeNeedsNoSystemCall, Clause::share_no_copy, on::files) {
  constexpr int kStrict = 1;  // SECCOMP_MODE_STRICT
  constexpr uint32_t kRounds = 5;
  const TempFile file(2 * page());
  const Mapping map = MapShared(file.fd(), 2 * page());
  Word* const turn = At<Word>(map);
  Child writer([&](Channel& test) {
    volatile uint8_t* const data = map.at(page());
    test.Signal();
    if (prctl(PR_SET_SECCOMP, kStrict) != 0) Abandon(Where::Here(), "prctl fails with " + ErrnoName(errno));
    for (uint32_t round = 1; round <= kRounds; ++round) {
      while (turn->load() != 2 * round - 1) {
      }
      for (size_t i = 0; i < page(); ++i) data[i] = PatternByte(i, round);
      turn->store(2 * round);
    }
    syscall(SYS_exit, 0);
  });
  writer.Wait();
  for (uint32_t round = 1; round <= kRounds; ++round) {
    turn->store(2 * round - 1);
    while (turn->load() != 2 * round) sched_yield();
    EXPECT_THAT(Memory(map.at(page()), page()), HoldsPattern(0, page(), round));
  }
  EXPECT_THAT(writer.Join(), ExitsWith(0));
}

}  // namespace
}  // namespace shmcheck::conformance

// System V segments as values: everything that IPC_STAT, SHM_STAT, SHM_INFO and /proc/sysvipc/shm tell.
#pragma once

#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/types.h>
#include <time.h>

#include <map>
#include <ostream>
#include <string>

#include "conformance/framework/outcome.h"
#include "conformance/framework/report.h"

namespace shmcheck::conformance {

// Every documented member of shmid_ds. Compared as a whole, so that a member that changed unasked is seen.
struct SegmentState {
  key_t key = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  uid_t cuid = 0;
  gid_t cgid = 0;
  unsigned mode = 0;
  size_t size = 0;
  time_t atime = 0;
  time_t dtime = 0;
  time_t ctime = 0;
  pid_t cpid = 0;
  pid_t lpid = 0;
  unsigned long nattch = 0;

  bool operator==(const SegmentState&) const = default;
};
std::ostream& operator<<(std::ostream& out, const SegmentState& state);

SegmentState ToState(const shmid_ds& status);
// IPC_STAT that must work.
SegmentState StateOf(int id, Where where = Where::Here());
// Whether IPC_STAT still knows it; a refusal for any other reason fails the test.
bool Exists(int id);

// What SHM_INFO tells; `highest` is its return value.
struct Usage {
  int highest = 0;
  int segments = 0;
  unsigned long pages = 0;
  unsigned long resident = 0;
  unsigned long swapped = 0;
  unsigned long swap_attempts = 0;
  unsigned long swap_successes = 0;

  bool operator==(const Usage&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Usage& usage);
Usage ReadUsage(Where where = Where::Here());
shminfo ReadLimits(Where where = Where::Here());

// A line of /proc/sysvipc/shm.
struct ListedSegment {
  SegmentState state;
  unsigned long resident_bytes = 0;
  unsigned long swapped_bytes = 0;

  bool operator==(const ListedSegment&) const = default;
};
std::ostream& operator<<(std::ostream& out, const ListedSegment& listed);
std::map<int, ListedSegment> ParseListing(const std::string& text, Where where = Where::Here());
std::map<int, ListedSegment> ReadListing(Where where = Where::Here());

// All segments of the IPC namespace by SHM_STAT over the table; ids to states.
std::map<int, SegmentState> ReadTable(Where where = Where::Here());
// What they tell of one segment. One that they lack fails the test and is told as all zero.
SegmentState Entry(const std::map<int, SegmentState>& table, int id, Where where = Where::Here());
ListedSegment Entry(const std::map<int, ListedSegment>& listing, int id, Where where = Where::Here());

// Everything that the kernel tells of an IPC namespace's segments. Equal views mean that nothing was left
// behind.
struct NamespaceView {
  std::map<int, SegmentState> table;
  std::map<int, ListedSegment> listing;
  Usage usage;

  bool operator==(const NamespaceView&) const = default;
};
std::ostream& operator<<(std::ostream& out, const NamespaceView& view);
NamespaceView ReadView(Where where = Where::Here());

// The second that the kernel would stamp now.
time_t KernelSecond();
// `seen` if it lies between `since` and now, else `since`: for comparing a state of which one time is free in
// that range.
time_t Within(time_t since, time_t seen);
// Returns in a new second of the kernel's clock.
void NextSecond();

// A key that has no segment.
key_t UnusedKey();
// A segment under a key, of our own as far as removal goes.
inline Outcome Create(key_t key, size_t size, int flags) {
  return Returned(shmget(key, size, flags));
}

// Writes /proc/sys/kernel/NAME of the IPC namespace: success or the error of open or write.
Outcome WriteSysctl(const std::string& name, const std::string& value);
void SetSysctl(const std::string& name, unsigned long value, Where where = Where::Here());
unsigned long Sysctl(const std::string& name, Where where = Where::Here());

inline size_t UpToPage(size_t size, size_t page_size) {
  return (size + page_size - 1) / page_size * page_size;
}

// What shmat answers, as an outcome; the attach stays.
inline Outcome Attached(int id, const void* address = nullptr, int flags = 0) {
  return Returned(shmat(id, address, flags));
}

}  // namespace shmcheck::conformance

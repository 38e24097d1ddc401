#include "conformance/framework/sysv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "conformance/framework/objects.h"

namespace shmcheck::conformance {
namespace {

[[noreturn]] void AbandonErrno(Where where, const std::string& call) {
  const int error = errno;
  Abandon(where, call + " fails with " + ErrnoName(error));
}

template <typename T>
shmid_ds* AsBuffer(T* buffer) {
  return reinterpret_cast<shmid_ds*>(buffer);
}

std::string Octal(unsigned mode) {
  char text[16];
  snprintf(text, sizeof text, "0%o", mode);
  return text;
}

template <typename T>
T EntryOr(const std::map<int, T>& entries, int id, const std::string& absent, Where where) {
  const auto found = entries.find(id);
  if (found != entries.end()) return found->second;
  ADD_FAILURE_AT(where.file, where.line) << absent;
  return {};
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const SegmentState& s) {
  return out << "{key " << s.key << " uid " << s.uid << " gid " << s.gid << " cuid " << s.cuid << " cgid "
             << s.cgid << " mode " << Octal(s.mode) << " segsz " << s.size << " atime " << s.atime
             << " dtime " << s.dtime << " ctime " << s.ctime << " cpid " << s.cpid << " lpid " << s.lpid
             << " nattch " << s.nattch << "}";
}

SegmentState ToState(const shmid_ds& status) {
  const ipc_perm& perm = status.shm_perm;
  return {perm.__key,      perm.uid,         perm.gid,         perm.cuid,        perm.cgid,
          perm.mode,       status.shm_segsz, status.shm_atime, status.shm_dtime, status.shm_ctime,
          status.shm_cpid, status.shm_lpid,  status.shm_nattch};
}

SegmentState StateOf(int id, Where where) {
  shmid_ds status{};
  if (shmctl(id, IPC_STAT, &status) != 0) AbandonErrno(where, "shmctl(IPC_STAT)");
  return ToState(status);
}

bool Exists(int id) {
  shmid_ds status;
  const Outcome outcome = Returned(shmctl(id, IPC_STAT, &status));
  if (!outcome.ok()) {
    EXPECT_THAT(outcome, FailsWithAnyOf({EINVAL, EIDRM}));
  }
  return outcome.ok();
}

std::ostream& operator<<(std::ostream& out, const Usage& u) {
  return out << "{highest index " << u.highest << " segments " << u.segments << " pages " << u.pages
             << " resident " << u.resident << " swapped " << u.swapped << " attempts " << u.swap_attempts
             << " successes " << u.swap_successes << "}";
}

Usage ReadUsage(Where where) {
  shm_info info{};
  const int highest = shmctl(0, SHM_INFO, AsBuffer(&info));
  if (highest < 0) AbandonErrno(where, "shmctl(SHM_INFO)");
  return {highest,      info.used_ids,      info.shm_tot,       info.shm_rss,
          info.shm_swp, info.swap_attempts, info.swap_successes};
}

shminfo ReadLimits(Where where) {
  shminfo limits{};
  if (shmctl(0, IPC_INFO, AsBuffer(&limits)) < 0) AbandonErrno(where, "shmctl(IPC_INFO)");
  return limits;
}

std::ostream& operator<<(std::ostream& out, const ListedSegment& listed) {
  return out << listed.state << " rss " << listed.resident_bytes << " swap " << listed.swapped_bytes;
}

std::map<int, ListedSegment> ParseListing(const std::string& text, Where where) {
  std::istringstream lines(text);
  std::string line;
  if (!std::getline(lines, line) || line.find("shmid") == std::string::npos)
    Abandon(where, "no header in /proc/sysvipc/shm: " + line);
  std::map<int, ListedSegment> listing;
  while (std::getline(lines, line)) {
    ListedSegment row;
    SegmentState& s = row.state;
    int id = 0;
    const int fields = sscanf(line.c_str(), "%d %d %o %zu %d %d %lu %u %u %u %u %ld %ld %ld %lu %lu", &s.key,
                              &id, &s.mode, &s.size, &s.cpid, &s.lpid, &s.nattch, &s.uid, &s.gid, &s.cuid,
                              &s.cgid, &s.atime, &s.dtime, &s.ctime, &row.resident_bytes, &row.swapped_bytes);
    if (fields != 16) Abandon(where, "cannot make sense of the line in /proc/sysvipc/shm: " + line);
    if (!listing.emplace(id, row).second)
      Abandon(where, "/proc/sysvipc/shm lists id " + std::to_string(id) + " twice");
  }
  return listing;
}

std::map<int, ListedSegment> ReadListing(Where where) {
  return ParseListing(ReadText("/proc/sysvipc/shm", where), where);
}

std::map<int, SegmentState> ReadTable(Where where) {
  std::map<int, SegmentState> table;
  const int highest = ReadUsage(where).highest;
  for (int index = 0; index <= highest; ++index) {
    shmid_ds status{};
    const int id = shmctl(index, SHM_STAT, &status);
    if (id >= 0 && !table.emplace(id, ToState(status)).second)
      Abandon(where, "SHM_STAT gives id " + std::to_string(id) + " for two indices");
    if (id < 0 && errno != EINVAL) AbandonErrno(where, "shmctl(SHM_STAT)");
  }
  return table;
}

SegmentState Entry(const std::map<int, SegmentState>& table, int id, Where where) {
  return EntryOr(table, id, "SHM_STAT gives id " + std::to_string(id) + " for no index", where);
}

ListedSegment Entry(const std::map<int, ListedSegment>& listing, int id, Where where) {
  return EntryOr(listing, id, "/proc/sysvipc/shm has no line for id " + std::to_string(id), where);
}

NamespaceView ReadView(Where where) {
  return {ReadTable(where), ReadListing(where), ReadUsage(where)};
}

std::ostream& operator<<(std::ostream& out, const NamespaceView& view) {
  out << "SHM_INFO " << view.usage;
  for (const auto& [id, state] : view.table) out << "\n  SHM_STAT " << id << " " << state;
  for (const auto& [id, row] : view.listing) out << "\n  /proc/sysvipc/shm " << id << " " << row;
  return out;
}

time_t KernelSecond() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

time_t Within(time_t since, time_t seen) {
  return seen >= since && seen <= time(nullptr) ? seen : since;
}

void NextSecond() {
  const timespec next{KernelSecond() + 1, 0};
  while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &next, nullptr) == EINTR ||
         KernelSecond() < next.tv_sec) {
  }
}

key_t UnusedKey() {
  static unsigned number = 0;
  for (;;) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const unsigned mixed =
        (static_cast<unsigned>(now.tv_nsec) + static_cast<unsigned>(getpid()) * 7919U + ++number) *
        2654435761U;
    const auto key = static_cast<key_t>(mixed | 0x40000000U);
    if (shmget(key, 0, 0) < 0 && errno == ENOENT) return key;
  }
}

Outcome WriteSysctl(const std::string& name, const std::string& value) {
  const Fd fd(open(("/proc/sys/kernel/" + name).c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.get() < 0) return Returned(-1);
  const Outcome outcome = Returned(write(fd.get(), value.data(), value.size()));
  return outcome.ok() ? Returned(0) : outcome;
}

void SetSysctl(const std::string& name, unsigned long value, Where where) {
  const Outcome outcome = WriteSysctl(name, std::to_string(value));
  if (!outcome.ok()) Abandon(where, "writing kernel." + name + " fails with " + ErrnoName(outcome.error));
}

unsigned long Sysctl(const std::string& name, Where where) {
  return strtoul(ReadText("/proc/sys/kernel/" + name, where).c_str(), nullptr, 10);
}

}  // namespace shmcheck::conformance

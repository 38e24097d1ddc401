// Outcomes and traces: what an executor writes down, and what the reference model judges.
//
// A trace is a program with the outcome of every step, the facts of the target, and an `end` record with the
// state after all its processes have ended. In memory an outcome is a fixed part plus `words`, whose layout
// is given by the op's ResultKind; the same words travel from executor to harness, little-endian.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "program/facts.h"
#include "program/op.h"

namespace shmcheck::program {

enum class OutcomeKind : std::uint8_t {
  ok,      // the operation succeeded; what it returned is in value or words
  error,   // it failed; `error` is errno
  signal,  // caught at the access; signal, code, address
  died,    // the process that performed it is gone; `signal` that killed it, or 0 and `value` the exit status
  unbound,   // the acting process or a name it needs does not exist; nothing was done
  withheld,  // the executor did not run it, because it could reach the executor's own memory
  timeout,   // it did not finish; the program was ended here
};

struct Outcome {
  OutcomeKind kind = OutcomeKind::ok;
  std::uint8_t signal = 0;
  std::uint8_t code = 0;               // si_code of the signal
  std::uint16_t error = 0;             // errno, generic Linux numbering
  std::uint64_t value = 0;             // address, id, count, loaded bytes in memory order, pid or exit status
  std::uint64_t address = 0;           // si_addr
  std::int64_t before = 0, after = 0;  // the target's coarse real-time clock around the step, seconds
  std::vector<std::uint64_t> words;
  bool operator==(const Outcome&) const = default;
};

// --- layouts of Outcome::words ---------------------------------------------------------------------------

// ResultKind::runs. One word a run: kind in bits 56-63, a byte value or errno or signal in 48-55, si_code in
// 40-47, the length in bytes in 0-39. Lengths add up to the length asked for (`contents`) or read (`pread`).
enum class RunKind : std::uint8_t { bytes, signal, error };
struct Run {
  RunKind kind = RunKind::bytes;
  std::uint8_t value = 0;  // the byte, the signal or the errno
  std::uint8_t code = 0;   // si_code
  std::uint64_t length = 0;
  bool operator==(const Run&) const = default;
};
constexpr std::uint64_t pack(const Run& r) {
  return std::uint64_t{static_cast<std::uint8_t>(r.kind)} << 56 | std::uint64_t{r.value} << 48 |
         std::uint64_t{r.code} << 40 | (r.length & 0xFF'FFFF'FFFF);
}
constexpr Run unpack_run(std::uint64_t w) {
  return {static_cast<RunKind>(w >> 56), static_cast<std::uint8_t>(w >> 48),
          static_cast<std::uint8_t>(w >> 40), w & 0xFF'FFFF'FFFF};
}

// ResultKind::stat.
struct FileStat {
  std::uint64_t size, links, mode /* type and permission bits */, uid, gid;
};
inline constexpr std::size_t kFileStatWords = 5;

// ResultKind::shm, for cmd=stat. Times in seconds, 0 for never; pids as the target shows them.
struct ShmStat {
  std::uint64_t key, uid, gid, cuid, cgid, mode, segsz, atime, dtime, ctime, cpid, lpid, nattch;
};
inline constexpr std::size_t kShmStatWords = 13;

// ResultKind::shm_at has the same words.

// ResultKind::listing: a row for each segment of /proc/sysvipc/shm, in its order; of an IPC namespace that
// others use, too, those that the program got. An id, kShmStatWords words, and the bytes in memory and in
// swap.
inline constexpr std::size_t kListingRowWords = 1 + kShmStatWords + 2;

// ResultKind::maps: one row per line of the file, without the executor's own mappings.
enum class MapObject : std::uint8_t { anonymous, shared_anonymous, file, segment, other, memfd };
struct MapRow {
  std::uint64_t low, high;
  std::uint64_t bits;    // prot (r1 w2 x4), 8 shared, 16 deleted; MapObject in bits 8-15
  std::uint64_t offset;  // bytes
  std::uint64_t id;      // file: index of the path n0… it was opened by last, from kNames on of the object
                         // o0…, 255 if unknown; segment: shmid
};
inline constexpr std::size_t kMapRowWords = 5;
inline constexpr std::uint64_t kMapShared = 8, kMapDeleted = 16;

// ResultKind::smaps: the entry of a mapping. Bytes that others map, too, and those that nobody else does,
// clean and dirty ones added up.
struct SmapsEntry {
  std::uint64_t low, high, shared, exclusive;
  std::uint64_t flags;  // of VmFlags those that have a name here
};
inline constexpr std::size_t kSmapsWords = 5;
// Bit by bit, in the order of the text.
inline constexpr std::string_view kSmapsFlags[] = {"sh", "lo", "lf", "io", "sr", "rr",
                                                   "dc", "wf", "ht", "dd", "nr"};
inline constexpr std::uint64_t kSmapsShared = 1, kSmapsLocked = 2, kSmapsOnFault = 4, kSmapsDevice = 8,
                               kSmapsSequential = 16, kSmapsRandom = 32, kSmapsDontFork = 64,
                               kSmapsWipeOnFork = 128, kSmapsHuge = 256, kSmapsDontDump = 512,
                               kSmapsNoReserve = 1024;
// "" or " sh lo"
std::string smaps_flags_text(std::uint64_t flags);

// ResultKind::end. Word 0: segments that exist in the IPC namespace (from SHM_INFO), or ~0 if not known;
// then for each name s0…s7 that was bound: the index, 0 or errno, and kShmStatWords words.
inline constexpr std::size_t kEndSegmentWords = 2 + kShmStatWords;

// ResultKind::racers. A row for each process that took part, in the order in which they were begun; children
// of theirs come behind them. Nothing (a pid of 0) is the child of one that did not get so far.
struct Racer {
  std::uint64_t pid = 0;
  OutcomeKind kind = OutcomeKind::ok;  // ok, error, signal; died: without an answer
  std::uint16_t error = 0;             // of an error; of a signal its number
  std::uint8_t code = 0;               // of a signal
  std::uint64_t value = 0;             // the id; or what it loaded, in memory order
  bool operator==(const Racer&) const = default;
};
inline constexpr std::size_t kRacerWords = 3;
inline constexpr unsigned kRacerBytes = 8;  // that one loads
constexpr std::uint64_t pack_how(const Racer& r) {
  return std::uint64_t{static_cast<std::uint8_t>(r.kind)} << 32 | std::uint64_t{r.code} << 16 | r.error;
}
constexpr Racer unpack_racer(std::span<const std::uint64_t> w) {
  return {w[0], static_cast<OutcomeKind>(w[1] >> 32), static_cast<std::uint16_t>(w[1]),
          static_cast<std::uint8_t>(w[1] >> 16), w[2]};
}

// --- traces ------------------------------------------------------------------------------------------------

struct Step {
  Op op;
  Outcome outcome;
  bool operator==(const Step&) const = default;
};

struct Trace {
  Facts facts;
  std::uint64_t root_pid = 0;  // process id of p0; in text: a line `start pid=N` after the `target` line
  std::vector<Step> steps;     // the last one is `end`, unless the trace was cut short
  bool operator==(const Trace&) const = default;
};

}  // namespace shmcheck::program

// The memory that supervisor and program processes share, and the facts that never change after the start.
//
// It lies at fixed addresses below every user address space that matters (User-Mode Linux has 39 bits), far
// from the arena and from where kernels place mappings. All of it is among the own ranges that ops never
// reach.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <span>

#include "executor/sys.h"
#include "executor/text.h"
#include "program/frame.h"
#include "program/trace.h"
#include "program/withheld.h"

namespace shmcheck::executor {

using program::kMappings;
using program::kMaxOps;
using program::kProcesses;
using program::kSegments;
using program::Op;
using program::OpCode;
using program::OutcomeHead;
using program::OutcomeKind;
using program::Range;

inline constexpr std::uint64_t kControlAddress = 0x10'0000'0000;
inline constexpr std::uint64_t kInputAddress = 0x11'0000'0000;  // the supervisor's alone
inline constexpr std::uint64_t kArenaAddress = 0x20'0000'0000;
inline constexpr std::uint32_t kArenaPages = 32;
inline constexpr std::int32_t kKeyBase = 0x73686d00;  // k1 is kKeyBase + 1

// Descriptors that program processes inherit. Slot fK is kFirstSlot + K in every process.
inline constexpr int kPipeRead = 60, kPipeWrite = 61, kFirstSlot = 100, kNeverOpen = 999;
// And those with which one that has called exec finds back: the shared region and the executor's image.
inline constexpr int kRegion = 62, kImage = 63;
// And the device beneath the file system that has one, for reading.
inline constexpr int kDevice = 64;

// One process of the program. `turn` is what it sleeps on; `alive` is what a killer of it sleeps on.
struct alignas(64) ProcessSlot {
  Word turn;
  Word alive;
  pid_t pid;
  program::Standing standing;
};

struct FileIdentity {
  std::uint64_t device, inode;
  std::uint8_t path;
};
inline constexpr std::size_t kMaxIdentities = 256;

// How /proc/PID/maps names the device of a file: btrfs has another number there than fstat(2) has.
struct DeviceNumber {
  std::uint64_t in_stat = 0, in_maps = 0;
};

// The file system of the directory that programs work in, where they can unmount it. Paths are from the
// directory that processes are in, which is none of it.
struct MountedDisk {
  Text<128> source, point;
  Text<16> type;
  bool there = false;
  bool lost = false;  // it did not come back
};
inline constexpr std::size_t kDirectoryRoom = 48;

// Processes that race: where they wait for each other, and what each has met.
struct Race {
  Word arrived, done, given_up;
  program::Racer racer[2 * program::kRacers];
};

inline constexpr std::size_t kNotedDescriptors = 1024;  // those below are told apart

// What is known before the first program and inherited by every process.
struct Target {
  program::Layout layout;
  Range own[64];
  std::size_t own_count = 0;
  bool private_ipc = false, private_pids = false, private_mounts = false;
  bool has_clone_parent = true;
  bool forks = true;                 // its processes can fork children of the supervisor
  bool sets_limits = false;          // programs may change kernel.shm*
  bool sets_next_id = false;         // shm_next_id, too
  bool nx = false;                   // the processor refuses to execute what is not executable
  bool reboots = false;              // somebody starts the machine again when a program asks for it
  bool execs = false;                // its processes can exec (rejoin.h)
  bool unshares_ipc = false;         // and can make further IPC namespaces
  bool has_pid_namespaces = false;   // its processes can fork into further PID namespaces
  bool has_user_namespaces = false;  // and begin user namespaces
  bool names = false;                // nobody else has names where its programs have theirs
  bool map_files = false;            // it has /proc/self/map_files
  bool smaps = false;                // and /proc/self/smaps
  bool rss = false;                  // and is known to count pages of the executor's image as it says
  bool image_in_tmpfs = false;
  std::uint64_t max_map_count = 0;  // 0: programs cannot come near it (crowd.h)
  bool objects_noexec = false;      // /dev/shm is mounted without execution
  bool has_objects = false;         // /dev/shm is a tmpfs where programs may have objects
  std::uint64_t object_tag = 0;     // in their names, so that nobody else's are met
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t other_uid[2] = {0, 0};  // gid alike
  std::uint8_t foreign_keys = 0;        // keys that segments of somebody else have
  std::uint32_t op_timeout_ms = 3000;
  cpu_set_t cpus = {};  // where the executor could run before it chose one
};

// Which ops a program has, of those that something is prepared for or has to be undone behind.
struct Uses {
  bool maps = false;         // so opened files are identified
  bool contents = false;     // which goes through the pipe
  bool names = false;        // so those of others are counted first
  bool descriptors = false;  // likewise
  bool limit = false;        // of a namespace that is the program's
  bool huge_files = false;   // memfd with `huge`
  bool reboot = false;       // where that can be done
  bool crowd = false;        // likewise, so processes have the range that it divides
};

struct Control {
  Word event;      // bumped by SIGCHLD and by wake_supervisor(); the supervisor sleeps on it
  Word stopping;   // the host or the guardian is gone
  Word done;       // all steps are recorded
  Word overflow;   // a record did not fit
  Word rebooting;  // a process has come to a step that starts the machine anew
  Word op_count;
  pid_t supervisor;
  std::int64_t step_before;  // clock at the begin of the step that is being performed

  std::uint16_t mappings_bound;
  std::uint8_t segments_bound;
  std::uint8_t paths_created;
  std::uint8_t objects_created;
  std::uint64_t mapping[kMappings];
  std::int32_t segment[kSegments];
  ProcessSlot process[kProcesses];

  bool reads_storage;              // what the program's file system stores can be read, or there is none
  bool fills;                      // the program's file system can be filled up
  bool has_attributes;             // its files have the append-only attribute
  Word fill_asked, fill_answered;  // 0, or 1 and what is to be left
  long fill_result;
  Uses uses;
  long other_names;                                       // what its directories held before the first step
  std::uint64_t own_descriptors[kNotedDescriptors / 64];  // bits: what is open before the first step
  DeviceNumber files;                                     // of the directory that programs work in
  Text<kDirectoryRoom> directory;  // where it is, from the one that processes are in: empty, or `…/`
  MountedDisk disk;                // beneath it, if it can be unmounted
  std::uint32_t identity_count;
  FileIdentity identity[kMaxIdentities];

  std::uint32_t id_count;  // of all segments that shmget returned
  std::int32_t ids[kMaxOps * program::kRacers];
  Race race;

  Target target;  // for those that have called exec

  program::ResultCursor cursor;  // its `records` is the index of the step that comes next
  Op ops[kMaxOps];
};

extern Control* control;
extern Target target;

// Areas behind the control block: the result frame, words of one outcome, bytes on their way.
std::span<std::uint8_t> frame_area();   // kFrameHeaderBytes, then the payload
std::span<std::uint8_t> result_area();  // the payload
std::span<std::uint64_t> words_area();
std::span<std::uint8_t> bounce_area();  // kMaxIoPages and a bit
std::span<std::uint8_t> input_area();   // not inherited by program processes

// Maps all of it; 0 or -errno.
long map_control();
// After exec, what is shared of it.
long map_control_again();
bool control_can_be_mapped_again();

// Appends to the result; sets `overflow` and `done` if it does not fit.
void record(const OutcomeHead& head, std::span<const std::uint64_t> words = {});

// What the guardian sends when the host is gone, and the kernel when the guardian is and no namespace dies
// with it.
inline constexpr int kStopSignal = 10;  // SIGUSR1

inline bool is_alive(unsigned process) {
  return load(control->process[process].alive) != 0;
}

}  // namespace shmcheck::executor

#include "executor/end.h"

#include <fcntl.h>

#include <cstring>

#include "executor/files.h"
#include "executor/fill.h"
#include "executor/hello.h"
#include "executor/limits.h"
#include "executor/objects.h"
#include "executor/segments.h"
#include "executor/vdso.h"

namespace shmcheck::executor {
namespace {

bool attached_somewhere() {
  for (unsigned i = 0; i < kSegments; ++i) {
    shmid_ds ds;
    bool bound = (control->segments_bound >> i & 1) != 0;
    if (bound && !failed(stat_segment(control->segment[i], ds)) && ds.shm_nattch > 0) return true;
  }
  return false;
}

// A process that died between write and read left bytes there.
void drain_pipe() {
  std::span<std::uint8_t> bounce = bounce_area();
  while (sys(SYS_read, kPipeRead, bounce.data(), bounce.size()) > 0) {
  }
}

}  // namespace

void record_timeout() {
  OutcomeHead head;
  head.kind = OutcomeKind::timeout;
  head.before = control->step_before;
  head.after = clock_seconds();
  record(head);
}

// Whoever reads /proc/PID/cmdline or the like of a process that ends, ps for instance, holds its memory a
// moment longer, and then it is he who detaches. That takes longer where the process had as many mappings as
// vm.max_map_count.
bool disturbed_by_outsiders() {
  constexpr timespec kMoment = {0, 1'000'000};
  const int most = control->uses.crowd ? 500 : 6;
  int moments = 0;
  while (moments < most && attached_somewhere()) ++moments, sys(SYS_nanosleep, &kMoment, nullptr);
  return moments > 0 && !attached_somewhere();
}

void record_end(std::uint64_t in_namespace) {
  std::uint64_t words[1 + kSegments * program::kEndSegmentWords];
  std::size_t count = 0;
  OutcomeHead head;
  head.before = clock_seconds();
  words[count++] = in_namespace;
  for (unsigned i = 0; i < kSegments; ++i) {
    if ((control->segments_bound >> i & 1) == 0) continue;
    shmid_ds ds;
    std::memset(&ds, 0, sizeof ds);
    long result = stat_segment(control->segment[i], ds);
    words[count++] = i;
    words[count++] = static_cast<std::uint64_t>(-result);
    count += segment_words(
        ds, std::span<std::uint64_t, program::kShmStatWords>(words + count, program::kShmStatWords));
  }
  head.after = clock_seconds();
  record(head, {words, count});
}

bool remove_leftovers(std::uint64_t in_namespace, Sentence& wrong) {
  remove_segments(in_namespace);
  remove_objects();
  if (control->uses.contents) drain_pipe();
  if (control->disk.lost) {
    wrong << "the file system that the program had unmounted could not be mounted again";
    return false;
  }
  if (long result = remove_files(AT_FDCWD, control->directory.view(), control->paths_created);
      failed(result)) {
    wrong << "a file of the program could not be removed: " << error_name(result);
    return false;
  }
  if (long result = end_fill(); failed(result)) {
    wrong << "the file system that was filled up could not be emptied: " << error_name(result);
    return false;
  }
  long result = control->uses.limit ? restore_limits() : 0;
  if (failed(result)) wrong << "the limits in /proc/sys/kernel could not be put back: " << error_name(result);
  return !failed(result);
}

}  // namespace shmcheck::executor

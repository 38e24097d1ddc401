// Objects that mappings show: a file, shared anonymous memory, a System V segment; and what opens them.
#pragma once

#include <cstdint>
#include <vector>

#include "clauses/clauses.h"
#include "model/bytes.h"
#include "model/page_set.h"
#include "model/storage.h"
#include "program/op.h"

namespace shmcheck::model {

// Something that happened to an object or a mapping and must leave its bytes alone: what a byte that is lost
// afterwards is blamed on.
struct Event {
  clauses::Clause clause = clauses::Clause::none;
  std::uint32_t step = 0;  // World::steps
};

// What says of a POSIX object what the clause says of files.
inline clauses::Clause of_object(clauses::Clause clause) {
  using C = clauses::Clause;
  if (clause == C::mmap_create_file_reference) return C::pshm_unlink_content_stays;
  return clause == C::exit_no_cleanup_of_data ? C::pshm_persist : clause;
}

// Whether an event only ends a way to the object.
inline bool only_a_way(clauses::Clause clause) {
  using C = clauses::Clause;
  return clause == C::munmap_keeps_data || clause == C::mmap_create_fd_close || clause == C::memfd_lifetime ||
         clause == C::shmdt_data_stays;
}

enum class InodeKind : std::uint8_t { file, shared_anonymous, segment };

enum class Moved : std::uint8_t { no, perhaps, yes };

enum class Attribute : std::uint8_t { off, perhaps, on };

struct Inode {
  InodeKind kind = InodeKind::file;
  std::uint64_t size = 0;
  std::uint32_t links = 0;
  std::uint32_t mode = 0;  // permission bits
  std::uint32_t uid = 0, gid = 0;
  bool memfd = false;  // made by memfd_create: no file of the program's directory
  program::MemfdName memfd_name = program::MemfdName::plain;
  bool huge = false;        // and its pages are huge
  bool posix = false;       // made by shm_open: a file of /dev/shm
  bool linked = false;      // by link(2)
  bool of_device = false;   // shared anonymous memory that a mapping of /dev/zero made
  std::uint32_t seals = 0;  // program::seal
  Attribute append_only = Attribute::off;
  bool append_only_changed = false;  // and not written to storage for certain
  std::uint8_t path = 255;  // index of the path it was opened by last, from kNames on of the object's name
  ObjectBytes bytes;
  Storage storage;
  bool size_unwritten = false;  // changed since it was written to storage for certain
  bool size_delayed = false;    // moved by a write whose last page has yet to reach storage
  bool end_in_cache = false;    // moved by a write that copied nothing, of which its storage may not know
  std::uint32_t restored = 0;   // the step in which the machine was started anew last that it outlived
  bool slack_stored = false;    // to which a mapping ever stored
  std::uint64_t slack_from = UINT64_MAX;  // while a write extends it: where its end was
  // Pages that have storage (space.cc): those that were written to or allocated, which a segment or shared
  // anonymous memory keeps in memory or in swap; and with them those that may have some. On tmpfs these are
  // the ones that may have been accessed at all: what was only read may be dropped and be zero again.
  PageSet stored, accessed;
  PageSet synced;        // of `stored`, those whose storage cannot be yet to be allocated
  PageSet preallocated;  // of `stored`, those that fallocate has allocated
  // Of a segment or of shared anonymous memory: touched by the processor for certain, and not given up since.
  PageSet touched;
  std::vector<PageBits> touched_by;  // by the process's name, as far as there are any
  void forget_touched_by(std::uint8_t p) {
    if (p < touched_by.size()) touched_by[p] = {};
  }
  bool may_be_touched_by(std::uint8_t p, std::uint64_t page) const {
    return p < touched_by.size() && touched_by[p].may_contain(page);
  }
  bool accessed_unsure = false;    // `accessed` has more than it is certain of
  bool storage_unknown = false;    // by moved ranges or a crash: only that there is some is known
  bool stored_by_mapping = false;  // some page was stored to through a mapping
  bool large_folios = false;       // its pages may have come in together
  bool left = false;               // without a name or a user, while its file system was full
  std::uint64_t most_pages = 0;    // that `accessed` ever had
  std::uint64_t reclaimed = 0;     // pages that tmpfs may have given up and not accounted yet
  bool populated = false;          // pages may have come in without an access of the program
  // What blame looks at (blame.h): the smallest sizes that it was ever cut to and grown from, and whether
  // pages were removed from it.
  std::uint64_t cut_to = UINT64_MAX, grown_from = UINT64_MAX;
  std::uint32_t cut_step = 0;  // when it was cut last
  clauses::Clause removed_by = clauses::Clause::none;
  std::uint32_t removed_step = 0;
  // What demands that the size is what it is: the last call that set it, or must not.
  clauses::Clause size_clause = clauses::Clause::mmap_sizes_never_change_file;
  PageBits stored_privately;       // that some private mapping ever stored to
  std::uint32_t discard_step = 0;  // when a private mapping that had copied pages was unmapped last
  PageBits punched;                // that a hole was punched in since it was cut last
  Event event;                     // the first since it was written to last
  Event earlier_event;             // before that
  std::uint32_t unlink_step = 0;   // when a name of it went last

  // Whether it is a file of the directory that programs work in.
  bool of_directory() const { return kind == InodeKind::file && !memfd && !posix; }
  void written_to() {
    if (event.clause != clauses::Clause::none) earlier_event = event;
    event = {};
  }
  // Whether st_atime and st_mtime are others than `age` has set.
  Moved atime = Moved::yes, mtime = Moved::yes;
  clauses::Clause mtime_clause = clauses::Clause::none;  // what demands that of st_mtime
};

struct OpenFile {
  std::uint32_t inode = 0;
  bool readable = false, writable = false, append = false;
  std::uint32_t entry = 0;  // the directory entry that it was opened by
};

}  // namespace shmcheck::model

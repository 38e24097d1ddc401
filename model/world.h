// The world: the shared-memory half of a Linux kernel as plain values.
//
//   World ── Inode            a file, a shared anonymous object or a System V segment: size and bytes
//         ├─ OpenFile         an open file description
//         ├─ Process ── AddressSpace ── Vma     page fault: which object supplies the page
//         └─ Ipc ─┬─ IpcIds       a namespace: its segments and limits
//                 └─ ShmidKernel ── KernIpcPerm
//
// Nothing here judges. Rules (one file per subject) ask and change it; a copy is another possible world.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "clauses/clauses.h"
#include "model/bytes.h"
#include "model/layout.h"
#include "model/page_set.h"
#include "model/room.h"
#include "model/storage.h"
#include "program/trace.h"

namespace shmcheck::model {

using program::Facts;
using program::Op;
using program::OpCode;
using program::Outcome;
using program::OutcomeKind;

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

struct Inode {
  InodeKind kind = InodeKind::file;
  std::uint64_t size = 0;
  std::uint32_t links = 0;
  std::uint32_t mode = 0;  // permission bits
  std::uint32_t uid = 0, gid = 0;
  bool memfd = false;         // made by memfd_create: no file of the program's directory
  bool posix = false;         // made by shm_open: a file of /dev/shm
  bool linked = false;        // by link(2)
  bool of_device = false;     // shared anonymous memory that a mapping of /dev/zero made
  std::uint32_t seals = 0;    // program::seal
  std::uint8_t path = 255;    // index of the path it was opened by last, from kNames on of the object's name
  std::uint32_t segment = 0;  // index into Ipc::segments
  ObjectBytes bytes;
  Storage storage;
  bool slack_stored = false;              // to which a mapping ever stored
  std::uint64_t slack_from = UINT64_MAX;  // while a write extends it: where its end was
  // Of a segment: pages that were stored to and so are kept, in memory or in swap; and with them those that
  // were accessed at all. What was only read may be dropped and be zero again.
  PageSet stored, accessed;
  bool populated = false;  // pages may have come in without an access of the program
  // What blame looks at (blame.h): the smallest sizes that it was ever cut to and grown from, and whether
  // pages were removed from it.
  std::uint64_t cut_to = UINT64_MAX, grown_from = UINT64_MAX;
  std::uint32_t cut_step = 0;  // when it was cut last
  clauses::Clause removed_by = clauses::Clause::none;
  std::uint32_t removed_step = 0;
  // What demands that the size is what it is: the last call that set it, or must not.
  clauses::Clause size_clause = clauses::Clause::mmap_sizes_never_change_file;
  std::uint64_t stored_privately = 0;  // pages (index modulo 64) that some private mapping ever stored to
  Event event;                         // the first since it was written to last
  Event earlier_event;                 // before that
  std::uint32_t unlink_step = 0;       // when a name of it went last

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

// One mapping. `page_offset` is the index of the object's page at `low`; private anonymous memory counts its
// pages the same way from an object of its own.
struct Vma {
  std::uint64_t low = 0, high = 0;
  std::uint8_t prot = 0;  // program::kProtRead | …
  bool shared = false;
  bool may_write = true;       // mprotect may give PROT_WRITE
  bool writable_file = false;  // made through a descriptor open for writing
  bool dont_fork = false;
  bool wipe_on_fork = false;
  bool locked = false, on_fault = false;  // mlock, mlock2 with MLOCK_ONFAULT
  // What demands that all its pages are resident, if something does; not of private file mappings.
  clauses::Clause resident_by = clauses::Clause::none;
  bool shown_resident = false;  // and mincore has shown it since
  std::uint8_t read_hint = 0;   // program::Advice normal, random or sequential
  std::int32_t inode = -1;      // index into World::inodes; -1: private anonymous
  std::int32_t file = -1;       // index into World::open_files of the descriptor it was made through
  std::uint64_t page_offset = 0;
  std::uint32_t entry = 0;    // OpenFile::entry of a file
  std::int32_t segment = -1;  // index into Ipc::segments of an attach
  std::uint32_t attach = 0;   // which attach the vma is a piece of
  std::uint32_t id = 0;       // which call made it; pieces and inherited ones keep it
  std::uint32_t made = 0;     // at which step
  bool inherited = false;     // by fork
  bool rounded_up = false;    // its last page is asked for in part only
  bool dirtied = false;       // shared pages of it may be writable to the processor: stores are not noticed
  bool discarded = false;     // private pages of it were dropped by MADV_DONTNEED
  bool touched = false;       // private pages of it were stored to, so it keeps its page numbers (anon_vma)
  Event event;                // of the mapping only
  ObjectBytes copies;         // private pages, by page index of the object
  std::vector<Doubt> older;   // former bytes that an uncopied private page may still show

  std::uint64_t object_offset(std::uint64_t address, std::uint32_t page_size) const {
    return page_offset * page_size + (address - low);
  }
};

class AddressSpace {
 public:
  const std::vector<Vma>& vmas() const { return vmas_; }
  std::vector<Vma>& vmas() { return vmas_; }
  // The vma that contains the address, or null.
  const Vma* find(std::uint64_t address) const;
  Vma* find(std::uint64_t address);
  // Index of the first vma whose end lies above the address.
  std::size_t first_above(std::uint64_t address) const;
  bool overlaps(std::uint64_t low, std::uint64_t high) const;
  // Whether every page of the range is mapped.
  bool covers(std::uint64_t low, std::uint64_t high) const { return first_hole(low, high) >= high; }
  // The first address of the range that is not mapped, or its end.
  std::uint64_t first_hole(std::uint64_t low, std::uint64_t high) const;
  std::uint64_t locked_bytes() const;
  void insert(Vma vma);
  // Splits the vma that spans the address, if one does; returns its segment, or -1.
  std::int32_t split(std::uint64_t address, std::uint32_t page_size);

 private:
  std::vector<Vma> vmas_;  // ascending, disjoint
};

struct Credentials {
  std::uint32_t uid = 0, gid = 0;
  bool capable = true;  // has the capabilities, over segments, files and processes of its user namespace
  bool machine =
      true;  // and over the machine: addresses below the minimum, locked memory (capable() in the kernel)
};

enum class Life : std::uint8_t { never, alive, dead };

struct Process {
  Life life = Life::never;
  std::uint64_t pid = 0;  // 0: not yet known
  Credentials cred;
  std::uint32_t ipc_namespace = 0;                    // index into Ipc::namespaces
  bool ipc_inherited = false;                         // by fork from one that had left the first
  std::array<std::int32_t, program::kFiles> files{};  // index into World::open_files, -1: closed
  std::bitset<program::kFiles> close_on_exec, closed_by_exec;
  AddressSpace memory;
  std::uint32_t born = 0;       // the id that the next vma would have had at the fork
  bool faulted = false;         // took a signal of an access, and went on
  bool lock_count_off = false;  // MREMAP_DONTUNMAP has left locked memory behind
  // What demands that as much is locked as is: the last call that changed it, or should not have.
  clauses::Clause lock_clause = clauses::Clause::mlock_accounting;
  bool lock_future = false, lock_future_on_fault = false;  // mlockall with MCL_FUTURE, and MCL_ONFAULT
  // Its soft limits: bytes that it may lock, and have mapped in all, and the size that it may give a file.
  std::uint64_t memlock = UINT64_MAX, address_space = UINT64_MAX, file_size = UINT64_MAX;
  LayoutEvents layout;  // the last calls that changed its mappings
};

struct Moment {
  std::int64_t low = 0, high = 0;  // seconds; 0, 0: never
  bool operator==(const Moment&) const = default;
};

// Whether a value can be widened so that it stands for another one as well.
inline bool widen(Moment& m, const Moment& other) {
  m = {std::min(m.low, other.low), std::max(m.high, other.high)};
  return true;
}
inline bool widen(std::uint64_t, std::uint64_t) {
  return false;
}

// Values that one of several moments may have given.
template <typename T, std::size_t N>
class OneOf {
 public:
  void set(T v) { count_ = 1, values_[0] = v, any_ = false; }
  void add(T v) {
    for (std::size_t i = 0; i < count_; ++i) {
      if (values_[i] == v) return;
    }
    if (count_ < N)
      values_[count_++] = v;
    else
      any_ |= !widen(values_[N - 1], v);
  }
  std::span<const T> values() const { return {values_.data(), count_}; }
  bool any() const { return any_; }
  bool single() const { return count_ == 1 && !any_; }
  const T& newest() const { return values_[count_ - 1]; }

 private:
  std::array<T, N> values_{};
  std::size_t count_ = 1;
  bool any_ = false;
};

using When = OneOf<Moment, 8>;
using Who = OneOf<std::uint64_t, 16>;  // process ids; 0: nobody

struct KernIpcPerm {
  std::uint32_t key = 0;
  std::uint32_t uid = 0, gid = 0, cuid = 0, cgid = 0;
  std::uint32_t mode = 0;  // permission bits, kShmDest, kShmLocked
};
inline constexpr std::uint32_t kShmDest = 01000, kShmLocked = 02000;

struct ShmidKernel {
  KernIpcPerm perm;
  std::uint32_t ipc_namespace = 0;  // index into Ipc::namespaces
  std::uint32_t inode = 0;
  std::uint64_t id = 0;
  bool id_asked_for = false;  // by shm_next_id
  std::uint64_t segsz = 0;
  std::int64_t nattch = 0;  // pieces of attaches in all processes
  // What demands that it is so: the last call that changed it.
  clauses::Clause count_clause = clauses::Clause::shmget_not_attached;
  std::uint32_t divided = 0;   // the step that added pieces last
  std::uint32_t set_step = 0;  // of the last IPC_SET
  bool detached_last = false;  // destroyed by the shmdt that detached it last
  // When IPC_STAT last showed it as it is, and a call that must not change it right after that.
  std::uint32_t shown_step = 0, quiet_step = 0;
  // What demands that times and pids are what they are: the last call that set them.
  clauses::Clause atime_clause = clauses::Clause::shmget_init_counters,
                  dtime_clause = clauses::Clause::shmget_init_counters,
                  lpid_clause = clauses::Clause::shmget_init_counters,
                  ctime_clause = clauses::Clause::shmget_init_ctime_cpid;
  std::uint32_t flags_seen = 0;  // of the mode: shown by some IPC_STAT
  // What has worked on the flags of the mode, and must have left them as they were.
  clauses::Clause flags_clause = clauses::Clause::none;
  std::int8_t locker = -1;  // index of the process that locked it
  When atim, dtim, ctim;
  Who cprid, lprid;
  bool destroyed = false;
  clauses::Clause destroyed_by = clauses::Clause::shmctl_gone_id;  // what demands that it is gone
  std::int8_t creator = -1;                                        // while it lives: index of the process
  std::uint32_t locked_by = 0;                                     // the user who did SHM_LOCK
};

// kernel.shmmax, shmall, shmmni and shm_rmid_forced. The largest value: nothing is known of it.
inline constexpr std::uint64_t kNoId = UINT64_MAX;
struct IpcLimits {
  std::uint64_t shmmax = UINT64_MAX, shmall = UINT64_MAX, shmmni = UINT64_MAX;
  std::uint64_t next_id = kNoId;  // shm_next_id
  bool next_id_unsure = false;    // or kNoId
  bool rmid_forced = false;
  std::bitset<program::kLimits> set;  // by the program
};

// The index that an id of Linux has in the table of its namespace: IPCMNI_SHIFT, ipc/util.h.
inline constexpr std::uint64_t kTableIndices = 0x8000;
inline std::uint64_t table_index(std::uint64_t id) {
  return id % kTableIndices;
}

// An IPC namespace.
struct IpcIds {
  std::vector<std::uint32_t> live;  // its segments, ascending, so that look-ups do not slow down
  IpcLimits limits, left;           // left: of the namespace that its maker left
  std::size_t in_use() const { return live.size(); }
};

// The segments of all namespaces. A process asks with its own: nobody else's can be found from there.
struct Ipc {
  std::vector<ShmidKernel> segments;  // destroyed ones stay, marked
  std::vector<IpcIds> namespaces{1};  // the first is the one that programs begin in
  void add(ShmidKernel segment);
  void destroy(std::uint32_t segment);
  void revive(std::uint32_t segment);  // undoes it
  IpcIds& of(const Process& p) { return namespaces[p.ipc_namespace]; }
  const IpcIds& of(const Process& p) const { return namespaces[p.ipc_namespace]; }
  IpcIds& of(const ShmidKernel& k) { return namespaces[k.ipc_namespace]; }
  const IpcIds& of(const ShmidKernel& k) const { return namespaces[k.ipc_namespace]; }
  std::int32_t find_key(const IpcIds& ids, std::uint32_t key) const;
  std::int32_t find_id(const IpcIds& ids, std::uint64_t id) const;
  std::int32_t find_index(const IpcIds& ids, std::uint64_t index) const;
  std::uint64_t pages(const IpcIds& ids, std::uint32_t page_size) const;
};

// What happens at one address: which object supplies the byte, or which fault is taken.
struct Access {
  enum class Kind : std::uint8_t { byte, no_mapping, protection, beyond_object };
  Kind kind = Kind::no_mapping;
  Vma* vma = nullptr;
  std::uint64_t offset = 0;  // of the byte in its object
};

class World {
 public:
  // The facts must outlive the world.
  World(const Facts& facts, std::uint64_t root_pid);

  const Facts& facts() const { return *facts_; }
  std::uint32_t page() const { return facts_->page_size; }
  // Of the file system that holds the object.
  // The file system may know MAP_SYNC, as ext4 and xfs do (FOP_MMAP_SYNC), and then refuses it itself without
  // DAX.
  bool may_know_sync(const Inode& inode) const {
    program::FileSystem fs = fs_of(inode);
    return fs == program::FileSystem::ext4 || fs == program::FileSystem::xfs ||
           fs == program::FileSystem::other;
  }
  program::FileSystem fs_of(const Inode& inode) const {
    bool of_directory = inode.kind == InodeKind::file && !inode.memfd && !inode.posix;
    return of_directory ? facts_->fs : program::FileSystem::tmpfs;
  }
  std::uint64_t up(std::uint64_t v) const { return (v + page() - 1) / page() * page(); }
  std::uint64_t down(std::uint64_t v) const { return v / page() * page(); }

  std::vector<Inode> inodes;
  std::vector<OpenFile> open_files;
  std::array<std::int32_t, program::kNames> paths;      // index into inodes, -1: absent
  std::array<std::int32_t, program::kObjects> objects;  // the same, of /dev/shm
  // Directory entries by their numbers: rename(2) keeps them, and what was opened by one that is removed is
  // marked as deleted, whatever other names the file has.
  std::array<std::uint32_t, program::kNames> path_entries{};
  std::array<std::uint32_t, program::kObjects> object_entries{};
  std::vector<bool> entries_removed = {true};  // 0: that of memory files
  std::uint32_t new_entry() {
    entries_removed.push_back(false);
    return static_cast<std::uint32_t>(entries_removed.size() - 1);
  }
  std::bitset<program::kObjects> objects_unlinked;  // names that were removed
  std::array<Process, program::kProcesses> processes;
  Ipc ipc;
  std::array<std::optional<std::uint64_t>, program::kMappings> mapping_names;  // addresses
  std::array<std::optional<std::uint32_t>, program::kSegments> segment_names;  // index into ipc.segments
  std::uint32_t next_attach = 1, next_vma = 1;
  std::uint32_t steps = 0;                       // applied so far; origins and events are ordered by it
  std::vector<std::uint32_t> straddling_stores;  // the steps of those that went over a page's edge
  std::uint64_t next_pid = 1001;                 // of the running model

  // --- names and quantities
  // What a descriptor slot holds; null if it is closed or no slot.
  const OpenFile* open_file(const Process& process, std::uint8_t slot) const;
  OpenFile* open_file(const Process& process, std::uint8_t slot);
  bool bound(const program::Quantity& q) const;
  std::uint64_t value(const program::Quantity& q) const;  // bound(q) must hold

  // --- memory
  Access access(Process& process, std::uint64_t address, bool write);
  // Whether the object has a page at this offset (within its size rounded up to pages).
  bool backed(const Vma& vma, std::uint64_t offset) const;
  // The bytes that supply an offset of a mapping: the private copy if there is one, else the object's.
  ObjectBytes& supply(Vma& vma, std::uint64_t offset);
  std::uint8_t load(Vma& vma, std::uint64_t offset);
  // Stores into a mapping; a private one copies the page first.
  void store(Vma& vma, std::uint64_t offset, const std::uint8_t* bytes, std::uint64_t length,
             std::uint8_t who = 0);
  void copy_on_write(Vma& vma, std::uint64_t offset);
  // What faulting in every page of a part of a mapping copies: those of a writable private one, up to the
  // first that is not there.
  void populate_copies(Vma& vma, std::uint64_t low, std::uint64_t high);
  // Writes into an object, as write(2) and shared stores do.
  void write_object(std::uint32_t inode, std::uint64_t offset, const std::uint8_t* bytes,
                    std::uint64_t length, Origin origin = {});
  void write_object(std::uint32_t inode, std::uint64_t offset, std::uint8_t byte, std::uint64_t length,
                    Origin origin);
  void before_write(std::uint32_t inode, std::uint64_t offset, std::uint64_t length, const Origin& origin);
  // Before bytes of a file change: storage may keep them as they are.
  void keep_former(std::uint32_t inode, std::uint64_t low, std::uint64_t high);
  // Bytes that were behind the end come into the file: storage has none of them.
  void keep_nothing(std::uint32_t inode, std::uint64_t low, std::uint64_t high);
  // Whether what storage holds of it can be read.
  bool is_stored(const Inode& inode) const {
    return facts_->stored && inode.kind == InodeKind::file && fs_of(inode) == program::FileSystem::ext4;
  }
  void fill_object(std::uint32_t inode, std::uint64_t offset, std::uint8_t byte, std::uint64_t length);
  // Notes an event of an object, or of the one that a mapping shows. Of several since it was last written to
  // the first counts, since what follows is often only how it came to be looked at; and one that works on the
  // object itself counts before one that only ends a way to it.
  void happens(std::uint32_t inode, clauses::Clause clause) {
    if (inodes[inode].posix) clause = of_object(clause);
    Event& event = inodes[inode].event;
    bool replaces = only_a_way(event.clause) && !only_a_way(clause);
    if (event.clause == clauses::Clause::none || replaces) event = {clause, steps};
  }
  void happens(const Vma& vma, clauses::Clause clause) {
    if (vma.inode >= 0) happens(static_cast<std::uint32_t>(vma.inode), clause);
  }
  // Pages of the object were removed: what was locked is not resident again before it is touched.
  void not_resident(std::uint32_t inode);
  // Sets a size: drops what lies beyond, in private copies too.
  void resize(std::uint32_t inode, std::uint64_t size);

  // --- mappings. Each keeps attach counts; `when` is the step's clock, `who` the acting process.
  void unmap(std::uint8_t who, std::uint64_t low, std::uint64_t high, Moment when);
  void split_at(std::uint8_t who, std::uint64_t address, Moment when);
  // Cuts [low, high), which lies in one vma, out of it as a vma of its own, changed by `change`. Where Linux
  // hands the part over to an equal neighbour instead, as it does since 6.5, no piece is added.
  template <typename Change>
  void change_part(std::uint8_t who, std::uint64_t low, std::uint64_t high, Moment when, Change change);
  // Lets an equal piece of the same attach that adjoins a new one grow over it, as Linux does since 6.5.
  bool join_neighbour(std::uint8_t who, const Vma& piece);
  void open_attach(std::uint32_t segment, std::uint8_t who, Moment when, bool explicit_call);
  void close_attach(std::uint32_t segment, std::uint8_t who, Moment when, bool explicit_call);
  void destroy_segment(std::uint32_t segment, clauses::Clause by);
  // `leaves_alone`: what demands that shared memory stays as it is.
  void end_process(std::uint8_t who, Moment when,
                   clauses::Clause leaves_alone = clauses::Clause::exit_no_cleanup_of_data);
  // The segments that the process has made are nobody's from now on (exit_shm in the kernel).
  void disown_segments(std::uint8_t who);
  // Called when a namespace may have lost its last member or attach: its segments go with it.
  void end_namespace(std::uint32_t ipc_namespace);
  // The segment that has the id of the name in this namespace; -1: none.
  std::int32_t named_segment(std::uint32_t ipc_namespace, std::uint8_t name) const;
  // What demands that there is none.
  clauses::Clause clause_of_no_segment(std::uint32_t ipc_namespace, std::uint8_t name) const;
  // What demands that a segment nobody has destroyed is there.
  clauses::Clause clause_of_life(const ShmidKernel& segment) const;
  // And that the process, which is of its namespace, finds it.
  clauses::Clause clause_of_presence(const Process& process, const ShmidKernel& segment) const;
  // Distinct attaches of a segment, however divided.
  std::int64_t attaches(std::uint32_t segment) const;

  // What the op that is applied makes of attach counts: where attaches or pieces of them are added, and taken
  // away.
  clauses::Clause attach_clause = clauses::Clause::shmat_nattch,
                  detach_clause = clauses::Clause::shmdt_nattch;
  // Implicit attaches and detaches (fork, exit, unmapping) update times and pids only perhaps.
  bool implicit_updates_optional = false;
  std::int64_t last_clock = 0;  // seconds, after the step before

 private:
  bool hand_over(std::uint8_t who, std::uint64_t low, std::uint64_t high, const Vma& changed);

  const Facts* facts_;
};

template <typename Change>
void World::change_part(std::uint8_t who, std::uint64_t low, std::uint64_t high, Moment when, Change change) {
  Vma& v = *processes[who].memory.find(low);
  if (v.segment >= 0 && facts_->release >= program::release(6, 5)) {
    Vma changed = v;
    change(changed);
    if (hand_over(who, low, high, changed)) return;
  }
  split_at(who, low, when);
  split_at(who, high, when);
  change(*processes[who].memory.find(low));
}

}  // namespace shmcheck::model

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
#include <vector>

#include "clauses/clauses.h"
#include "model/address_space.h"
#include "model/inode.h"
#include "model/ipc.h"
#include "model/layout.h"
#include "program/trace.h"

namespace shmcheck::model {

using program::Facts;
using program::Op;
using program::OpCode;
using program::Outcome;
using program::OutcomeKind;

struct Credentials {
  std::uint32_t uid = 0, gid = 0;
  bool capable = true;  // has the capabilities, over segments, files and processes of its user namespace
  bool machine =
      true;  // and over the machine: addresses below the minimum, locked memory (capable() in the kernel)
  std::array<std::uint32_t, program::kUsers> groups{};  // supplementary ones, the first `group_count`
  std::uint8_t group_count = 0;
  // 0: the one that programs begin in. In any other the user and his group are root's, and nobody else is
  // there.
  std::uint32_t user_namespace = 0;
  // ns_capable of the kernel: over what the user namespace owns. That of the beginning is the parent of all.
  bool capable_over(std::uint32_t owner) const {
    return capable && (user_namespace == 0 || user_namespace == owner);
  }
  // capable_wrt_inode_uidgid.
  bool capable_over(const Inode& inode) const {
    return capable && (user_namespace == 0 || (inode.uid == uid && inode.gid == gid));
  }
  // in_group_p of the kernel.
  bool in_group(std::uint32_t group) const {
    const auto end = groups.begin() + group_count;
    return gid == group || std::find(groups.begin(), end, group) != end;
  }
};

enum class Life : std::uint8_t { never, alive, dead };

struct Process {
  static constexpr auto kAllClosed = [] {
    std::array<std::int32_t, program::kFiles> files{};
    files.fill(-1);
    return files;
  }();

  Life life = Life::never;
  std::uint64_t pid = 0;       // 0: not yet known
  bool first_of_pids = false;  // it began a PID namespace, in which it is 1 and nobody else is
  Credentials cred;
  std::uint32_t ipc_namespace = 0;                               // index into Ipc::namespaces
  bool ipc_inherited = false;                                    // by fork from one that had left the first
  std::array<std::int32_t, program::kFiles> files = kAllClosed;  // index into World::open_files, -1: closed
  std::bitset<program::kFiles> close_on_exec, closed_by_exec;
  AddressSpace memory;
  std::uint32_t born = 0;       // the id that the next vma would have had at the fork
  bool execed = false;          // or is the child of one that has, and so on
  bool faulted = false;         // took a signal of an access, and went on
  bool looked_up = false;       // an entry of its map_files that was there
  bool lock_count_off = false;  // MREMAP_DONTUNMAP has left locked memory behind
  // What demands that as much is locked as is: the last call that changed it, or should not have.
  clauses::Clause lock_clause = clauses::Clause::mlock_accounting;
  bool lock_future = false, lock_future_on_fault = false;  // mlockall with MCL_FUTURE, and MCL_ONFAULT
  // Its soft limits: bytes that it may lock, and have mapped in all, and the size that it may give a file.
  std::uint64_t memlock = UINT64_MAX, address_space = UINT64_MAX, file_size = UINT64_MAX;
  // How many mappings it has that are not the program's, once `crowd` has brought it near vm.max_map_count.
  std::optional<std::uint64_t> other_mappings;
  LayoutEvents layout;  // the last calls that changed its mappings
};

// By name, those that a program has named so far; the others have never lived.
class Processes {
 public:
  // Made-up programs name no more: references to the processes of theirs stay.
  Processes() { named_.reserve(program::kUsualProcesses); }
  // Before anything else is done with an op that names them.
  void name(const Op& op);
  Process& operator[](std::size_t name) { return named_[name]; }
  const Process& operator[](std::size_t name) const { return name < named_.size() ? named_[name] : nobody(); }
  std::size_t size() const { return named_.size(); }
  // Processes that no program can name, behind those that it does: by their places, until they are given
  // back. References to processes end with either.
  std::uint8_t lend(std::size_t count) {
    const std::size_t first = named_.size();
    named_.resize(first + count);
    return static_cast<std::uint8_t>(first);
  }
  void give_back(std::uint8_t first) { named_.resize(first); }
  auto begin() { return named_.begin(); }
  auto end() { return named_.end(); }
  auto begin() const { return named_.begin(); }
  auto end() const { return named_.end(); }
  std::size_t name_of(const Process& p) const { return static_cast<std::size_t>(&p - named_.data()); }

 private:
  static const Process& nobody();
  std::vector<Process> named_;
};

inline IpcIds& Ipc::of(const Process& p) {
  return namespaces[p.ipc_namespace];
}
inline const IpcIds& Ipc::of(const Process& p) const {
  return namespaces[p.ipc_namespace];
}

// What happens at one address: which object supplies the byte, or which fault is taken.
struct Access {
  enum class Kind : std::uint8_t { byte, no_mapping, protection, beyond_object, no_space };
  Kind kind = Kind::no_mapping;
  Vma* vma = nullptr;
  std::uint64_t offset = 0;  // of the byte in its object
  bool unsure = false;       // of kind `byte`, and the file system may have no storage for the page
  // A fault of the object, not of the mapping.
  bool of_object() const { return kind == Kind::beyond_object || kind == Kind::no_space; }
};

// Whether a page that has no storage gets some.
enum class Space : std::uint8_t { there, none, unsure };

class World {
 public:
  // The facts must outlive the world.
  World(const Facts& facts, std::uint64_t root_pid);

  const Facts& facts() const { return *facts_; }
  std::uint32_t page() const { return facts_->page_size; }
  // The file system may know MAP_SYNC, as ext4 and xfs do (FOP_MMAP_SYNC), and then refuses it itself without
  // DAX.
  bool may_know_sync(const Inode& inode) const {
    program::FileSystem fs = fs_of(inode);
    return fs == program::FileSystem::ext4 || fs == program::FileSystem::xfs ||
           fs == program::FileSystem::other;
  }
  // The file system that holds the object.
  program::FileSystem fs_of(const Inode& inode) const {
    return inode.of_directory() ? facts_->fs : program::FileSystem::tmpfs;
  }
  // Of the mount that it was opened on: ST_NOEXEC of statvfs(3).
  bool noexec(const Inode& inode) const {
    if (inode.kind != InodeKind::file || inode.memfd) return false;
    return inode.posix ? facts_->objects_noexec : facts_->noexec;
  }
  // Rounded to whole pages. Up, what reaches beyond the last page there could be comes to 0, as in the kernel
  // (PAGE_ALIGN).
  std::uint64_t up(std::uint64_t v) const { return (v + page() - 1) / page() * page(); }
  std::uint64_t down(std::uint64_t v) const { return v / page() * page(); }

  std::vector<Inode> inodes;
  std::vector<OpenFile> open_files;
  std::array<std::int32_t, program::kNames> paths;      // index into inodes, -1: absent
  std::array<std::int32_t, program::kObjects> objects;  // the same, of /dev/shm
  // Directory entries by their numbers: rename(2) keeps them, and what was opened by one that is removed is
  // marked as deleted, whatever other names the file has. Of a name that is gone, the one that it had last.
  std::array<std::uint32_t, program::kNames> path_entries{};
  std::array<std::uint32_t, program::kObjects> object_entries{};
  std::vector<bool> entries_removed = {true};  // 0: that of memory files
  std::uint32_t new_entry() {
    entries_removed.push_back(false);
    return static_cast<std::uint32_t>(entries_removed.size() - 1);
  }
  // Names of files in memory that were there before the machine was started anew.
  std::bitset<program::kNames> paths_lost;
  std::bitset<program::kObjects> objects_lost;
  // Which inode a change of a directory entry was about that need not be on storage yet; -1: there is none.
  std::array<std::int32_t, program::kNames> path_unwritten;
  std::bitset<program::kNames> path_new;  // the change has made the inode as well
  Processes processes;
  Ipc ipc;
  std::array<std::optional<std::uint64_t>, program::kMappings> mapping_names;  // addresses
  std::array<std::optional<std::uint32_t>, program::kSegments> segment_names;  // index into ipc.segments
  std::uint32_t next_attach = 1, next_vma = 1;
  std::uint32_t steps = 0;                       // applied so far; origins and events are ordered by it
  std::vector<std::uint32_t> straddling_stores;  // the steps of those that went over a page's edge
  std::uint64_t next_pid = 1001;                 // of the running model
  std::uint32_t next_user_namespace = 1;
  bool pids_begun = false;  // some process has begun a PID namespace

  // What a machine has that was just started: a first process, and an IPC namespace without segments.
  void begin_process(std::uint8_t who, std::uint64_t pid);
  void begin_namespaces();

  // --- names and quantities
  // What a descriptor slot holds; null if it is closed or no slot.
  const OpenFile* open_file(const Process& process, std::uint8_t slot) const;
  OpenFile* open_file(const Process& process, std::uint8_t slot);
  bool is_open(std::uint32_t inode) const;  // by any process; those that have ended have nothing open
  bool bound(const program::Quantity& q) const;
  std::uint64_t value(const program::Quantity& q) const;  // bound(q) must hold

  // --- objects
  // A new one; returns its index.
  std::uint32_t add_inode(Inode inode);
  // The one that a mapping shows, which is not private anonymous memory.
  const Inode& object_of(const Vma& vma) const { return inodes[static_cast<std::size_t>(vma.inode)]; }
  Inode& object_of(const Vma& vma) { return inodes[static_cast<std::size_t>(vma.inode)]; }

  // --- memory
  Access access(Process& process, std::uint64_t address, bool write);
  // The object of a mapping whose pages are there only once something has brought them in: a segment, or
  // shared anonymous memory. Null: another.
  Inode* memory_object(const Vma& vma) {
    Inode* object = vma.shared && vma.inode >= 0 ? &object_of(vma) : nullptr;
    return object && object->kind != InodeKind::file ? object : nullptr;
  }
  // A page of an object that an access may have brought into memory, or given storage.
  void note_accessed(const Vma& vma, std::uint64_t offset, bool write);
  // Pages of the mapping at an address may come in, and with them others that the kernel has made one with it
  // (mm/memory.c, do_fault_around).
  void note_reached(Process& process, std::uint64_t address);
  // A page of a memory object that a load or a store of the processor has reached.
  void note_touched(const Vma& vma, std::uint64_t offset, std::uint8_t who);
  // Whether the object has a page at this offset (within its size rounded up to pages).
  bool backed(const Vma& vma, std::uint64_t offset) const;
  // The same, and its file system does not refuse it for want of space.
  bool can_be_had(const Vma& vma, std::uint64_t offset, bool write, std::uint64_t more = 0);
  // The bytes that supply an offset of a mapping: the private copy if there is one, else the object's.
  ObjectBytes& supply(Vma& vma, std::uint64_t offset);
  std::uint8_t load(Vma& vma, std::uint64_t offset);
  // Stores into a mapping; a private one copies the page first.
  void store(Vma& vma, std::uint64_t offset, const std::uint8_t* bytes, std::uint64_t length,
             std::uint8_t who = 0);
  void copy_on_write(Vma& vma, std::uint64_t offset);
  // What faulting in every page of a part of a mapping does: copies those of a writable private one, up to
  // the first that is not there.
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
  void entry_changes(std::uint8_t path, std::int32_t inode, bool is_new = false) {
    path_unwritten[path] = inode;
    path_new.set(path, is_new);
  }
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
  // The same, and they read zero from now on, as the clause says.
  void pages_removed(std::uint32_t inode, clauses::Clause clause);
  // Sets a size: drops what lies beyond, in private copies too.
  void resize(std::uint32_t inode, std::uint64_t size);
  // Whether the storage of some file need not know where its end is.
  bool some_end_in_cache() const;

  // --- storage of files, and what is left of the file system that programs work in (space.cc)
  bool full = false;  // the op `fill` has taken what was left of it
  // Pages that may have been given back since, and those that certainly were and are not taken again.
  std::uint64_t spare_most = 0, spare_least = 0;
  bool exact = true;             // else a load from a hole of tmpfs may do without storage
  bool certain_access = true;    // the op touches what it looks at; others may, and may not
  bool unsure_of_space = false;  // the step depends on whether there was any
  bool of_full(const Inode& inode) const { return full && inode.of_directory(); }
  // For a page, beside `more` others that need storage, too.
  Space space_for(const Inode& inode, std::uint64_t index, bool write, std::uint64_t more = 0) const;
  // Whether to read the page through a mapping may take storage: tmpfs alone gives some to what is read.
  bool may_take_page(const Inode& inode, std::uint64_t index) const;
  // For the page that an access of the mapping reaches. `to_object`: a store that is the object's.
  Space space_for_access(const Vma& vma, std::uint64_t offset, bool to_object) const;
  // Pages of bytes [low, high) have storage now, or may have some.
  void takes_storage(std::uint32_t inode, std::uint64_t low, std::uint64_t high);
  void may_take_storage(std::uint32_t inode, std::uint64_t low, std::uint64_t high);
  // Those of pages first … last-1 that nobody has written to may go, and leave space at any time after.
  void may_be_reclaimed(std::uint32_t inode, std::uint64_t first, std::uint64_t last);
  // Pages first … last-1 have none any more.
  void gives_back(std::uint32_t inode, std::uint64_t first, std::uint64_t last);
  // The same of what a hole takes, and of what lies behind a new end; or perhaps of that.
  void punches_storage(std::uint32_t inode, std::uint64_t low, std::uint64_t high);
  void cuts_storage(std::uint32_t inode, std::uint64_t size);
  void may_cut_storage(std::uint32_t inode, std::uint64_t size);
  // A store through a mapping may give storage to the rest of its folio as well.
  void store_takes_neighbours(std::uint32_t inode);
  // What the storage of bytes [low, high) was to be is written.
  void certainly_stored(std::uint32_t inode, std::uint64_t low, std::uint64_t high);
  // The machine is started anew: what was allocated is there, or after a crash what of it the journal has.
  void storage_outlives(std::uint32_t inode, bool crashed);
  // Files that nobody can reach any more give back what they have.
  void note_left_files();

  // --- mappings (address_space.cc). Each keeps attach counts; `when` is the step's clock, `who` the acting
  // process.
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
  // The segment that has the id of the name in this namespace; -1: none, or no name of a segment that was
  // made.
  std::int32_t named_segment(std::uint32_t ipc_namespace, std::uint8_t name) const;
  // What demands that there is none. The name must be one of a segment.
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

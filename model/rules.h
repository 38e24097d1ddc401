// The rules: one function per operation, one file per subject. `apply` chooses the rule.
//
// A rule states the failures in the order in which Linux looks for them, then what success returns, then
// changes the world. It never looks at what it would have to change before it has decided between failure and
// success.
#pragma once

#include "model/step.h"
#include "model/world.h"
#include "program/users.h"

namespace shmcheck::model {

// Applies the step to the world. Afterwards the step's report says whether the outcome was allowed.
void apply(World& world, Step& step);
// Judges or makes the `end` record: every process ends, then the segments are looked at.
void apply_end(World& world, Step& step);

// Whether the executor would not do an op because of the namespaces of its processes or of the target.
bool withheld_of_namespaces(const World& w, const Op& op);

// Whether an outcome has the fields that its kind and its operation give it, and nothing in the others.
bool well_formed(const Op& op, const Outcome& outcome);

using Rule = void(World&, Process&, Step&);
Rule* rule_of(program::OpCode code);

// file.cc
Rule rule_open, rule_close, rule_unlink, rule_rename, rule_link, rule_ftruncate, rule_truncate, rule_fstat;
// stored.cc, blocks.cc, fill.cc
Rule rule_stored, rule_blocks, rule_fill;
// append_only.cc
Rule rule_chattr;
// shm_open.cc
Rule rule_shm_open, rule_shm_unlink;
// file_io.cc
Rule rule_pread, rule_pwrite, rule_pread_to, rule_pwrite_from;
// mmap.cc, munmap.cc, mprotect.cc, mremap.cc, msync.cc, madvise.cc
Rule rule_mmap, rule_munmap, rule_mprotect, rule_mremap, rule_msync, rule_fsync, rule_madvise;
// access.cc, contents.cc
Rule rule_load, rule_store, rule_call, rule_contents;
// process.cc
Rule rule_fork, rule_exit, rule_kill, rule_setid, rule_exec;
// ipcns.cc
Rule rule_unshare, rule_setns;
// reboot.cc
Rule rule_reboot;
// shmget.cc, shmat.cc, shmdt.cc, shmctl.cc
Rule rule_shmget, rule_shmat, rule_shmdt, rule_shmctl;
// race.cc
Rule rule_race_shmget, rule_race_shmat;
// shm_totals.cc, shm_table.cc
Rule rule_shm_info, rule_ipc_info, rule_shm_stat, rule_sysvipc;
// limit.cc
Rule rule_limit, rule_limits;
// maps.cc
Rule rule_maps;
// fallocate.cc, memfd.cc, seal.cc
Rule rule_fallocate, rule_memfd, rule_memfd_name, rule_seal, rule_seals;
// mlock.cc, mincore.cc
Rule rule_mlock, rule_munlock, rule_mlockall, rule_munlockall, rule_locked, rule_mincore;
// times.cc
Rule rule_age, rule_times;
// smaps.cc, rss.cc
Rule rule_smaps, rule_rss;
// descriptors.cc
Rule rule_map_file, rule_descriptors, rule_names, rule_brk;
// rlimit.cc, remap.cc, map_limit.cc, remount.cc
Rule rule_rlimit, rule_remap, rule_crowd, rule_remount;

// --- shared by several rules

// A range of addresses after the kernel's rounding.
struct Pages {
  std::uint64_t low = 0, high = 0;
};

inline std::uint8_t index_of(const World& w, const Process& p) {
  return static_cast<std::uint8_t>(w.processes.name_of(p));
}

// Whether a process can have this id.
bool possible_pid(const Step& s, std::uint64_t pid);

// Whether the range overlaps something the model knows to be there: a vma or the executor's own memory.
bool occupied(const World& w, const Process& p, std::uint64_t low, std::uint64_t high);
// No user address space has a free range of this length.
inline constexpr std::uint64_t kNoRoom = std::uint64_t{1} << 46;
// A free range of this length where the running model puts a mapping: top-down, as Linux does.
std::uint64_t free_range(const World& w, const Process& p, std::uint64_t length);
// Whether an address that the kernel chose is page aligned, above the minimum and free.
bool good_choice(const World& w, const Process& p, std::uint64_t low, std::uint64_t length);

// Faulting pages in, one after the other: the first address that cannot be had, or the end.
std::uint64_t first_refused(World& w, Process& p, std::uint64_t low, std::uint64_t high);
// Faults in the pages of mappings; whatever is whole is resident, as the clause demands.
void populate(World& w, Process& p, std::uint64_t low, std::uint64_t high, C clause);
// Pages of an object may have come in without an access of the program.
void note_populated(World& w, const Vma& v);
// What a new mapping has of mlockall(MCL_FUTURE), and of what its call `asked`: to be locked or `populated`.
void lock_at_creation(World& w, Process& p, const Step& s, std::uint64_t low, bool asked, bool populated);

// POSIX permission classes of files.
bool file_access(const Inode& inode, const Credentials& cred, std::uint32_t want /* 4 read, 2 write */);
// Permission classes of segments; `want` is the union of requested bits, 0 … 7.
bool ipc_access(const KernIpcPerm& perm, const Credentials& cred, std::uint32_t want);
bool ipc_owner(const KernIpcPerm& perm, const Credentials& cred);
// Whether mincore hides from the process which pages of a file are resident: it neither owns it nor could
// write to it (mm/mincore.c, can_do_mincore).
bool hides_residency(const Inode& inode, const Credentials& cred);
// Whether the process could attach what it has attached, with the access that it has.
bool could_attach(const World& w, const Process& p, const Vma& v);
// Which class of permissions decides whether these bits are granted; CAP_IPC_OWNER, if it is what grants
// them.
C clause_of_class(const KernIpcPerm& perm, const Credentials& cred, std::uint32_t want);
// What demands that they are refused: that the class is the group's, if another one has them.
C clause_of_denial(const KernIpcPerm& perm, const Credentials& cred, std::uint32_t want, C otherwise);
// Whether the process has capabilities, and they do not count here because the IPC namespace is another user
// namespace's.
inline bool lacks_power(const KernIpcPerm& perm, const Credentials& cred) {
  return cred.capable && !cred.capable_over(perm.user_namespace);
}
// What demands that capabilities count; `otherwise` where that is no matter of user namespaces.
inline C clause_of_power(const Credentials& cred, C otherwise) {
  return cred.user_namespace != 0 ? C::perm_userns : otherwise;
}
// What an id of a user or a group is in the user namespace of the reader, who if null is where programs
// begin; `own` is what he has, which is root's where he is alone.
inline std::uint32_t shown_id(const Process* reader, std::uint32_t id, std::uint32_t Credentials::*own) {
  if (!reader || reader->cred.user_namespace == 0) return id;
  return id == reader->cred.*own ? 0 : program::kOverflowId;
}
using program::group_id;
using program::user_id;

// What demands that a descriptor is closed.
inline C clause_of_closed(const Process& p, std::uint8_t slot) {
  bool by_exec = slot < program::kFiles && p.closed_by_exec[slot];
  return by_exec ? C::pshm_open_lowest_fd_cloexec : C::none;
}
// A new file of the acting process, with a name.
Inode fresh_file(const Process& p, const Op& op);
// Memory that has no name is a file of the kernel's all the same: shmem_kernel_file_setup, mm/shmem.c.
inline void set_unnamed_status(Inode& memory, const Process& p) {
  memory.mode = 0777;
  memory.uid = p.cred.uid;
  memory.gid = p.cred.gid;
  memory.size_clause = memory.kind == InodeKind::segment ? C::proc_map_files_sysv : C::proc_map_files;
}
// Opens an inode into the slot that the op names, by the directory entry, as the op asks for.
void open_into_slot(World& w, Process& p, const Op& op, std::uint32_t inode, std::uint32_t entry);
// Puts a new open file description into a slot.
void put_into_slot(World& w, Process& p, std::uint8_t slot, OpenFile file);
// Takes away the name of a file, which has one, with its directory entry.
void remove_name(World& w, std::int32_t& name, std::uint32_t entry);
// ftruncate(2) and its like, on an inode.
void set_size(World& w, Step& s, std::uint32_t inode, std::uint64_t size);
// What demands that a full file system refuses what needs storage: of tmpfs its size.
inline C clause_of_full(const World& w, const Inode& inode) {
  return w.fs_of(inode) == program::FileSystem::tmpfs ? C::limit_tmpfs_size : C::access_no_space;
}
// The limits that an IPC namespace begins with.
IpcLimits default_limits();
// What demands that a limit of the process's namespace has its value, however it is read; `otherwise` where
// that is not a matter of namespaces.
C clause_of_limit(const World& w, const Process& p, Step& s, program::Limit limit, C otherwise);

// The largest size that a file of its file system can have.
std::uint64_t largest_file(const World& w, const Inode& inode);
// Writes an inode back: what a disk's file system does to the slack of its last page.
void write_back(World& w, Step& s, std::uint32_t inode);
// What extending a file shows of the slack of its former last page, on this file system.
void extend(World& w, Step& s, std::uint32_t inode, std::uint64_t size);
// Marks bytes of a shared object as undetermined slack where the file system may zero them by itself.
void note_slack_store(World& w, std::uint32_t inode, std::uint64_t offset, std::uint64_t length);
// Called before the bytes of an object change: private mappings that have not copied the page may or may not
// follow.
void object_changes(World& w, Step& s, std::uint32_t inode, std::uint64_t offset, std::uint64_t length);

}  // namespace shmcheck::model

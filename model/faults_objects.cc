// Faults of names: POSIX shared memory objects, and the names that rename(2) and link(2) give to files.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using namespace program::openflag;

constexpr int kENOENT = 2, kEINVAL = 22, kENAMETOOLONG = 36;

bool opens(const Op& op) {
  return op.code == OpCode::shm_open;
}

// The object that the op's name stands for, or null.
Inode* named_object(World& w, const Op& op) {
  if (op.object >= program::kObjects || w.objects[op.object] < 0) return nullptr;
  return &w.inodes[static_cast<std::size_t>(w.objects[op.object])];
}

// The object that a successful shm_open has opened.
Inode& opened(World& w, const Op& op) {
  return w.inodes[w.open_file(actor(w, op), op.result)->inode];
}

// --- opening

constexpr C kExclusive[] = {C::pshm_open_excl};
void excl_ignored(World&, Op& op) {
  if (opens(op)) op.flags &= ~kExcl;
}

constexpr C kMissing[] = {C::pshm_open_noent, C::pshm_unlink_name_gone};
void always_creates(World&, Op& op) {
  if (opens(op)) op.flags |= kCreat;
}

constexpr C kEmpty[] = {C::pshm_open_create_empty, C::pshm_unlink_recreate, C::slack_not_readable};
void page_at_once(const World& was, World& w, const Op& op, Outcome& o) {
  if (opens(op) && ok(o) && w.inodes.size() > was.inodes.size()) opened(w, op).size = w.page();
}

constexpr C kMode[] = {C::pshm_open_mode};
void everybody_may(World&, Op& op) {
  if (opens(op)) op.mode = 0666;
}
void created_by_nobody(const World& was, World& w, const Op& op, Outcome& o) {
  constexpr std::uint32_t kNobody = 65534;
  if (opens(op) && ok(o) && w.inodes.size() > was.inodes.size()) opened(w, op).uid = kNobody;
}

// What is not cut off can be accessed as before.
constexpr C kTruncated[] = {C::pshm_open_trunc, C::pshm_size_change, C::access_syscall_efault,
                            C::pshm_open_access};
void truncation_ignored(World&, Op& op) {
  if (opens(op)) op.flags &= ~kTrunc;
}

constexpr C kReadOnly[] = {C::pshm_open_rdonly, C::mmap_fd_read_only_shared_write,
                           C::mprotect_shared_upgrade_denied};
void read_only_writes(const World&, World& w, const Op& op, Outcome& o) {
  if (opens(op) && ok(o)) w.open_file(actor(w, op), op.result)->writable = true;
}

constexpr C kAccess[] = {C::pshm_open_access};
void anybody_opens(const World&, World& w, const Op& op, Outcome& o) {
  constexpr int kEACCES = 13;
  Inode* object = opens(op) && failed_with(o, kEACCES) ? named_object(w, op) : nullptr;
  if (!object) return;
  Process& p = actor(w, op);
  OpenFile file;
  file.inode = static_cast<std::uint32_t>(w.objects[op.object]);
  file.readable = true;
  file.writable = static_cast<program::Access>(op.small) != program::Access::read_only;
  p.files[op.result] = static_cast<std::int32_t>(w.open_files.size());
  w.open_files.push_back(file);
  succeed(o);
}

constexpr C kOnExec[] = {C::pshm_open_lowest_fd_cloexec, C::mmap_fd_bad};
void kept_on_exec(const World&, World& w, const Op& op, Outcome& o) {
  if (opens(op) && ok(o)) actor(w, op).close_on_exec.reset(op.result);
}

constexpr C kLong[] = {C::pshm_open_name_rules};
void long_name_invalid(const World&, World&, const Op& op, Outcome& o) {
  if ((opens(op) || op.code == OpCode::shm_unlink) && failed_with(o, kENAMETOOLONG)) fail(o, kEINVAL);
}
void longest_name_refused(World&, Op& op) {
  bool named = opens(op) || op.code == OpCode::shm_unlink;
  if (named && op.object == program::kObjects - 1) op.object = program::kObjectLong;
}

// Every opening under a name gives an object of its own.
constexpr C kSame[] = {C::pshm_open_same_name,    C::pshm_persist,
                       C::share_immediate,        C::mmap_sizes_never_change_file,
                       C::share_mapping_to_read,  C::access_beyond_object,
                       C::access_syscall_efault,  C::eof_grow_makes_accessible,
                       C::eof_accessible_extent,  C::pshm_open_mode,
                       C::pshm_open_create_empty, C::share_aliases,
                       C::pshm_size_change,       C::private_initial_content,
                       C::share_write_to_mapping};
void name_per_process(const World& was, World& w, const Op& op, Outcome& o) {
  if (!opens(op) || !ok(o) || w.inodes.size() > was.inodes.size()) return;
  Inode own = opened(w, op);
  own.bytes = ObjectBytes();
  w.open_file(actor(w, op), op.result)->inode = static_cast<std::uint32_t>(w.inodes.size());
  w.inodes.push_back(std::move(own));
}

// --- removal

constexpr C kNameGone[] = {C::pshm_unlink_name_gone, C::pshm_unlink_recreate};
void name_stays_while_used(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::shm_unlink && ok(o) && op.object < program::kObjects)
    w.objects[op.object] = was.objects[op.object];
}

constexpr C kContentStays[] = {C::pshm_unlink_content_stays};
void content_goes_with_the_name(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::shm_unlink || !ok(o)) return;
  w.inodes[static_cast<std::size_t>(was.objects[op.object])].bytes = ObjectBytes();
}

constexpr C kRecreated[] = {C::pshm_unlink_recreate, C::pshm_open_mode, C::access_beyond_object,
                            C::access_syscall_efault, C::pshm_unlink_name_gone};
void old_object_comes_back(const World& was, World& w, const Op& op, Outcome& o) {
  if (!opens(op) || !ok(o) || w.inodes.size() == was.inodes.size()) return;
  for (std::size_t i = 0; i < was.inodes.size(); ++i) {
    const Inode& old = was.inodes[i];
    if (!old.posix || old.links != 0 || old.path != program::kNames + op.object) continue;
    w.open_file(actor(w, op), op.result)->inode = static_cast<std::uint32_t>(i);
    w.objects[op.object] = static_cast<std::int32_t>(i);
    ++w.inodes[i].links;
    return;
  }
}

constexpr C kNotThere[] = {C::pshm_unlink_noent, C::pshm_unlink_name_gone};
void removes_what_is_not(const World&, World&, const Op& op, Outcome& o) {
  if (op.code == OpCode::shm_unlink && failed_with(o, kENOENT)) succeed(o);
}

constexpr C kDenied[] = {C::pshm_unlink_denied};
void removed_by_anyone(const World&, World& w, const Op& op, Outcome& o) {
  constexpr int kEACCES = 13;
  Inode* object = op.code == OpCode::shm_unlink && failed_with(o, kEACCES) ? named_object(w, op) : nullptr;
  if (!object) return;
  --object->links;
  w.objects[op.object] = -1;
  succeed(o);
}

// Whether a living process has the object open or mapped.
bool used(const World& w, std::int32_t inode) {
  return std::ranges::any_of(w.processes, [&](const Process& p) {
    if (p.life != Life::alive) return false;
    bool open = std::ranges::any_of(p.files, [&](std::int32_t f) {
      return f >= 0 && w.open_files[static_cast<std::size_t>(f)].inode == static_cast<std::uint32_t>(inode);
    });
    return open || std::ranges::any_of(p.memory.vmas(), [&](const Vma& v) { return v.inode == inode; });
  });
}

constexpr C kPersists[] = {C::pshm_persist, C::pshm_open_noent, C::pshm_open_same_name,
                           C::pshm_unlink_name_gone, C::mmap_sizes_never_change_file};
void goes_with_its_last_user(const World& was, World& w, const Op&, Outcome&) {
  for (std::int32_t& object : w.objects) {
    if (object < 0 || used(w, object) || !used(was, object)) continue;
    w.inodes[static_cast<std::size_t>(object)].links = 0;
    object = -1;
  }
}

// --- names of files

// Each of these also shows as what the disturbed mapping or name should have shown.
constexpr C kRenamed[] = {
    C::mmap_create_rename_link, C::access_read,   C::share_mapping_to_read, C::mmap_sizes_never_change_file,
    C::share_write_to_mapping,  C::share_aliases, C::share_immediate,       C::private_initial_content};
void rename_disturbs(const World& was, World& w, const Op& op, Outcome& o) {
  if (program::has_second_path(op.code) && ok(o))
    w.inodes[static_cast<std::size_t>(was.paths[op.object])].bytes = ObjectBytes();
}

constexpr C kLinked[] = {C::mmap_create_rename_link, C::mmap_create_same_file_many_opens,
                         C::share_mapping_to_read,   C::share_aliases,
                         C::share_immediate,         C::mmap_sizes_never_change_file,
                         C::access_beyond_object,    C::access_syscall_efault,
                         C::share_write_to_mapping,  C::share_ro_sees_rw,
                         C::trunc_shrink_faults,     C::trunc_shrink_private,
                         C::trunc_truncate_by_path,  C::fallocate_extend,
                         C::eof_accessible_extent,   C::private_initial_content,
                         C::trunc_kept_part_intact};
void link_copies(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::link || !ok(o)) return;
  Inode copy = was.inodes[static_cast<std::size_t>(was.paths[op.object])];
  copy.links = w.inodes[static_cast<std::size_t>(was.paths[op.object])].links;
  w.paths[op.byte] = static_cast<std::int32_t>(w.inodes.size());
  w.inodes.push_back(std::move(copy));
}

constexpr C kReplaced[] = {C::mmap_create_file_reference, C::access_read};
void replaced_content_goes(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::rename || !ok(o) || was.paths[op.byte] < 0) return;
  if (was.paths[op.byte] == was.paths[op.object]) return;
  w.inodes[static_cast<std::size_t>(was.paths[op.byte])].bytes = ObjectBytes();
}

constexpr Fault kFaults[] = {
    {"shm-open-excl-ignored", "shm_open does not heed O_EXCL", kExclusive, excl_ignored, nullptr, false},
    {"shm-open-always-creates", "shm_open makes an object without O_CREAT", kMissing, always_creates, nullptr,
     false},
    {"shm-open-page-at-once", "a new object has a page", kEmpty, nullptr, page_at_once, true},
    {"shm-open-mode-ignored", "every object has the mode 666", kMode, everybody_may, nullptr, false},
    {"shm-open-owner", "an object belongs to nobody", kMode, nullptr, created_by_nobody, true},
    {"shm-open-trunc-ignored", "shm_open does not heed O_TRUNC", kTruncated, truncation_ignored, nullptr,
     false},
    {"shm-open-read-only-writes", "an object opened for reading can be written to", kReadOnly, nullptr,
     read_only_writes, false},
    {"shm-open-by-anyone", "anybody opens an object", kAccess, nullptr, anybody_opens, false},
    {"shm-open-kept-on-exec",
     "exec does not close an object's descriptor",
     kOnExec,
     nullptr,
     kept_on_exec,
     false,
     {},
     true},
    {"shm-open-long-name", "too long a name is EINVAL", kLong, nullptr, long_name_invalid, false},
    {"shm-open-longest-name", "a name of NAME_MAX bytes is too long", kLong, longest_name_refused, nullptr,
     false},
    {"shm-open-name-per-process", "every opening of a name has memory of its own", kSame, nullptr,
     name_per_process, true},
    {"shm-unlink-name-stays", "shm_unlink leaves the name", kNameGone, nullptr, name_stays_while_used, true},
    {"shm-unlink-content-goes", "shm_unlink empties an object that is in use", kContentStays, nullptr,
     content_goes_with_the_name, true},
    {"shm-unlink-comes-back",
     "a name that is created again has the old object",
     kRecreated,
     nullptr,
     old_object_comes_back,
     true,
     {},
     true},
    {"shm-unlink-nothing", "shm_unlink of a missing name succeeds", kNotThere, nullptr, removes_what_is_not,
     false},
    {"shm-unlink-by-anyone", "anybody removes an object", kDenied, nullptr, removed_by_anyone, false},
    {"shm-object-not-kept",
     "an object goes with its last user",
     kPersists,
     nullptr,
     goes_with_its_last_user,
     true,
     {},
     true},
    {"rename-loses-content", "rename and link empty a file", kRenamed, nullptr, rename_disturbs, true},
    {"link-copies", "link copies the file", kLinked, nullptr, link_copies, true, {}, true},
    {"rename-empties-replaced",
     "a file that rename replaces is emptied, though it is in use",
     kReplaced,
     nullptr,
     replaced_content_goes,
     true,
     {},
     true},
};

}  // namespace

std::span<const Fault> object_faults() {
  return kFaults;
}

}  // namespace shmcheck::model

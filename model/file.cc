// open(2), close(2), unlink(2), rename(2), link(2), ftruncate(2), truncate(2), fstat(2): as far as mappings
// depend on them.
#include <fmt/format.h>

#include "model/append_only.h"
#include "model/huge.h"
#include "model/rlimit.h"
#include "model/room.h"
#include "model/rules.h"
#include "model/times.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kENOENT = 2, kEBADF = 9, kEACCES = 13, kEEXIST = 17, kEINVAL = 22, kEFBIG = 27;
constexpr std::uint32_t kRegular = 0100000;

// Setting the size that a file has: Linux clears the slack as it does when cutting (tmpfs and ext4, 6.1
// and 6.18).
void clear_slack(World& w, Step& s, std::uint32_t index) {
  Inode& inode = w.inodes[index];
  std::uint64_t edge = w.up(inode.size);
  // And what was allocated behind it goes (shmem_setattr, ext4_setattr).
  w.cuts_storage(index, inode.size);
  if (edge == inode.size) return;
  program::FileSystem fs = w.fs_of(inode);
  bool known = fs == program::FileSystem::tmpfs || fs == program::FileSystem::ext4;
  if (s.exact() && known) {
    inode.bytes.fill(inode.size, 0, edge - inode.size, w.page(), {OriginKind::cut, 0, 0, w.steps});
    return;
  }
  Doubt d;
  d.low = inode.size;
  d.high = edge;
  d.may_change = true;
  d.freedom = Freedom::slack_writeback;
  inode.bytes.settle(d.low, d.high);
  inode.bytes.doubt(std::move(d));
}

}  // namespace

void set_size(World& w, Step& s, std::uint32_t inode, std::uint64_t size) {
  w.inodes[inode].size_clause = C::mmap_sizes_never_change_file;
  std::uint64_t before = w.inodes[inode].size;
  if (size > before) {
    extend(w, s, inode, size);
  } else if (size == before) {
    clear_slack(w, s, inode);
    // A large folio that the end lies in is split all the same, and mapped no more (mm/truncate.c,
    // truncate_inode_partial_folio).
    const Inode& file = w.inodes[inode];
    if (file.large_folios && w.fs_of(file) != program::FileSystem::tmpfs) w.not_resident(inode);
  } else {
    object_changes(w, s, inode, size, w.up(size) - size);
    w.resize(inode, size);
  }
}

std::uint64_t largest_file(const World& w, const Inode& inode) {
  // ext4 with extents: 2^32-1 blocks. tmpfs, xfs, btrfs: the largest offset.
  if (w.fs_of(inode) == program::FileSystem::ext4) return std::uint64_t{0xFFFF'FFFF} * w.facts().fs_block;
  return INT64_MAX;
}

Inode fresh_file(const Process& p, const Op& op) {
  Inode fresh;
  fresh.links = 1;
  fresh.mode = op.mode;
  fresh.uid = p.cred.uid;
  fresh.gid = p.cred.gid;
  // An ordinary file of tmpfs is one that cannot be sealed (mm/shmem.c, __shmem_get_inode).
  fresh.seals = program::seal::kSeal;
  return fresh;
}

void open_into_slot(World& w, Process& p, const Op& op, std::uint32_t inode, std::uint32_t entry) {
  auto access = static_cast<program::Access>(op.small);
  OpenFile file;
  file.inode = inode;
  file.entry = entry;
  file.readable = access != program::Access::write_only;
  file.writable = access != program::Access::read_only;
  file.append = (op.flags & program::openflag::kAppend) != 0;
  put_into_slot(w, p, op.result, file);
}

void put_into_slot(World& w, Process& p, std::uint8_t slot, OpenFile file) {
  p.files[slot] = static_cast<std::int32_t>(w.open_files.size());
  p.close_on_exec.reset(slot);
  p.closed_by_exec.reset(slot);
  make_room(w.open_files);
  w.open_files.push_back(file);
}

void remove_name(World& w, std::int32_t& name, std::uint32_t entry) {
  auto inode = static_cast<std::uint32_t>(name);
  w.happens(inode, C::mmap_create_file_reference);
  --w.inodes[inode].links;
  w.inodes[inode].unlink_step = w.steps;
  w.entries_removed[entry] = true;
  name = -1;
}

namespace {
// What demands that the path can be opened.
C clause_of_open(const World& w, const Step& s, std::int32_t found) {
  if (found < 0) return w.paths_lost[s.op.object] ? C::persist_tmpfs_lost : C::none;
  const Inode& inode = w.inodes[static_cast<std::size_t>(found)];
  if (inode.event.clause == C::persist_file) return C::persist_file;
  if (s.saw(kEACCES)) return C::perm_file_at_open;
  // A name that should be there beside another of the same file.
  return inode.linked && s.saw(kENOENT) ? C::mmap_create_rename_link : C::none;
}
}  // namespace

void rule_open(World& w, Process& p, Step& s) {
  using namespace program::openflag;
  const Op& op = s.op;
  auto access = static_cast<program::Access>(op.small);
  std::int32_t found = w.paths[op.object];
  bool truncates = (op.flags & kTrunc) != 0;
  if (found >= 0) {
    Inode& inode = w.inodes[static_cast<std::size_t>(found)];
    std::uint32_t want = (access != program::Access::write_only ? 4U : 0U) |
                         (access != program::Access::read_only || truncates ? 2U : 0U);
    if ((op.flags & kCreat) && (op.flags & kExcl)) s.must(kEEXIST, C::none);
    if (!file_access(inode, p.cred, want)) s.must(kEACCES, C::perm_file_at_open);
    const bool anywhere = access != program::Access::read_only && !(op.flags & kAppend);
    if (anywhere || truncates) append_only_errors(inode, s, kEPERM);
  } else if (!(op.flags & kCreat)) {
    s.must(kENOENT, w.paths_lost[op.object] ? C::persist_tmpfs_lost : C::none);
  }
  if (s.failed(clause_of_open(w, s, found))) return;
  if (found < 0) {
    found = static_cast<std::int32_t>(w.add_inode(fresh_file(p, op)));
    w.paths[op.object] = found;
    w.entry_changes(op.object, found, true);
    w.paths_lost.reset(op.object);
    w.path_entries[op.object] = w.new_entry();
  } else if (truncates) {
    s.applies(C::trunc_o_trunc);
    set_size(w, s, static_cast<std::uint32_t>(found), 0);
    moves_mtime(w.inodes[static_cast<std::size_t>(found)], C::none);
  }
  w.inodes[static_cast<std::size_t>(found)].path = op.object;
  open_into_slot(w, p, op, static_cast<std::uint32_t>(found), w.path_entries[op.object]);
}

void rule_close(World& w, Process& p, Step& s) {
  if (!w.open_file(p, s.op.object)) s.must(kEBADF, clause_of_closed(p, s.op.object));
  if (s.failed(C::none)) return;
  const std::uint32_t inode = w.open_file(p, s.op.object)->inode;
  w.happens(inode, w.inodes[inode].memfd ? C::memfd_lifetime : C::mmap_create_fd_close);
  p.files[s.op.object] = -1;
}

void rule_unlink(World& w, Process&, Step& s) {
  std::int32_t found = w.paths[s.op.object];
  if (found < 0)
    s.must(kENOENT, C::none);
  else
    append_only_errors(w.inodes[static_cast<std::size_t>(found)], s, kEPERM);
  if (s.failed(C::none)) return;
  w.entry_changes(s.op.object, found);
  remove_name(w, w.paths[s.op.object], w.path_entries[s.op.object]);
}

namespace {
// Without it, a file of somebody else's can be linked to by those only who could read and write it: proc(5),
// fs.protected_hardlinks (fs/namei.c, may_linkat).
bool may_link(const World& w, const Process& p, const Inode& inode) {
  return !w.facts().protected_hardlinks || p.cred.capable_over(inode) || p.cred.uid == inode.uid ||
         file_access(inode, p.cred, 6);
}

bool perhaps_append_only(const World& w, std::int32_t inode) {
  return w.inodes[static_cast<std::size_t>(inode)].append_only == Attribute::perhaps;
}
}  // namespace

void rule_rename(World& w, Process&, Step& s) {
  std::int32_t found = w.paths[s.op.object], replaced = w.paths[s.op.byte];
  if (found < 0) s.must(kENOENT, C::none);
  // Which of two it is of, should neither be known, is not told.
  if (found >= 0 && replaced >= 0 && found != replaced && perhaps_append_only(w, found) &&
      perhaps_append_only(w, replaced)) {
    s.may(kEPERM, Freedom::not_yet_stored);
  } else if (found >= 0 && found != replaced) {
    append_only_errors(w.inodes[static_cast<std::size_t>(found)], s, kEPERM);
    if (replaced >= 0) append_only_errors(w.inodes[static_cast<std::size_t>(replaced)], s, kEPERM);
  }
  if (s.failed(C::mmap_create_rename_link)) return;
  w.happens(static_cast<std::uint32_t>(found), C::mmap_create_rename_link);
  // rename(2): two names of one file, and both stay.
  if (found == replaced) return;
  if (replaced >= 0) remove_name(w, w.paths[s.op.byte], w.path_entries[s.op.byte]);
  w.paths[s.op.object] = -1;
  w.paths[s.op.byte] = found;
  w.entry_changes(s.op.object, found);
  w.entry_changes(s.op.byte, found);
  w.path_entries[s.op.byte] = w.path_entries[s.op.object];
}

void rule_link(World& w, Process& p, Step& s) {
  std::int32_t found = w.paths[s.op.object];
  if (found < 0) s.must(kENOENT, C::none);
  if (w.paths[s.op.byte] >= 0) s.must(kEEXIST, C::none);
  if (found >= 0 && !may_link(w, p, w.inodes[static_cast<std::size_t>(found)])) s.must(kEPERM, C::none);
  if (found >= 0) append_only_errors(w.inodes[static_cast<std::size_t>(found)], s, kEPERM);
  if (s.failed(C::mmap_create_rename_link)) return;
  w.happens(static_cast<std::uint32_t>(found), C::mmap_create_rename_link);
  ++w.inodes[static_cast<std::size_t>(found)].links;
  w.inodes[static_cast<std::size_t>(found)].linked = true;
  w.paths[s.op.byte] = found;
  w.entry_changes(s.op.byte, found);
  w.path_entries[s.op.byte] = w.new_entry();
}

namespace {
void truncate_to(World& w, Process& p, Step& s, std::int32_t index, std::uint64_t size) {
  if (index >= 0) {
    const Inode& inode = w.inodes[static_cast<std::size_t>(index)];
    if (!s.must_fail() && beyond_file_size(p, inode, size)) return dies_of_file_size(w, p, s);
    if (size > largest_file(w, inode)) s.must(kEFBIG, C::trunc_size_limit);
    if (inode.huge && !whole_huge_pages(w, size)) s.must(kEINVAL, C::none);  // hugetlbfs_setattr
    if (size < inode.size && (inode.seals & program::seal::kShrink)) s.must(kEPERM, C::seal_shrink);
    if (size > inode.size && (inode.seals & program::seal::kGrow)) s.must(kEPERM, C::seal_grow);
  }
  if (s.failed(C::trunc_kept_part_intact)) return;
  Inode& inode = w.inodes[static_cast<std::size_t>(index)];
  // ftruncate asks for the times itself (fs/open.c); by path, tmpfs moves them if it has pages to look
  // through (mm/shmem.c, shmem_setattr).
  bool moves = s.op.code == OpCode::ftruncate || w.fs_of(inode) == program::FileSystem::ext4;
  if (inode.size != size || (s.exact() && moves))
    moves_mtime(inode, C::none);
  else
    may_move_mtime(inode);
  set_size(w, s, static_cast<std::uint32_t>(index), size);
}
}  // namespace

void rule_ftruncate(World& w, Process& p, Step& s) {
  std::uint64_t size = w.value(s.op.len);
  OpenFile* file = w.open_file(p, s.op.object);
  if (static_cast<std::int64_t>(size) < 0) s.must(kEINVAL, C::none);
  if (!file)
    s.must(kEBADF, clause_of_closed(p, s.op.object));
  else if (!file->writable)
    s.must(kEINVAL, kEBADF, w.inodes[file->inode].posix ? C::pshm_open_rdonly : C::none);
  if (file) append_only_errors(w.inodes[file->inode], s, kEPERM);
  truncate_to(w, p, s, file ? static_cast<std::int32_t>(file->inode) : -1, size);
}

void rule_truncate(World& w, Process& p, Step& s) {
  std::uint64_t size = w.value(s.op.len);
  std::int32_t found = w.paths[s.op.object];
  if (static_cast<std::int64_t>(size) < 0) s.must(kEINVAL, C::none);
  if (found < 0)
    s.must(kENOENT, C::none);
  else if (!file_access(w.inodes[static_cast<std::size_t>(found)], p.cred, 2))
    s.must(kEACCES, C::none);
  if (found >= 0) append_only_errors(w.inodes[static_cast<std::size_t>(found)], s, kEPERM);
  s.applies(C::trunc_truncate_by_path);
  truncate_to(w, p, s, found, size);
}

namespace {
// What demands a member of the file's status: its size, its links, or what was given to it when it was made.
C clause_of_member(const Inode& inode, std::size_t member) {
  if (member == 0 || inode.kind != InodeKind::file) return inode.size_clause;
  if (member == 1 && inode.posix && inode.links == 0) return C::pshm_unlink_name_gone;
  if (member == 1) return inode.linked ? C::mmap_create_rename_link : C::none;
  return inode.posix ? C::pshm_open_mode : C::none;
}
}  // namespace

void rule_fstat(World& w, Process& p, Step& s) {
  OpenFile* file = w.open_file(p, s.op.object);
  if (!file) s.must(kEBADF, clause_of_closed(p, s.op.object));
  if (s.failed(C::none)) return;
  const Inode& inode = w.inodes[file->inode];
  const std::uint64_t expected[] = {inode.size, inode.links, kRegular | inode.mode,
                                    shown_id(&p, inode.uid, &Credentials::uid),
                                    shown_id(&p, inode.gid, &Credentials::gid)};
  if (s.running()) {
    s.made().words.assign(std::begin(expected), std::end(expected));
    return;
  }
  constexpr const char* names[] = {"size", "links", "mode", "uid", "gid"};
  const std::vector<std::uint64_t>& seen = s.seen().words;
  s.applies(clause_of_member(inode, 0));
  if (inode.posix) s.applies(C::pshm_open_mode), s.applies(C::pshm_tmpfs_view);
  // Of memory that has no name it is said how large it is, and nothing else.
  const bool open = inode.kind != InodeKind::file && !s.exact();
  if (open) s.uses(Freedom::documented_alternative);
  for (std::size_t i = 0; i < (open ? 1 : program::kFileStatWords); ++i) {
    if (i < seen.size() && seen[i] == expected[i]) continue;
    C clause = clause_of_member(inode, i);
    s.diverge(clause, fmt::format("{}={}", names[i], expected[i]),
              i < seen.size() ? fmt::format("{}={}", names[i], seen[i]) : "no value");
    if (i == 0 && i < seen.size() && seen[0] != inode.size) set_size(w, s, file->inode, seen[0]);
    return;
  }
}

}  // namespace shmcheck::model

// open(2), close(2), unlink(2), truncate(2), fstat(2): as far as mappings depend on them.
#include <fmt/format.h>

#include "model/rlimit.h"
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

void set_size(World& w, Step& s, std::uint32_t inode, std::uint64_t size) {
  w.inodes[inode].size_clause = C::mmap_sizes_never_change_file;
  std::uint64_t before = w.inodes[inode].size;
  if (size > before) {
    extend(w, s, inode, size);
  } else if (size == before) {
    clear_slack(w, s, inode);
  } else {
    object_changes(w, s, inode, size, w.up(size) - size);
    w.resize(inode, size);
  }
}

}  // namespace

std::uint64_t largest_file(const World& w, const Inode& inode) {
  // ext4 with extents: 2^32-1 blocks. tmpfs, xfs, btrfs: the largest offset.
  if (w.fs_of(inode) == program::FileSystem::ext4) return std::uint64_t{0xFFFF'FFFF} * w.facts().fs_block;
  return INT64_MAX;
}

void rule_open(World& w, Process& p, Step& s) {
  using namespace program::openflag;
  const Op& op = s.op;
  auto access = static_cast<program::Access>(op.small);
  std::int32_t found = w.paths[op.object];
  bool truncates = (op.flags & kTrunc) != 0;
  if (found >= 0) {
    const Inode& inode = w.inodes[static_cast<std::size_t>(found)];
    std::uint32_t want = (access != program::Access::write_only ? 4U : 0U) |
                         (access != program::Access::read_only || truncates ? 2U : 0U);
    if ((op.flags & kCreat) && (op.flags & kExcl)) s.must(kEEXIST, C::none);
    if (!file_access(inode, p.cred, want)) s.must(kEACCES, C::perm_file_at_open);
  } else if (!(op.flags & kCreat)) {
    s.must(kENOENT, C::none);
  }
  if (s.failed(C::none)) return;
  if (found < 0) {
    Inode fresh;
    fresh.links = 1;
    fresh.mode = op.mode;
    fresh.uid = p.cred.uid;
    fresh.gid = p.cred.gid;
    fresh.path = op.object;
    // An ordinary file of tmpfs is one that cannot be sealed (mm/shmem.c, __shmem_get_inode).
    fresh.seals = program::seal::kSeal;
    found = static_cast<std::int32_t>(w.inodes.size());
    w.inodes.push_back(std::move(fresh));
    w.paths[op.object] = found;
  } else if (truncates) {
    s.applies(C::trunc_o_trunc);
    set_size(w, s, static_cast<std::uint32_t>(found), 0);
    moves_mtime(w.inodes[static_cast<std::size_t>(found)], C::none);
  }
  OpenFile file;
  file.inode = static_cast<std::uint32_t>(found);
  file.readable = access != program::Access::write_only;
  file.writable = access != program::Access::read_only;
  file.append = (op.flags & kAppend) != 0;
  p.files[op.result] = static_cast<std::int32_t>(w.open_files.size());
  w.open_files.push_back(file);
}

void rule_close(World& w, Process& p, Step& s) {
  if (!w.open_file(p, s.op.object)) s.must(kEBADF, C::none);
  if (s.failed(C::none)) return;
  w.happens(w.open_file(p, s.op.object)->inode, C::mmap_create_fd_close);
  p.files[s.op.object] = -1;
}

void rule_unlink(World& w, Process&, Step& s) {
  std::int32_t found = w.paths[s.op.object];
  if (found < 0) s.must(kENOENT, C::none);
  if (s.failed(C::none)) return;
  --w.inodes[static_cast<std::size_t>(found)].links;
  w.happens(static_cast<std::uint32_t>(found), C::mmap_create_file_reference);
  w.inodes[static_cast<std::size_t>(found)].unlink_step = w.steps;
  w.paths[s.op.object] = -1;
}

namespace {
void truncate_to(World& w, Process& p, Step& s, std::int32_t index, std::uint64_t size) {
  if (index >= 0) {
    const Inode& inode = w.inodes[static_cast<std::size_t>(index)];
    if (!s.must_fail() && beyond_file_size(p, inode, size)) return dies_of_file_size(w, p, s);
    if (size > largest_file(w, inode)) s.must(kEFBIG, C::trunc_size_limit);
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
    s.must(kEBADF, C::none);
  else if (!file->writable)
    s.must(kEINVAL, kEBADF, C::none);
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
  s.applies(C::trunc_truncate_by_path);
  truncate_to(w, p, s, found, size);
}

void rule_fstat(World& w, Process& p, Step& s) {
  OpenFile* file = w.open_file(p, s.op.object);
  if (!file) s.must(kEBADF, C::none);
  if (s.failed(C::none)) return;
  const Inode& inode = w.inodes[file->inode];
  const std::uint64_t expected[] = {inode.size, inode.links, kRegular | inode.mode, inode.uid, inode.gid};
  if (s.running()) {
    s.made().words.assign(std::begin(expected), std::end(expected));
    return;
  }
  constexpr const char* names[] = {"size", "links", "mode", "uid", "gid"};
  const std::vector<std::uint64_t>& seen = s.seen().words;
  s.applies(C::mmap_sizes_never_change_file);
  for (std::size_t i = 0; i < program::kFileStatWords; ++i) {
    if (i < seen.size() && seen[i] == expected[i]) continue;
    C clause = i == 0 ? inode.size_clause : C::none;
    s.diverge(clause, fmt::format("{}={}", names[i], expected[i]),
              i < seen.size() ? fmt::format("{}={}", names[i], seen[i]) : "no value");
    if (i == 0 && i < seen.size() && seen[0] != inode.size) set_size(w, s, file->inode, seen[0]);
    return;
  }
}

}  // namespace shmcheck::model

// msync(2) and fsync(2): their errors, and what write-back does to slack. Contents as readers see them never
// change.
#include "model/rules.h"
#include "model/times.h"

namespace shmcheck::model {

void write_back(World& w, Step& s, std::uint32_t index) {
  Inode& inode = w.inodes[index];
  bool disk = w.fs_of(inode) == program::FileSystem::ext4 || w.fs_of(inode) == program::FileSystem::xfs;
  std::uint64_t edge = w.up(inode.size);
  if (!disk || inode.size == edge) return;
  s.applies(C::slack_cleared_by_writeback);
  inode.size_clause = C::writeback_never_beyond_size;
  inode.bytes.fill(inode.size, 0, edge - inode.size, w.page(), {OriginKind::written_back, 0, 0, w.steps});
}

namespace {
// On ext4 what a call waits for is a transaction, and all before it (fs/ext4/fsync.c, ext4_fsync_journal):
// the last one that changed the inode, or for fdatasync and msync one that made it or changed its size.
// Entries of its directory are in the same; documents promise them for an fsync of the directory only. A size
// that a write has made is the inode's when its last page is written (fs/ext4/inode.c,
// mpage_map_and_submit_extent): `end` is up to where all was.
void note_written(World& w, const Step& s, std::uint32_t index, bool whole_inode, std::uint64_t end) {
  Inode& inode = w.inodes[index];
  const bool ext4 = s.exact() && w.fs_of(inode) == program::FileSystem::ext4;
  const bool sized = ext4 && (!inode.size_delayed || end >= inode.size);
  if (sized || s.op.code == OpCode::fsync) inode.size_unwritten = inode.size_delayed = false;
  for (std::size_t i = 0; ext4 && i < w.path_unwritten.size(); ++i) {
    const bool of_inode = w.path_unwritten[i] == static_cast<std::int32_t>(index);
    if (of_inode && (whole_inode || w.path_new[i])) w.path_unwritten[i] = -1;
  }
}

// A call that need not write what the mapping shows: what says so.
void note_unwritten(World& w, const Vma& v, std::uint32_t flags) {
  if (v.inode < 0) return;
  bool sync = (flags & program::msync::kSync) != 0;
  if (sync && v.shared && v.writable_file) return;
  w.object_of(v).storage.may_have = !v.shared ? C::msync_private_does_not_flush
                                    : sync    ? C::msync_readonly_descriptor
                                              : C::msync_async_returns;
}
}  // namespace

void rule_msync(World& w, Process& p, Step& s) {
  using namespace program::msync;
  constexpr int kENOMEM = 12, kEBUSY = 16, kEINVAL = 22;
  std::uint64_t low = w.value(s.op.addr), length = w.value(s.op.len);
  std::uint64_t pages = w.up(length);
  std::uint32_t flags = s.op.flags;
  if (flags & kUnknown) s.must(kEINVAL, C::msync_bad_flag);
  if (low % w.page() != 0) s.must(kEINVAL, C::msync_unaligned);
  if ((flags & kAsync) && (flags & kSync)) s.must(kEINVAL, C::msync_both_flags);
  if (s.must_fail() && (low + pages < low || !p.memory.covers(low, low + pages)))
    s.applies(C::prec_msync_einval_before_enomem);
  // A locked mapping is met on the way, a hole told at the end.
  bool locked = false;
  for (const Vma& v : p.memory.vmas()) locked |= v.locked && v.low < low + pages && low < v.high;
  if (low + pages > low && (flags & kInvalidate) && locked) s.must(kEBUSY, C::msync_invalidate_locked);
  C unmapped = s.saw(kEBUSY) ? p.lock_clause : C::msync_unmapped;
  if (low + pages < low)
    s.must(kENOMEM, kEINVAL, C::msync_unmapped);
  else if (pages != 0 && !p.memory.covers(low, low + pages))
    s.must(kENOMEM, unmapped);
  if (!(flags & (kAsync | kSync)) && s.profile == Profile::posix)
    s.may(kEINVAL, Freedom::documented_alternative);
  C success = pages == 0                    ? C::msync_len_zero
              : !(flags & (kAsync | kSync)) ? C::msync_no_flag
              : (flags & kAsync)            ? C::msync_async_returns
                                            : C::msync_anonymous;
  const Vma* first = p.memory.find(low);
  if (success == C::msync_anonymous && first && first->shared && first->inode >= 0 && (flags & kSync)) {
    if (!first->writable_file)
      success = C::msync_readonly_descriptor;
    else if (!(first->prot & program::kProtWrite))
      success = C::msync_readonly_protection;
  }
  if (s.saw(kENOMEM)) success = C::msync_unmapped;
  if (s.saw(kEBUSY)) success = p.lock_clause;
  if (s.failed(success)) return;
  for (Vma& v : p.memory.vmas()) {
    if (v.low >= low + pages || low >= v.high) continue;
    if (!v.shared)
      v.event = {C::msync_private, w.steps};
    else if (flags & kInvalidate)
      w.happens(v, C::msync_invalidate_coherent);
    note_unwritten(w, v, flags);
  }
  if (!(flags & kSync)) return;
  for (std::size_t i = p.memory.first_above(low); i < p.memory.vmas().size(); ++i) {
    Vma& v = p.memory.vmas()[i];
    if (v.low >= low + pages) break;
    if (!v.shared || !v.writable_file) continue;
    if (v.low >= low && v.high <= low + pages) v.dirtied = false;
    const Inode& inode = w.object_of(v);
    std::uint64_t from = v.object_offset(std::max(v.low, low), w.page());
    std::uint64_t to = v.object_offset(std::min(v.high, low + pages) - 1, w.page()) + 1;
    if (inode.size < to && w.up(inode.size) > from) write_back(w, s, static_cast<std::uint32_t>(v.inode));
    C demand = (v.prot & program::kProtWrite) ? C::msync_sync_durable : C::msync_readonly_protection;
    w.object_of(v).storage.written(from, to, demand);
    w.certainly_stored(static_cast<std::uint32_t>(v.inode), from, to);
    note_written(w, s, static_cast<std::uint32_t>(v.inode), false, to);
  }
}

void rule_fsync(World& w, Process& p, Step& s) {
  constexpr int kEBADF = 9;
  OpenFile* file = w.open_file(p, s.op.object);
  if (!file) s.must(kEBADF, C::none);
  if (s.failed(C::msync_fsync_equivalent)) return;
  write_back(w, s, file->inode);
  w.inodes[file->inode].storage.written(0, UINT64_MAX, C::msync_fsync_equivalent);
  w.certainly_stored(file->inode, 0, UINT64_MAX);
  note_written(w, s, file->inode, s.op.small == 0, UINT64_MAX);
  stores_are_noticed_again(w, file->inode);
}

}  // namespace shmcheck::model

// fallocate(2). Errors in the order of vfs_fallocate, then of the file system.
#include <algorithm>
#include <vector>

#include "model/append_only.h"
#include "model/rlimit.h"
#include "model/rules.h"
#include "model/times.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kEBADF = 9, kEINVAL = 22, kEFBIG = 27, kENOSPC = 28, kEOPNOTSUPP = 95;
using program::Allocate;

bool zeroes(Allocate how) {
  return how == Allocate::punch || how == Allocate::zero || how == Allocate::zero_keep;
}

bool shifts(Allocate how) {
  return how == Allocate::collapse || how == Allocate::insert;
}

C clause_of(Allocate how) {
  if (shifts(how)) return C::fallocate_collapse_insert;
  return how == Allocate::punch ? C::punch_zero : zeroes(how) ? C::fallocate_zero_range : C::fallocate_extend;
}

// Of file systems other than these two it is not known what they can do.
bool may_refuse(const World& w, const OpenFile& file, Allocate how) {
  program::FileSystem fs = w.fs_of(w.inodes[file.inode]);
  bool known = fs == program::FileSystem::tmpfs || fs == program::FileSystem::ext4;
  return !known && how != Allocate::unknown && how != Allocate::punch_only;
}

// Whole blocks only, and none of the last; tmpfs cannot.
void shift_errors(const World& w, Step& s, const Inode& inode, std::uint64_t offset, std::uint64_t length,
                  Allocate how) {
  if (w.fs_of(inode) == program::FileSystem::tmpfs) return s.must(kEOPNOTSUPP, C::fallocate_collapse_insert);
  if (!s.exact()) s.may(kEOPNOTSUPP, Freedom::documented_alternative);
  bool aligned = offset % w.facts().fs_block == 0 && length % w.facts().fs_block == 0;
  std::uint64_t end = how == Allocate::collapse ? offset + length : offset;
  if (!aligned || end >= inode.size) s.must(kEINVAL, C::fallocate_collapse_insert);
  if (how == Allocate::insert && length > largest_file(w, inode) - inode.size)
    s.must(kEFBIG, C::trunc_size_limit);
}

void errors(World& w, Step& s, const OpenFile& file, std::uint64_t offset, std::uint64_t length,
            Allocate how) {
  const Inode& inode = w.inodes[file.inode];
  if (static_cast<std::int64_t>(offset) < 0 || static_cast<std::int64_t>(length) <= 0)
    s.must(kEINVAL, C::none);
  if (how == Allocate::unknown) s.must(kEOPNOTSUPP, kEINVAL, C::none);
  if (how == Allocate::punch_only) s.must(kEOPNOTSUPP, kEINVAL, C::punch_keep_size_required);
  if (!file.writable) s.must(kEBADF, inode.posix ? C::pshm_open_rdonly : C::none);
  if (how != Allocate::extend && how != Allocate::keep) append_only_errors(w.inodes[file.inode], s, kEPERM);
  std::uint64_t end = offset + length;
  if (static_cast<std::int64_t>(end) < 0 || end > largest_file(w, inode)) s.must(kEFBIG, C::trunc_size_limit);
  bool tmpfs = w.fs_of(inode) == program::FileSystem::tmpfs;
  if (tmpfs && (how == Allocate::zero || how == Allocate::zero_keep))
    s.must(kEOPNOTSUPP, C::fallocate_zero_range);
  if (shifts(how)) shift_errors(w, s, inode, offset, length, how);
  if (may_refuse(w, file, how)) s.may(kEOPNOTSUPP, Freedom::documented_alternative);
}

void seal_errors(const World& w, Step& s, const OpenFile& file, std::uint64_t end, Allocate how) {
  using namespace program::seal;
  const Inode& inode = w.inodes[file.inode];
  if (how == Allocate::punch && (inode.seals & (kWrite | kFutureWrite)))
    s.must(kEPERM, inode.seals & kWrite ? C::seal_write : C::seal_future_write);
  if (!zeroes(how) && (inode.seals & kGrow) && end > inode.size) s.must(kEPERM, C::seal_grow);
}

// Blocks are there when the call returns; those of a range that is zeroed may have been there before.
void allocate(World& w, std::uint32_t index, std::uint64_t low, std::uint64_t high, Allocate how) {
  if (zeroes(how)) return w.may_take_storage(index, low, high);
  w.takes_storage(index, low, high);
  w.certainly_stored(index, low, high);
  w.inodes[index].preallocated.add_bytes(low, high, w.page());
}

// Of a full file system. What is zeroed or moved needs storage for what records it, too.
void space_errors(const World& w, Step& s, const Inode& inode, std::uint64_t low, std::uint64_t high,
                  Allocate how) {
  if (!w.of_full(inode) || how == Allocate::punch || s.must_fail()) return;
  if (shifts(how) || zeroes(how)) return s.may(kENOSPC, Freedom::spare_space);
  const std::uint64_t first = low / w.page(), last = (high - 1) / w.page() + 1, all = last - first;
  // What a disk has only reserved for a page does not count for fallocate (ext4_claim_free_clusters).
  const bool tmpfs = w.fs_of(inode) == program::FileSystem::tmpfs;
  const PageSet& allocated = tmpfs ? inode.stored : inode.synced;
  if (!inode.storage_unknown && all - inode.accessed.count(first, last) > w.spare_most)
    s.must(kENOSPC, clause_of_full(w, inode));
  else if (all - allocated.count(first, last) > w.spare_least)
    s.may(kENOSPC, Freedom::spare_space);
}

// tmpfs takes back what it has allocated in vain (shmem_fallocate); a disk's file system keeps it, and the
// size goes with it. In a full one there was nothing to allocate.
bool may_be_done_in_part(const World& w, const Step& s, const Inode& inode, std::uint64_t end, Allocate how) {
  if (!s.saw(kENOSPC) || w.fs_of(inode) == program::FileSystem::tmpfs) return false;
  const bool behind = end > inode.size && inode.accessed.count(inode.size / w.page(), UINT64_MAX) > 0;
  return shifts(how) || zeroes(how) || w.spare_most > 0 || behind;
}

// Bytes of the object that read zero from now on, its slack included. A disk's file system punches no hole
// that begins behind the end.
void zero(World& w, Step& s, std::uint32_t index, std::uint64_t low, std::uint64_t high, Allocate how) {
  Inode& inode = w.inodes[index];
  bool tmpfs = w.fs_of(inode) == program::FileSystem::tmpfs;
  if (how == Allocate::punch && !tmpfs && low >= inode.size) return;
  bool whole_pages = tmpfs || w.facts().fs_block == w.page();
  high = std::min(high, whole_pages ? w.up(inode.size) : inode.size);
  if (low >= high) return;
  object_changes(w, s, index, low, high - low);
  w.keep_former(index, low, high);
  const std::uint64_t first = std::min(w.up(low), high), last = std::max(first, w.down(high));
  auto fill = [&](std::uint64_t from, std::uint64_t to) {
    if (from < to) inode.bytes.fill(from, 0, to - from, w.page());
  };
  fill(low, first);
  inode.bytes.settle(first, last);
  inode.bytes.drop(first / w.page(), last / w.page());
  fill(last, high);
  for (std::uint64_t i = first / w.page(); how == Allocate::punch && i < last / w.page(); ++i)
    inode.punched.add(i);
  w.pages_removed(index, clause_of(how));
}

// Where private copies go with the cached pages: ext4 drops all from the range on (truncate_pagecache in
// ext4_collapse_range, ext4_insert_range), xfs only those behind the new end (truncate_pagecache_range in
// xfs_flush_unmap_range leaves copies alone; xfs_setattr_size does not).
std::uint64_t copies_go_from(const World& w, std::uint64_t offset, std::uint64_t size) {
  return w.facts().fs == program::FileSystem::xfs ? w.up(size) : offset;
}

// False: what became of a copy is not told apart, or no document says it.
bool drop_copies(World& w, const Step& s, std::uint32_t index, std::uint64_t offset, std::uint64_t size) {
  using program::FileSystem;
  bool known = s.exact() && (w.facts().fs == FileSystem::ext4 || w.facts().fs == FileSystem::xfs);
  std::uint64_t from = copies_go_from(w, offset, size);
  bool certain = true;
  for (Process& p : w.processes) {
    for (Vma& v : p.memory.vmas()) {
      if (v.shared || v.inode != static_cast<std::int32_t>(index) || v.copies.empty()) continue;
      certain &= known && (from % w.page() == 0 || !v.copies.find(from / w.page()));
      v.copies.cut(w.up(from), w.page());
    }
  }
  return certain;
}

// What lies behind the range moves over it, or away to make room for it.
void shift(World& w, Step& s, std::uint32_t index, std::uint64_t offset, std::uint64_t length, Allocate how) {
  bool inserts = how == Allocate::insert;
  Inode& inode = w.inodes[index];
  std::uint64_t from = inserts ? offset : offset + length, to = inserts ? offset + length : offset;
  std::uint64_t size = inserts ? inode.size + length : inode.size - length;
  object_changes(w, s, index, offset, w.up(std::max(size, inode.size)) - offset);
  bool doubted = inode.bytes.doubted(from, inode.size);
  std::vector<std::uint8_t> tail;
  inode.bytes.read(from, inode.size - from, w.page(), tail);
  inode.bytes.cut(offset, w.page());
  inode.size = size;
  inode.size_unwritten = true;
  inode.end_in_cache = false;
  w.write_object(index, to, tail.data(), tail.size(), {OriginKind::shifted, s.op.proc, w.next_vma, w.steps});
  if (doubted) {
    Doubt d;
    d.low = to;
    d.high = to + tail.size();
    d.any = true;
    d.freedom = Freedom::copied_doubt;
    inode.bytes.doubt(std::move(d));
  }
  if (!inserts) w.gives_back(index, offset / w.page(), (from - 1) / w.page() + 1);
  // Where its blocks lie now is not told apart.
  for (PageSet* pages : {&inode.stored, &inode.synced, &inode.preallocated})
    pages->drop(offset / w.page(), UINT64_MAX);
  inode.storage_unknown = inode.accessed_unsure = true;
  w.not_resident(index);
  inode.size_clause = C::fallocate_collapse_insert;
  w.happens(index, C::fallocate_collapse_insert);
  if (!drop_copies(w, s, index, offset, size)) s.lose_quietly(Freedom::documented_alternative);
}

// The offset that is compared with RLIMIT_FSIZE; 0: none is.
std::uint64_t limited_end(const Inode& inode, std::uint64_t offset, std::uint64_t length, Allocate how) {
  if (how == Allocate::insert) return inode.size + length;
  bool sizes = how == Allocate::extend || how == Allocate::zero || how == Allocate::keep;
  return sizes ? offset + length : 0;
}

// Whether it is looked at. Where the size is to be kept, tmpfs does (mm/shmem.c, shmem_fallocate), ext4, xfs
// and btrfs do not; where a range is put in, xfs does (xfs_falloc_setsize), ext4 does not. What is beneath an
// overlay decides for it, and no document says it.
bool looks_at_limit(const World& w, const Process& p, Step& s, const OpenFile& file, Allocate how) {
  using program::FileSystem;
  if (how == Allocate::extend || how == Allocate::zero) return true;
  FileSystem fs = w.fs_of(w.inodes[file.inode]);
  if (s.exact() && fs != FileSystem::overlay && fs != FileSystem::other)
    return fs == (how == Allocate::keep ? FileSystem::tmpfs : FileSystem::xfs);
  s.uses(Freedom::documented_alternative);
  return s.saw_death() || (p.first_of_pids && s.saw(kEFBIG));
}

bool times_come_first(program::FileSystem fs) {
  return fs == program::FileSystem::ext4 || fs == program::FileSystem::xfs;
}

}  // namespace

void rule_fallocate(World& w, Process& p, Step& s) {
  OpenFile* file = w.open_file(p, s.op.object);
  std::uint64_t offset = w.value(s.op.off), length = w.value(s.op.len);
  auto how = static_cast<Allocate>(s.op.small);
  if (file)
    errors(w, s, *file, offset, length, how);
  else
    s.must(kEBADF, C::none);
  bool beyond =
      file && !s.must_fail() &&
      beyond_file_size(p, w.inodes[file->inode], limited_end(w.inodes[file->inode], offset, length, how));
  // What a file system cannot do it refuses before it looks at any limit.
  if (beyond && s.saw(kEOPNOTSUPP) && may_refuse(w, *file, how)) beyond = false;
  // ext4 and xfs move the times before they look at the limit and the range (ext4_fallocate,
  // xfs_file_fallocate).
  if (beyond && times_come_first(w.fs_of(w.inodes[file->inode]))) may_move_mtime(w.inodes[file->inode]);
  if (beyond && looks_at_limit(w, p, s, *file, how)) return dies_of_file_size(w, p, s);
  if (file) seal_errors(w, s, *file, offset + length, how);
  if (file) may_move_mtime(w.inodes[file->inode]);
  if (file) space_errors(w, s, w.inodes[file->inode], offset, offset + length, how);
  if (s.failed(clause_of(how))) {
    if (file && may_be_done_in_part(w, s, w.inodes[file->inode], offset + length, how))
      s.lose_quietly(Freedom::spare_space);
    return;
  }
  std::uint32_t index = file->inode;
  std::uint64_t end = offset + length;
  if (shifts(how)) return shift(w, s, index, offset, length, how);
  bool extends = (how == Allocate::extend || how == Allocate::zero) && end > w.inodes[index].size;
  if (extends) {
    object_changes(w, s, index, w.inodes[index].size, 0);
    extend(w, s, index, end);
  }
  if (how != Allocate::punch) allocate(w, index, offset, end, how);
  w.inodes[index].size_clause = how == Allocate::punch ? C::punch_size_kept : C::fallocate_extend;
  if (how == Allocate::punch) w.punches_storage(index, offset, end);
  if (zeroes(how)) zero(w, s, index, offset, end, how);
}

}  // namespace shmcheck::model

#include "model/transfer.h"

#include "model/memory.h"
#include "model/rlimit.h"
#include "model/times.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kEBADF = 9, kEFAULT = 14, kEINVAL = 22, kEFBIG = 27;

// Seals are looked at page by page (mm/shmem.c, shmem_write_begin).
void seal_errors(const World& w, Step& s, const Inode& inode, Transfer& t) {
  using namespace program::seal;
  if (inode.seals & (kWrite | kFutureWrite))
    s.must(kEPERM, inode.seals & kWrite ? C::seal_write : C::seal_future_write);
  if (!(inode.seals & kGrow) || t.offset + t.length <= inode.size) return;
  std::uint64_t whole = w.down(inode.size);
  if (t.offset >= whole)
    s.must(kEPERM, C::seal_grow);
  else
    t.length = whole - t.offset, t.sealed = true;
}

// Nothing is written from the limit on, be it behind the end of the file or before (mm/filemap.c,
// generic_write_check_limits).
void size_limit(const Process& p, const Step& s, const Inode& inode, Transfer& t) {
  if (s.must_fail() || t.offset + t.length <= p.file_size) return;
  t.unsure = !s.exact() && t.offset + t.length <= inode.size;
  t.dies = t.offset >= p.file_size;
  t.limited = !t.dies;
  if (t.limited) t.length = p.file_size - t.offset;
}

Origin origin_of_write(const World& w, const Step& s) {
  return {OriginKind::write, s.op.proc, w.next_vma, w.steps};
}

// All that changes but the bytes.
void begin_write(World& w, Step& s, const Transfer& t, std::uint64_t length) {
  moves_mtime(w.inodes[t.file->inode], C::none);
  w.inodes[t.file->inode].large_folios |= w.down(t.offset) != w.down(t.offset + length - 1);
  object_changes(w, s, t.file->inode, t.offset, length);
  grow(w, s, t, length);
}

}  // namespace

Transfer check_arguments(World& w, Process& p, Step& s, bool write, bool bad_memory) {
  Transfer t{w.value(s.op.off), w.value(s.op.len), w.open_file(p, s.op.object)};
  if (static_cast<std::int64_t>(t.offset) < 0) s.must(kEINVAL, C::none);
  bool usable = t.file && (write ? t.file->writable : t.file->readable);
  bool of_object = t.file && w.inodes[t.file->inode].posix;
  C unusable = !t.file ? clause_of_closed(p, s.op.object) : of_object ? C::pshm_open_rdonly : C::none;
  if (!usable) s.must(kEBADF, unusable);
  if (bad_memory) s.must(kEFAULT, C::access_syscall_efault);
  if (static_cast<std::int64_t>(t.offset + t.length) < 0) s.must(kEINVAL, C::none);
  if (write && usable && t.length > 0) {
    if (t.file->append) t.offset = w.inodes[t.file->inode].size;
    const Inode& inode = w.inodes[t.file->inode];
    size_limit(p, s, inode, t);
    if (t.offset >= largest_file(w, inode)) s.must(kEFBIG, C::trunc_size_limit);
    // The limit is looked at first (generic_write_checks).
    if (!t.dies || t.unsure) seal_errors(w, s, inode, t);
  }
  return t;
}

bool settle_limit(World& w, Step& s, Transfer& t) {
  if (!t.unsure) return true;
  const int pick = s.choose(2, Freedom::documented_alternative);
  if (pick < 0) return false;
  if (pick == 0) return true;
  t.length = w.value(s.op.len);
  t.dies = t.limited = false;
  return true;
}

void may_have_read(World& w, const Step& s, const Transfer& t) {
  if (s.must_fail() || !t.file) return;
  may_move_atime(w.inodes[t.file->inode]);
  w.inodes[t.file->inode].large_folios = true;  // by reading ahead
}

std::uint64_t readable_bytes(const World& w, const Transfer& t) {
  std::uint64_t size = w.inodes[t.file->inode].size;
  return t.offset >= size ? 0 : std::min(t.length, size - t.offset);
}

namespace {
WriteSpace space_by_page(const World& w, const Transfer& t) {
  const Inode& inode = w.inodes[t.file->inode];
  WriteSpace space{t.length, t.length};
  std::uint64_t taken = 0;
  for (std::uint64_t at = t.offset; at < t.offset + t.length; at = w.down(at) + w.page()) {
    const Space page = w.space_for(inode, at / w.page(), true, taken);
    if (page != Space::there) space.least = std::min(space.least, at - t.offset);
    if (page == Space::none) {
      space.most = at - t.offset;
      return space;
    }
    if (!inode.accessed.contains(at / w.page())) ++taken;
  }
  return space;
}
}  // namespace

// ext4 looks for the space of a whole large folio, so that it may refuse what it has space for; and it may
// take back what was allocated behind the end (ext4_write_begin, ext4_truncate_failed_write) and tries again.
WriteSpace space_of_write(World& w, const Transfer& t) {
  WriteSpace space{t.length, t.length};
  if (!t.file || t.length == 0 || !w.of_full(w.inodes[t.file->inode])) return space;
  space = space_by_page(w, t);
  if (space.least == t.length || w.fs_of(w.inodes[t.file->inode]) == program::FileSystem::tmpfs) return space;
  // Folios as large as the write are made before space is looked for.
  w.inodes[t.file->inode].large_folios |= w.down(t.offset) != w.down(t.offset + t.length - 1);
  const std::uint64_t size = w.inodes[t.file->inode].size;
  if (t.offset + t.length > size) w.may_cut_storage(t.file->inode, size);
  return {0, space_by_page(w, t).most};
}

// Where it ended early, the page in which it did may have storage, too; on a disk all that was to be written,
// and what was allocated behind the end may be taken back.
void may_have_storage(World& w, const Transfer& t, std::uint64_t reached) {
  if (!t.file || t.length == 0) return;
  Inode& file = w.inodes[t.file->inode];
  const bool disk = w.fs_of(file) != program::FileSystem::tmpfs;
  file.accessed_unsure = true;
  if (disk) {
    file.large_folios |= w.down(t.offset) != w.down(t.offset + t.length - 1);
    w.may_cut_storage(t.file->inode, file.size);
  }
  const std::uint64_t length = disk ? t.length : std::min(t.length, reached + 1);
  w.may_take_storage(t.file->inode, t.offset, t.offset + length);
}

C clause_of_write_space(const World& w, const Transfer& t) {
  if (!t.file || !w.of_full(w.inodes[t.file->inode])) return C::none;
  const bool allocated = w.inodes[t.file->inode].preallocated.contains(t.offset / w.page());
  return allocated ? C::access_preallocated : C::access_no_space;
}

void grow(World& w, Step& s, const Transfer& t, std::uint64_t length) {
  Inode& inode = w.inodes[t.file->inode];
  if (length == 0 || t.offset + length <= inode.size) return;
  if (t.offset > inode.size) {
    extend(w, s, t.file->inode, t.offset + length);
  } else {
    if (inode.size != 0) inode.grown_from = std::min(inode.grown_from, inode.size);
    w.keep_nothing(t.file->inode, inode.size, t.offset + length);
    inode.slack_from = inode.size;
    inode.size = t.offset + length;
    inode.size_unwritten = true;
    inode.end_in_cache = false;
  }
  inode.size_delayed = true;
}

void write_file(World& w, Step& s, const Transfer& t, const std::uint8_t* bytes, std::uint64_t length) {
  if (length == 0) return;
  begin_write(w, s, t, length);
  w.write_object(t.file->inode, t.offset, bytes, length, origin_of_write(w, s));
  w.inodes[t.file->inode].slack_from = UINT64_MAX;
}

void write_file(World& w, Step& s, const Transfer& t, std::uint8_t byte, std::uint64_t length) {
  if (length == 0) return;
  begin_write(w, s, t, length);
  w.write_object(t.file->inode, t.offset, byte, length, origin_of_write(w, s));
  w.inodes[t.file->inode].slack_from = UINT64_MAX;
}

}  // namespace shmcheck::model

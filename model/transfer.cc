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
    seal_errors(w, s, inode, t);
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
}

std::uint64_t readable_bytes(const World& w, const Transfer& t) {
  std::uint64_t size = w.inodes[t.file->inode].size;
  return t.offset >= size ? 0 : std::min(t.length, size - t.offset);
}

void grow(World& w, Step& s, const Transfer& t, std::uint64_t length) {
  std::uint64_t& size = w.inodes[t.file->inode].size;
  if (length == 0 || t.offset + length <= size) return;
  if (t.offset > size)
    extend(w, s, t.file->inode, t.offset + length);
  else {
    if (size != 0) w.inodes[t.file->inode].grown_from = std::min(w.inodes[t.file->inode].grown_from, size);
    w.keep_nothing(t.file->inode, size, t.offset + length);
    w.inodes[t.file->inode].slack_from = size;
    size = t.offset + length;
  }
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

// fcntl(2) F_ADD_SEALS and F_GET_SEALS, in the order of mm/memfd.c.
#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kEBADF = 9, kEBUSY = 16, kEINVAL = 22;

// Whether a mapping through which the object could be stored to exists in any process; or, of those that a
// seal keeps from becoming writable, one that could be stored to but for that.
bool mapped_for_stores(const World& w, std::uint32_t inode, bool but_for_seals) {
  for (const Process& p : w.processes) {
    if (p.life != Life::alive) continue;
    for (const Vma& v : p.memory.vmas()) {
      bool shows = v.shared && v.inode == static_cast<std::int32_t>(inode) && v.writable_file;
      if (shows && (v.may_write || but_for_seals)) return true;
    }
  }
  return false;
}

// Only memory files and files of tmpfs have seals.
bool has_seals(const World& w, const Inode& inode) {
  return w.fs_of(inode) == program::FileSystem::tmpfs;
}

}  // namespace

void rule_seal(World& w, Process& p, Step& s) {
  using namespace program::seal;
  OpenFile* file = w.open_file(p, s.op.object);
  C success = C::seal_add_only;
  if (!file) {
    s.must(kEBADF, C::none);
  } else {
    const Inode& inode = w.inodes[file->inode];
    if (!file->writable) s.must(kEPERM, kEINVAL, C::seal_needs_write_fd);
    if (s.op.flags & kUnknown) s.must(kEINVAL, C::seal_bad_bit);
    if (!has_seals(w, inode))
      s.must(kEINVAL, C::seal_unsupported);
    else if (inode.seals & kSeal)
      s.must(kEPERM, kEINVAL, inode.memfd ? C::seal_seal : C::seal_tmpfs_file);
    bool adds_write = (s.op.flags & kWrite) && !(inode.seals & kWrite);
    if (adds_write && mapped_for_stores(w, file->inode, false)) s.must(kEBUSY, C::seal_write_busy);
    // They counted as well until 6.7, but not in all stable releases.
    else if (adds_write && mapped_for_stores(w, file->inode, true) &&
             w.facts().release < program::release(6, 7))
      s.may(kEBUSY, Freedom::documented_alternative);
    if (adds_write) success = C::seal_write_private_ok;
  }
  if (s.failed(success)) return;
  w.inodes[file->inode].seals |= s.op.flags & ~kUnknown;
}

void rule_seals(World& w, Process& p, Step& s) {
  OpenFile* file = w.open_file(p, s.op.object);
  if (!file)
    s.must(kEBADF, C::none);
  else if (!has_seals(w, w.inodes[file->inode]))
    s.must(kEINVAL, C::seal_unsupported);
  else if (!w.inodes[file->inode].memfd && !s.exact())
    s.may(kEINVAL, Freedom::documented_alternative);
  if (s.failed(C::seal_initial)) return;
  const Inode& inode = w.inodes[file->inode];
  bool initial = inode.seals == 0 || inode.seals == program::seal::kSeal;
  s.returns(inode.seals, inode.memfd ? initial ? C::seal_initial : C::seal_add_only : C::seal_tmpfs_file);
}

}  // namespace shmcheck::model

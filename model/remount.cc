// umount(2) and mount(2) MS_REMOUNT of the program's file system: what keeps it, and what it keeps.
#include "model/remount.h"

#include "model/append_only.h"
#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kEBUSY = 16;

void note_file(const World& w, std::uint32_t inode, MountUses& uses) {
  uses.unlinked |= w.inodes[inode].links == 0;
}

void note_descriptors(const World& w, const Process& p, MountUses& uses) {
  for (std::uint8_t f = 0; f < program::kFiles; ++f) {
    const OpenFile* file = w.open_file(p, f);
    if (!file || !w.inodes[file->inode].of_directory()) continue;
    uses.descriptor = true;
    uses.writable_descriptor |= file->writable;
    note_file(w, file->inode, uses);
  }
}

void note_mappings(const World& w, const Process& p, MountUses& uses) {
  for (const Vma& v : p.memory.vmas()) {
    if (v.inode < 0 || !w.object_of(v).of_directory()) continue;
    uses.mapping = true;
    uses.shared_writable |= v.shared && v.writable_file;
    uses.writable_file |= v.writable_file;
    note_file(w, static_cast<std::uint32_t>(v.inode), uses);
  }
}

// Everything is on storage, allocated there, and comes from there again.
void unmounted(World& w, Step& s) {
  for (std::uint32_t i = 0; i < w.inodes.size(); ++i) {
    if (!w.inodes[i].of_directory() || w.inodes[i].links == 0) continue;
    write_back(w, s, i);
    w.inodes[i].storage.written(0, UINT64_MAX, C::persist_umount_flushes);
    w.storage_outlives(i, false);
    append_only_outlives(w.inodes[i], false);
    w.inodes[i].size_unwritten = w.inodes[i].size_delayed = false;
    w.happens(i, C::persist_umount_flushes);
  }
  w.path_unwritten.fill(-1);
}

// A file that is open for writing keeps the file system writable, whoever keeps it open. So does, in Linux,
// one that has no name any more (fs/namespace.c, sb_prepare_remount_readonly).
void read_only_errors(Step& s, const MountUses& uses) {
  if (uses.shared_writable) s.must(kEBUSY, C::munmap_ro_remount);
  if (uses.writable_descriptor) s.must(kEBUSY, C::none);
  if (uses.shared_writable || uses.writable_descriptor || !(uses.writable_file || uses.unlinked)) return;
  if (s.exact())
    s.must(kEBUSY, C::none);
  else
    s.may(kEBUSY, Freedom::documented_alternative);
}

}  // namespace

MountUses mount_uses(const World& w) {
  MountUses uses;
  uses.descriptor = uses.writable_descriptor = uses.unlinked = w.full;
  for (const Process& p : w.processes) {
    if (p.life != Life::alive) continue;
    note_descriptors(w, p, uses);
    note_mappings(w, p, uses);
  }
  return uses;
}

void rule_remount(World& w, Process& p, Step& s) {
  const bool again = static_cast<program::Remount>(s.op.small) == program::Remount::again;
  const MountUses uses = mount_uses(w);
  if (!p.cred.capable) s.must(kEPERM, C::none);
  if (!again)
    read_only_errors(s, uses);
  else if (uses.mapping || uses.descriptor)
    s.must(kEBUSY, uses.mapping ? C::munmap_last_ref_pins_fs : C::none);
  if (s.failed(again ? C::munmap_last_ref_pins_fs : C::munmap_ro_remount)) return;
  if (!again) return;
  if (w.some_end_in_cache()) s.lose_quietly(Freedom::empty_write_extends);
  unmounted(w, s);
}

}  // namespace shmcheck::model

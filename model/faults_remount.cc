// Faults of unmounting the program's file system.
#include "model/fault_tools.h"
#include "model/remount.h"

namespace shmcheck::model {
namespace {

using program::Remount;

constexpr int kEBUSY = 16;

bool remounts(const Op& op, Remount how) {
  return requests(op, OpCode::remount, how);
}

constexpr C kPins[] = {C::munmap_last_ref_pins_fs};
void mappings_do_not_pin(const World& was, World&, const Op& op, Outcome& o) {
  if (remounts(op, Remount::again) && failed_with(o, kEBUSY) && !mount_uses(was).descriptor) succeed(o);
}
// What has been stored and is not written yet keeps the file system, though nothing has the file.
void stores_pin(const World& was, World& w, const Op& op, Outcome& o) {
  if (!remounts(op, Remount::again) || !ok(o)) return;
  const bool dirty = std::ranges::any_of(was.inodes, [](const Inode& i) {
    return i.of_directory() && i.links > 0 && !i.storage.formers().empty();
  });
  if (!dirty) return;
  refuse(was, w, o, kEBUSY);
}

constexpr C kFlushes[] = {C::persist_umount_flushes};
// What is not written yet never is.
void stores_are_lost(const World& was, World& w, const Op& op, Outcome& o) {
  if (!remounts(op, Remount::again) || !ok(o)) return;
  for (std::size_t i = 0; i < was.inodes.size(); ++i) {
    const Inode& before = was.inodes[i];
    if (!before.of_directory() || before.storage.formers().empty()) continue;
    for (std::uint64_t at = 0; at < before.size; ++at) {
      if (before.storage.open(at)) w.inodes[i].bytes.fill(at, 0, 1, w.page());
    }
  }
}

constexpr C kReadOnly[] = {C::munmap_ro_remount};
void writable_mappings_do_not_count(const World& was, World&, const Op& op, Outcome& o) {
  if (!remounts(op, Remount::read_only) || !failed_with(o, kEBUSY)) return;
  const MountUses uses = mount_uses(was);
  if (!uses.descriptor && uses.shared_writable) succeed(o);
}
bool maps_to_read(const World& w) {
  return std::ranges::any_of(w.processes, [&](const Process& p) {
    return p.life == Life::alive && std::ranges::any_of(p.memory.vmas(), [&](const Vma& v) {
             return v.shared && v.inode >= 0 && !v.writable_file && w.object_of(v).of_directory();
           });
  });
}
void read_only_mappings_count(const World& was, World&, const Op& op, Outcome& o) {
  if (remounts(op, Remount::read_only) && ok(o) && maps_to_read(was)) fail(o, kEBUSY);
}

constexpr Fault kFaults[] = {
    {"umount-ignores-mappings",
     "a file system is unmounted while only mappings use it",
     kPins,
     nullptr,
     mappings_do_not_pin,
     true,
     {},
     false,
     true},
    {"umount-busy-while-dirty",
     "what is not written yet keeps a file system that nothing uses",
     kPins,
     nullptr,
     stores_pin,
     true,
     {},
     true,
     true},
    {"umount-loses-stores",
     "what is not written yet is lost when a file system is unmounted",
     kFlushes,
     nullptr,
     stores_are_lost,
     true,
     {},
     true,
     true},
    {"remount-ro-ignores-mappings",
     "a file system gets read-only while a writable mapping uses it",
     kReadOnly,
     nullptr,
     writable_mappings_do_not_count,
     true,
     {},
     false,
     true},
    {"remount-ro-busy-by-reading",
     "a mapping through a read-only descriptor keeps a file system writable",
     kReadOnly,
     nullptr,
     read_only_mappings_count,
     true,
     {},
     true,
     true},
};

}  // namespace

std::span<const Fault> remount_faults() {
  return kFaults;
}

}  // namespace shmcheck::model

// Faults of machines that are started anew.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

bool rebooted(const Op& op, const Outcome& o) {
  return op.code == OpCode::reboot && ok(o);
}
bool crashed(const Op& op, const Outcome& o) {
  return ok(o) && requests(op, OpCode::reboot, program::Ending::crash);
}
bool in_order(const Op& op, const Outcome& o) {
  return ok(o) && requests(op, OpCode::reboot, program::Ending::orderly);
}

// --- what is in memory only

constexpr C kSegments[] = {C::sysv_life_not_over_reboot, C::shmctl_shm_info, C::proc_sysvipc_listing,
                           C::shmctl_info_return};
void keeps_segments(const World& was, World& w, const Op& op, Outcome& o) {
  if (!rebooted(op, o)) return;
  for (const std::uint32_t i : was.ipc.namespaces.front().live) {
    ShmidKernel& k = w.ipc.segments[i];
    k = was.ipc.segments[i];
    k.nattch = 0;
    k.creator = -1;
    w.inodes[k.inode].bytes = was.inodes[k.inode].bytes;
    w.ipc.namespaces.front().live.push_back(i);
  }
}

constexpr C kMemoryFiles[] = {C::persist_tmpfs_lost};
void keeps_objects(const World& was, World& w, const Op& op, Outcome& o) {
  if (!rebooted(op, o)) return;
  w.objects = was.objects;
}
void keeps_memory_files(const World& was, World& w, const Op& op, Outcome& o) {
  if (!rebooted(op, o)) return;
  if (w.paths_lost.any()) w.paths = was.paths;
}

// --- what is on storage

// The files that the machine still has.
template <typename F>
void for_files(World& w, F f) {
  if (w.paths_lost.any()) return;
  for (const std::int32_t inode : w.paths) {
    if (inode >= 0) f(static_cast<std::size_t>(inode));
  }
}

// Puts bytes there as the machine read them back.
void read_back(World& w, std::size_t inode, std::uint64_t offset, std::uint8_t byte) {
  w.inodes[inode].bytes.write_same(offset, byte, 1, w.page(), {OriginKind::write, 0, 0, w.steps - 1});
}

constexpr C kFlushed[] = {C::persist_umount_flushes, C::persist_file};
void unmounts_without_writing(const World& was, World& w, const Op& op, Outcome& o) {
  if (!in_order(op, o)) return;
  for_files(w, [&](std::size_t inode) {
    const Inode& before = was.inodes[inode];
    for (std::size_t i = before.storage.formers().size(); i-- > 0;) {
      const Storage::Former& f = before.storage.formers()[i];
      for (std::uint64_t at = f.low; at < std::min(f.high, before.size); ++at)
        read_back(w, inode, at, f.page.at(at % w.page()));
    }
  });
}

constexpr C kNames[] = {C::persist_file};
void loses_names(const World&, World& w, const Op& op, Outcome& o) {
  if (!rebooted(op, o)) return;
  for_files(w, [&](std::size_t inode) { w.inodes[inode].links = 0; });
  w.paths.fill(-1);
}

constexpr C kPrivate[] = {C::writeback_private_never};
void writes_private_pages(const World& was, World& w, const Op& op, Outcome& o) {
  if (!rebooted(op, o)) return;
  for (const Process& p : was.processes) {
    for (const Vma& v : p.memory.vmas()) {
      if (v.shared || v.inode < 0) continue;
      for_files(w, [&](std::size_t inode) {
        if (static_cast<std::size_t>(v.inode) != inode) return;
        for (std::uint64_t at = 0; at < w.inodes[inode].size; ++at) {
          if (v.copies.find(at / w.page())) read_back(w, inode, at, v.copies.at(at, w.page()));
        }
      });
    }
  }
}

constexpr C kLonger[] = {C::writeback_never_beyond_size};
void lengthens_files(const World&, World& w, const Op& op, Outcome& o) {
  if (!rebooted(op, o)) return;
  for_files(w, [&](std::size_t inode) { w.inodes[inode].size = w.up(w.inodes[inode].size); });
}

constexpr C kSlack[] = {C::slack_never_stored, C::writeback_never_beyond_size};
void keeps_slack(const World& was, World& w, const Op& op, Outcome& o) {
  if (!rebooted(op, o)) return;
  for_files(w, [&](std::size_t inode) {
    const Inode& before = was.inodes[inode];
    for (std::uint64_t at = before.size; at < w.up(before.size); ++at)
      read_back(w, inode, at, before.bytes.at(at, w.page()));
  });
}

constexpr C kOfNoTime[] = {C::writeback_crash_consistency, C::writeback_private_never};
void of_no_time(const World& was, World& w, const Op& op, Outcome& o) {
  if (!crashed(op, o)) return;
  constexpr std::uint8_t kOfNobody = 0xee;
  for_files(w, [&](std::size_t inode) {
    for (const Storage::Former& f : was.inodes[inode].storage.formers()) {
      for (std::uint64_t at = f.low; at < std::min(f.high, was.inodes[inode].size); ++at)
        read_back(w, inode, at, kOfNobody);
    }
  });
}

constexpr C kSynced[] = {C::msync_sync_durable, C::msync_fsync_equivalent, C::msync_readonly_protection,
                         C::persist_umount_flushes, C::persist_file};
void loses_what_was_synced(const World& was, World& w, const Op& op, Outcome& o) {
  if (!crashed(op, o)) return;
  for_files(w, [&](std::size_t inode) {
    for (std::uint64_t at = 0; at < w.inodes[inode].size; ++at) {
      if (!was.inodes[inode].storage.open(at)) read_back(w, inode, at, 0);
    }
  });
}

constexpr Fault memory(std::string_view name, std::string_view description, std::span<const C> clauses,
                       void (*after)(const World&, World&, const Op&, Outcome&)) {
  return {name, description, clauses, nullptr, after, true};
}
constexpr Fault disk(std::string_view name, std::string_view description, std::span<const C> clauses,
                     void (*after)(const World&, World&, const Op&, Outcome&)) {
  return {name, description, clauses, nullptr, after, true, {}, true, true};
}

constexpr Fault kFaults[] = {
    memory("reboot-keeps-segments", "segments are there after a reboot", kSegments, keeps_segments),
    memory("reboot-keeps-objects", "POSIX objects are there after a reboot", kMemoryFiles, keeps_objects),
    memory("reboot-keeps-memory-files", "files of a tmpfs are there after a reboot", kMemoryFiles,
           keeps_memory_files),
    disk("unmount-writes-nothing", "a file system that is unmounted does not write what was stored", kFlushed,
         unmounts_without_writing),
    disk("reboot-loses-names", "files have no names after a reboot", kNames, loses_names),
    disk("reboot-finds-private-pages", "private pages are in the file after a reboot", kPrivate,
         writes_private_pages),
    disk("reboot-lengthens-files", "files end with a page after a reboot", kLonger, lengthens_files),
    disk("reboot-finds-slack", "what was stored to slack is there after a reboot", kSlack, keeps_slack),
    disk("crash-of-no-time", "after a crash a file has bytes that it never had", kOfNoTime, of_no_time),
    disk("crash-loses-what-was-synced", "after a crash zeros are where bytes were written for certain",
         kSynced, loses_what_was_synced),
};

}  // namespace

std::span<const Fault> reboot_faults() {
  return kFaults;
}

}  // namespace shmcheck::model

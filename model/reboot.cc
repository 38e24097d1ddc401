// A machine that is started anew with the disk that it had: what is in memory only is gone, and so are all
// processes; files of a file system with storage are there. Unmounted in order they are as they were; after a
// crash they have what was written for certain, and elsewhere bytes of some time since.
#include <algorithm>

#include "model/append_only.h"
#include "model/rules.h"

namespace shmcheck::model {
namespace {

using program::FileSystem;

bool crashes(const Step& s) {
  return static_cast<program::Ending>(s.op.small) == program::Ending::crash;
}

// Layers of an overlay lie in the executor's tmpfs.
bool in_memory_only(FileSystem fs) {
  return fs == FileSystem::tmpfs || fs == FileSystem::overlay;
}

// --- what is gone

void end_processes(World& w) {
  for (Process& p : w.processes) {
    const Life life = p.life == Life::never ? Life::never : Life::dead;
    p = Process();
    p.life = life;
  }
}

void end_segments(World& w) {
  for (std::uint32_t i = 0; i < w.ipc.segments.size(); ++i) {
    ShmidKernel& k = w.ipc.segments[i];
    if (!k.destroyed) w.destroy_segment(i, C::sysv_life_not_over_reboot);
    // What had gone with a namespace would have gone with its machine.
    if (k.destroyed_by == C::ipcns_isolation) k.destroyed_by = C::sysv_life_not_over_reboot;
    k.ipc_namespace = 0;
    k.before_reboot = true;
  }
  w.begin_namespaces();
}

// What `fill` took had no name.
void end_fill(World& w) {
  w.full = false;
  w.spare_most = w.spare_least = 0;
}

// Names of a file system in memory.
template <std::size_t N>
void lose_names(std::array<std::int32_t, N>& names, std::bitset<N>& lost) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] >= 0) lost.set(i);
    names[i] = -1;
  }
}

// --- what stays

// Whether it is known which files there are after a crash, and of which size.
bool names_are_certain(const World& w) {
  const auto certain = [&](std::int32_t inode) {
    return inode < 0 || (w.is_stored(w.inodes[static_cast<std::size_t>(inode)]) &&
                         !w.inodes[static_cast<std::size_t>(inode)].size_unwritten);
  };
  return std::ranges::all_of(w.paths, certain) &&
         std::ranges::all_of(w.path_unwritten, [](std::int32_t by) { return by < 0; });
}

// The running model has written nothing before it must.
void oldest_from_storage(World& w, Inode& inode) {
  std::vector<std::uint8_t> bytes;
  for (const Storage::Former& f : inode.storage.formers()) {
    for (std::uint64_t at = f.low; at < std::min(f.high, inode.size);) {
      const std::uint64_t end = std::min({f.high, inode.size, w.down(at) + w.page()});
      bytes.clear();
      inode.bytes.read(at, end - at, w.page(), bytes);
      inode.storage.oldest(at, bytes, w.page());
      inode.bytes.write(at, bytes.data(), bytes.size(), w.page(), {OriginKind::write, 0, 0, w.steps - 1});
      at = end;
    }
  }
  inode.storage.settle();
}

// Bytes that were written to the storage at some time since they were last written for certain: which of
// these it was is seen when they are read.
void come_from_storage(World& w, Step& s, Inode& inode) {
  if (s.running()) return oldest_from_storage(w, inode);
  for (const Storage::Former& f : inode.storage.formers()) {
    Doubt d;
    d.low = f.low;
    d.high = std::min(f.high, inode.size);
    d.other = f.page;
    d.any = f.any;
    d.freedom = Freedom::not_yet_stored;
    if (d.low < d.high) inode.bytes.doubt(std::move(d));
  }
  inode.storage.settle();
}

void keep_file(World& w, Step& s, std::uint32_t index) {
  Inode& inode = w.inodes[index];
  inode.bytes.settle(inode.size, UINT64_MAX);
  if (const std::uint64_t edge = w.up(inode.size); edge != inode.size)
    inode.bytes.fill(inode.size, 0, edge - inode.size, w.page());
  if (crashes(s)) {
    come_from_storage(w, s, inode);
    // Times are written with the rest of the inode, or not.
    inode.atime = inode.mtime = Moved::perhaps;
  } else {
    inode.storage.written(0, UINT64_MAX, C::persist_umount_flushes);
  }
  w.storage_outlives(index, crashes(s));
  append_only_outlives(inode, crashes(s));
  inode.size_unwritten = inode.size_delayed = false;
  inode.size_clause = C::writeback_never_beyond_size;
  inode.restored = w.steps;
  inode.earlier_event = {};
  inode.event = {C::persist_file, w.steps};
  if (inode.slack_stored) s.applies(C::slack_never_stored);
}

void keep_files(World& w, Step& s) {
  std::vector<std::int32_t> kept(w.paths.begin(), w.paths.end());
  std::ranges::sort(kept);
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  for (const std::int32_t inode : kept) {
    if (inode >= 0) keep_file(w, s, static_cast<std::uint32_t>(inode));
  }
  w.path_unwritten.fill(-1);
}

}  // namespace

void rule_reboot(World& w, Process&, Step& s) {
  if (s.failed(C::none)) return;
  const std::uint64_t pid = s.chosen(w.next_pid++, Freedom::process_id);
  if (!s.expect(possible_pid(s, pid), C::none, [] { return std::string("a process id"); })) return;
  const bool storage = !in_memory_only(w.facts().fs);
  const bool unknown =
      storage && (w.facts().fs == FileSystem::other || (crashes(s) && !names_are_certain(w)));
  const bool end_in_cache = w.some_end_in_cache();
  end_processes(w);
  end_segments(w);
  end_fill(w);
  lose_names(w.objects, w.objects_lost);
  if (!storage)
    lose_names(w.paths, w.paths_lost);
  else
    keep_files(w, s);
  w.begin_process(s.op.result, pid);
  if (unknown) s.lose_quietly(Freedom::not_yet_stored);
  if (storage && end_in_cache) s.lose_quietly(Freedom::empty_write_extends);
}

}  // namespace shmcheck::model

// Faults of writing to storage, as `stored` shows them.
#include "model/fault_tools.h"
#include "model/runs.h"

namespace shmcheck::model {
namespace {

using program::msync::kSync;

constexpr C kDurable[] = {C::msync_sync_durable, C::msync_readonly_protection};
constexpr C kByFsync[] = {C::msync_fsync_equivalent};
// The pages may be demanded by another call as well.
constexpr C kProtected[] = {C::msync_readonly_protection, C::msync_sync_durable};

// Whether the op has written to storage.
bool syncs(const Op& op, const Outcome& o) {
  return op.code == OpCode::msync && ok(o) && (op.flags & kSync);
}

// Nothing that the op wrote is on storage: it is as it was.
void unwritten(const World& was, World& w) {
  for (std::size_t i = 0; i < was.inodes.size(); ++i) w.inodes[i].storage = was.inodes[i].storage;
}

void msync_does_nothing(const World& was, World& w, const Op& op, Outcome& o) {
  if (syncs(op, o)) unwritten(was, w);
}
void fsync_does_nothing(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::fsync && ok(o) && op.small == 0) unwritten(was, w);
}
void fdatasync_does_nothing(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code == OpCode::fsync && ok(o) && op.small == 1) unwritten(was, w);
}

// Storage keeps what it had of the part of an msync's range that `left` chooses.
template <typename Left>
void leave_part(const World& was, World& w, const Op& op, Left left) {
  const Vma* v = vma_at(w, op);
  if (!v || v->inode < 0 || !v->shared || !v->writable_file) return;
  auto index = static_cast<std::size_t>(v->inode);
  std::uint64_t low = w.value(op.addr), high = std::min(low + w.up(w.value(op.len)), v->high);
  if (high <= low + w.page()) return;
  std::uint64_t from = v->object_offset(low, w.page()), to = from + (high - low);
  auto [first, last] = left(from, to);
  Storage kept = was.inodes[index].storage;
  kept.written(from, first, C::msync_sync_durable);
  kept.written(last, to, C::msync_sync_durable);
  w.inodes[index].storage = kept;
}
void last_page_left(const World& was, World& w, const Op& op, Outcome& o) {
  if (!syncs(op, o)) return;
  leave_part(was, w, op, [&](std::uint64_t, std::uint64_t to) { return std::pair(to - w.page(), to); });
}
void first_page_only(const World& was, World& w, const Op& op, Outcome& o) {
  if (!syncs(op, o)) return;
  leave_part(was, w, op,
             [&](std::uint64_t from, std::uint64_t to) { return std::pair(from + w.page(), to); });
}

void protected_left(const World& was, World& w, const Op& op, Outcome& o) {
  const Vma* v = syncs(op, o) ? vma_at(w, op) : nullptr;
  if (v && v->inode >= 0 && !(v->prot & program::kProtWrite)) unwritten(was, w);
}

// --- what is found on storage

// Lets `other(offset, byte)` say what is there instead.
template <typename Other>
void found_otherwise(World& w, const Op& op, Outcome& o, Other other) {
  if (op.code != OpCode::stored || !ok(o)) return;
  std::uint64_t offset = w.value(op.off);
  std::vector<std::uint8_t> bytes;
  RunReader in(o.words);
  for (; !in.done(); in.take(1)) bytes.push_back(other(offset + bytes.size(), in.current().value));
  o.words.clear();
  RunWriter out(o.words);
  out.bytes(bytes.data(), bytes.size());
}

constexpr C kPrivate[] = {C::writeback_private_never};
void private_pages_too(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::stored || !ok(o)) return;
  auto inode = static_cast<std::int32_t>(descriptor(w, op)->inode);
  found_otherwise(w, op, o, [&](std::uint64_t offset, std::uint8_t byte) {
    for (const Process& p : w.processes) {
      for (const Vma& v : p.memory.vmas()) {
        bool copied = !v.shared && v.inode == inode && v.copies.find(offset / w.page());
        if (copied) return v.copies.at(offset, w.page());
      }
    }
    return byte;
  });
}

constexpr C kSlack[] = {C::slack_never_stored, C::writeback_never_beyond_size};
void slack_too(const World& was, World& w, const Op& op, Outcome& o) {
  bool writes = syncs(op, o) || (op.code == OpCode::fsync && ok(o));
  for (std::size_t i = 0; writes && i < was.inodes.size(); ++i) {
    const Inode& inode = was.inodes[i];
    const PageRef* page = inode.bytes.find(inode.size / w.page());
    if (page && w.is_stored(inode)) w.inodes[i].storage.former(inode.size, w.up(inode.size), *page);
  }
}

constexpr C kBeyond[] = {C::writeback_never_beyond_size};
void beyond_the_end(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::stored || !ok(o)) return;
  const Inode& inode = w.inodes[descriptor(w, op)->inode];
  constexpr std::uint8_t kOfNobody = 0xee;
  found_otherwise(w, op, o, [&](std::uint64_t offset, std::uint8_t byte) {
    return inode.size % w.page() != 0 && offset >= inode.size ? kOfNobody : byte;
  });
}

constexpr C kOfNoTime[] = {C::writeback_crash_consistency, C::writeback_private_never};
void of_no_time(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::stored || !ok(o)) return;
  const Inode& inode = w.inodes[descriptor(w, op)->inode];
  constexpr std::uint8_t kOfNobody = 0xee;
  found_otherwise(w, op, o, [&](std::uint64_t offset, std::uint8_t byte) {
    return offset < inode.size && inode.storage.open(offset) ? kOfNobody : byte;
  });
}

// A machine that writes nothing before it must keeps what was cut off.
constexpr C kCutOff[] = {C::msync_fsync_equivalent, C::msync_sync_durable, C::writeback_never_beyond_size};
void cut_stays(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::fsync || !ok(o)) return;
  std::uint32_t index = descriptor(w, op)->inode;
  const Inode& inode = w.inodes[index];
  if (inode.cut_to == UINT64_MAX) return;
  Storage kept = was.inodes[index].storage;
  kept.written(0, inode.size, C::msync_fsync_equivalent);
  w.inodes[index].storage = kept;
}

constexpr Fault disk(std::string_view name, std::string_view description, std::span<const C> clauses,
                     void (*after)(const World&, World&, const Op&, Outcome&), bool needs_past,
                     bool subtle = true) {
  return {name, description, clauses, nullptr, after, needs_past, {}, subtle, true};
}

constexpr Fault kFaults[] = {
    disk("msync-does-nothing", "msync with MS_SYNC writes nothing", kDurable, msync_does_nothing, true),
    disk("msync-leaves-the-last-page", "msync does not write the last page of its range", kDurable,
         last_page_left, true),
    disk("msync-first-page-only", "msync writes the first page of its range only", kDurable, first_page_only,
         true),
    disk("msync-leaves-protected", "msync writes nothing through a mapping that cannot be stored through",
         kProtected, protected_left, true),
    disk("fsync-does-nothing", "fsync writes no stores", kByFsync, fsync_does_nothing, true),
    disk("fdatasync-does-nothing", "fdatasync writes no stores", kByFsync, fdatasync_does_nothing, true),
    disk("private-pages-stored", "private pages are written to the file's blocks", kPrivate,
         private_pages_too, false),
    disk("slack-stored", "what was stored to slack is written to the file's last block", kSlack, slack_too,
         true),
    disk("stored-beyond-the-end", "bytes of nobody are written behind the end of the file", kBeyond,
         beyond_the_end, false),
    disk("stored-of-no-time", "storage has bytes that the file never had", kOfNoTime, of_no_time, false),
    disk("stored-after-the-cut", "fsync leaves what was cut off a file on storage", kCutOff, cut_stays, true),
};

}  // namespace

std::span<const Fault> storage_faults() {
  return kFaults;
}

}  // namespace shmcheck::model

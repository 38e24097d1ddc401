// What storage holds of a file, read beneath the page cache: the extents of FS_IOC_FIEMAP, and their blocks.
#include <fmt/format.h>

#include <algorithm>

#include "model/blame.h"
#include "model/rules.h"
#include "model/runs.h"

namespace shmcheck::model {
namespace {

constexpr int kEBADF = 9, kEINVAL = 22, kEFBIG = 27, kEOPNOTSUPP = 95;

void errors(const World& w, const Process& p, Step& s, std::uint64_t offset) {
  const OpenFile* file = w.open_file(p, s.op.object);
  if (!file) return s.must(kEBADF, clause_of_closed(p, s.op.object));
  const Inode& inode = w.inodes[file->inode];
  // tmpfs has no blocks to speak of (mm/shmem.c has no fiemap).
  if (w.fs_of(inode) == program::FileSystem::tmpfs) return s.must(kEOPNOTSUPP, C::none);
  // fs/ioctl.c, fiemap_prep, of whole blocks.
  if (w.value(s.op.len) == 0) s.must(kEINVAL, C::none);
  if (w.down(offset) >= largest_file(w, inode)) s.must(kEFBIG, C::none);
}

bool mapped_shared(const World& w, std::uint32_t index) {
  return std::ranges::any_of(w.processes, [&](const Process& p) {
    return std::ranges::any_of(p.memory.vmas(), [&](const Vma& v) {
      return v.shared && v.inode == static_cast<std::int32_t>(index);
    });
  });
}

// A byte as it was before is seen: what allows that.
void note_old(const World& w, Step& s, std::uint32_t index) {
  const Storage& storage = w.inodes[index].storage;
  s.uses(Freedom::not_yet_stored);
  if (storage.may_have != C::none) s.applies(storage.may_have);
  if (storage.anything_certain()) s.applies(C::msync_sync_range);
  if (!mapped_shared(w, index)) s.applies(C::writeback_no_implicit_on_munmap);
}

// What a part of the file is held to where nothing about it changes.
void note_demands(const World& w, Step& s, std::uint32_t index, std::uint64_t offset) {
  const Inode& inode = w.inodes[index];
  bool beyond = offset >= inode.size;
  if (beyond) s.applies(C::writeback_never_beyond_size);
  if (beyond && inode.slack_stored) s.applies(C::slack_never_stored);
  if (inode.may_be_stored_privately(offset / w.page())) s.applies(C::writeback_private_never);
  if (inode.storage.open(offset))
    s.applies(C::writeback_crash_consistency);
  else if (C demand = inode.storage.demanded_by(offset); !beyond && demand != C::none)
    s.applies(demand), s.applies(C::persist_file);
}

// What a byte breaks that cannot be there.
C blame_of_stored(const World& w, std::uint32_t index, std::uint64_t offset, std::uint8_t seen) {
  const Inode& inode = w.inodes[index];
  if (held_privately(w, static_cast<std::int32_t>(index), offset, seen)) return C::writeback_private_never;
  if (offset >= inode.size)
    return inode.slack_stored ? C::slack_never_stored : C::writeback_never_beyond_size;
  bool of_private = inode.may_be_stored_privately(offset / w.page());
  if (inode.storage.open(offset))
    return of_private ? C::writeback_private_never : C::writeback_crash_consistency;
  C demand = inode.storage.demanded_by(offset);
  return demand != C::none ? demand : C::writeback_crash_consistency;
}

class Matcher {
 public:
  Matcher(World& w, Step& s, std::uint32_t index) : w_(w), s_(s), index_(index), in_(s.seen().words) {}

  // [low, high) of the file, with what the page cache has of it; null: zeros.
  bool part(const ObjectBytes& bytes, std::uint64_t low, std::uint64_t high, std::uint64_t start) {
    for (std::uint64_t at = low; at < high;) {
      std::uint64_t end = std::min(high, w_.down(at) + w_.page());
      end = w_.inodes[index_].storage.next_edge(at, end);
      note_demands(w_, s_, index_, at);
      const PageRef* page = bytes.find(at / w_.page());
      if (w_.inodes[index_].storage.differs(at, end, page ? *page : PageRef(), w_.page()))
        s_.uses(Freedom::not_yet_stored);
      auto accepts = [&](std::uint64_t offset, std::uint64_t, std::uint8_t seen) {
        return std::uint64_t{this->accepts(bytes, offset, seen) ? 1U : 0U};
      };
      auto blame = [&](std::uint64_t offset, const program::Run& seen) {
        return blame_of_stored(w_, index_, offset, seen.value);
      };
      if (!match_bytes(s_, in_, bytes, at, end - at, w_.page(), at - start, accepts, blame)) return false;
      at = end;
    }
    return true;
  }
  void finish(std::uint64_t count) {
    if (!in_.done())
      s_.diverge(C::none, fmt::format("{} bytes", count), fmt::format("{} bytes", count + in_.left()));
  }

 private:
  // Nothing is settled: storage follows the file at any time.
  bool accepts(const ObjectBytes& bytes, std::uint64_t offset, std::uint8_t seen) {
    if (bytes.at(offset, w_.page()) == seen) return true;
    for (const Doubt& d : bytes.doubts()) {
      if (!d.covers(offset)) continue;
      if (d.any || d.other.at(offset % w_.page()) == seen) return s_.uses(d.freedom), true;
    }
    if (!w_.inodes[index_].storage.held(offset, seen, w_.page())) return false;
    note_old(w_, s_, index_);
    return true;
  }

  World& w_;
  Step& s_;
  std::uint32_t index_;
  RunReader in_;
};

}  // namespace

void rule_stored(World& w, Process& p, Step& s) {
  std::uint64_t offset = w.value(s.op.off), count = w.value(s.op.len);
  errors(w, p, s, offset);
  if (s.failed(C::none)) return;
  std::uint32_t index = w.open_file(p, s.op.object)->inode;
  const Inode& inode = w.inodes[index];
  std::uint64_t end = offset + count, within = std::clamp(inode.size, offset, end);
  if (!s.running()) {
    Matcher match(w, s, index);
    bool right =
        match.part(inode.bytes, offset, within, offset) && match.part(ObjectBytes(), within, end, offset);
    if (right) match.finish(count);
    return;
  }
  std::vector<std::uint8_t> bytes;
  inode.bytes.read(offset, within - offset, w.page(), bytes);
  bytes.resize(count);
  inode.storage.oldest(offset, bytes, w.page());
  RunWriter(s.made().words).bytes(bytes.data(), bytes.size());
}

}  // namespace shmcheck::model

// Walking ranges of a process's memory as the processor and the kernel do: page by page, up to the first
// fault.
#pragma once

#include <algorithm>

#include "model/rules.h"
#include "model/times.h"

namespace shmcheck::model {

// Without PROT_READ an architecture may or may not let a page be read: access.write-implies-read,
// access.exec-implied. User-Mode Linux does not.
inline bool read_is_free(const Access& a) {
  return a.vma && a.vma->prot != 0 && !(a.vma->prot & program::kProtRead);
}

// Calls f(address, length, access) for each piece of the range that lies in one page. f returns false to
// stop.
template <typename F>
void for_pieces(World& w, Process& p, std::uint64_t address, std::uint64_t length, bool write, F f) {
  while (length > 0) {
    std::uint64_t part = std::min<std::uint64_t>(length, w.page() - address % w.page());
    if (!f(address, part, w.access(p, address, write))) return;
    address += part;
    length -= part;
  }
}

// How many bytes from the address on can be accessed before the first page that cannot.
inline std::uint64_t accessible_prefix(World& w, Process& p, std::uint64_t address, std::uint64_t length,
                                       bool write) {
  std::uint64_t prefix = 0;
  for_pieces(w, p, address, length, write, [&](std::uint64_t, std::uint64_t part, const Access& a) {
    if (a.kind != Access::Kind::byte) return false;
    prefix += part;
    return true;
  });
  return prefix;
}

// Stores bytes that lie in one page of a mapping, with all that follows for slack and for private mappings.
inline void store_piece(World& w, Step& s, Vma& vma, std::uint64_t offset, const std::uint8_t* bytes,
                        std::uint64_t length) {
  if (!vma.shared) {
    w.store(vma, offset, bytes, length, s.op.proc);
    return;
  }
  auto inode = static_cast<std::uint32_t>(vma.inode);
  store_moves_mtime(w, vma);
  object_changes(w, s, inode, offset, length);
  w.store(vma, offset, bytes, length, s.op.proc);
  Inode& object = w.inodes[inode];
  if (object.kind == InodeKind::file && offset + length > object.size)
    object.size_clause = C::slack_size_unchanged;
  note_slack_store(w, inode, offset, length);
}

// Whether the byte of a mapping may be another one than the page says.
inline bool in_doubt(World& w, Vma& vma, std::uint64_t offset) {
  const ObjectBytes& bytes = w.supply(vma, offset);
  const auto covers = [&](const Doubt& d) { return d.covers(offset); };
  return std::ranges::any_of(bytes.doubts(), covers) ||
         (&bytes != &vma.copies && std::ranges::any_of(vma.older, covers));
}

// How many bytes of an object from the offset on, of so many within one page, may read as `seen`: none, or
// the first and those that are like it. Counts the freedom that was needed.
inline std::uint64_t accepts_bytes(Step& s, ObjectBytes& bytes, std::uint64_t offset, std::uint64_t length,
                                   std::uint8_t seen, std::uint32_t page_size, bool settles = true) {
  ObjectBytes::Acceptance a = bytes.accepts(offset, length, seen, page_size, settles);
  if (a.open) s.report().unique = false;
  if (a.needed != Freedom::count) s.uses(a.needed);
  return a.allowed ? a.length : 0;
}

// The same for bytes of a mapping.
inline std::uint64_t accepts_bytes(World& w, Step& s, Vma& vma, std::uint64_t offset, std::uint64_t length,
                                   std::uint8_t seen) {
  ObjectBytes& bytes = w.supply(vma, offset);
  const bool shows_object = &bytes != &vma.copies;
  const std::uint64_t in_page = offset % w.page();
  bool may_be_older = false;
  if (shows_object) {
    for (const Doubt& d : vma.older) {
      length = d.same_until(offset, in_page, length);
      may_be_older = may_be_older || d.covers(offset);
    }
  }
  std::uint64_t allowed = accepts_bytes(s, bytes, offset, length, seen, w.page(), !may_be_older);
  if (!shows_object) return allowed;
  for (const Doubt& d : vma.older) {
    if (!d.covers(offset)) continue;
    std::uint8_t other = d.other.at(in_page);
    if (allowed > 0) {
      if (other != seen) s.uses(d.freedom);
    } else if (other == seen) {
      s.uses(d.freedom);
      return 1;
    }
  }
  return allowed;
}

}  // namespace shmcheck::model

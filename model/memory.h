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
  note_slack_store(w, inode, offset, length);
}

// Whether a byte of an object may read as `seen`. Counts the freedom that was needed.
inline bool accepts_byte(Step& s, ObjectBytes& bytes, std::uint64_t offset, std::uint8_t seen,
                         std::uint32_t page_size) {
  ObjectBytes::Acceptance a = bytes.accepts(offset, seen, page_size);
  if (a.open) s.report().unique = false;
  if (a.needed != Freedom::count) s.uses(a.needed);
  return a.allowed;
}

// The same for a byte of a mapping.
inline bool accepts_byte(World& w, Step& s, Vma& vma, std::uint64_t offset, std::uint8_t seen) {
  ObjectBytes& bytes = w.supply(vma, offset);
  bool allowed = accepts_byte(s, bytes, offset, seen, w.page());
  if (&bytes == &vma.copies) return allowed;
  for (const Doubt& d : vma.older) {
    if (offset < d.low || offset >= d.high) continue;
    std::uint8_t other = d.other.at(offset % w.page());
    if (allowed) {
      if (other != seen) s.uses(d.freedom);
    } else if (other == seen) {
      s.uses(d.freedom);
      return true;
    }
  }
  return allowed;
}

}  // namespace shmcheck::model

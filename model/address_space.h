// The mappings of a process.
#pragma once

#include <cstdint>
#include <vector>

#include "model/inode.h"

namespace shmcheck::model {

// One mapping. `page_offset` is the index of the object's page at `low`; private anonymous memory counts its
// pages the same way from an object of its own.
struct Vma {
  std::uint64_t low = 0, high = 0;
  std::uint8_t prot = 0;  // program::kProtRead | …
  bool shared = false;
  bool may_write = true;       // mprotect may give PROT_WRITE
  bool may_exec = true;        // and PROT_EXEC
  bool writable_file = false;  // made through a descriptor open for writing
  bool dont_fork = false;
  bool wipe_on_fork = false;
  bool of_stack = false;                  // MAP_STACK
  bool no_reserve = false;                // MAP_NORESERVE
  bool synchronous = false;               // MAP_SYNC, though nothing came of it
  bool locked = false, on_fault = false;  // mlock, mlock2 with MLOCK_ONFAULT
  // What demands that all its pages are resident, if something does; not of private file mappings.
  clauses::Clause resident_by = clauses::Clause::none;
  bool shown_resident = false;  // and mincore has shown it since
  bool reached = false;  // an access or a call may have brought pages of it in: its process may map some
  std::uint8_t read_hint = 0;  // program::Advice normal, random or sequential
  std::int32_t inode = -1;     // index into World::inodes; -1: private anonymous
  std::int32_t file = -1;      // index into World::open_files of the descriptor it was made through
  std::uint64_t page_offset = 0;
  std::int32_t segment = -1;  // index into Ipc::segments of an attach
  std::uint32_t attach = 0;   // which attach the vma is a piece of
  std::uint32_t id = 0;       // which call made it; pieces and inherited ones keep it
  std::uint32_t made = 0;     // at which step
  bool inherited = false;     // by fork
  bool rounded_up = false;    // its last page is asked for in part only
  bool dirtied = false;       // shared pages of it may be writable to the processor: stores are not noticed
  bool discarded = false;     // private pages of it were dropped by MADV_DONTNEED
  bool touched = false;       // private pages of it were stored to, so it keeps its page numbers (anon_vma)
  Event event;                // of the mapping only
  ObjectBytes copies;         // private pages, by page index of the object
  std::vector<Doubt> older;   // former bytes that an uncopied private page may still show

  std::uint64_t object_offset(std::uint64_t address, std::uint32_t page_size) const {
    return page_offset * page_size + (address - low);
  }
  std::uint64_t address_of(std::uint64_t offset, std::uint32_t page_size) const {
    return low + (offset - page_offset * page_size);
  }
  void unlock() {
    locked = on_fault = shown_resident = false;
    resident_by = clauses::Clause::none;
  }
};

class AddressSpace {
 public:
  const std::vector<Vma>& vmas() const { return vmas_; }
  std::vector<Vma>& vmas() { return vmas_; }
  // The vma that contains the address, or null.
  const Vma* find(std::uint64_t address) const;
  Vma* find(std::uint64_t address);
  // Index of the first vma whose end lies above the address.
  std::size_t first_above(std::uint64_t address) const;
  bool overlaps(std::uint64_t low, std::uint64_t high) const;
  // Whether every page of the range is mapped.
  bool covers(std::uint64_t low, std::uint64_t high) const { return first_hole(low, high) >= high; }
  // The first address of the range that is not mapped, or its end.
  std::uint64_t first_hole(std::uint64_t low, std::uint64_t high) const;
  std::uint64_t locked_bytes() const;
  // How many vmas are attached segments, or parts of them.
  std::size_t attached() const;
  void insert(Vma vma);
  // Splits the vma that spans the address, if one does; returns its segment, or -1.
  std::int32_t split(std::uint64_t address, std::uint32_t page_size);

 private:
  std::vector<Vma> vmas_;  // ascending, disjoint
};

}  // namespace shmcheck::model

#include <algorithm>

#include "model/room.h"
#include "model/world.h"

namespace shmcheck::model {

std::size_t AddressSpace::first_above(std::uint64_t address) const {
  auto it = std::partition_point(vmas_.begin(), vmas_.end(), [=](const Vma& v) { return v.high <= address; });
  return static_cast<std::size_t>(it - vmas_.begin());
}

const Vma* AddressSpace::find(std::uint64_t address) const {
  std::size_t i = first_above(address);
  return i < vmas_.size() && vmas_[i].low <= address ? &vmas_[i] : nullptr;
}

Vma* AddressSpace::find(std::uint64_t address) {
  return const_cast<Vma*>(static_cast<const AddressSpace*>(this)->find(address));
}

bool AddressSpace::overlaps(std::uint64_t low, std::uint64_t high) const {
  std::size_t i = first_above(low);
  return i < vmas_.size() && vmas_[i].low < high;
}

std::uint64_t AddressSpace::first_hole(std::uint64_t low, std::uint64_t high) const {
  for (std::size_t i = first_above(low); low < high; ++i) {
    if (i == vmas_.size() || vmas_[i].low > low) return low;
    low = vmas_[i].high;
  }
  return high;
}

void AddressSpace::insert(Vma vma) {
  make_room(vmas_);
  auto at = vmas_.begin() + static_cast<std::ptrdiff_t>(first_above(vma.low));
  vmas_.insert(at, std::move(vma));
}

std::uint64_t AddressSpace::locked_bytes() const {
  std::uint64_t bytes = 0;
  for (const Vma& v : vmas_) bytes += v.locked ? v.high - v.low : 0;
  return bytes;
}

std::size_t AddressSpace::attached() const {
  const auto of_segment = [](const Vma& v) { return v.segment >= 0; };
  return static_cast<std::size_t>(std::ranges::count_if(vmas_, of_segment));
}

std::int32_t AddressSpace::split(std::uint64_t address, std::uint32_t page_size) {
  std::size_t i = first_above(address);
  if (i == vmas_.size() || vmas_[i].low >= address) return -1;
  Vma& head = vmas_[i];
  std::uint64_t index = head.page_offset + (address - head.low) / page_size;
  ObjectBytes tail_copies = head.copies.split(index, page_size);
  ObjectBytes head_copies = std::move(head.copies);
  head.copies = ObjectBytes();
  Vma tail = head;
  head.copies = std::move(head_copies);
  head.high = address;
  head.rounded_up = false;
  tail.low = address;
  tail.page_offset = index;
  tail.copies = std::move(tail_copies);
  std::int32_t segment = tail.segment;
  vmas_.insert(vmas_.begin() + static_cast<std::ptrdiff_t>(i) + 1, std::move(tail));
  return segment;
}

// --- mappings ----------------------------------------------------------------------------------------------

void World::split_at(std::uint8_t who, std::uint64_t address, Moment when) {
  std::int32_t segment = processes[who].memory.split(address, page());
  if (segment >= 0) open_attach(static_cast<std::uint32_t>(segment), who, when, false);
}

namespace {
// Whether two pieces of one attach could be one vma, apart from where they lie.
bool equal_pieces(const Vma& a, const Vma& b) {
  return a.attach == b.attach && a.segment == b.segment && a.prot == b.prot && a.dont_fork == b.dont_fork &&
         a.locked == b.locked && a.on_fault == b.on_fault && a.read_hint == b.read_hint;
}
// What has taken over a part is known to be resident as far as that part is, and may be mapped as it may.
void resident_like(Vma& v, const Vma& part) {
  v.reached |= part.reached;
  if (part.resident_by == clauses::Clause::none) v.resident_by = part.resident_by;
}
bool adjoin(const Vma& low, const Vma& high, std::uint32_t page) {
  return low.high == high.low && low.page_offset + (low.high - low.low) / page == high.page_offset;
}
}  // namespace

bool World::join_neighbour(std::uint8_t who, const Vma& piece) {
  if (facts_->release < program::release(6, 5)) return false;
  for (Vma& v : processes[who].memory.vmas()) {
    if (!equal_pieces(v, piece)) continue;
    if (adjoin(v, piece, page())) {
      v.high = piece.high;
      resident_like(v, piece);
      return true;
    }
  }
  for (Vma& v : processes[who].memory.vmas()) {
    if (!equal_pieces(v, piece) || !adjoin(piece, v, page())) continue;
    v.low = piece.low;
    v.page_offset = piece.page_offset;
    resident_like(v, piece);
    return true;
  }
  return false;
}

bool World::hand_over(std::uint8_t who, std::uint64_t low, std::uint64_t high, const Vma& changed) {
  std::vector<Vma>& vmas = processes[who].memory.vmas();
  std::size_t i = processes[who].memory.first_above(low);
  Vma& v = vmas[i];
  // The vma itself must not vanish: then it would have to be closed, and is kept.
  bool head = low == v.low && high < v.high;
  bool tail = low > v.low && high == v.high;
  if (head && i > 0 && adjoin(vmas[i - 1], v, page()) && equal_pieces(vmas[i - 1], changed)) {
    vmas[i - 1].high = high;
    resident_like(vmas[i - 1], changed);
    v.page_offset += (high - low) / page();
    v.low = high;
    return true;
  }
  if (tail && i + 1 < vmas.size() && adjoin(v, vmas[i + 1], page()) && equal_pieces(vmas[i + 1], changed)) {
    vmas[i + 1].page_offset -= (high - low) / page();
    vmas[i + 1].low = low;
    resident_like(vmas[i + 1], changed);
    v.high = low;
    return true;
  }
  return false;
}

void World::unmap(std::uint8_t who, std::uint64_t low, std::uint64_t high, Moment when) {
  AddressSpace& memory = processes[who].memory;
  split_at(who, low, when);
  split_at(who, high, when);
  std::size_t first = memory.first_above(low);
  std::size_t last = first;
  std::vector<Vma>& vmas = memory.vmas();
  while (last < vmas.size() && vmas[last].low < high) {
    if (vmas[last].segment >= 0)
      close_attach(static_cast<std::uint32_t>(vmas[last].segment), who, when, false);
    if (vmas[last].shared) happens(vmas[last], clauses::Clause::munmap_keeps_data);
    if (vmas[last].locked) processes[who].lock_clause = clauses::Clause::munmap_unlocks;
    if (!vmas[last].shared && vmas[last].inode >= 0 && !vmas[last].copies.empty())
      object_of(vmas[last]).discard_step = steps;
    ++last;
  }
  vmas.erase(vmas.begin() + static_cast<std::ptrdiff_t>(first),
             vmas.begin() + static_cast<std::ptrdiff_t>(last));
}

}  // namespace shmcheck::model

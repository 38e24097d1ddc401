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

}  // namespace shmcheck::model

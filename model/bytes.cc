#include "model/bytes.h"

#include <algorithm>

#include "model/room.h"

namespace shmcheck::model {

std::vector<ObjectBytes::Entry>::const_iterator ObjectBytes::lower(std::uint64_t index) const {
  return std::lower_bound(pages_.begin(), pages_.end(), index,
                          [](const Entry& e, std::uint64_t i) { return e.index < i; });
}

const PageRef* ObjectBytes::find(std::uint64_t index) const {
  auto it = lower(index);
  return it != pages_.end() && it->index == index ? &it->page : nullptr;
}

ObjectBytes::Entry& ObjectBytes::entry(std::uint64_t index) {
  make_room(pages_);
  auto it = lower(index);
  auto at = pages_.begin() + (it - pages_.begin());
  if (at == pages_.end() || at->index != index) at = pages_.insert(at, Entry{index, {}, {}});
  return *at;
}

void ObjectBytes::put(std::uint64_t index, PageRef page, Origin origin) {
  Entry& e = entry(index);
  e.page = std::move(page);
  e.origins.set(origin);
}

Origin ObjectBytes::origin(std::uint64_t offset, std::uint32_t page_size) const {
  auto it = lower(offset / page_size);
  if (it == pages_.end() || it->index != offset / page_size) return {};
  return it->origins.at(static_cast<std::uint32_t>(offset % page_size));
}

std::uint64_t ObjectBytes::origin_end(std::uint64_t offset, std::uint32_t page_size) const {
  std::uint64_t start = offset / page_size * page_size;
  auto it = lower(offset / page_size);
  if (it == pages_.end() || it->index != offset / page_size) return start + page_size;
  return start + it->origins.end(static_cast<std::uint32_t>(offset % page_size), page_size);
}

void ObjectBytes::drop(std::uint64_t first, std::uint64_t last) {
  auto from = pages_.begin() + (lower(first) - pages_.begin());
  auto to = pages_.begin() + (lower(last) - pages_.begin());
  pages_.erase(from, to);
}

void ObjectBytes::cut(std::uint64_t offset, std::uint32_t page_size, Origin origin) {
  const std::uint64_t in_page = offset % page_size, rest = in_page == 0 ? 0 : page_size - in_page;
  settle(offset, UINT64_MAX);
  drop((offset + rest) / page_size, UINT64_MAX);
  if (rest != 0) fill(offset, 0, rest, page_size, origin);
}

void ObjectBytes::read(std::uint64_t offset, std::uint64_t length, std::uint32_t page_size,
                       std::vector<std::uint8_t>& to) const {
  while (length > 0) {
    const std::uint64_t in_page = offset % page_size, part = std::min(length, page_size - in_page);
    const PageRef* page = find(offset / page_size);
    if (const std::uint8_t* data = page ? page->bytes() : nullptr)
      to.insert(to.end(), data + in_page, data + in_page + part);
    else
      to.resize(to.size() + part);
    offset += part;
    length -= part;
  }
}

ObjectBytes ObjectBytes::split(std::uint64_t index, std::uint32_t page_size) {
  ObjectBytes tail;
  auto at = pages_.begin() + (lower(index) - pages_.begin());
  tail.pages_.assign(std::make_move_iterator(at), std::make_move_iterator(pages_.end()));
  pages_.erase(at, pages_.end());
  if (!doubts_.empty()) {
    std::uint64_t edge = index * page_size;
    tail.doubts_ = doubts_;
    tail.settle(0, edge);
    settle(edge, UINT64_MAX);
  }
  return tail;
}

void ObjectBytes::append(ObjectBytes tail) {
  pages_.insert(pages_.end(), std::make_move_iterator(tail.pages_.begin()),
                std::make_move_iterator(tail.pages_.end()));
  doubts_.insert(doubts_.end(), std::make_move_iterator(tail.doubts_.begin()),
                 std::make_move_iterator(tail.doubts_.end()));
}

template <typename Put>
void ObjectBytes::write_parts(std::uint64_t offset, std::uint64_t length, std::uint32_t page_size,
                              Origin origin, Put put) {
  if (!doubts_.empty()) keep_pages(offset, offset + length, page_size), settle(offset, offset + length);
  while (length > 0) {
    std::uint64_t in_page = offset % page_size;
    std::uint64_t part = std::min<std::uint64_t>(length, page_size - in_page);
    Entry& e = entry(offset / page_size);
    std::uint8_t* to = part == page_size ? e.page.overwritten(page_size) : e.page.writable(page_size);
    put(to + in_page, part);
    e.origins.note(origin, static_cast<std::uint32_t>(in_page), static_cast<std::uint32_t>(in_page + part),
                   page_size);
    offset += part;
    length -= part;
  }
}

void ObjectBytes::write(std::uint64_t offset, const std::uint8_t* bytes, std::uint64_t length,
                        std::uint32_t page_size, Origin origin) {
  write_parts(offset, length, page_size, origin, [&](std::uint8_t* to, std::uint64_t part) {
    std::memcpy(to, bytes, part);
    bytes += part;
  });
}

void ObjectBytes::write_same(std::uint64_t offset, std::uint8_t byte, std::uint64_t length,
                             std::uint32_t page_size, Origin origin) {
  write_parts(offset, length, page_size, origin,
              [&](std::uint8_t* to, std::uint64_t part) { std::memset(to, byte, part); });
}

void ObjectBytes::fill(std::uint64_t offset, std::uint8_t byte, std::uint64_t length, std::uint32_t page_size,
                       Origin origin) {
  if (!doubts_.empty()) keep_pages(offset, offset + length, page_size), settle(offset, offset + length);
  while (length > 0) {
    std::uint64_t in_page = offset % page_size;
    std::uint64_t part = std::min<std::uint64_t>(length, page_size - in_page);
    const PageRef* page = find(offset / page_size);
    bool zeros_already = byte == 0 && (page == nullptr || page->bytes() == nullptr);
    if (!zeros_already || page != nullptr) {
      Entry& e = entry(offset / page_size);
      if (!zeros_already) std::memset(e.page.writable(page_size) + in_page, byte, part);
      e.origins.note(origin, static_cast<std::uint32_t>(in_page), static_cast<std::uint32_t>(in_page + part),
                     page_size);
    }
    offset += part;
    length -= part;
  }
}

std::uint8_t ObjectBytes::at(std::uint64_t offset, std::uint32_t page_size) const {
  const PageRef* page = find(offset / page_size);
  return page ? page->at(offset % page_size) : std::uint8_t{0};
}

std::uint64_t ObjectBytes::first_doubted(std::uint64_t low, std::uint64_t high) const {
  for (const Doubt& d : doubts_) {
    if (d.low < high && low < d.high) high = std::max(low, d.low);
  }
  return high;
}

void ObjectBytes::keep_pages(std::uint64_t low, std::uint64_t high, std::uint32_t page_size) {
  low -= low % page_size;
  high += (page_size - high % page_size) % page_size;
  std::vector<Doubt> kept;
  for (const Doubt& d : doubts_) {
    if (!d.of_pages() || !d.may_change || d.high <= low || high <= d.low) continue;
    kept.push_back(d);
    kept.back().low = std::max(d.low, low);
    kept.back().high = std::min(d.high, high);
    kept.back().may_change = false;
  }
  if (kept.empty()) return;
  std::vector<Doubt> others;
  for (Doubt& d : doubts_) {
    if (!d.of_pages() || !d.may_change || d.high <= low || high <= d.low) {
      others.push_back(std::move(d));
      continue;
    }
    if (d.low < low) others.push_back(d), others.back().high = low;
    if (d.high > high) others.push_back(d), others.back().low = high;
  }
  doubts_ = std::move(others);
  doubts_.insert(doubts_.end(), kept.begin(), kept.end());
}

void ObjectBytes::settle_page(std::uint64_t index, bool kept, std::uint32_t page_size) {
  const std::uint64_t low = index * page_size, high = low + page_size;
  std::vector<Doubt> undecided;
  for (const Doubt& d : doubts_) {
    if (d.of_pages() && !d.may_change && d.low < high && low < d.high) undecided.push_back(d);
  }
  for (const Doubt& d : undecided) {
    const std::uint64_t from = std::max(low, d.low), to = std::min(high, d.high);
    if (!kept) std::memset(get(index).writable(page_size) + from % page_size, 0, to - from);
    settle(from, to);
  }
}

void ObjectBytes::settle(std::uint64_t low, std::uint64_t high) {
  for (std::size_t i = 0; i < doubts_.size();) {
    Doubt& d = doubts_[i];
    if (d.high <= low || high <= d.low) {
      ++i;
      continue;
    }
    if (d.low < low && high < d.high) {
      Doubt tail = d;
      tail.low = high;
      d.high = low;
      doubts_.push_back(std::move(tail));
      ++i;
    } else if (d.low < low) {
      d.high = low;
      ++i;
    } else if (high < d.high) {
      d.low = high;
      ++i;
    } else {
      doubts_[i] = std::move(doubts_.back());
      doubts_.pop_back();
    }
  }
}

ObjectBytes::Acceptance ObjectBytes::accepts(std::uint64_t offset, std::uint64_t length, std::uint8_t seen,
                                             std::uint32_t page_size, bool settles) {
  const std::uint64_t in_page = offset % page_size;
  const PageRef* page = find(offset / page_size);
  const std::uint8_t own = page ? page->at(in_page) : std::uint8_t{0};
  Acceptance a{own == seen, false, Freedom::count, page ? page->equal_from(in_page, length) : length};
  bool stable = true, of_page = own != 0 && (seen == own || seen == 0);
  for (const Doubt& d : doubts_) {
    a.length = d.same_until(offset, in_page, a.length);
    if (!d.covers(offset)) continue;
    std::uint8_t other = d.other.at(in_page);
    if (d.any || other != own) {
      a.open = true;
      if (own == seen) a.needed = d.freedom;
    }
    if (d.may_change) stable = false;
    if (!d.of_pages()) of_page = false;
    if (!a.allowed && (d.any || other == seen)) {
      a.allowed = true;
      a.needed = d.freedom;
    }
  }
  if (!a.allowed || !a.open || !stable || !settles) return a;
  if (of_page) settle_page(offset / page_size, own == seen, page_size);
  settle(offset, offset + a.length);
  if (own != seen) std::memset(get(offset / page_size).writable(page_size) + in_page, seen, a.length);
  return a;
}

}  // namespace shmcheck::model

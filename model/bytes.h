// Bytes of an object: pages by index, plus doubts about single bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/origin.h"
#include "model/page.h"
#include "model/profile.h"

namespace shmcheck::model {

// Bytes [low, high) of an object may have another value than the page says.
struct Doubt {
  std::uint64_t low = 0, high = 0;
  PageRef other;     // the other value, in a page that starts at the same page of the object; null: zeros
  bool any = false;  // any value at all
  bool may_change = false;  // the value may still change by itself, so a load settles nothing
  Freedom freedom = Freedom::tainted;
  // Each page as a whole is as it was or has the other value, zeros, and a write ends the change: MADV_FREE.
  bool of_pages() const { return freedom == Freedom::freed_page; }

  bool covers(std::uint64_t offset) const { return low <= offset && offset < high; }
  // How many bytes from the offset on, of so many within its page, are alike in this doubt or all outside it.
  std::uint64_t same_until(std::uint64_t offset, std::uint64_t in_page, std::uint64_t length) const {
    if (high <= offset) return length;
    if (offset < low) return std::min(length, low - offset);
    length = std::min(length, high - offset);
    return any ? length : other.equal_from(in_page, length);
  }
};

// A sparse array of bytes. Offsets are bytes from the start of the object.
class ObjectBytes {
 public:
  // The page with this index (offset / page size); null if it was never written.
  const PageRef* find(std::uint64_t index) const;
  PageRef& get(std::uint64_t index) { return entry(index).page; }
  void put(std::uint64_t index, PageRef page, Origin origin = {});
  void drop(std::uint64_t first, std::uint64_t last);  // forgets pages first … last-1
  // Forgets what lies behind the offset; the rest of its page is zeroed, by the origin.
  void cut(std::uint64_t offset, std::uint32_t page_size, Origin origin = {});
  // Splits off the pages from this index on.
  ObjectBytes split(std::uint64_t index, std::uint32_t page_size);
  // Takes over pages and doubts that lie behind all of its own.
  void append(ObjectBytes tail);
  bool empty() const { return pages_.empty(); }

  void write(std::uint64_t offset, const std::uint8_t* bytes, std::uint64_t length, std::uint32_t page_size,
             Origin origin = {});
  void write_same(std::uint64_t offset, std::uint8_t byte, std::uint64_t length, std::uint32_t page_size,
                  Origin origin = {});
  // The same, but what reads as zero already is not written to.
  void fill(std::uint64_t offset, std::uint8_t byte, std::uint64_t length, std::uint32_t page_size,
            Origin origin = {});
  // Where the byte came from.
  Origin origin(std::uint64_t offset, std::uint32_t page_size) const;
  // The first byte of the page from this offset on that has another origin, or the page's end.
  std::uint64_t origin_end(std::uint64_t offset, std::uint32_t page_size) const;
  std::uint8_t at(std::uint64_t offset, std::uint32_t page_size) const;
  // Appends the bytes of a range to a buffer.
  void read(std::uint64_t offset, std::uint64_t length, std::uint32_t page_size,
            std::vector<std::uint8_t>& to) const;

  // Doubts. A write settles what it covers.
  void doubt(Doubt doubt) { doubts_.push_back(std::move(doubt)); }
  void settle(std::uint64_t low, std::uint64_t high);
  bool doubted(std::uint64_t low, std::uint64_t high) const { return first_doubted(low, high) < high; }
  // The first byte of [low, high) in doubt, or high.
  std::uint64_t first_doubted(std::uint64_t low, std::uint64_t high) const;
  bool has_doubts() const { return !doubts_.empty(); }
  const std::vector<Doubt>& doubts() const { return doubts_; }

  // Whether the byte at offset may read as `seen`, and as many of the next ones, of so many within its page,
  // as that is decided for alike; settles them where that is possible, unless what was seen may be a copy
  // that is older.
  struct Acceptance {
    bool allowed = false;
    bool open = false;                // another value was allowed, too
    Freedom needed = Freedom::count;  // what allows a value other than the page's
    std::uint64_t length = 1;
  };
  Acceptance accepts(std::uint64_t offset, std::uint64_t length, std::uint8_t seen, std::uint32_t page_size,
                     bool settles);

 private:
  struct Entry {
    std::uint64_t index;
    PageRef page;
    Origins origins;
  };
  Entry& entry(std::uint64_t index);
  // The pages of the range are written to, so that they are not freed any more.
  void keep_pages(std::uint64_t low, std::uint64_t high, std::uint32_t page_size);
  // What one byte of a page was seen as decides what was undecided of the page as a whole.
  void settle_page(std::uint64_t index, bool kept, std::uint32_t page_size);
  // Calls put(where, length) for the part of the range in each page.
  template <typename Put>
  void write_parts(std::uint64_t offset, std::uint64_t length, std::uint32_t page_size, Origin origin,
                   Put put);
  std::vector<Entry>::const_iterator lower(std::uint64_t index) const;
  std::vector<Entry> pages_;  // ascending
  std::vector<Doubt> doubts_;
};

}  // namespace shmcheck::model

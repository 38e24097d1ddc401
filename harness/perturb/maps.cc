// Lies about /proc/PID/maps.
#include "harness/perturb/tools.h"

namespace shmcheck::harness {
namespace {

using program::MapObject;
using program::MapRow;

std::vector<MapRow> unpack(const Outcome& o) {
  std::vector<MapRow> rows;
  for (std::size_t i = 0; i + program::kMapRowWords <= o.words.size(); i += program::kMapRowWords) {
    const std::uint64_t* w = o.words.data() + i;
    rows.push_back({w[0], w[1], w[2], w[3], w[4]});
  }
  return rows;
}

void pack(Outcome& o, const std::vector<MapRow>& rows) {
  o.words.clear();
  for (const MapRow& r : rows) o.words.insert(o.words.end(), {r.low, r.high, r.bits, r.offset, r.id});
}

bool in_one_row(Draw& d, Outcome& o, void (*change)(Draw&, MapRow&)) {
  std::vector<MapRow> rows = unpack(o);
  if (rows.empty()) return false;
  change(d, rows[d.dice.below(static_cast<std::uint32_t>(rows.size()))]);
  pack(o, rows);
  return true;
}

// A page or a byte, up or down.
std::uint64_t little(Draw& d) {
  const std::uint64_t page = d.facts().page_size;
  return d.dice.pick<std::uint64_t>({page, page, 0 - page, 0 - page, 1, 0 - std::uint64_t{1}});
}

bool low(Draw& d, Outcome& o) {
  return in_one_row(d, o, [](Draw& draw, MapRow& row) { row.low += little(draw); });
}
bool high(Draw& d, Outcome& o) {
  return in_one_row(d, o, [](Draw& draw, MapRow& row) { row.high += little(draw); });
}
bool prot(Draw& d, Outcome& o) {
  return in_one_row(d, o, [](Draw& draw, MapRow& row) { row.bits ^= draw.dice.pick({1U, 2U, 4U}); });
}
bool type(Draw& d, Outcome& o) {
  return in_one_row(d, o, [](Draw&, MapRow& row) { row.bits ^= program::kMapShared; });
}
bool deleted(Draw& d, Outcome& o) {
  return in_one_row(d, o, [](Draw&, MapRow& row) { row.bits ^= program::kMapDeleted; });
}
bool stray_bit(Draw& d, Outcome& o) {
  return in_one_row(d, o, [](Draw& draw, MapRow& row) { row.bits ^= draw.dice.pick({32U, 64U, 1U << 16}); });
}
bool object(Draw& d, Outcome& o) {
  return in_one_row(d, o, [](Draw& draw, MapRow& row) {
    const std::uint64_t object_now = row.bits >> 8 & 0xff;
    const std::uint64_t other = (object_now + 1 + draw.dice.below(4)) % 5;
    row.bits = (row.bits & ~std::uint64_t{0xff00}) | other << 8;
  });
}
bool offset(Draw& d, Outcome& o) {
  return in_one_row(d, o, [](Draw& draw, MapRow& row) { row.offset += little(draw); });
}
bool id(Draw& d, Outcome& o) {
  return in_one_row(d, o, [](Draw& draw, MapRow& row) { row.id += draw.dice.pick({1U, 2U, 32768U}); });
}

bool missing(Draw& d, Outcome& o) {
  std::vector<MapRow> rows = unpack(o);
  if (rows.empty()) return false;
  rows.erase(rows.begin() + d.dice.below(static_cast<std::uint32_t>(rows.size())));
  pack(o, rows);
  return true;
}
bool twice(Draw& d, Outcome& o) {
  std::vector<MapRow> rows = unpack(o);
  if (rows.empty()) return false;
  const std::uint32_t at = d.dice.below(static_cast<std::uint32_t>(rows.size()));
  const MapRow copy = rows[at];
  rows.insert(rows.begin() + at, copy);
  pack(o, rows);
  return true;
}
bool further(Draw& d, Outcome& o) {
  std::vector<MapRow> rows = unpack(o);
  const std::uint64_t end = rows.empty() ? d.facts().arena : rows.back().high;
  const std::uint64_t from = end + d.dice.pick({0U, 1U, 5U}) * std::uint64_t{d.facts().page_size};
  rows.push_back({from, from + d.facts().page_size, 3, 0, 0});
  pack(o, rows);
  return true;
}
bool empty_row(Draw& d, Outcome& o) {
  std::vector<MapRow> rows = unpack(o);
  if (rows.empty()) return false;
  const std::uint32_t at = d.dice.below(static_cast<std::uint32_t>(rows.size()));
  MapRow copy = rows[at];
  copy.low = copy.high;
  rows.insert(rows.begin() + at + 1, copy);
  pack(o, rows);
  return true;
}
bool swapped(Draw& d, Outcome& o) {
  std::vector<MapRow> rows = unpack(o);
  if (rows.size() < 2) return false;
  const std::uint32_t at = d.dice.below(static_cast<std::uint32_t>(rows.size() - 1));
  std::swap(rows[at], rows[at + 1]);
  pack(o, rows);
  return true;
}

bool has_offset(const MapRow& row) {
  return static_cast<MapObject>(row.bits >> 8 & 0xff) != MapObject::anonymous;
}
bool split(Draw& d, Outcome& o) {
  std::vector<MapRow> rows = unpack(o);
  const std::uint64_t page = d.facts().page_size;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].high - rows[i].low < 2 * page) continue;
    MapRow tail = rows[i];
    tail.low = rows[i].high = rows[i].low + page;
    if (has_offset(tail)) tail.offset += page;
    rows.insert(rows.begin() + static_cast<std::ptrdiff_t>(i) + 1, tail);
    pack(o, rows);
    return true;
  }
  return false;
}
// Two neighbours become one row, equal or not.
bool merged(Draw&, Outcome& o) {
  std::vector<MapRow> rows = unpack(o);
  for (std::size_t i = 0; i + 1 < rows.size(); ++i) {
    if (rows[i].high != rows[i + 1].low) continue;
    rows[i].high = rows[i + 1].high;
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    pack(o, rows);
    return true;
  }
  return false;
}

// --- entries of smaps: low, high, shared, private, flags

bool add_pages(Draw& d, Outcome& o, std::size_t word) {
  const std::uint64_t page = d.facts().page_size;
  o.words[word] += d.dice.pick({page, 0 - page});
  return true;
}
bool entry_low(Draw& d, Outcome& o) {
  return add_pages(d, o, 0);
}
bool entry_high(Draw& d, Outcome& o) {
  return add_pages(d, o, 1);
}
bool entry_shared(Draw& d, Outcome& o) {
  return add_pages(d, o, 2);
}
bool entry_private(Draw& d, Outcome& o) {
  return add_pages(d, o, 3);
}
bool entry_exchanged(Draw&, Outcome& o) {
  std::swap(o.words[2], o.words[3]);
  return o.words[2] != o.words[3];
}
bool entry_bytes(Draw& d, Outcome& o) {
  o.words[d.dice.pick<std::size_t>({2, 3})] += d.dice.pick<std::uint64_t>({1, 512, 1024});
  return true;
}
bool entry_sh(Draw&, Outcome& o) {
  o.words[4] ^= program::kSmapsShared;
  return true;
}
bool entry_lo(Draw&, Outcome& o) {
  o.words[4] ^= program::kSmapsLocked;
  return true;
}

bool entry_lf(Draw&, Outcome& o) {
  o.words[4] ^= program::kSmapsOnFault;
  return true;
}
bool entry_advice(Draw& d, Outcome& o) {
  o.words[4] ^= d.dice.pick({program::kSmapsSequential, program::kSmapsRandom, program::kSmapsDontFork,
                             program::kSmapsWipeOnFork, program::kSmapsNoReserve});
  return true;
}
bool entry_odd(Draw& d, Outcome& o) {
  o.words[4] ^= d.dice.pick({program::kSmapsDevice, program::kSmapsHuge, program::kSmapsDontDump});
  return true;
}

constexpr std::uint16_t kEntry = result_bit(ResultKind::smaps);
constexpr std::uint16_t kMaps = result_bit(ResultKind::maps);

constexpr Perturbation kTable[] = {
    {"row-low", "rows", "where a row begins", kOk, kMaps, low},
    {"row-high", "rows", "where a row ends", kOk, kMaps, high},
    {"row-prot", "row-prot", "r, w or x of a row", kOk, kMaps, prot},
    {"row-type", "rows", "s or p of a row", kOk, kMaps, type},
    {"row-deleted", "row-name", "(deleted) of a row", kOk, kMaps, deleted},
    {"row-stray", "form", "a bit of a row that means nothing", kOk, kMaps, stray_bit},
    {"row-object", "rows", "what a row maps", kOk, kMaps, object},
    {"row-offset", "rows", "the offset of a row", kOk, kMaps, offset},
    {"row-id", "rows", "the file or segment of a row", kOk, kMaps, id},
    {"row-missing", "rows", "a row is missing", kOk, kMaps, missing},
    {"row-twice", "rows", "a row is there twice", kOk, kMaps, twice},
    {"row-further", "rows", "one row more", kOk, kMaps, further},
    {"row-empty", "rows", "one row more, of no length", kOk, kMaps, empty_row},
    {"rows-swapped", "rows", "two rows in the wrong order", kOk, kMaps, swapped},
    {"row-split", "row-edges", "a row as two", kOk, kMaps, split},
    {"entry-low", "entry-edges", "where an entry of smaps begins", kOk, kEntry, entry_low},
    {"entry-high", "entry-edges", "where an entry ends", kOk, kEntry, entry_high},
    {"entry-shared", "entry-pages", "what is Shared, by a page", kOk, kEntry, entry_shared},
    {"entry-private", "entry-pages", "what is Private, by a page", kOk, kEntry, entry_private},
    {"entry-exchanged", "entry-pages", "what is Shared as what is Private", kOk, kEntry, entry_exchanged},
    {"entry-bytes", "entry-pages-impossible", "a part of a page more", kOk, kEntry, entry_bytes},
    {"entry-sh", "entry-sh", "`sh` of VmFlags", kOk, kEntry, entry_sh},
    {"entry-lo", "entry-lo", "`lo` of VmFlags", kOk, kEntry, entry_lo},
    {"entry-lf", "entry-lf", "`lf` of VmFlags", kOk, kEntry, entry_lf},
    {"entry-advice", "entry-flags", "what VmFlags says of advice", kOk, kEntry, entry_advice},
    {"entry-odd", "entry-flags-odd", "`io`, `ht` or `dd` of VmFlags", kOk, kEntry, entry_odd},
    {"rows-merged", "row-edges", "two neighbouring rows as one", kOk, kMaps, merged},
};

}  // namespace

std::span<const Perturbation> map_perturbations() {
  return kTable;
}

}  // namespace shmcheck::harness

// /proc/PID/maps: every mapping with its range, protection, type, offset and object.
#include <fmt/format.h>

#include <algorithm>

#include "model/rules.h"

namespace shmcheck::model {
namespace {

using program::MapObject;

struct Row {
  std::uint64_t low, high, bits, offset, id;
  bool operator==(const Row&) const = default;
};

Row row_of(const World& w, const Vma& v) {
  Row r{v.low, v.high, v.prot, 0, 0};
  auto object = MapObject::anonymous;
  if (v.shared) r.bits |= program::kMapShared;
  if (v.inode >= 0) {
    const Inode& inode = w.object_of(v);
    r.offset = v.page_offset * w.page();
    switch (inode.kind) {
      case InodeKind::file:
        object = inode.memfd ? MapObject::memfd : MapObject::file;
        if (!inode.memfd) r.id = inode.path;
        if (w.entries_removed[w.open_files[static_cast<std::size_t>(v.file)].entry])
          r.bits |= program::kMapDeleted;
        break;
      case InodeKind::shared_anonymous:
        object = MapObject::shared_anonymous;
        break;
      case InodeKind::segment:
        object = MapObject::segment;
        r.id = w.ipc.segments[static_cast<std::size_t>(v.segment)].id;
        break;
    }
  }
  // Names of shared memory that has no path are marked as deleted: shm_fd and shmem_zero_setup are unlinked.
  if (object == MapObject::segment || object == MapObject::shared_anonymous) r.bits |= program::kMapDeleted;
  r.bits |= static_cast<std::uint64_t>(object) << 8;
  return r;
}

MapObject object_of(const Row& r) {
  return static_cast<MapObject>(r.bits >> 8 & 0xff);
}

// Rows that say the same whether or not the kernel merged its vmas.
std::vector<Row> merge(const std::vector<Row>& rows) {
  std::vector<Row> merged;
  for (const Row& r : rows) {
    MapObject object = object_of(r);
    if (!merged.empty()) {
      Row& last = merged.back();
      bool follows = r.offset == last.offset + (object == MapObject::anonymous ? 0 : last.high - last.low);
      if (last.high == r.low && last.bits == r.bits && last.id == r.id && follows) {
        last.high = r.high;
        continue;
      }
    }
    merged.push_back(r);
  }
  return merged;
}

// Whether every row is a range of pages behind the one before.
bool ascending(const std::vector<Row>& rows, std::uint32_t page) {
  std::uint64_t end = 0;
  for (const Row& r : rows) {
    if (r.low < end || r.high <= r.low || r.low % page != 0 || r.high % page != 0) return false;
    end = r.high;
  }
  return true;
}

// Only what this release of Linux is known to write is held to the mark of memory without a path.
void unmark(std::vector<Row>& rows) {
  for (Row& r : rows) {
    if (object_of(r) == MapObject::segment || object_of(r) == MapObject::shared_anonymous)
      r.bits &= ~program::kMapDeleted;
  }
}

std::string text(const Row& r) {
  constexpr const char* objects[] = {"anonymous", "shared anonymous", "file", "segment", "other", "memfd"};
  std::string s =
      fmt::format("{:#x}-{:#x} {}{}{}{} {}", r.low, r.high, r.bits & 1 ? 'r' : '-', r.bits & 2 ? 'w' : '-',
                  r.bits & 4 ? 'x' : '-', r.bits & program::kMapShared ? 's' : 'p',
                  objects[std::min<std::size_t>(r.bits >> 8 & 0xff, 5)]);
  bool posix = r.id >= program::kNames;
  if (object_of(r) == MapObject::file)
    s += fmt::format(" {}{}", posix ? 'o' : 'n', posix ? r.id - program::kNames : r.id);
  if (object_of(r) == MapObject::segment) s += fmt::format(" id {}", r.id);
  if (r.offset) s += fmt::format(" offset {:#x}", r.offset);
  if (r.bits & program::kMapDeleted) s += " deleted";
  return s;
}

// How the object is written.
C clause_of_name(const Row& r) {
  switch (object_of(r)) {
    case MapObject::segment:
      return C::proc_maps_sysv_name;
    case MapObject::file:
      return C::proc_maps_file;
    case MapObject::shared_anonymous:
    case MapObject::memfd:
      return C::proc_maps_anon_name;
    default:
      return C::none;
  }
}

// What the first pair of rows that differ says: a row too many, one too few, or one that is wrong.
C clause_of(const Row* expected, const Row* seen) {
  if (!expected || (seen && seen->high <= expected->low)) return C::proc_maps_unmapped_gone;
  bool same_place = seen && seen->low == expected->low && seen->high == expected->high;
  if (!same_place || object_of(*expected) != object_of(*seen)) return C::proc_maps_row;
  bool named = expected->id != seen->id || (expected->bits ^ seen->bits) == program::kMapDeleted;
  const C name = named ? clause_of_name(*expected) : C::none;
  return name != C::none ? name : C::proc_maps_row;
}

// A shared mapping through a descriptor that cannot write.
bool read_only_share(const Vma& v) {
  return v.shared && !v.writable_file && v.segment < 0;
}

// Whether one of the last calls has removed something.
bool removes_any(const Process& p) {
  return std::ranges::any_of(p.layout.all(), [](const LayoutEvent& e) { return e.removed != C::none; });
}

}  // namespace

void rule_maps(World& w, Process& p, Step& s) {
  std::vector<Row> expected;
  for (const Vma& v : p.memory.vmas()) expected.push_back(row_of(w, v));
  if (s.failed(C::proc_maps_row)) return;
  if (s.running()) {
    for (const Row& r : expected)
      s.made().words.insert(s.made().words.end(), {r.low, r.high, r.bits, r.offset, r.id});
    return;
  }
  std::vector<Row> seen;
  const std::vector<std::uint64_t>& words = s.seen().words;
  for (std::size_t i = 0; i + program::kMapRowWords <= words.size(); i += program::kMapRowWords) {
    seen.push_back({words[i], words[i + 1], words[i + 2], words[i + 3], words[i + 4]});
  }
  s.applies(C::proc_maps_row);
  for (const Row& r : expected) s.applies(clause_of_name(r));
  for (const Vma& v : p.memory.vmas()) {
    if (read_only_share(v)) s.applies(C::proc_maps_shared_readonly);
  }
  if (removes_any(p)) s.applies(C::proc_maps_unmapped_gone);
  if (!s.expect(ascending(seen, w.page()), C::proc_maps_row,
                [] { return std::string("ascending ranges of pages"); }))
    return;
  // Rows that could be one row, too, are free in this.
  if (merge(expected) != expected) s.names(Freedom::map_merge);
  if (expected == seen) return;
  if (!s.exact()) {
    const bool named_alike = merge(expected) == merge(seen);
    unmark(expected);
    unmark(seen);
    if (expected == seen) return s.uses(Freedom::map_name);
    if (!named_alike) s.names(Freedom::map_name);
  }
  s.names(Freedom::map_merge);
  expected = merge(expected);
  seen = merge(seen);
  for (std::size_t i = 0; i < expected.size() || i < seen.size(); ++i) {
    const Row* want = i < expected.size() ? &expected[i] : nullptr;
    const Row* have = i < seen.size() ? &seen[i] : nullptr;
    if (want && have && *want == *have) continue;
    const Vma* v = want ? p.memory.find(want->low) : nullptr;
    const bool share = have && v && read_only_share(*v) && (want->bits ^ have->bits) == program::kMapShared;
    s.diverge(share ? C::proc_maps_shared_readonly : clause_of(want, have),
              want ? text(*want) : "no further row", have ? text(*have) : "no further row");
    return;
  }
}

}  // namespace shmcheck::model

// /proc/PID/maps: every mapping with its range, protection, type, offset and object.
#include <fmt/format.h>

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
    const Inode& inode = w.inodes[static_cast<std::size_t>(v.inode)];
    r.offset = v.page_offset * w.page();
    switch (inode.kind) {
      case InodeKind::file:
        object = MapObject::file;
        r.id = inode.path;
        if (inode.links == 0) r.bits |= program::kMapDeleted;
        break;
      case InodeKind::shared_anonymous:
        object = MapObject::shared_anonymous;
        break;
      case InodeKind::segment:
        object = MapObject::segment;
        r.id = w.ipc.segments[inode.segment].id;
        break;
    }
  }
  r.bits |= static_cast<std::uint64_t>(object) << 8;
  return r;
}

MapObject object_of(const Row& r) {
  return static_cast<MapObject>(r.bits >> 8 & 0xff);
}

// Rows that say the same whether or not the kernel merged its vmas.
void normalize(std::vector<Row>& rows) {
  std::vector<Row> merged;
  for (Row r : rows) {
    MapObject object = object_of(r);
    // Names of shared memory that has no path are always marked deleted.
    if (object == MapObject::segment || object == MapObject::shared_anonymous)
      r.bits &= ~program::kMapDeleted;
    if (object == MapObject::shared_anonymous) r.id = 0;
    if (object == MapObject::anonymous) r.offset = r.id = 0;
    if (!merged.empty()) {
      Row& last = merged.back();
      bool follows = object == MapObject::anonymous || r.offset == last.offset + (last.high - last.low);
      if (last.high == r.low && last.bits == r.bits && last.id == r.id && follows) {
        last.high = r.high;
        continue;
      }
    }
    merged.push_back(r);
  }
  rows = std::move(merged);
}

std::string text(const Row& r) {
  constexpr const char* objects[] = {"anonymous", "shared anonymous", "file", "segment", "other"};
  std::string s =
      fmt::format("{:#x}-{:#x} {}{}{}{} {}", r.low, r.high, r.bits & 1 ? 'r' : '-', r.bits & 2 ? 'w' : '-',
                  r.bits & 4 ? 'x' : '-', r.bits & program::kMapShared ? 's' : 'p',
                  objects[std::min<std::size_t>(r.bits >> 8 & 0xff, 4)]);
  if (object_of(r) == MapObject::file) s += fmt::format(" n{}", r.id);
  if (object_of(r) == MapObject::segment) s += fmt::format(" id {}", r.id);
  if (r.offset) s += fmt::format(" offset {:#x}", r.offset);
  if (r.bits & program::kMapDeleted) s += " deleted";
  return s;
}

C clause_of(const Row* expected, const Row* seen) {
  if (!expected) return C::proc_maps_unmapped_gone;
  if (!seen) return C::proc_maps_row;
  return object_of(*expected) == MapObject::segment                            ? C::proc_maps_sysv_name
         : object_of(*expected) == MapObject::file && expected->id != seen->id ? C::proc_maps_file
                                                                               : C::proc_maps_row;
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
  normalize(expected);
  normalize(seen);
  s.names(Freedom::map_merge);
  s.applies(C::proc_maps_row);
  for (std::size_t i = 0; i < expected.size() || i < seen.size(); ++i) {
    const Row* want = i < expected.size() ? &expected[i] : nullptr;
    const Row* have = i < seen.size() ? &seen[i] : nullptr;
    if (want && have && *want == *have) continue;
    s.diverge(clause_of(want, have), want ? text(*want) : "no further row",
              have ? text(*have) : "no further row");
    return;
  }
}

}  // namespace shmcheck::model

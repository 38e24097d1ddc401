// The op `maps`: /proc/self/maps in numbers, without the executor's own memory.
#include <algorithm>

#include "executor/call.h"
#include "executor/maps.h"

namespace shmcheck::executor {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

std::uint8_t path_of(const MapLine& line) {
  for (std::uint32_t i = 0; i < control->identity_count; ++i) {
    const FileIdentity& known = control->identity[i];
    if (known.device == line.device && known.inode == line.inode) return known.path;
  }
  return 255;
}

program::MapRow classify(const MapLine& line) {
  std::string_view path = line.path;
  bool deleted = path.ends_with(kDeleted);
  if (deleted) path.remove_suffix(kDeleted.size());
  program::MapObject object = program::MapObject::other;
  std::uint64_t id = 0;
  if (path.empty() || path.starts_with("[anon")) {
    object = program::MapObject::anonymous;
  } else if (path.starts_with("/SYSV")) {
    object = program::MapObject::segment;
    id = line.inode;
  } else if (path == "/dev/zero") {
    object = program::MapObject::shared_anonymous;
  } else if (path.starts_with("/memfd:")) {
    object = program::MapObject::memfd;
  } else if (path[0] == '/') {
    object = program::MapObject::file;
    id = path_of(line);
  }
  std::uint64_t bits = (line.read ? program::kProtRead : 0U) | (line.write ? program::kProtWrite : 0U) |
                       (line.execute ? program::kProtExec : 0U);
  if (line.shared) bits |= program::kMapShared;
  if (deleted) bits |= program::kMapDeleted;
  return {line.low, line.high, bits | static_cast<std::uint64_t>(object) << 8, line.offset, id};
}

void push_row(Words& words, const program::MapRow& row, std::uint64_t low, std::uint64_t high) {
  // Private anonymous memory has no offset, whichever part of it is shown.
  bool anonymous = static_cast<program::MapObject>(row.bits >> 8 & 0xff) == program::MapObject::anonymous;
  std::uint64_t offset = anonymous ? row.offset : row.offset + (low - row.low);
  for (std::uint64_t w : {low, high, row.bits, offset, row.id}) words.push(w);
}

// The parts of a row that are not the executor's; target.own is sorted.
void push_foreign_parts(Words& words, const program::MapRow& row) {
  std::uint64_t low = row.low;
  for (const Range& own : target.layout.own) {
    if (!own.overlaps(low, row.high)) continue;
    if (low < own.low) push_row(words, row, low, own.low);
    low = std::max(low, own.high);
  }
  if (low < row.high) push_row(words, row, low, row.high);
}

}  // namespace

void perform_maps(Call& call) {
  MapsReader maps;
  MapLine line;
  while (maps.next(line)) push_foreign_parts(call.words, classify(line));
  settle(call, maps.error());
}

}  // namespace shmcheck::executor

#include "conformance/framework/maps.h"

#include <inttypes.h>
#include <stdio.h>

#include <ostream>
#include <sstream>

#include "conformance/framework/environment.h"
#include "conformance/framework/objects.h"

namespace shmcheck::conformance {

std::ostream& operator<<(std::ostream& out, const MapsRow& row) {
  return out << std::hex << row.start << "-" << row.end << std::dec << " " << row.perms << " offset "
             << row.offset << " " << row.device << " inode " << row.inode << " " << row.path;
}

std::vector<MapsRow> ReadMaps(pid_t pid, Where where) {
  std::istringstream text(ReadText("/proc/" + (pid == 0 ? "self" : std::to_string(pid)) + "/maps", where));
  std::vector<MapsRow> rows;
  for (std::string line; std::getline(text, line);) {
    MapsRow row{};
    char perms[8] = {};
    char device[32] = {};
    int path_at = 0;
    const int fields = sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %7s %" SCNx64 " %31s %" SCNu64 " %n",
                              &row.start, &row.end, perms, &row.offset, device, &row.inode, &path_at);
    if (fields != 6) Abandon(where, "cannot make sense of the maps row: " + line);
    row.perms = perms;
    row.device = device;
    row.path = line.substr(static_cast<size_t>(path_at));
    rows.push_back(row);
  }
  return rows;
}

std::vector<MapsRow> StableMaps(Where where) {
  std::vector<MapsRow> rows = ReadMaps(0, where);
  std::erase_if(rows, [](const MapsRow& row) { return row.path == "[heap]" || row.path == "[stack]"; });
  return rows;
}

std::vector<MapsRow> MapsOf(const void* address, size_t size, pid_t pid, Where where) {
  const auto start = reinterpret_cast<uintptr_t>(address);
  std::vector<MapsRow> rows = ReadMaps(pid, where);
  std::erase_if(rows, [=](const MapsRow& row) { return row.end <= start || row.start >= start + size; });
  return rows;
}

std::vector<std::string> PermsByPage(const void* address, size_t size, pid_t pid, Where where) {
  const auto start = reinterpret_cast<uintptr_t>(address);
  std::vector<std::string> perms((size + page() - 1) / page());
  for (const MapsRow& row : MapsOf(address, size, pid, where)) {
    for (size_t i = 0; i < perms.size(); ++i) {
      const uintptr_t at = start + i * page();
      if (row.start <= at && at < row.end) perms[i] = row.perms;
    }
  }
  return perms;
}

}  // namespace shmcheck::conformance

// Lies in what a call writes into the caller's memory: members of structures, bytes of buffers.

#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cstring>

#include "liar/lie.h"

namespace shmcheck::liar {
namespace {

// A member of what the call writes.
struct Field {
  const char* name;
  size_t offset;
  size_t size;
  long add;
};

using Stat = struct stat;
using Statfs = struct statfs;

#define FIELD(structure, member, add) \
  { #member, offsetof(structure, member), sizeof(structure::member), add }
constexpr Field kShmidDs[] = {
    FIELD(shmid_ds, shm_nattch, 1),
    FIELD(shmid_ds, shm_segsz, 1),
    FIELD(shmid_ds, shm_lpid, 1),
    FIELD(shmid_ds, shm_cpid, 1),
    FIELD(shmid_ds, shm_atime, 5),
    FIELD(shmid_ds, shm_dtime, 5),
    FIELD(shmid_ds, shm_ctime, 5),
    FIELD(shmid_ds, shm_perm.mode, 1),
    FIELD(shmid_ds, shm_perm.uid, 1),
    FIELD(shmid_ds, shm_perm.gid, 1),
    FIELD(shmid_ds, shm_perm.cuid, 1),
    FIELD(shmid_ds, shm_perm.cgid, 1),
    FIELD(shmid_ds, shm_perm.__key, 1),
    {"shm_perm.mode without SHM_DEST", offsetof(shmid_ds, shm_perm.mode) + 1, 1, -2},
    {"shm_perm.mode without SHM_LOCKED", offsetof(shmid_ds, shm_perm.mode) + 1, 1, -4},
    {"shm_atime of long ago", offsetof(shmid_ds, shm_atime), sizeof(shmid_ds::shm_atime), -1000},
    {"shm_dtime of long ago", offsetof(shmid_ds, shm_dtime), sizeof(shmid_ds::shm_dtime), -1000},
    {"shm_ctime of long ago", offsetof(shmid_ds, shm_ctime), sizeof(shmid_ds::shm_ctime), -1000},
    {"shm_nattch one less", offsetof(shmid_ds, shm_nattch), sizeof(shmid_ds::shm_nattch), -1},
};
constexpr Field kShmInfo[] = {FIELD(shm_info, used_ids, 1), FIELD(shm_info, shm_tot, 1),
                              FIELD(shm_info, shm_rss, 1), FIELD(shm_info, shm_swp, 1)};
constexpr Field kShminfo[] = {FIELD(shminfo, shmmax, 1), FIELD(shminfo, shmmin, 1), FIELD(shminfo, shmmni, 1),
                              FIELD(shminfo, shmseg, 1), FIELD(shminfo, shmall, 1)};
constexpr Field kStat[] = {
    FIELD(Stat, st_size, 1),
    FIELD(Stat, st_mtim.tv_sec, 5),
    FIELD(Stat, st_ctim.tv_sec, 5),
    FIELD(Stat, st_atim.tv_sec, 5),
    FIELD(Stat, st_blocks, 8),
    FIELD(Stat, st_nlink, 1),
    FIELD(Stat, st_mode, 1),
    FIELD(Stat, st_uid, 1),
    FIELD(Stat, st_gid, 1),
    FIELD(Stat, st_ino, 1),
    FIELD(Stat, st_dev, 1),
    {"st_mtime of long ago", offsetof(Stat, st_mtim.tv_sec), sizeof(time_t), -100'000'000},
    {"st_ctime of long ago", offsetof(Stat, st_ctim.tv_sec), sizeof(time_t), -100'000'000},
    {"st_atime of long ago", offsetof(Stat, st_atim.tv_sec), sizeof(time_t), -2'000'000'000},
    {"st_size one less", offsetof(Stat, st_size), sizeof(off_t), -1},
    {"st_blocks less", offsetof(Stat, st_blocks), sizeof(blkcnt_t), -8},
};
constexpr Field kStatfs[] = {FIELD(Statfs, f_bfree, 1), FIELD(Statfs, f_blocks, 1), FIELD(Statfs, f_type, 1)};
#undef FIELD

bool alter(Scene& scene, uint64_t address, const Field& field) {
  uint64_t value = 0;
  if (!scene.tracee.read(address + field.offset, &value, field.size)) return false;
  value += static_cast<uint64_t>(field.add);
  return scene.tracee.write(address + field.offset, &value, field.size);
}

// Which argument of a call points to a structure, by the event's label.
struct Structure {
  const char* label;
  long number;  // of the call; 0: whatever
  size_t argument;
  std::span<const Field> fields;
};
constexpr Structure kStructures[] = {
    {"shmctl IPC_STAT", 0, 2, kShmidDs},     {"shmctl SHM_STAT", 0, 2, kShmidDs},
    {"shmctl SHM_STAT_ANY", 0, 2, kShmidDs}, {"shmctl SHM_INFO", 0, 2, kShmInfo},
    {"shmctl IPC_INFO", 0, 2, kShminfo},     {"stat", SYS_stat, 1, kStat},
    {"stat", SYS_fstat, 1, kStat},           {"stat", SYS_newfstatat, 2, kStat},
    {"statfs", SYS_statfs, 1, kStatfs},      {"statfs", SYS_fstatfs, 1, kStatfs},
};

bool describes(const Structure& structure, const Event& event) {
  return event.label == structure.label && (structure.number == 0 || structure.number == event.spec->number);
}

// One lie per member, whatever call writes the structure.
void add_fields(std::vector<Lie>& lies, std::span<const Field> fields) {
  for (const Field& field : fields) {
    const auto structure_of = [fields](const Event& event) {
      return std::find_if(std::begin(kStructures), std::end(kStructures), [&](const Structure& known) {
        return known.fields.data() == fields.data() && describes(known, event);
      });
    };
    lies.push_back({field.name, When::success,
                    [=](const Event& event) { return structure_of(event) != std::end(kStructures); },
                    [=, &field](Scene& scene) {
                      const auto structure = structure_of(scene.event);
                      return structure != std::end(kStructures) &&
                             alter(scene, scene.event.arguments[structure->argument], field);
                    }});
  }
}

bool is_mincore(const Event& event) {
  return event.spec->number == SYS_mincore;
}
bool flip_bit(Scene& scene, uint64_t address) {
  uint8_t byte = 0;
  if (!scene.tracee.read(address, &byte, 1)) return false;
  byte ^= 1;
  return scene.tracee.write(address, &byte, 1);
}
uint64_t pages(const Event& event) {
  return (event.arguments[1] + kPage - 1) / kPage;
}

bool is_read(const Event& event) {
  return event.label == "read file" || event.label == "read pipe" || event.label == "readlink";
}
bool change_byte(Scene& scene, uint64_t address) {
  uint8_t byte = 0;
  if (!scene.tracee.read(address, &byte, 1)) return false;
  byte = static_cast<uint8_t>(byte + 0x55);
  return scene.tracee.write(address, &byte, 1);
}

}  // namespace

void add_field_lies(std::vector<Lie>& lies) {
  lies.push_back({"bit of the first page", When::success, is_mincore,
                  [](Scene& s) { return pages(s.event) > 0 && flip_bit(s, s.event.arguments[2]); }});
  lies.push_back({"bit of the last page", When::success, is_mincore, [](Scene& s) {
                    return pages(s.event) > 0 && flip_bit(s, s.event.arguments[2] + pages(s.event) - 1);
                  }});
  lies.push_back({"byte behind the vector", When::success, is_mincore,
                  [](Scene& s) { return flip_bit(s, s.event.arguments[2] + pages(s.event)); }});
  lies.push_back({"first byte read", When::success, is_read,
                  [](Scene& s) { return s.event.result > 0 && change_byte(s, s.event.arguments[1]); }});
  lies.push_back({"last byte read", When::success, is_read, [](Scene& s) {
                    return s.event.result > 0 &&
                           change_byte(s, s.event.arguments[1] + static_cast<uint64_t>(s.event.result) - 1);
                  }});
  for (const std::span<const Field> fields :
       {std::span<const Field>(kShmidDs), std::span<const Field>(kShmInfo), std::span<const Field>(kShminfo),
        std::span<const Field>(kStat), std::span<const Field>(kStatfs)}) {
    add_fields(lies, fields);
  }
}

}  // namespace shmcheck::liar

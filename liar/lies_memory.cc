// Lies about memory: bytes that change by themselves, mappings that go or lose a right, children that get a
// copy of what they should share.

#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>

#include "liar/lie.h"

namespace shmcheck::liar {
namespace {

constexpr uint64_t kMostBytes = 1U << 20;  // of a mapping that are looked at

bool about(const Event& event, const Range& range) {
  const uint64_t address = event.spec != nullptr && event.spec->answer == Answer::address && event.ok()
                               ? static_cast<uint64_t>(event.result)
                               : event.arguments[0];
  return address >= range.address && address < range.address + range.size;
}

// The mappings that the call was about, else all.
std::vector<Range> objects(const Scene& scene) {
  std::vector<Range> chosen;
  std::copy_if(scene.mappings.begin(), scene.mappings.end(), std::back_inserter(chosen),
               [&](const Range& range) { return about(scene.event, range); });
  return chosen.empty() ? scene.mappings : chosen;
}

bool change(Scene& scene, uint64_t address, size_t size) {
  std::vector<uint8_t> bytes(size);
  if (!scene.tracee.read(address, bytes.data(), size)) return false;
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(byte + 0x55);
  return scene.tracee.write(address, bytes.data(), size);
}

// `bytes_of` names the part of a page that changes.
bool change_pages(Scene& scene, size_t from, size_t size) {
  bool told = false;
  for (const Range& range : objects(scene)) {
    for (uint64_t at = 0; at < std::min(range.size, kMostBytes); at += kPage) {
      told = change(scene, range.address + at + from, size) || told;
    }
  }
  return told;
}

bool change_newest(Scene& scene, bool last) {
  if (scene.mappings.empty()) return false;
  const Range& range = scene.mappings.back();
  return change(scene, last ? range.address + range.size - 1 : range.address, 1);
}

bool empty_pages(Scene& scene) {
  bool told = false;
  const std::vector<uint8_t> zero(kPage);
  for (const Range& range : objects(scene)) {
    for (uint64_t at = 0; at < std::min(range.size, kMostBytes); at += kPage)
      told = scene.tracee.write(range.address + at, zero.data(), zero.size()) || told;
  }
  return told;
}

bool for_objects(Scene& scene, long number, uint64_t third) {
  bool told = false;
  for (const Range& range : objects(scene)) {
    const auto done = scene.tracee.call(scene.door, number, {range.address, range.size, third, 0, 0, 0});
    told = (done && *done == 0) || told;
  }
  return told;
}

// Private memory with the same bytes takes the place of a mapping.
bool copy_mapping(Scene& scene, const Tracee::Area& area) {
  if (area.perms[0] != 'r' || area.end - area.start > kMostBytes) return false;
  std::vector<uint8_t> bytes(area.end - area.start);
  size_t have = 0;
  while (have < bytes.size() && scene.tracee.read(area.start + have, bytes.data() + have, kPage))
    have += kPage;
  const uint64_t prot = PROT_READ | (area.perms[1] == 'w' ? uint64_t{PROT_WRITE} : 0);
  const auto mapped = scene.tracee.call(scene.door, SYS_mmap,
                                        {area.start, std::max(have, size_t{kPage}), prot,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~uint64_t{0}, 0});
  return mapped && *mapped >= 0 && scene.tracee.write(area.start, bytes.data(), have);
}

bool copy_shared(Scene& scene, bool last_page_only = false) {
  bool told = false;
  for (Tracee::Area area : scene.tracee.areas()) {
    const bool ours = std::any_of(scene.mappings.begin(), scene.mappings.end(), [&](const Range& range) {
      return area.start < range.address + range.size && range.address < area.end;
    });
    if (last_page_only) area.start = area.end - kPage;
    if (ours && area.perms[3] == 's') told = copy_mapping(scene, area) || told;
  }
  return told;
}

}  // namespace

void add_memory_lies(std::vector<Lie>& lies) {
  const auto copy_all = [](Scene& scene) { return copy_shared(scene); };
  const auto copy_last = [](Scene& scene) { return copy_shared(scene, true); };
  lies.push_back({"the child has a copy", When::birth, any, copy_all});
  lies.push_back({"the child has a copy of the last page", When::birth, any, copy_last});
  for (const When when : {When::answer, When::birth}) {
    const std::string who = when == When::birth ? "the child's " : "";
    const auto add = [&](const char* name, auto tell) { lies.push_back({who + name, when, any, tell}); };
    add("newest mapping, first byte changed", [](Scene& s) { return change_newest(s, false); });
    add("newest mapping, last byte changed", [](Scene& s) { return change_newest(s, true); });
    add("first byte of each page changed", [](Scene& s) { return change_pages(s, 0, 1); });
    add("last byte of each page changed", [](Scene& s) { return change_pages(s, kPage - 1, 1); });
    add("every byte changed", [](Scene& s) { return change_pages(s, 0, kPage); });
    add("every byte zero", empty_pages);
    add("memory unmapped", [](Scene& s) { return for_objects(s, SYS_munmap, 0); });
    add("memory without access", [](Scene& s) { return for_objects(s, SYS_mprotect, PROT_NONE); });
    add("memory read-only", [](Scene& s) { return for_objects(s, SYS_mprotect, PROT_READ); });
    add("memory writable", [](Scene& s) { return for_objects(s, SYS_mprotect, PROT_READ | PROT_WRITE); });
    if (when == When::answer) add("sharing lost", copy_all);
  }
}

}  // namespace shmcheck::liar

#include "harness/disk_image.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <span>

#include "harness/deadline.h"
#include "harness/memory_file.h"
#include "harness/process.h"

namespace shmcheck::harness {
namespace {

struct Recipe {
  std::string_view name;
  std::uint64_t
      bytes;  // of the image, of which only what is written takes memory; xfs wants 300 MiB, btrfs 109
  std::vector<std::string> mkfs;
};

// Journal and reserved blocks would only take room; lazy initialization would write behind our back.
std::vector<std::string> mkfs_ext4(std::string block) {
  return {"mkfs.ext4", "-q", "-F", "-b", std::move(block), "-m", "0", "-E", "lazy_itable_init=0,nodiscard"};
}

const Recipe* recipe(std::string_view name) {
  static const Recipe kRecipes[] = {{"ext4", 64U << 20, mkfs_ext4("4096")},
                                    {"ext4_1k", 64U << 20, mkfs_ext4("1024")},
                                    {"xfs", 320U << 20, {"mkfs.xfs", "-q", "-f", "-K"}},
                                    {"btrfs", 256U << 20, {"mkfs.btrfs", "-q", "-f", "-K"}}};
  const auto* at = std::ranges::find(kRecipes, name, &Recipe::name);
  return at == std::end(kRecipes) ? nullptr : at;
}

std::string make_image(const Recipe& recipe, Fd& image) {
  const std::string label = fmt::format("{} image of shmcheck {} ", recipe.name, ::getpid());
  std::string sentence = make_memory_file(label.c_str(), {}, false, image);
  if (!sentence.empty()) return sentence;
  if (::ftruncate(image.get(), static_cast<off_t>(recipe.bytes)) != 0)
    return fmt::format("cannot make an image of {} bytes: {}", recipe.bytes, std::strerror(errno));
  Launch mkfs;
  mkfs.argv = recipe.mkfs;
  mkfs.argv.emplace_back("/proc/self/fd/3");
  mkfs.environment = {"PATH=/usr/sbin:/sbin:/usr/bin:/bin"};
  mkfs.descriptors = {{image.get(), 3}};
  const Ran ran = run_helper(mkfs, Deadline::in(milliseconds(20'000)));
  if (ran.status == 0) return {};
  image.reset();
  return fmt::format("no {} image could be made: {}", recipe.name, ran.output);
}

}  // namespace

std::vector<DiskImage> make_disk_images(const std::vector<std::string>& names, std::vector<Absent>& absent) {
  std::vector<DiskImage> made;
  for (const std::string& name : names) {
    DiskImage disk{name, {}};
    const Recipe* known = recipe(name);
    const std::string sentence = known == nullptr ? "" : make_image(*known, disk.image);
    if (sentence.empty())
      made.push_back(std::move(disk));
    else
      absent.push_back({name, sentence});
  }
  return made;
}

}  // namespace shmcheck::harness

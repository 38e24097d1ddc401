// User-Mode Linux as a target. Its kernel and all the guest's processes are processes of this host, so it
// runs in a PID namespace that dies as a whole; its files live in a tmpfs that only it can see.

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "harness/disk_image.h"
#include "harness/embedded.h"
#include "harness/link.h"
#include "harness/memory_file.h"
#include "harness/pipes.h"

namespace shmcheck::harness {
namespace {

constexpr std::string_view kMemory = "256M";
// A serial line of User-Mode Linux gets no interrupts any more once its 4 KiB were nearly full.
constexpr std::size_t kBytesAhead = 2048;
constexpr int kChannelIn = 10, kChannelOut = 11, kInitramfs = 12, kFirstDisk = 13;

std::string look_up(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path != nullptr ? path : "/usr/bin:/bin");
  std::string directory;
  while (std::getline(directories, directory, ':')) {
    const std::string candidate = directory + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

// What the content of a file says it is, if that is not a User-Mode Linux kernel; else empty.
std::string objection(std::span<const std::uint8_t> content) {
  const auto holds = [content](std::size_t at, std::string_view magic) {
    return content.size() >= at + magic.size() &&
           std::memcmp(content.data() + at, magic.data(), magic.size()) == 0;
  };
  if (holds(0x202, "HdrS")) return "is a bzImage, which boots on hardware or in qemu";
  if (holds(0, "\x1f\x8b")) return "is compressed";
  if (!holds(0,
             "\x7f"
             "ELF"))
    return "is not an ELF executable";
  // Every User-Mode Linux kernel knows this option; no other program does.
  constexpr std::string_view kOption = "uml_dir=";
  if (::memmem(content.data(), content.size(), kOption.data(), kOption.size()) == nullptr) {
    return "is an ELF file, but no User-Mode Linux kernel (a vmlinux for hardware, or another program)";
  }
  return {};
}

}  // namespace

std::string open_uml_image(const TargetSpec& spec, Fd& file) {
  const std::string path = spec.image_by_path ? spec.image : look_up(spec.image);
  if (path.empty()) {
    return fmt::format(
        "{} is not installed (Debian's package user-mode-linux has it); a kernel of your own is "
        "named by --target uml:IMAGE",
        spec.image);
  }
  file = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fmt::format("cannot open the image {}: {}", path, std::strerror(errno));
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return fmt::format("the image {} is not a regular file", path);
  }
  if (::access(path.c_str(), X_OK) != 0)
    return fmt::format("the image {} may not be executed (chmod +x)", path);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return fmt::format("the image {} is empty", path);
  void* content = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (content == MAP_FAILED) return fmt::format("cannot read the image {}: {}", path, std::strerror(errno));
  const std::string what = objection({static_cast<const std::uint8_t*>(content), size});
  ::munmap(content, size);
  return what.empty() ? "" : fmt::format("the image {} {}", path, what);
}

std::string start_uml(const TargetSpec& spec, int worker, Link& link) {
  Fd kernel, initramfs;
  ChannelPipes pipes;
  std::string sentence = open_uml_image(spec, kernel);
  if (sentence.empty()) sentence = make_memory_file("initramfs", embedded_initramfs(), false, initramfs);
  if (sentence.empty()) sentence = pipes.make();
  if (!sentence.empty()) return sentence;

  const std::string scratch = scratch_directory();
  const auto inherited = [](int fd) { return fmt::format("/proc/self/fd/{}", fd); };
  Launch launch;
  launch.image = kernel.get();
  launch.contain = Contain::required;
  launch.scratch = true;
  launch.core = core_for(worker);
  launch.environment = {"TMPDIR=" + scratch};
  launch.argv = {"linux",
                 fmt::format("mem={}", kMemory),
                 "uml_dir=" + scratch,
                 fmt::format("umid=shmcheck-{}-{}", ::getpid(), worker),
                 "initrd=" + inherited(kInitramfs),
                 "con=null",
                 "con0=null,fd:1",
                 "ssl=null",
                 fmt::format("ssl0=fd:{},fd:{}", kChannelIn, kChannelOut),
                 "panic=-1",
                 "shmcheck.reboot=1"};
  launch.descriptors = {{pipes.console.write.get(), 1},
                        {pipes.console.write.get(), 2},
                        {pipes.to_target.read.get(), kChannelIn},
                        {pipes.from_target.write.get(), kChannelOut},
                        {initramfs.get(), kInitramfs}};
  if (link.disks.empty()) link.disks = make_disk_images(spec.disks, link.absent);
  std::string words;
  for (int i = 0; const DiskImage& disk : link.disks) {
    words += fmt::format("{}{}=", words.empty() ? "" : ",", disk.name);
    if (!disk.image) {
      words += "tmpfs";
      continue;
    }
    launch.argv.push_back(fmt::format("ubd{}={}", i, inherited(kFirstDisk + i)));
    launch.descriptors.push_back({disk.image.get(), kFirstDisk + i});
    words += fmt::format("/dev/ubd{}", static_cast<char>('a' + i++));
  }
  if (!words.empty()) launch.argv.push_back("shmcheck.disks=" + words);
  launch.argv.insert(launch.argv.end(), spec.boot_args.begin(), spec.boot_args.end());
  sentence = link.process.start(launch);
  link.conformance = "/conformance";
  link.room = "/tmpfs";
  link.ahead = kBytesAhead;
  pipes.give_to(link);
  return sentence;
}

}  // namespace shmcheck::harness

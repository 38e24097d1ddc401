#include "harness/link.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "harness/disk_image.h"
#include "harness/embedded.h"
#include "harness/memory_file.h"
#include "harness/pipes.h"

namespace shmcheck::harness {
namespace {

constexpr std::string_view kExecutor = "executor";
constexpr int kConformanceFd = 3, kFirstDiskFd = 4;

}  // namespace

std::string ChannelPipes::make() {
  for (Pipe* pipe : {&to_target, &from_target, &console}) {
    const std::string sentence = pipe->make();
    if (!sentence.empty()) return sentence;
  }
  return {};
}

std::string Pipe::make() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fmt::format("cannot make a pipe: {}", std::strerror(errno));
  read = Fd(ends[0]);
  write = Fd(ends[1]);
  // A larger buffer saves hand-overs; where it is not granted the pipe works all the same.
  ::fcntl(write.get(), F_SETPIPE_SZ, 1 << 20);
  return {};
}

void ChannelPipes::give_to(Link& link) {
  to_target.read.reset();
  from_target.write.reset();
  console.write.reset();
  for (const int fd : {to_target.write.get(), from_target.read.get(), console.read.get()}) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  link.to = std::move(to_target.write);
  link.from = std::move(from_target.read);
  link.console = std::move(console.read);
}

int core_for(int worker) {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return -1;
  const int cores = CPU_COUNT(&allowed);
  int wanted = (::getpid() + worker) % std::max(cores, 1);
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<std::size_t>(core), &allowed) && wanted-- == 0) return core;
  }
  return -1;
}

std::string start_kernel(const TargetSpec& spec, int, Link& link) {
  ChannelPipes pipes;
  Fd executor, conformance;
  std::string sentence = pipes.make();
  if (sentence.empty()) sentence = make_memory_file("executor", embedded_executor(), true, executor);
  if (sentence.empty()) sentence = make_memory_file("conformance", embedded_conformance(), true, conformance);
  if (!sentence.empty()) return sentence;
  Launch launch;
  launch.argv = {"executor", "--in=0", "--out=1"};
  launch.image = executor.get();
  launch.contain = Contain::if_permitted;
  launch.descriptors = {{pipes.to_target.read.get(), 0},
                        {pipes.from_target.write.get(), 1},
                        {pipes.console.write.get(), 2},
                        {conformance.get(), kConformanceFd}};
  if (can_contain()) {
    // The executor covers this directory with a tmpfs of its own, where nobody else sees it.
    const std::string room = scratch_directory();
    launch.argv.push_back("--dir=tmpfs=" + room);
    link.room = room;
  }
  const std::vector<DiskImage> disks = make_disk_images(spec.disks, link.absent);
  int next = kFirstDiskFd;
  for (const DiskImage& disk : disks) {
    if (!disk.image) {
      launch.argv.push_back(fmt::format("--disk={}=tmpfs", disk.name));
      continue;
    }
    launch.argv.push_back(fmt::format("--disk={}=/proc/self/fd/{}", disk.name, next));
    launch.descriptors.push_back({disk.image.get(), next++});
  }
  sentence = link.process.start(launch);
  link.conformance = fmt::format("/proc/self/fd/{}", kConformanceFd);
  pipes.give_to(link);
  return sentence;
}

std::string command_launch(const TargetSpec& spec, std::string_view program,
                           const std::vector<std::string>& arguments, Fd& file, Launch& launch) {
  const std::span<const std::uint8_t> content =
      program == kExecutor ? embedded_executor() : embedded_conformance();
  std::string sentence = make_memory_file(std::string(program).c_str(), content, true, file);
  if (!sentence.empty()) return sentence;
  std::string path = path_of(file);
  if (can_contain()) {
    // Real paths: a sandbox with a /proc of its own cannot follow descriptors.
    launch.contain = Contain::if_permitted;
    launch.scratch = true;
    launch.files = {{std::string(program), content}};
    path = fmt::format("{}/{}", scratch_directory(), program);
  }
  for (const std::string& word : spec.command) {
    if (word != kExecutor) {
      launch.argv.push_back(word);
      continue;
    }
    launch.argv.push_back(path);
    launch.argv.insert(launch.argv.end(), arguments.begin(), arguments.end());
  }
  launch.descriptors.push_back({file.get(), file.get()});
  return {};
}

std::string start_command(const TargetSpec& spec, int, Link& link) {
  ChannelPipes pipes;
  Fd executor;
  Launch launch;
  std::string sentence = pipes.make();
  if (sentence.empty()) sentence = command_launch(spec, kExecutor, {"--in=0", "--out=1"}, executor, launch);
  if (!sentence.empty()) return sentence;
  launch.descriptors.push_back({pipes.to_target.read.get(), 0});
  launch.descriptors.push_back({pipes.from_target.write.get(), 1});
  launch.descriptors.push_back({pipes.console.write.get(), 2});
  sentence = link.process.start(launch);
  pipes.give_to(link);
  return sentence;
}

}  // namespace shmcheck::harness

#include "conformance/framework/environment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "conformance/framework/filesystem.h"
#include "conformance/framework/outcome.h"

namespace shmcheck::conformance {
namespace {

Environment environment;
Place current_place = Place::none;

Directory& At(Place place) {
  return environment.directories[static_cast<size_t>(place)];
}
std::vector<std::string> notes;  // what was asked for at start and not given

void Note(const std::string& what, int error) {
  notes.push_back(what + ": " + ErrnoName(error));
}

std::string RealPath(const std::string& path) {
  char resolved[PATH_MAX];
  return realpath(path.c_str(), resolved) != nullptr ? resolved : path;
}

void ReadRelease() {
  utsname name{};
  uname(&name);
  environment.release = name.release;
  sscanf(name.release, "%d.%d", &environment.kernel_major, &environment.kernel_minor);
}

void FindOwnBinary(const char* argv0) {
  char link[PATH_MAX] = {};
  const ssize_t size = readlink("/proc/self/exe", link, sizeof link - 1);
  environment.own_binary = size > 0 ? link : RealPath(argv0);
  // By the link itself, which also leads to a binary that has no name (any more).
  environment.own_binary_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (environment.own_binary_fd < 0) {
    environment.own_binary_fd = open(environment.own_binary.c_str(), O_RDONLY | O_CLOEXEC);
  }
  if (environment.own_binary_fd < 0) Note("opening " + environment.own_binary, errno);
}

void TakeMountNamespace() {
  if (unshare(CLONE_NEWNS) != 0) return Note("private mount namespace", errno);
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return Note("making mounts private", errno);
  environment.private_mounts = true;
}

// The supervisor outside the new PID namespace: it only waits, and takes everything inside with it when it
// dies.
[[noreturn]] void Supervise(pid_t inner) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
  int status = 0;
  while (waitpid(inner, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status))
    fprintf(stderr, "conformance: the runner died by %s\n", SignalName(WTERMSIG(status)).c_str());
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

void TakePidNamespace() {
  if (unshare(CLONE_NEWPID) != 0) return Note("private PID namespace", errno);
  fflush(nullptr);
  const pid_t inner = fork();
  if (inner < 0) return Note("fork into the PID namespace", errno);
  if (inner > 0) Supervise(inner);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  environment.private_pids = true;
  if (access("/proc", F_OK) != 0 || !environment.private_mounts) return;
  if (mount("proc", "/proc", "proc", 0, nullptr) != 0) Note("procfs of the PID namespace", errno);
}

void TakeNamespaces() {
  if (geteuid() != 0) {
    notes.push_back("private namespaces: effective uid is " + std::to_string(geteuid()));
    return;
  }
  TakeMountNamespace();
  if (unshare(CLONE_NEWIPC) == 0) {
    environment.private_ipc = true;
  } else {
    Note("private IPC namespace", errno);
  }
  TakePidNamespace();
}

// The places that have directories, with what statfs says of them.
struct PlaceInfo {
  Place place;
  const char* name;
  unsigned long magic;
};
constexpr PlaceInfo kDirectories[] = {
    {Place::tmpfs, "tmpfs", kTmpfsMagic},    {Place::ext4, "ext4", kExt4Magic},
    {Place::ext4_1k, "ext4_1k", kExt4Magic}, {Place::xfs, "xfs", kXfsMagic},
    {Place::btrfs, "btrfs", kBtrfsMagic},    {Place::overlay, "overlay", kOverlayMagic}};
static_assert(std::size(kDirectories) == kPlaceCount - 2);  // neither `none` nor `memfd`

const std::string& Given(const Options& options, Place place) {
  return options.directories[static_cast<size_t>(place)];
}

// A working directory of our own below `parent`, if that lies on the wanted kind of file system.
Directory WorkBelow(const std::string& parent, unsigned long magic, const char* kind) {
  struct statfs status {};
  if (statfs(parent.c_str(), &status) != 0)
    return {"", "statfs(" + parent + ") fails with " + ErrnoName(errno)};
  if (static_cast<unsigned long>(status.f_type) != magic) return {"", parent + " is not on " + kind};
  std::string name = parent + "/conformance.XXXXXX";
  if (mkdtemp(name.data()) == nullptr)
    return {"", "mkdtemp in " + parent + " fails with " + ErrnoName(errno)};
  chmod(name.c_str(), 0777);  // children that have become another uid work here as well
  return {name, ""};
}

// shm_open works below /dev/shm: a given working directory elsewhere must not leave that to the host.
void CoverDevShm(const Options& options) {
  if (!environment.private_mounts || Given(options, Place::tmpfs).empty()) return;
  for (const std::string& kept : options.directories) {
    if (kept == "/dev/shm" || kept.starts_with("/dev/shm/")) return;
  }
  if (access("/dev/shm", F_OK) != 0) return;
  if (mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777") != 0) Note("tmpfs on /dev/shm", errno);
}

// Mounts a tmpfs over some directory; our mount namespace is private, so nobody else sees it.
std::string MountTmpfs(const Options& options) {
  static constexpr const char* kPlaces[] = {"/dev/shm", "/tmp", "/mnt", "/media", "/srv", "/run"};
  for (const char* place : kPlaces) {
    struct stat status {};
    if (stat(place, &status) != 0 || !S_ISDIR(status.st_mode)) continue;
    const auto lies_there = [place](const std::string& kept) {
      return kept.starts_with(std::string(place) + "/");
    };
    if (std::any_of(options.directories.begin(), options.directories.end(), lies_there)) continue;
    if (mount("tmpfs", place, "tmpfs", 0, "mode=1777") == 0) return place;
    Note(std::string("tmpfs on ") + place, errno);
  }
  if (mkdir("/tmp", 01777) == 0 && mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") == 0) return "/tmp";
  return "";
}

Directory FindTmpfs(const Options& options) {
  const std::string& given = Given(options, Place::tmpfs);
  if (!given.empty()) return WorkBelow(given, kTmpfsMagic, "tmpfs");
  if (environment.private_mounts) {
    const std::string mounted = MountTmpfs(options);
    if (!mounted.empty()) return WorkBelow(mounted, kTmpfsMagic, "tmpfs");
  }
  const char* const temporary = getenv("TMPDIR");
  std::string evidence;
  for (const char* parent : {"/dev/shm", temporary != nullptr ? temporary : "/tmp"}) {
    Directory found = WorkBelow(parent, kTmpfsMagic, "tmpfs");
    if (!found.path.empty()) return found;
    evidence += (evidence.empty() ? "" : "; ") + found.evidence;
  }
  return {"", evidence};
}

Directory FindDisk(const Options& options, const PlaceInfo& info) {
  const std::string& given = Given(options, info.place);
  if (given.empty()) return {"", std::string("no directory given (--dir-") + info.name + "=PATH)"};
  return WorkBelow(given, info.magic, info.name);
}

// Time limits are meant for a machine that forks within a millisecond.
double MeasureSlowness() {
  std::array<double, 5> ms{};
  for (double& sample : ms) {
    timespec begin{};
    timespec end{};
    clock_gettime(CLOCK_MONOTONIC, &begin);
    Trial([] { return 0; });
    clock_gettime(CLOCK_MONOTONIC, &end);
    sample = static_cast<double>(end.tv_sec - begin.tv_sec) * 1e3 +
             static_cast<double>(end.tv_nsec - begin.tv_nsec) / 1e6;
  }
  std::sort(ms.begin(), ms.end());
  return std::clamp(ms[2], 1.0, 10.0);
}

void RemoveBelow(const std::string& path) {
  DIR* const listing = opendir(path.c_str());
  if (listing == nullptr) return;
  while (const dirent* entry = readdir(listing)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string full = path + "/" + name;
    if (unlink(full.c_str()) == 0) continue;
    RemoveBelow(full);
    rmdir(full.c_str());
  }
  closedir(listing);
}

}  // namespace

const Environment& env() {
  return environment;
}

void EnterEnvironment(const Options& given, const char* argv0) {
  Options options = given;
  for (std::string& path : options.directories)
    if (!path.empty()) path = RealPath(path);
  umask(022);
  ReadRelease();
  FindOwnBinary(argv0);
  TakeNamespaces();
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) Note("child subreaper", errno);
  for (const PlaceInfo& info : kDirectories)
    if (info.place != Place::tmpfs) At(info.place) = FindDisk(options, info);
  CoverDevShm(options);
  At(Place::tmpfs) = FindTmpfs(options);
  environment.slowness = MeasureSlowness();
}

void LeaveEnvironment() {
  for (const Directory& directory : environment.directories) {
    if (directory.path.empty()) continue;
    Sweep(directory);
    rmdir(directory.path.c_str());
  }
}

void PrintEnvironment() {
  const Environment& e = environment;
  const auto got = [](bool has) { return has ? "private" : "inherited"; };
  printf("kernel %s, page %zu, uid %d, binary %s\n", e.release.c_str(), page(), static_cast<int>(geteuid()),
         e.own_binary.c_str());
  printf("namespaces: ipc %s, mount %s, pid %s\n", got(e.private_ipc), got(e.private_mounts),
         got(e.private_pids));
  for (const PlaceInfo& info : kDirectories) {
    const Directory& d = e.at(info.place);
    const bool usual = info.place == Place::tmpfs || info.place == Place::ext4;
    if (!d.path.empty() || usual)
      printf("%s: %s\n", info.name, d.path.empty() ? ("absent: " + d.evidence).c_str() : d.path.c_str());
  }
  printf("time limits are multiplied by %.1f\n", e.slowness);
  for (const std::string& note : notes) printf("not given: %s\n", note.c_str());
  fflush(stdout);
}

size_t page() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

Place place() {
  return current_place;
}
void SetPlace(Place place) {
  current_place = place;
}

const char* PlaceName(Place place) {
  for (const PlaceInfo& info : kDirectories)
    if (info.place == place) return info.name;
  return place == Place::memfd ? "memfd" : "none";
}

Place PlaceOf(std::string_view name) {
  for (const PlaceInfo& info : kDirectories)
    if (info.name == name) return info.place;
  return Place::none;
}

const std::string& directory() {
  const Directory& of_place = environment.at(current_place);
  return of_place.path.empty() ? environment.at(Place::tmpfs).path : of_place.path;
}

void Sweep(const Directory& directory) {
  if (!directory.path.empty()) RemoveBelow(directory.path);
}

}  // namespace shmcheck::conformance

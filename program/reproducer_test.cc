// C reproducers: each is compiled without warnings and run on this machine.
#include "program/reproducer.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "program/text.h"

namespace shmcheck::program {
namespace {

class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_(std::filesystem::temp_directory_path() / "reproducer-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << path_;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string read(const std::string& name) const {
    std::ifstream in(path_ + '/' + name);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string path_;
};

int shell(const std::string& command) {
  int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// The facts of this machine, as far as a reproducer uses them.
std::string target_line() {
  return "target protocol=1 page=" + std::to_string(sysconf(_SC_PAGESIZE)) +
         " arena=0x2000000000 arena_pages=32 uid=" + std::to_string(getuid()) +
         " gid=" + std::to_string(getgid()) + " other_uid=65533,65534\nstart pid=100\n";
}

// One step a line, each with its outcome. The last one fails; `@0` is added to the first.
Trace trace_of(const std::string& steps) {
  std::string text = steps;
  text.insert(text.find('\n'), " @0");
  Parsed<Trace> result = parse_trace(target_line() + text, "steps");
  if (auto* error = std::get_if<ParseError>(&result)) {
    ADD_FAILURE() << error->to_string();
    return {};
  }
  return std::get<Trace>(result);
}

const ReproducerNotes kNotes = {"shm.clause", "What the clause says: \"two\" pages /* or */ more?\?/", "ok\n",
                                "EINVAL"};

std::string reproducer(const Trace& trace, std::size_t step) {
  return c_reproducer(program_of(trace), trace, step, kNotes);
}

struct Played {
  int status;
  std::string output;
};

bool compiles(const TemporaryDirectory& dir, const std::string& source, const std::string& flags) {
  std::ofstream(dir.path() + "/repro.c") << source;
  std::string command =
      "cd " + dir.path() + " && cc -std=c11 -Wall -Wextra -Werror " + flags + " repro.c 2>log";
  if (shell(command) == 0) return true;
  ADD_FAILURE() << dir.read("log") << source;
  return false;
}

// With `here` in its own directory, else where it makes one itself: in /dev/shm.
Played run(const std::string& source, bool here = true) {
  TemporaryDirectory dir;
  if (!compiles(dir, source, "-O2 -static -o repro")) return {-1, ""};
  int status = shell("cd " + dir.path() + " && ./repro " + (here ? "." : "") + " >out 2>&1");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 4) << "it left files behind";
  return {status, dir.read("out")};
}

struct Case {
  std::string_view name;
  bool root;                   // needs real root: uids, an IPC namespace
  std::string_view steps;      // as a healthy Linux does them
  std::string_view otherwise;  // another outcome of the last step
};

const Case kCases[] = {
    {"AFaultPastTheEnd", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 ftruncate f0 size=1 -> ok\n"
     "p0 mmap m0 f0 len=2p prot=rw flags=shared addr=a+3p -> a+3p\n"
     "p0 mmap m1 f0 len=2p prot=rw flags=shared -> 0x7f0000001000\n"
     "p0 load m0+1p-1 -> 0x00\n"
     "p0 munmap m9 len=1p -> unbound\n"
     "p0 load m1+1p -> SIGBUS/ADRERR at 0x7f0000002000\n",
     "SIGBUS/ADRALN at 0x7f0000002000"},
    {"AStoreIsSeenAfterFork", false,
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon -> 0x7f0000001000\n"
     "p0 fork p1 -> 101\n"
     "p1 store m0+2 0x4142 -> ok\n"
     "p0 load m0+2 size=2 -> 0x4142\n",
     "0x0000"},
    {"AnImageBeginsAnew", false,
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon addr=a -> a+0p\n"
     "p0 fork p1 -> 101\n"
     "p1 exec image=missing -> ENOENT\n"
     "p1 store m0 0x41 -> ok\n"
     "p1 exec -> ok\n"
     "p1 load m0 -> SIGSEGV/MAPERR at a+0p\n"
     "p0 load m0 -> 0x41\n",
     "0x00"},
    {"AFailedSystemCall", false, "p0 mmap m0 - len=0 prot=rw flags=shared,anon -> EINVAL\n", "ENOMEM"},
    {"AnUnalignedOffset", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 mmap m0 f0 len=1p prot=rw flags=shared off=1 -> EINVAL\n",
     "0x7f0000001000"},
    {"AnAddressByName", false,
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon -> 0x7f0000001000\n"
     "p0 mmap m1 - len=1p prot=rw flags=shared,anon,fixed addr=m0 -> 0x7f0000001000\n",
     "0x7f0000003000"},
    {"RunsByLoad", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 pwrite f0 len=5 byte=0x41 -> 5\n"
     "p0 mmap m0 f0 len=2p prot=rw flags=shared addr=a -> a+0p\n"
     "p0 contents m0+1 len=2p -> {4*41 PAGE5*00 PAGE*SIGBUS/ADRERR 1*SIGSEGV/MAPERR}\n",
     "{4*41 PAGE5*00 PAGE*SIGBUS/ADRERR 1*SIGBUS/ADRERR}"},
    {"RunsByTheKernel", false,
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon addr=a -> a+0p\n"
     "p0 store m0+1 0x4141414141414141 -> ok\n"
     "p0 contents m0 len=1p+9 via=kernel -> {1*00 8*41 PAGE9*00 9*EFAULT}\n",
     "{1*00 8*41 PAGE9*00 9*00}"},
    {"AnEmptyWrite", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 pwrite f0 len=0 byte=0x41 -> 0\n",
     "1"},
    {"NothingBesideAMapping", false,
     "p0 mmap m0 - len=2p prot=rw flags=shared,anon -> 0x7f0000001000\n"
     "p0 mprotect m0+1p len=2p prot=r -> ENOMEM\n",
     "ok"},
    {"Pread", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 pwrite f0 len=5 byte=0x41 off=1 -> 5\n"
     "p0 pread f0 len=1p -> {1*00 5*41}\n",
     "{1*00 6*41}"},
    {"ThroughMemory", false,
     "p0 open f0 n0 access=rw flags=creat,excl mode=600 -> ok\n"
     "p0 mmap m0 - len=1p prot=rw flags=private,anon -> 0x7f0000001000\n"
     "p0 store m0 0x4142 -> ok\n"
     "p0 pwrite_from f0 m0 len=2 -> 2\n"
     "p0 pread_to f0 m0+8 len=2 -> 2\n"
     "p0 load m0+8 size=2 -> 0x4142\n",
     "0x4141"},
    {"FileStat", false,
     "p0 open f3 n7 access=rw flags=creat mode=640 -> ok\n"
     "p0 truncate n7 size=1p -> ok\n"
     "p0 unlink n7 -> ok\n"
     "p0 fstat f3 -> {size=PAGE links=0 mode=100640 uid=UID gid=GID}\n",
     "{size=PAGE links=1 mode=100640 uid=UID gid=GID}"},
    {"ABadDescriptor", false, "p0 close bad -> EBADF\n", "ok"},
    {"ADeathByDefault", false,
     "p0 fork p1 -> 101\n"
     "p1 fork p2 -> 102\n"
     "p2 exit status=3 -> died exit=3\n"
     "p1 load 0 act=blocked -> died SIGSEGV\n",
     "0x00"},
    {"AGrandchildOfTheDead", false,
     "p0 fork p1 -> 101\n"
     "p1 fork p2 -> 102\n"
     "p0 kill p1 signal=term -> ok\n"
     "p2 exit -> died exit=0\n",
     "died exit=1"},
    {"Maps", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 mmap m0 f0 len=2p prot=r flags=shared addr=a+1p -> a+1p\n"
     "p0 mprotect m0 len=1p prot=none -> ok\n"
     "p0 mmap m1 - len=1p prot=rx flags=private,anon addr=a+8p -> a+8p\n"
     "p0 maps -> {0x400000..0x401000 r-xp off=0p other; a+1p..a+2p ---s off=0p file n0; a+2p..a+3p r--s "
     "off=1p file "
     "n0; a+8p..a+9p r-xp off=0p anon}\n",
     "{a+1p..a+3p r--s off=0p file n0; a+8p..a+9p r-xp off=0p anon}"},
    {"Moves", false,
     "p0 mmap m0 - len=2p prot=rw flags=shared,anon addr=a -> a+0p\n"
     "p0 msync m0 len=1p flags=sync -> ok\n"
     "p0 madvise m0 len=1p advice=willneed -> ok\n"
     "p0 mremap m1 m0 old=1p new=1p flags=maymove,fixed to=a+9p -> a+9p\n"
     "p0 munmap m1 len=1p -> ok\n"
     "p0 load m0 -> SIGSEGV/MAPERR at a+0p+5\n",
     "SIGSEGV/ACCERR at a+0p"},
    {"ASegment", true,
     "p0 shmget s0 key=k1 size=1 flags=creat mode=600 -> 7\n"
     "p0 shmat m0 s0 -> 0x7f0000001000\n"
     "p0 fork p1 -> 101\n"
     "p1 shmat m1 s0 flags=rdonly addr=a+2p -> a+2p\n"
     "p1 shmctl s0 cmd=set owner=u1 mode=640 -> ok\n"
     "p0 shmctl s0 cmd=stat -> {key=0x73686d01 uid=65533 gid=65533 cuid=0 cgid=0 mode=0640 segsz=1 atime=9 "
     "dtime=0 "
     "ctime=9 "
     "cpid=100 lpid=101 nattch=3}\n",
     "{key=0x73686d01 uid=65533 gid=65533 cuid=0 cgid=0 mode=0640 segsz=1 atime=9 dtime=0 ctime=9 cpid=100 "
     "lpid=101 "
     "nattch=2}"},
    {"AnIdByName", true,
     "p0 shmget s0 key=k1 size=1p flags=creat mode=600 -> 7\n"
     "p0 shmctl s0 cmd=rmid -> ok\n"
     "p0 shmget s1 key=k1 size=1p flags=creat mode=600 -> 8\n",
     "7"},
    {"TheEnd", true,
     "p0 shmget s0 key=private size=1p mode=600 -> 7\n"
     "p0 shmget s1 key=private size=1p mode=600 -> 8\n"
     "p0 shmat m0 s0 -> 0x7f0000001000\n"
     "p0 shmdt m0 -> ok\n"
     "p0 shmctl s1 cmd=rmid -> ok\n"
     "end -> {used=1; s0={key=0x0 uid=0 gid=0 cuid=0 cgid=0 mode=0600 segsz=PAGE atime=1 dtime=1 ctime=1 "
     "cpid=100 "
     "lpid=100 nattch=0}; s1=EINVAL}\n",
     "{used=2; s0={key=0x0 uid=0 gid=0 cuid=0 cgid=0 mode=0600 segsz=PAGE atime=1 dtime=1 ctime=1 cpid=100 "
     "lpid=100 "
     "nattch=0}; s1=EINVAL}"},
    {"AnotherUser", true,
     "p0 shmget s0 key=private size=1p mode=600 -> 7\n"
     "p0 fork p1 -> 101\n"
     "p1 setid user=u1 -> ok\n"
     "p1 kill p0 -> EPERM\n"
     "p1 shmat m0 s0 -> EACCES\n",
     "0x7f0000001000"},
    {"AMemberOfTheGroup", true,
     "p0 shmget s0 key=private size=1p mode=60 -> 7\n"
     "p0 fork p1 -> 101\n"
     "p1 setid user=u1 group=u2 groups=u0 -> ok\n"
     "p0 shmctl s0 cmd=set owner=u0:none mode=60 -> EINVAL\n"
     "p1 shmat m0 s0 -> 0x7f0000001000\n"
     "p1 setid user=u1 groups=u0 -> EPERM\n",
     "ok"},
    {"TheSameUserOnceMore", true,
     "p0 fork p1 -> 101\n"
     "p0 setid user=u0 -> ok\n"
     "p1 setid user=u1 -> ok\n"
     "p1 setid user=u1 -> ok\n"
     "p1 setid user=u0 -> EPERM\n",
     "ok"},
    {"WhatIsMapped", true,
     "p0 descriptors -> 0\n"
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon -> 0x7f0000001000\n"
     "p0 map_file f1 m0+100 -> ok\n",
     "EPERM"},
    {"WhatIsOpenInANewImage", false,
     "p0 memfd f0 -> ok\n"
     "p0 shm_open f1 o0 access=rw flags=creat mode=600 -> ok\n"
     "p0 exec -> ok\n"
     "p0 descriptors -> 1\n",
     "2"},
    {"AnObjectOfSomebodyElse", true,
     "p0 shm_open f0 o0 access=rw flags=creat,excl mode=600 -> ok\n"
     "p0 shm_open f1 long access=rw -> ENAMETOOLONG\n"
     "p0 shm_open f1 o3 access=rw flags=creat mode=600 -> ok\n"
     "p0 fork p1 -> 101\n"
     "p1 setid user=u1 -> ok\n"
     "p1 shm_unlink o0 -> EACCES\n",
     "ok"},
    {"AnObjectInMaps", false,
     "p0 shm_open f1 o3 access=rw flags=creat mode=600 -> ok\n"
     "p0 ftruncate f1 size=1p -> ok\n"
     "p0 mmap m0 f1 len=1p prot=r flags=shared,fixed addr=a -> a\n"
     "p0 shm_unlink o3 -> ok\n"
     "p0 maps -> {a+0p..a+1p r--s off=0p file o3 deleted}\n",
     "{a+0p..a+1p r--s off=0p file o3}"},
    {"TheLastProcess", false,
     "p0 mmap m0 - len=1p prot=rw flags=shared,anon,fixed addr=a -> a\n"
     "p0 fork p63 -> 101\n"
     "p63 store m0 0x41 -> ok\n"
     "p63 exit status=7 -> died exit=7\n"
     "p0 load m0 -> 0x41\n",
     "0x00"},
    {"StorageOfAHole", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 ftruncate f0 size=1p -> ok\n"
     "p0 blocks f0 -> 0\n",
     "8"},
    {"AnotherNamespace", true,
     "p0 fork p1 -> 101\n"
     "p1 unshare -> ok\n"
     "p1 shmget s0 key=k1 size=1p flags=creat mode=600 -> 7\n"
     "p0 shmget s1 key=k1 size=0 -> ENOENT\n"
     "p0 setns p1 by=file -> ok\n"
     "p1 setns p0 -> ok\n"
     "p0 shmget s1 key=k1 size=0 -> 7\n",
     "ENOENT"},
    {"TwoNames", false,
     "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
     "p0 link n0 to=n1 -> ok\n"
     "p0 link n0 to=n1 -> EEXIST\n"
     "p0 rename n1 to=n2 -> ok\n"
     "p0 fstat f0 -> {size=0 links=2 mode=100600 uid=UID gid=GID}\n",
     "{size=0 links=1 mode=100600 uid=UID gid=GID}"},
};

// PAGE, PAGE less a number, and the ids of this machine.
std::string filled_in(std::string_view text) {
  auto page = static_cast<unsigned long>(sysconf(_SC_PAGESIZE));
  std::string out(text);
  auto replace = [&out](std::string_view what, const std::string& by) {
    for (std::size_t at = out.find(what); at != std::string::npos; at = out.find(what)) {
      out.replace(at, what.size(), by);
    }
  };
  replace("PAGE5*", std::to_string(page - 5) + '*');
  replace("PAGE9*", std::to_string(page - 9) + '*');
  replace("PAGE", std::to_string(page));
  replace("UID", std::to_string(getuid()));
  replace("GID", std::to_string(getgid()));
  return out;
}

class ReproducerOn : public testing::TestWithParam<Case> {};

TEST_P(ReproducerOn, ExitsWithOneIfItSeesItAndWithZeroIfNot) {
  if (GetParam().root && geteuid() != 0) GTEST_SKIP() << "needs root, this is uid " << geteuid();
  std::string steps = filled_in(GetParam().steps);
  Trace trace = trace_of(steps);
  Played seen = run(reproducer(trace, trace.steps.size() - 1));
  EXPECT_EQ(seen.status, 1) << seen.output;
  EXPECT_NE(seen.output.find("WRONG, as seen before: EINVAL"), std::string::npos) << seen.output;

  steps.erase(steps.rfind("-> ") + 3);
  Trace other = trace_of(steps + filled_in(GetParam().otherwise) + '\n');
  Played healthy = run(reproducer(other, other.steps.size() - 1));
  EXPECT_EQ(healthy.status, 0) << healthy.output;
}

INSTANTIATE_TEST_SUITE_P(Linux, ReproducerOn, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

// On a tmpfs of its own, which is small.
TEST(Reproducer, FillsAFileSystem) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount, this is uid " << geteuid();
  const std::string steps =
      "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
      "p0 fill -> ok\n"
      "p0 pwrite f0 len=1 byte=0x41 -> ENOSPC\n"
      "p0 fill left=all -> ok\n"
      "p0 pwrite f0 len=1 byte=0x41 -> ";
  const Played seen = run(reproducer(trace_of(steps + "1\n"), 4), false);
  EXPECT_EQ(seen.status, 1) << seen.output;
  const Played healthy = run(reproducer(trace_of(steps + "ENOSPC\n"), 4), false);
  EXPECT_EQ(healthy.status, 0) << healthy.output;
}

bool can_mount_an_image() {
  TemporaryDirectory dir;
  return shell("cd " + dir.path() +
               " && (truncate -s 64M image && mkfs.ext4 -q image && mkdir m && unshare -m mount -o loop "
               "image m)"
               " >/dev/null 2>&1") == 0;
}

// On an image in its own directory.
TEST(Reproducer, UnmountsAFileSystem) {
  if (!can_mount_an_image()) GTEST_SKIP() << "needs root, mkfs.ext4 and a loop device";
  const std::string steps =
      "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
      "p0 names -> 1\n"
      "p0 remount -> EBUSY\n"
      "p0 close f0 -> ok\n"
      "p0 remount -> ok\n"
      "p0 rename n0 to=n1 -> ok\n"
      "p0 names -> ";
  const Played seen = run(reproducer(trace_of(steps + "1\n"), 6));
  EXPECT_EQ(seen.status, 1) << seen.output;
  const Played healthy = run(reproducer(trace_of(steps + "2\n"), 6));
  EXPECT_EQ(healthy.status, 0) << healthy.output;
}

TEST(Reproducer, ExitsWithTwoIfAnEarlierStepGoesDifferently) {
  Trace trace = trace_of("p0 close f0 -> ok\np0 close f0 -> EBADF\n");
  Played result = run(reproducer(trace, 1));
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.output, "step 1 went differently: errno 9\n");
}

TEST(Reproducer, ExitsWithTwoIfTheStepWasNotRun) {
  Trace trace = trace_of("p0 close f0 -> unbound\n");
  EXPECT_EQ(run(reproducer(trace, 0)).status, 2);
  EXPECT_EQ(run(reproducer(trace, 9)).status, 2);
}

TEST(Reproducer, ExitsWithTwoIfTheMachineWasStartedAnew) {
  Trace trace = trace_of("p0 reboot p0 -> 7\np0 close f0 -> ok\n");
  Played result = run(reproducer(trace, 1));
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.output, "the machine was started anew, which no program of it outlives\n");
  trace = trace_of("p0 reboot p0 -> withheld\np0 close f0 -> ok\n");
  EXPECT_NE(run(reproducer(trace, 1)).status, 2);
}

TEST(Reproducer, ExitsWithTwoIfAFileSystemIsFilledUpAndUnmounted) {
  Trace trace = trace_of("p0 fill -> ok\np0 remount -> ok\n");
  EXPECT_EQ(run(reproducer(trace, 1)).status, 2);
}

// Observers of many bytes, mappings or segments are longer, and so are deaths, new images and objects.
TEST(Reproducer, IsShorterThanAHundredLinesForATypicalProgram) {
  for (const Case& c : kCases) {
    Trace trace = trace_of(filled_in(c.steps));
    std::string source = reproducer(trace, trace.steps.size() - 1);
    ResultKind last = spec(trace.steps.back().op.code).result;
    bool observes = last == ResultKind::runs || last == ResultKind::maps || last == ResultKind::shm ||
                    last == ResultKind::shm_at || last == ResultKind::listing;
    bool dies = source.find("waitpid") != std::string::npos;
    bool execs = source.find("--exec") != std::string::npos;
    bool objects = source.find("/dev/shm/o") != std::string::npos;
    std::ptrdiff_t limit = 100 + (observes || dies || execs ? 15 : 0) + (objects ? 10 : 0);
    EXPECT_LT(std::count(source.begin(), source.end(), '\n'), limit) << c.name;
  }
}

// Alone, so that a function which its operation does not need is found as an unused one.
TEST(Reproducer, EveryOperationCompilesAlone) {
  TemporaryDirectory dir;
  for (unsigned i = 0; i < kOpCodes; ++i) {
    Trace trace = trace_of("p0 maps -> unbound\n");
    Op op;
    op.code = static_cast<OpCode>(i);
    unsigned variants = op.code == OpCode::shmctl     ? 6
                        : op.code == OpCode::shm_info ? 5
                        : op.code == OpCode::contents ? 2
                        : op.code == OpCode::setns    ? 2
                        : op.code == OpCode::fill     ? 2
                                                      : 1;
    for (unsigned v = 0; v < variants; ++v) {
      op.small = static_cast<std::uint8_t>(v);
      trace.steps.push_back({op, Outcome{}});
      ASSERT_TRUE(compiles(dir, reproducer(trace, 1), "-O0 -c -o object")) << to_text(op);
      trace.steps.pop_back();
    }
  }
}

// Every operation with every flag and every kind of quantity, but `reboot` and `left_out`.
Trace everything_but(OpCode left_out) {
  Trace trace = trace_of("p0 maps -> unbound\n");
  for (unsigned i = 0; i < kOpCodes; ++i) {
    for (std::uint8_t v = 0; v < 20; ++v) {
      Op op;
      op.code = static_cast<OpCode>(i);
      if (op.code == OpCode::reboot || op.code == left_out) continue;
      op.flags = ~0U;
      op.small = v == 19 ? 63 : v;
      op.object = op.byte = v;
      op.mode = 0777;
      op.addr = op.len = op.off =
          op.to = {v, static_cast<std::int16_t>(2 - v), static_cast<std::int16_t>(v - 1)};
      op.value = 0x3f3f3f3f'22225c5c;
      normalize(op);
      trace.steps.push_back({op, Outcome{}});
    }
  }
  return trace;
}

// In one file, so that a name which two pieces give to two things is found. No file has both of these.
TEST(Reproducer, EveryArgumentCompiles) {
  TemporaryDirectory dir;
  for (OpCode left_out : {OpCode::fill, OpCode::remount}) {
    const Trace trace = everything_but(left_out);
    const std::string source = reproducer(trace, trace.steps.size() - 1);
    EXPECT_NE(source.find("switch (S.step)"), std::string::npos) << "nothing is played";
    EXPECT_TRUE(compiles(dir, source, "-O2 -c -o object"));
  }
}

}  // namespace
}  // namespace shmcheck::program

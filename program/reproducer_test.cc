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

#include "program/reproducer_cases.h"
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

// In a directory of its own.
Played run(const std::string& source, const std::string& command = "./repro .") {
  TemporaryDirectory dir;
  if (!compiles(dir, source, "-O2 -static -o repro")) return {-1, ""};
  int status = shell("cd " + dir.path() + " && " + command + " >out 2>&1");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 4) << "it left files behind";
  return {status, dir.read("out")};
}

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

// Where it makes its directory itself, in /dev/shm: on a tmpfs of its own, which is small.
TEST(Reproducer, FillsAFileSystem) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount, this is uid " << geteuid();
  const std::string steps =
      "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
      "p0 fill -> ok\n"
      "p0 pwrite f0 len=1 byte=0x41 -> ENOSPC\n"
      "p0 fill left=all -> ok\n"
      "p0 pwrite f0 len=1 byte=0x41 -> ";
  const Played seen = run(reproducer(trace_of(steps + "1\n"), 4), "./repro");
  EXPECT_EQ(seen.status, 1) << seen.output;
  const Played healthy = run(reproducer(trace_of(steps + "ENOSPC\n"), 4), "./repro");
  EXPECT_EQ(healthy.status, 0) << healthy.output;
}

// On a file system that has the attribute; run() sees whether the file is gone.
TEST(Reproducer, LeavesNoFileThatIsAppendOnly) {
  if (geteuid() != 0) GTEST_SKIP() << "needs CAP_LINUX_IMMUTABLE, this is uid " << geteuid();
  const std::string steps =
      "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
      "p0 chattr n0 append=on -> ok\n"
      "p0 ftruncate f0 size=1p -> ";
  const Played seen = run(reproducer(trace_of(steps + "EPERM\n"), 2));
  if (seen.output.starts_with("step 2 went differently")) GTEST_SKIP() << seen.output;
  EXPECT_EQ(seen.status, 1) << seen.output;
}

bool can_mount_an_image() {
  TemporaryDirectory dir;
  return shell("cd " + dir.path() +
               " && (truncate -s 64M image && mkfs.ext4 -q image && mkdir m && unshare -m mount -o loop "
               "image m)"
               " >/dev/null 2>&1") == 0;
}

// On an image in its own directory. Nobody else gives names in its /dev/shm meanwhile.
TEST(Reproducer, UnmountsAFileSystem) {
  const std::string alone = "unshare -m sh -c 'mount -t tmpfs none /dev/shm && ./repro .'";
  if (!can_mount_an_image()) GTEST_SKIP() << "needs root, mkfs.ext4 and a loop device";
  const std::string steps =
      "p0 open f0 n0 access=rw flags=creat mode=600 -> ok\n"
      "p0 names -> 1\n"
      "p0 remount -> EBUSY\n"
      "p0 close f0 -> ok\n"
      "p0 remount -> ok\n"
      "p0 rename n0 to=n1 -> ok\n"
      "p0 names -> ";
  const Played seen = run(reproducer(trace_of(steps + "1\n"), 6), alone);
  EXPECT_EQ(seen.status, 1) << seen.output;
  const Played healthy = run(reproducer(trace_of(steps + "2\n"), 6), alone);
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

// Observers of many bytes, mappings or segments are longer, and so are deaths, new images, objects, crowds
// and races.
TEST(Reproducer, IsShorterThanAHundredLinesForATypicalProgram) {
  for (const Case& c : kCases) {
    Trace trace = trace_of(filled_in(c.steps));
    std::string source = reproducer(trace, trace.steps.size() - 1);
    ResultKind last = spec(trace.steps.back().op.code).result;
    bool observes = last == ResultKind::runs || last == ResultKind::maps || last == ResultKind::shm ||
                    last == ResultKind::shm_at || last == ResultKind::listing || last == ResultKind::smaps ||
                    trace.steps.back().op.code == OpCode::rss;
    bool dies = source.find("waitpid") != std::string::npos;
    bool execs = source.find("--exec") != std::string::npos;
    bool objects = source.find("/dev/shm/o") != std::string::npos;
    bool crowds = source.find("max_map_count") != std::string::npos;
    bool races = source.find("meet(") != std::string::npos;
    std::ptrdiff_t limit =
        100 + (observes || dies || execs || crowds ? 15 : 0) + (objects ? 10 : 0) + (races ? 50 : 0);
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

// The command as people and scripts meet it: sentences, exit codes, the last line. Targets are the model and
// an executor that misbehaves, so nothing here needs rights.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/fd.h"
#include "harness/testing/room.h"

namespace shmcheck::harness {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Said {
  int code = -1;  // -1: killed by a signal
  std::string text;
  std::string last_line;
};

class Command : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& content) const {
    return room_.file(name, content);
  }

  // Starts it with both streams into one pipe.
  static pid_t start(std::vector<std::string> words, Fd& output) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    output = Fd(ends[0]);
    Fd write_end(ends[1]);
    words.insert(words.begin(), SHMCHECK_BINARY);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::dup2(write_end.get(), 1);
      ::dup2(write_end.get(), 2);
      ::execv(argv[0], argv.data());
      ::_exit(126);
    }
    return pid;
  }

  static Said finish(pid_t pid, const Fd& output, std::string text = {}) {
    Said said;
    said.text = std::move(text);
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(output.get(), buffer, sizeof buffer)) > 0;)
      said.text.append(buffer, static_cast<std::size_t>(n));
    int status = 0;
    ::waitpid(pid, &status, 0);
    said.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    std::string_view rest = said.text;
    while (rest.ends_with('\n')) rest.remove_suffix(1);
    said.last_line = rest.substr(rest.rfind('\n') + 1);
    return said;
  }

  static Said shmcheck(std::vector<std::string> words) {
    Fd output;
    const pid_t pid = start(std::move(words), output);
    return finish(pid, output);
  }

  static std::string fake(const std::string& mode) { return "cmd:" FAKE_EXECUTOR " " + mode; }

  const std::string program_ =
      "p0 mmap m0 - len=1p prot=rw flags=shared,anon\np0 store m0 0x41\np0 load m0\n";
  Room room_;
};

// --- usage: 2

TEST_F(Command, UsageErrorsExitWith2) {
  struct Case {
    std::vector<std::string> words;
    const char* sentence;
  };
  const std::string good = file("good.prog", program_);
  const Case cases[] = {
      {{}, "A subcommand is required"},
      {{"chekc"}, "there is no 'chekc', did you mean 'check'?"},
      {{"check", "--tiem", "3s"}, "--tiem"},
      {{"claims", "--part", "corpus"}, "--part"},
      {{"check", "--time", "soon"}, "'soon' is no length of time"},
      {{"check", "--target", "kernal"}, "did you mean 'kernel'?"},
      {{"check", "--fs", "ext3"}, "did you mean 'ext4'?"},
      {{"check", "--part", "randm"}, "did you mean 'random'?"},
      {{"check", "--seed", "x"}, "--seed takes a number"},
      {{"check", "--profile", "exakt"}, "did you mean 'exact'?"},
      {{"check", "--processes", "0"}, "--processes takes 1 to 64"},
      {{"check", "--expect", room_.path + "/none.toml"}, "cannot read this file of expectations"},
      {{"check", "--baseline", room_.path + "/none.json"}, "cannot read this file"},
      {{"run", room_.path + "/none.prog"}, "cannot open"},
      {{"run", file("empty.prog", "# nothing\n")}, "the program has no operations"},
      {{"judge", good}, "good.prog:1:"},
      {{"list", "targts"}, "did you mean 'targets'?"},
  };
  for (const Case& one : cases) {
    const Said said = shmcheck(one.words);
    EXPECT_EQ(said.code, 2) << said.text;
    EXPECT_THAT(said.text, HasSubstr(one.sentence));
  }
}

TEST_F(Command, MalformedProgramIsShownWithItsPlace) {
  const Said said =
      shmcheck({"run", "--target", "model", file("bad.prog", "p0 mmap m0 - len=1p\np0 laod m0\n")});
  EXPECT_EQ(said.code, 2);
  EXPECT_THAT(said.text, HasSubstr("bad.prog:1:"));
}

TEST_F(Command, ExpectationOfAnUnknownClauseIsShownWithItsPlace) {
  const std::string path = file(
      "e.toml", "[[expect]]\nclause = \"access.raed\"\nstatus = \"fail\"\nreason = \"r\"\nbug = \"b\"\n");
  const Said said = shmcheck({"check", "--target", "model", "--expect", path});
  EXPECT_EQ(said.code, 2);
  EXPECT_THAT(said.text,
              HasSubstr("e.toml:2: no clause is named 'access.raed', did you mean 'access.read'?"));
}

TEST_F(Command, UnusableDirectoryIsFoundOutBeforeTheRun) {
  const Said said = shmcheck({"check", "--target", "model", "--dir", file("plain", "") + "/below"});
  EXPECT_EQ(said.code, 2);
  EXPECT_THAT(said.text, HasSubstr("cannot make the directory"));
  EXPECT_EQ(shmcheck({"check", "--target", "model", "--json", room_.path + "/no/such/r.json"}).code, 2);
}

// --- the claims of the introductory text
// --------------------------------------------------------------------

TEST_F(Command, ClaimsThatAgreeWithTheCatalogueExitWith0) {
  const Said said = shmcheck({"claims", "--target", "model", "--json", room_.path + "/c.json"});
  EXPECT_EQ(said.code, 0) << said.text;
  EXPECT_THAT(said.text, HasSubstr("S20  true, refined   The usable space"));
  EXPECT_THAT(said.text, HasSubstr("S39  undecided"));
  EXPECT_THAT(said.text, HasSubstr("unseen: no conformance tests: "));
  EXPECT_EQ(said.last_line, "VERDICT pass");
  std::ifstream in(room_.path + "/c.json");
  const auto claims = nlohmann::json::parse(in).at("claims");
  ASSERT_EQ(claims.size(), 50U);
  EXPECT_EQ(claims[19].at("verdict"), "true, refined");
  EXPECT_EQ(claims[19].at("clauses")[0].at("state"), "held");
  EXPECT_FALSE(claims[19].at("clauses")[0].at("programs").empty());
}

TEST_F(Command, ClaimsCiteARunOfBenchIpcOnTheRunningKernelOnly) {
  const std::string broken = file("broken.json", "{");
  const Said said = shmcheck({"claims", "--ipc", broken});
  EXPECT_EQ(said.code, 2);
  EXPECT_THAT(said.text, HasSubstr("--ipc: " + broken + ": this is no run of bench_ipc"));
  EXPECT_EQ(shmcheck({"claims", "--ipc", room_.path + "/none.json"}).code, 2);
  EXPECT_THAT(
      shmcheck({"claims", "--target", "model"}).text,
      HasSubstr("     measured no: bench_ipc measures the running kernel, and the target is another\n"));
}

TEST_F(Command, AClaimThatDiffersExitsWith1UnlessThatIsExpected) {
  const std::vector<std::string> words = {"claims", "--target", "model+mmap-noreplace-ignored", "--expect"};
  const auto with = [&words](const std::string& expect) {
    std::vector<std::string> all = words;
    all.push_back(expect);
    return all;
  };
  const Said said = shmcheck(with("none"));
  EXPECT_EQ(said.code, 1);
  EXPECT_THAT(said.text, HasSubstr("S14  advice, not as refined here: mmap.fixed.noreplace"));
  EXPECT_THAT(said.text, HasSubstr("BROKEN: corpus claims/s14-"));
  EXPECT_THAT(said.text, HasSubstr(", 1 otherwise"));
  const Said expected = shmcheck(with(file(
      "e.toml",
      "[[expect]]\nclause = \"mmap.fixed.noreplace\"\nstatus = \"fail\"\nreason = \"r\"\nbug = \"b\"\n")));
  EXPECT_EQ(expected.code, 0) << expected.text;
  EXPECT_THAT(expected.text, HasSubstr("1 otherwise, as expected"));
}

TEST_F(Command, NoClaimDecidedExitsWith125) {
  EXPECT_EQ(shmcheck({"claims", "--target", fake("refuses"), "--time", "2s"}).code, 125);
  const Said said = shmcheck({"claims", "--target", "model", "--fs", "ext4"});
  EXPECT_EQ(said.code, 125);
  EXPECT_EQ(said.last_line, "VERDICT unjudged");
}

// --- 125: nothing was judged

TEST_F(Command, NoHelloIs125) {
  for (const char* mode : {"silent", "old", "exits-at-once", "chatters", "refuses"}) {
    const Said said = shmcheck({"run", "--target", fake(mode), "--time", "1s", file("a.prog", program_)});
    EXPECT_EQ(said.code, 125) << said.text;
    EXPECT_EQ(said.last_line, "VERDICT unjudged") << said.text;
    EXPECT_THAT(said.text, HasSubstr("nothing was judged: ")) << said.text;
  }
}

TEST_F(Command, ImageThatIsMissingOrOfTheWrongKindIs125) {
  struct Case {
    std::string image;
    const char* sentence;
  };
  std::string bzimage(1024, '\0');
  bzimage.replace(0x202, 4, "HdrS");
  const Case cases[] = {{room_.path + "/none", "cannot open the image"},
                        {room_.path, "is not a regular file"},
                        {file("text", "hello"), "may not be executed"},
                        {file("empty", ""), "may not be executed"},
                        {file("text-x", "hello"), "is not an ELF executable"},
                        {file("bzImage-x", bzimage), "is a bzImage"},
                        {"/bin/true", "no User-Mode Linux kernel"}};
  for (const Case& one : cases) {
    if (one.image.ends_with("-x")) std::filesystem::permissions(one.image, std::filesystem::perms::owner_all);
    const Said said = shmcheck({"check", "--target", "uml:" + one.image, "--time", "5s"});
    EXPECT_EQ(said.code, 125) << said.text;
    EXPECT_THAT(said.text, HasSubstr(one.sentence));
    EXPECT_EQ(said.last_line, "VERDICT unjudged");
  }
}

TEST_F(Command, WantedFileSystemThatIsAbsentIs125WithEvidence) {
  const Said said = shmcheck({"check", "--target", fake("good"), "--fs", "ext4", "--time", "2s"});
  EXPECT_EQ(said.code, 125);
  EXPECT_THAT(said.text, HasSubstr("ext4: this is a fake"));
}

// --- 0 and 1

TEST_F(Command, EveryClauseHasARuleThatProgramsReachOrAReason) {
  const Said said = shmcheck({"list", "clauses", "--coverage"});
  EXPECT_EQ(said.code, 0);
  EXPECT_THAT(said.text, HasSubstr("[no rule: about headers]"));
  EXPECT_THAT(said.text, testing::Not(HasSubstr("has neither rule nor reason"))) << said.text;
  EXPECT_THAT(said.text, testing::Not(HasSubstr("and a reason why it has none"))) << said.text;
}

TEST_F(Command, AllowedIs0) {
  for (const std::string& target : {std::string("model"), fake("good")}) {
    const Said said = shmcheck({"run", "--target", target, "--trace", file("a.prog", program_)});
    EXPECT_EQ(said.code, 0) << said.text;
    EXPECT_EQ(said.last_line, "VERDICT pass");
    EXPECT_THAT(said.text, HasSubstr("p0 load m0 -> 0x41"));
  }
}

TEST_F(Command, AFilterWithoutATestIs125) {
  const Said said = shmcheck(
      {"check", "--target", "kernel", "--part", "conformance", "--tests", "No.SuchTest", "--time", "20s"});
  EXPECT_EQ(said.code, 125) << said.text;
  EXPECT_THAT(said.text, HasSubstr("nothing was judged: no conformance test matches --tests 'No.SuchTest'"));
  EXPECT_EQ(said.last_line, "VERDICT unjudged");
}

TEST_F(Command, AnOptionTakesOneValueAndNotTheProgramsBehindIt) {
  const Said said = shmcheck({"run", "--target", "model", "--fs", "tmpfs", file("a.prog", program_)});
  EXPECT_EQ(said.code, 0) << said.text;
  EXPECT_THAT(said.text, HasSubstr("1 passed"));
}

TEST_F(Command, AbsentThingsArePrintedFirst) {
  const Said said = shmcheck({"run", "--target", fake("good"), file("a.prog", program_)});
  EXPECT_THAT(said.text, HasSubstr("absent   ext4: this is a fake"));
  EXPECT_LT(said.text.find("absent   ext4"), said.text.find("1 passed"));
}

TEST_F(Command, DivergenceIs1AndIsShrunk) {
  const std::string longer =
      "p0 fork p1\np0 mmap m0 - len=1p prot=rw flags=shared,anon\np0 store m0 0x41\n"
      "p0 shmget s0 key=private size=1p flags=creat mode=600\np0 shmat m1 s0\np0 fork p2\np0 shmctl s0 "
      "cmd=stat\np0 munmap m0 len=1p\n";
  const Said said = shmcheck(
      {"run", "--target", "model+fork-forgets-nattch", "--dir", room_.path + "/out", file("a.prog", longer)});
  EXPECT_EQ(said.code, 1) << said.text;
  EXPECT_EQ(said.last_line, "VERDICT fail");
  EXPECT_THAT(said.text, HasSubstr("FAIL    "));
  EXPECT_THAT(said.text, HasSubstr("=> "));
  EXPECT_THAT(said.text, Not(HasSubstr("munmap")));  // it was shrunk away
  EXPECT_THAT(said.text, HasSubstr("replay\n"));
  EXPECT_FALSE(std::filesystem::is_empty(room_.path + "/out"));
}

TEST_F(Command, LossAfterTheHelloIs1) {
  struct Case {
    const char* mode;
    const char* sentence;
  };
  const std::string one = file("a.prog", program_), two = file("b.prog", program_);
  for (const Case& c : {Case{"dies", "was killed by signal 11"}, Case{"hangs", "it hangs"},
                        Case{"exits", "exited with status 3"}, Case{"panics", "Kernel panic"},
                        Case{"garbage", "does not carry frames"}}) {
    const Said said = shmcheck({"run", "--target", fake(c.mode), "--time", "4s", one, two});
    EXPECT_EQ(said.code, 1) << said.text;
    EXPECT_THAT(said.text, HasSubstr("CRASH"));
    EXPECT_THAT(said.text, HasSubstr(c.sentence));
    EXPECT_EQ(said.last_line, "VERDICT fail");
  }
}

TEST_F(Command, TimeoutCountsOnlyIfItRepeats) {
  const Said said =
      shmcheck({"run", "--target", fake("times-out"), file("a.prog", program_), file("b.prog", program_)});
  EXPECT_EQ(said.code, 1) << said.text;
  EXPECT_THAT(said.text, HasSubstr("TIMEOUT"));
}

TEST_F(Command, DivergenceThatDoesNotComeAgainIsAFlake) {
  const Said said =
      shmcheck({"run", "--target", fake("wrong-once"), file("a.prog", program_), file("b.prog", program_)});
  EXPECT_EQ(said.code, 1) << said.text;
  EXPECT_THAT(said.text, HasSubstr("FLAKE"));
  EXPECT_THAT(said.text, HasSubstr("not seen again in 3 reruns"));
}

TEST_F(Command, ExpectedFailureIs0AndUnexpectedPassIs1) {
  const Said failing = shmcheck(
      {"run", "--target", fake("wrong"), "--json", room_.path + "/r.json", file("a.prog", program_)});
  ASSERT_EQ(failing.code, 1) << failing.text;
  std::ifstream in(room_.path + "/r.json");
  const std::string clause = nlohmann::json::parse(in).at("findings").at(0).at("clause");
  const std::string expect = file(
      "e.toml", "[[expect]]\nclause = \"" + clause + "\"\nstatus = \"fail\"\nreason = \"r\"\nbug = \"b\"\n");
  const Said expected =
      shmcheck({"run", "--target", fake("wrong"), "--expect", expect, room_.path + "/a.prog"});
  EXPECT_EQ(expected.code, 0) << expected.text;
  EXPECT_THAT(expected.text, HasSubstr("XFAIL"));
  const Said known = shmcheck(
      {"run", "--target", fake("wrong"), "--baseline", room_.path + "/r.json", room_.path + "/a.prog"});
  EXPECT_EQ(known.code, 0) << known.text;
  EXPECT_THAT(known.text, HasSubstr("(in the baseline)"));
}

TEST_F(Command, RandomFindsAFaultAndStopsAtTheFirst) {
  const Said said = shmcheck(
      {"random", "--target", "model+fork-forgets-nattch", "--time", "20s", "--seed", "3", "--first"});
  EXPECT_EQ(said.code, 1) << said.text;
  EXPECT_THAT(said.text, HasSubstr("one outcome only"));
  EXPECT_THAT(said.text, HasSubstr("seed     3"));
}

TEST_F(Command, ProcessesAddUp) {
  const Said said = shmcheck({"random", "--target", "model", "--time", "30s", "--seed", "3", "--processes",
                              "3", "--programs", "7", "--json", room_.path + "/r.json"});
  EXPECT_EQ(said.code, 0) << said.text;
  std::ifstream in(room_.path + "/r.json");
  EXPECT_EQ(nlohmann::json::parse(in).at("random").at("programs"), 21);
}

TEST_F(Command, EnumerateFindsAFaultAndGoesOnWhereItWasTold) {
  const std::string alphabet = file("a.alphabet",
                                    "[scene]\np0 shmget s0 key=private size=1p mode=600\np0 shmat m0 s0\n"
                                    "[ops]\np0 load m0\np0 fork p1\n[observe]\np0 shmctl s0 cmd=stat\n");
  const std::vector<std::string> words = {"enumerate", "--target",    "model+fork-forgets-nattch",
                                          "--length",  "2",           "--alphabet",
                                          alphabet,    "--processes", "2"};
  const Said found = shmcheck(words);
  EXPECT_EQ(found.code, 1) << found.text;
  EXPECT_THAT(found.text, HasSubstr("programs 6 of up to 2 ops, by 6 indices"));
  EXPECT_THAT(found.text, HasSubstr("enumerated   6 run, 2 passed, 4 failed"));
  EXPECT_THAT(found.text, HasSubstr("FAIL    shmat.fork-inherited: enumerated program 1 on tmpfs"));
  // Only the last one is left: two forks.
  std::vector<std::string> rest = words;
  rest.insert(rest.end(), {"--from", "5"});
  EXPECT_THAT(shmcheck(rest).text, HasSubstr("enumerated   1 run, 0 passed, 1 failed"));
  std::vector<std::string> behind = words;
  behind.insert(behind.end(), {"--from", "6"});
  EXPECT_EQ(shmcheck(behind).code, 2);
}

TEST_F(Command, EnumerateSaysWhereItStopped) {
  const Said said = shmcheck({"enumerate", "--target", "model", "--time", "100ms"});
  EXPECT_THAT(said.text, HasSubstr("it goes on with: --fs tmpfs --from ")) << said.text;
}

TEST_F(Command, CoverageCountsWhatStandsBehindEachClause) {
  const Said said = shmcheck({"list", "clauses", "--coverage"});
  EXPECT_EQ(said.code, 0) << said.text;
  const std::size_t row = said.text.find("\nshmat.nattch ");
  ASSERT_NE(row, std::string::npos) << said.text;
  std::istringstream line(said.text.substr(row));
  std::string id, strength;
  std::uint64_t tests = 0, broken = 0, programs = 0, random = 0, faults = 0;
  line >> id >> strength >> tests >> broken >> programs >> random >> faults;
  EXPECT_TRUE(line && tests > 0 && broken > 0 && programs > 0 && random > 0 && faults > 0)
      << line.str().substr(0, 100);
  EXPECT_LE(broken, tests);
  std::string lie;
  std::getline(line, lie);
  EXPECT_THAT(lie, HasSubstr(":")) << "a lie says whom it was told about";
  // A clause that needs memory pressure has none of it.
  const std::size_t none = said.text.find("\nsysv.life.swap ");
  ASSERT_NE(none, std::string::npos);
  std::istringstream empty(said.text.substr(none));
  empty >> id >> strength >> tests >> broken >> programs >> random >> faults;
  EXPECT_EQ(tests + broken + programs + random + faults, 0U);
}

// --- traces

class Traces : public Command {
 protected:
  std::string trace() {
    return traces_of(shmcheck({"run", "--target", "model", "--trace", file("a.prog", program_)})).at(0);
  }
  static std::vector<std::string> traces_of(const Said& said) {
    std::vector<std::string> traces;
    for (std::size_t at = said.text.find("\ntarget protocol="); at != std::string::npos;
         at = said.text.find("\ntarget protocol=", at + 1)) {
      traces.push_back(said.text.substr(at + 1, said.text.find("\n\n", at) - at));
    }
    return traces;
  }
};

TEST_F(Traces, AreJudgedWithoutATarget) {
  const std::string text = trace();
  EXPECT_EQ(shmcheck({"judge", file("t.trace", text)}).code, 0) << text;
  std::string wrong = text;
  const std::size_t at = wrong.find("-> 0x41");
  ASSERT_NE(at, std::string::npos) << text;
  wrong.replace(at, 7, "-> 0x42");
  const Said said = shmcheck({"judge", file("w.trace", wrong)});
  EXPECT_EQ(said.code, 1) << said.text;
  EXPECT_THAT(said.text, HasSubstr("=> p0 load m0"));
}

TEST_F(Traces, OfRandomProgramsAreThoseOfTheirSeed) {
  const std::vector<std::string> arguments = {"random", "--target", "model",      "--time", "20s",
                                              "--seed", "3",        "--programs", "4",      "--trace"};
  const std::vector<std::string> traces = traces_of(shmcheck(arguments));
  ASSERT_EQ(traces.size(), 4U);
  for (const std::string& text : traces)
    EXPECT_EQ(shmcheck({"judge", file("r.trace", text)}).code, 0) << text;
  EXPECT_EQ(traces_of(shmcheck(arguments)), traces);
}

TEST_F(Traces, CutShortAreUnjudged) {
  std::string text = trace();
  text.resize(text.find("end ->"));
  const Said said = shmcheck({"judge", file("t.trace", text)});
  EXPECT_EQ(said.code, 125) << said.text;
  EXPECT_THAT(said.text, HasSubstr("the trace was cut short after 3 steps, all of them allowed"));
  text.resize(text.rfind("0x41"));
  const Said broken = shmcheck({"judge", file("b.trace", text)});
  EXPECT_EQ(broken.code, 2) << broken.text;
  EXPECT_THAT(broken.text, HasSubstr("b.trace:"));
}

// --- interruption

TEST_F(Command, InterruptedRunPrintsWhatItHas) {
  for (const int signal : {SIGINT, SIGTERM}) {
    Fd output;
    const pid_t pid = start({"random", "--target", fake("good"), "--time", "100s", "--seed", "1", "--json",
                             room_.path + "/r.json"},
                            output);
    // It has begun once the target is printed.
    std::string text;
    char byte = 0;
    while (text.find("judged   by") == std::string::npos && ::read(output.get(), &byte, 1) == 1) text += byte;
    ::kill(pid, signal);
    const Said said = finish(pid, output, text);
    EXPECT_THAT(said.text, HasSubstr("PARTIAL interrupted by SIG"));
    EXPECT_THAT(said.last_line, ::testing::StartsWith("VERDICT "));
    EXPECT_TRUE(said.code == 0 || said.code == 1 || said.code == 125) << said.text;
    EXPECT_TRUE(std::filesystem::exists(room_.path + "/r.json"));
  }
}

TEST_F(Command, ReaderThatGoesAwayDoesNotChangeTheVerdict) {
  Fd output;
  const pid_t pid =
      start({"run", "--target", "model", "--json", room_.path + "/r.json", file("a.prog", program_)}, output);
  output.reset();
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(std::filesystem::exists(room_.path + "/r.json"));
}

}  // namespace
}  // namespace shmcheck::harness

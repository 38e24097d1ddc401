// The text of traces and facts.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "program/outcome_text.h"
#include "program/random_test.h"
#include "program/scan.h"
#include "program/text.h"

namespace shmcheck::program {
namespace {

constexpr std::string_view kTarget = "target protocol=1 page=4096 arena=0x100000000000 arena_pages=16\n";

std::string reprinted(const std::string& text) {
  Parsed<Trace> result = parse_trace(text, "t");
  if (auto* error = std::get_if<ParseError>(&result)) return error->to_string();
  std::string out = to_text(std::get<Trace>(result));
  return out.substr(out.find('\n') + 1);
}

TEST(TraceText, RoundTripsExactlyWithAnyOutcome) {
  Dice dice(5);
  for (int i = 0; i < 20'000; ++i) {
    Trace trace = random_trace(dice);
    std::string text = to_text(trace);
    Parsed<Trace> again = parse_trace(text, "random");
    ASSERT_TRUE(std::holds_alternative<Trace>(again)) << std::get<ParseError>(again).to_string() << '\n'
                                                      << text;
    ASSERT_EQ(std::get<Trace>(again), trace) << text;
  }
}

TEST(TraceText, AnOutcomeWithinItsLayoutIsNeverRaw) {
  Dice dice(6);
  for (int i = 0; i < 50'000; ++i) {
    Facts facts = random_facts(dice);
    Op op;
    op.code = static_cast<OpCode>(dice.below(kOpCodes + 1U));
    op.small = static_cast<std::uint8_t>(spec(op.code).result == ResultKind::value ? dice.below(4) : 0);
    std::string text = to_text(random_outcome(dice, op, facts), op, facts);
    ASSERT_FALSE(text.starts_with("raw{")) << to_text(op) << " -> " << text;
  }
}

constexpr std::string_view kGolden =
    "start pid=4710\n"
    "p0 open f0 n0 access=rw flags=creat mode=600 -> ok @1700000000\n"
    "p0 mmap m0 f0 len=2p prot=rw flags=shared addr=a+3p -> a+3p\n"
    "p0 mmap m1 f0 len=2p prot=rw flags=shared -> 0x7f0000001000\n"
    "p0 mmap m2 f0 len=0 prot=rw flags=shared -> EINVAL\n"
    "p0 munmap m2 len=1p -> unbound\n"
    "p0 munmap top len=1p -> withheld\n"
    "p0 pwrite f0 len=1 byte=0x41 -> 1\n"
    "p0 load m0 size=2 -> 0x4100 @1700000000..1700000001\n"
    "p0 load m0+1p -> SIGBUS/ADRERR at a+4p\n"
    "p0 load 5 -> SIGSEGV/77 at 0x5\n"
    "p0 store m0+2p-1 0x4142 -> SIGBUS/ADRERR at a+4p+4095\n"
    "p0 contents m0 len=2p -> {1*41 4095*00 4096*SIGBUS/ADRERR}\n"
    "p0 contents m0 len=2p via=kernel -> {1*e0 4095*00 4095*EFAULT 1*errno200}\n"
    "p0 pread f0 len=0 -> {}\n"
    "p0 fstat f0 -> {size=1 links=1 mode=100600 uid=0 gid=0}\n"
    "p0 fork p1 -> 4711\n"
    "p1 exit status=3 -> died exit=3\n"
    "p0 shmget s0 key=k1 size=1p flags=creat mode=600 -> 0\n"
    "p0 shmctl s0 cmd=rmid -> ok\n"
    "p0 shmctl s0 cmd=stat -> {key=0x53480001 uid=0 gid=0 cuid=0 cgid=0 mode=01600 segsz=4096 atime=0 "
    "dtime=0 ctime=9 "
    "cpid=7 lpid=0 nattch=1}\n"
    "p0 maps -> {a+0p..a+3p rw-s off=1p file n0; a+3p..a+16p ---p off=0p anon; 0x1000..0x2000 r-xs off=0x5 "
    "segment "
    "3 deleted; a+4p..a+5p r--s off=0p shared_anon; 0x0..0x1 r--p off=0p file unknown; 0x0..0x1 r--p off=0p "
    "other}\n"
    "p0 msync m0 len=1p -> errno4000\n"
    "p0 store m0 0x41 act=default -> died SIGKILL\n"
    "p0 store m0 0x41 act=default -> timeout @-5..7\n"
    "p0 race_shmget s0 key=k1 size=1p flags=creat,excl mode=600 -> {7=EEXIST 8=32768 9=EEXIST 10=errno4000}\n"
    "p0 race_shmat s0 against=rmid -> {11=ok 12=0x4142434445464748 13=SIGBUS/ADRERR 14=EIDRM}\n"
    "p0 race_shmat s0 against=fork -> {15=EINVAL 16=0x0000000000000000 17=EINVAL 18=EINVAL - 19=EINVAL - -}\n"
    "end -> {used=1; s0=EINVAL; s1={key=0x0 uid=0 gid=0 cuid=0 cgid=0 mode=0600 segsz=1 atime=0 dtime=0 "
    "ctime=0 "
    "cpid=0 lpid=0 nattch=0}}\n";

TEST(TraceText, EveryKindOfOutcomeHasACanonicalForm) {
  EXPECT_EQ(reprinted(std::string(kTarget) + std::string(kGolden)), kGolden);
}

TEST(TraceText, CommentsAndBlanksAreAllowedAndATraceMayBeCutShort) {
  EXPECT_EQ(reprinted("# why\n" + std::string(kTarget) + "\n  p0 maps ->  {}   @5  # x\r\n"),
            "start pid=0\np0 maps -> {} @5\n");
  EXPECT_EQ(reprinted(std::string(kTarget)), "start pid=0\n");
}

TEST(TraceText, AddressesAreCountedFromTheArenaOnlyWithinIt) {
  Facts f;
  f.arena = 0x10000;
  f.arena_pages = 2;
  Op op;
  op.code = OpCode::shmat;
  Outcome o;
  o.value = 0x12000;
  EXPECT_EQ(to_text(o, op, f), "a+2p");  // one past the end: where a range may stop
  o.value = 0x12001;
  EXPECT_EQ(to_text(o, op, f), "0x12001");
  o.value = 0xffff;
  EXPECT_EQ(to_text(o, op, f), "0xffff");
}

TEST(TraceText, AFieldThatDoesNotBelongMakesTheOutcomeRaw) {
  Op op;
  op.code = OpCode::munmap;
  Outcome o;
  o.value = 5;
  EXPECT_EQ(to_text(o, op, Facts()),
            "raw{kind=0x0 signal=0x0 code=0x0 error=0x0 value=0x5 address=0x0 words=}");
}

struct Malformed {
  std::string_view text, message;
};
const Malformed kMalformed[] = {
    {"", "t:1:1: expected `target` with the facts of the target, found the end of the file"},
    {"# x\n", "t:2:1: expected `target` with the facts of the target, found the end of the file"},
    {"p0 maps -> {}", "t:1:1: expected `target` with the facts of the target, found 'p0 maps -> {}'"},
    {"target page=4096", "t:1:17: the fact protocol= is missing"},
    {"target protocol=1 pgae=4096", "t:1:19: a target has no fact 'pgae'"},
    {"target protocol=1 page=0", "t:1:19: expected a power of two for page=, found 'page=0'"},
};
const Malformed kMalformedSteps[] = {
    {"start pid=x", "t:2:1: expected `start pid=` with the process id of p0, once, found 'start pid=x'"},
    {"start pid=1\nstart pid=1",
     "t:3:1: expected `start pid=` with the process id of p0, once, found 'start pid=1'"},
    {"p0 maps", "t:2:8: expected `->` and the outcome of this step"},
    {"p0 maps -> {}", "t:2:14: the first step needs its clock, like @5..6"},
    {"p0 maps -> {} @5..", "t:2:15: expected a clock like @5 or @5..6, found '@5..'"},
    {"p0 mpas -> {} @5", "t:2:4: expected an operation, found 'mpas', did you mean 'maps'?"},
    {"p0 shmdt m0 -> okay @5", "t:2:18: expected nothing more behind the outcome, found 'ay'"},
    {"p0 shmdt m0 -> EFOO @5",
     "t:2:16: expected ok, an errno name, a signal like SIGBUS/ADRERR at a+1p, died, unbound, withheld or "
     "timeout, found 'EFOO'"},
    {"p0 load m0 -> 0x4142 @5",
     "t:2:21: expected a value in memory order like 0x41, an errno name, a signal like SIGBUS/ADRERR at "
     "a+1p, "
     "died, unbound, withheld or timeout, found the end of the line"},
    {"end -> {used=0} @1\np0 maps -> {}", "t:3:1: expected nothing behind `end`, found 'p0 maps -> {}'"},
};

TEST(TraceText, MalformedTextGetsOneSentenceWithItsPosition) {
  for (const Malformed& m : kMalformed) EXPECT_EQ(reprinted(std::string(m.text)), m.message);
  for (const Malformed& m : kMalformedSteps) {
    EXPECT_EQ(reprinted(std::string(kTarget) + std::string(m.text)), m.message);
  }
}

// --- facts
// ---------------------------------------------------------------------------------------------------

TEST(FactsText, RoundTripsExactly) {
  Dice dice(7);
  for (int i = 0; i < 10'000; ++i) {
    Facts facts = random_facts(dice), again;
    ASSERT_EQ(from_text(to_text(facts), again), "");
    ASSERT_EQ(again, facts) << to_text(facts);
  }
}

// With this the round trip says something of each of them.
TEST(FactsText, EveryFactIsDrawnAtRandom) {
  Dice dice(8);
  std::map<std::string, std::set<std::string>, std::less<>> values;
  for (int i = 0; i < 1000; ++i) {
    const std::string text = to_text(random_facts(dice));
    for (const Word& word : split_words(text)) {
      const std::size_t equals = word.text.find('=');
      values[std::string(word.text.substr(0, equals))].emplace(word.text.substr(equals + 1));
    }
  }
  for (const auto& [key, drawn] : values) EXPECT_GT(drawn.size(), 1U) << key;
}

TEST(FactsText, HasAFixedOrder) {
  Facts f;
  f.release = release(6, 18, 44);
  f.own = {{0x400000, 0x500000}, {0x7ff000000000, 0x800000000000}};
  EXPECT_EQ(
      to_text(f),
      "protocol=1 kernel=linux release=6.18.44 arch=x86_64 endian=little page=4096 shmlba=4096 fs=tmpfs "
      "fs_block=4096 arena=0x0 arena_pages=0 top=0x800000000000 min_address=0x10000 "
      "own=0x400000-0x500000,0x7ff000000000-0x800000000000 uid=0 gid=0 other_uid=0,0 capable=yes "
      "first_userns=yes "
      "private_ipc=yes shmmax=0 shmall=0 shmmni=0 memlock=8388608 set_limits=yes exec=yes fork=yes "
      "stored=yes shm_objects=yes protected_hardlinks=no protected_regular=no ipc_namespaces=yes "
      "next_id=yes reboot=no shmem_huge=no nx=no fill=yes max_map_count=0 noexec=no objects_noexec=no "
      "remounts=no huge=unknown huge_page=0 huge_users=8 append=none map_files=yes names=yes "
      "pid_namespaces=yes user_namespaces=yes smaps=yes rss=yes overcommits=yes");
}

TEST(FactsText, MissingKeysKeepTheirDefaults) {
  Facts f;
  f.uid = 77;
  ASSERT_EQ(from_text("page=65536 protocol=2", f), "");
  EXPECT_EQ(f.uid, 0U);
  EXPECT_EQ(f.page_size, 65536U);
  EXPECT_EQ(f.kernel, "linux");
}

TEST(FactsText, AMessageNamesTheWordAndChangesNothing) {
  const Malformed kWords[] = {
      {"protocol", "expected key=value, found 'protocol'"},
      {"protocol=1 protocol=1", "protocol= is given twice"},
      {"protocol=1 release=6.18", "expected a version like 6.18.44 for release=, found 'release=6.18'"},
      {"release=6.18.1.2", "expected a version like 6.18.44 for release=, found 'release=6.18.1.2'"},
      {"release=6.256.1", "expected a version like 6.18.44 for release=, found 'release=6.256.1'"},
      {"endian=middle", "expected little or big for endian=, found 'endian=middle'"},
      {"fs=fat", "expected tmpfs, ext4, xfs, btrfs, overlay or other for fs=, found 'fs=fat'"},
      {"own=0x1-0x2,", "expected ranges like 0x1000-0x2000,0x4000-0x5000 for own=, found 'own=0x1-0x2,'"},
      {"own=0x1", "expected ranges like 0x1000-0x2000,0x4000-0x5000 for own=, found 'own=0x1'"},
      {"huge=2", "expected unknown, none, empty or some for huge=, found 'huge=2'"},
      {"append=yes", "expected none, fixed or settable for append=, found 'append=yes'"},
      {"capable=1", "expected yes or no for capable=, found 'capable=1'"},
      {"other_uid=1", "expected two user ids like 1001,1002 for other_uid=, found 'other_uid=1'"},
      {"kernel=%4", "expected a name for kernel=, found 'kernel=%4'"},
      {"uid=4294967296", "expected a number for uid=, found 'uid=4294967296'"},
      {"page=3000", "expected a power of two for page=, found 'page=3000'"},
      {"protocol=1", "the fact page= is missing"},
      {"page=4096", "the fact protocol= is missing"},
  };
  for (const Malformed& m : kWords) {
    Facts f;
    f.uid = 77;
    EXPECT_EQ(from_text(m.text, f), m.message);
    EXPECT_EQ(f.uid, 77U);
  }
}

}  // namespace
}  // namespace shmcheck::program

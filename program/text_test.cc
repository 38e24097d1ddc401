// The canonical text of programs: round trips, an example of every operation, every message.
#include "program/text.h"

#include <gtest/gtest.h>

#include <set>

#include "program/bytes.h"
#include "program/random_test.h"

namespace shmcheck::program {
namespace {

Program parsed(std::string_view text) {
  Parsed<Program> result = parse_program(text, "test.prog");
  if (auto* error = std::get_if<ParseError>(&result)) {
    ADD_FAILURE() << error->to_string();
    return {};
  }
  return std::get<Program>(result);
}

std::string message(std::string_view text) {
  Parsed<Program> result = parse_program(text, "t");
  auto* error = std::get_if<ParseError>(&result);
  return error != nullptr ? error->to_string() : "accepted as: " + to_text(std::get<Program>(result));
}

TEST(ProgramText, RoundTripsThroughTextAndBytes) {
  Dice dice(4);
  for (int i = 0; i < 20'000; ++i) {
    Program program = decode(dice.bytes(6 * kRecordBytes));
    std::string text = to_text(program);
    Program again = parsed(text);
    ASSERT_EQ(again, program) << text;
    ASSERT_EQ(to_text(again), text);
    ASSERT_EQ(encode(again), encode(program));
  }
}

constexpr std::string_view kExamples =
    "p0 open f0 n0 access=rw flags=creat,excl,trunc,append mode=600\n"
    "p0 close bad\n"
    "p0 unlink n7\n"
    "p0 ftruncate f0 size=2p+1\n"
    "p0 truncate n0 size=-1p\n"
    "p0 pread f0 len=2p-1 off=half-1p\n"
    "p0 pwrite - len=5 byte=0x41 off=1p\n"
    "p0 pread_to f0 m0+1p len=1p off=1\n"
    "p0 pwrite_from f0 a+3p len=64p\n"
    "p0 fstat f7\n"
    "p0 mmap m0 f0 len=2p prot=rw flags=shared addr=a+3p\n"
    "p0 mmap m15 - len=0 prot=none flags=validate,anon,sync off=1\n"
    "p0 mmap m1 bad len=top prot=rwx?du "
    "flags=shared,fixed,noreplace,populate,noreserve,stack,unknown\n"
    "p0 munmap m0 len=1p\n"
    "p0 mprotect m0+1p-1 len=1p prot=?\n"
    "p0 load m0-1 size=8 act=blocked\n"
    "p0 load 0\n"
    "p0 store m0+1p-1 0x4142\n"
    "p0 store top 0x00 act=default\n"
    "p0 store m0 0x0102030405060708\n"
    "p0 contents a len=64p via=kernel\n"
    "p0 fork p1\n"
    "p1 exit\n"
    "p1 exit status=255\n"
    "p0 kill p1 signal=term\n"
    "p0 shmget s0 key=k1 size=1p+1 flags=creat,excl,noreserve mode=600\n"
    "p0 shmget s7 key=private size=0\n"
    "p0 shmat m2 s0 addr=a+1 flags=rdonly,rnd,remap,exec\n"
    "p0 shmat m2 neg\n"
    "p0 shmat m2 bogus\n"
    "p0 shmdt m2\n"
    "p0 shmctl s0 cmd=stat\n"
    "p0 shmctl s0 cmd=set owner=u2 mode=640\n"
    "p0 shmctl s0 cmd=set owner=none\n"
    "p0 shmctl s0 cmd=set owner=u1:u2 mode=60\n"
    "p0 shmctl s0 cmd=set owner=u2:none\n"
    "p0 maps\n"
    "p0 msync m0 len=1p flags=async,sync,invalidate,unknown\n"
    "p0 setid user=u1\n"
    "p0 setid user=u1 group=u0 groups=u1,u2\n"
    "p0 mremap m3 m0 old=0 new=2p flags=maymove,fixed,dontunmap,unknown to=m0+2p\n"
    "p7 madvise m0 len=2p advice=keeponfork\n"
    "p0 fallocate f0 len=1p off=100 how=punch\n"
    "p0 fsync f0 how=data\n"
    "p0 memfd f0 flags=sealing,unknown\n"
    "p0 rename n0 to=n7\n"
    "p0 link n1 to=n0\n"
    "p0 shm_open f0 o3 access=rw flags=creat,excl,trunc mode=600\n"
    "p0 shm_open f0 long\n"
    "p0 shm_unlink o0\n"
    "p0 stored f0 len=2p off=1p\n"
    "p0 seal f0 seals=seal,shrink,grow,write,future_write,unknown\n"
    "p0 seals f0\n"
    "p0 mlock m0+100 len=1p flags=onfault,unknown\n"
    "p0 munlock m0 len=1p\n"
    "p0 locked\n"
    "p0 smaps m0+1p-1\n"
    "p0 rss what=shmem\n"
    "p0 mincore m0 len=3p\n"
    "p0 shm_info what=pages\n"
    "p0 limit what=shmall value=3p-1\n"
    "p0 limits what=rmid_forced\n"
    "p0 exec image=missing\n"
    "p0 unshare\n"
    "p0 unshare what=user\n"
    "p0 fork p1 new=pid\n"
    "p0 shmctl s0 cmd=set owner=u1 mode=600 flags=badbuf\n"
    "p0 ipc_info what=shmseg id=negative\n"
    "p0 shm_stat s0 behind=3 flags=any\n"
    "p0 sysvipc\n"
    "p0 mmap m2 - len=1p prot=r flags=shared,locked,nonblock,growsdown,huge,legacy from=pipe\n"
    "p0 mlockall flags=current,future,onfault,unknown\n"
    "p0 munlockall\n"
    "p0 rlimit what=fsize value=2p+1\n"
    "p0 remap m0+1p len=1p off=3p prot=r flags=nonblock\n"
    "p0 call m0+1\n"
    "p0 map_file f0 m0+1p\n"
    "p0 descriptors\n"
    "p0 names\n"
    "p0 brk\n"
    "p0 fallocate f0 len=1p how=collapse\n"
    "p0 age f0\n"
    "p0 times f0\n"
    "p0 reboot p1 how=crash\n"
    "p0 setns p1 by=file\n"
    "p0 fallocate f0 len=1p how=punch_only\n"
    "p0 blocks f0\n"
    "p0 fill left=all\n"
    "p0 crowd left=3\n"
    "p0 memfd f3 flags=sealing name=longest\n"
    "p0 memfd_name f3\n"
    "p0 remount how=ro\n"
    "p0 memfd f3 flags=sealing,huge\n"
    "p0 shmget s0 key=private size=1p flags=huge mode=600\n"
    "p0 chattr n0 append=on\n"
    "p0 chattr n0 append=off\n"
    "p0 race_shmget s0 key=k1 size=2p flags=creat,excl mode=600\n"
    "p0 race_shmat s0 against=fork\n";

TEST(ProgramText, EveryOperationHasACanonicalExample) {
  Program program = parsed(kExamples);
  EXPECT_EQ(to_text(program), kExamples);
  std::set<OpCode> seen;
  for (const Op& op : program.ops) seen.insert(op.code);
  EXPECT_EQ(seen.size(), kOpCodes);
}

TEST(ProgramText, BytesAreInMemoryOrder) {
  Op op = parsed("p0 store m0 0x4142").ops.at(0);
  EXPECT_EQ(op.value, 0x4241U);
  EXPECT_EQ(op.small, 1);
}

TEST(ProgramText, LabelsComeInAnyOrderAndDefaultsMayBeWritten) {
  EXPECT_EQ(to_text(parsed("p0 mmap m0 off=0 prot=wr f0 flags=private,shared len=1p addr=0")),
            "p0 mmap m0 f0 len=1p prot=rw flags=validate\n");
  EXPECT_EQ(to_text(parsed("p0 msync m0 flags=0 len=0p+0")), "p0 msync m0 len=0\n");
}

TEST(ProgramText, CommentsBlankLinesAndCarriageReturnsAreNoOperations) {
  EXPECT_EQ(to_text(parsed("# why\n\n \t p0 maps# here\r\n#p0 maps\n\tp0   maps  \r\n")),
            "p0 maps\np0 maps\n");
  EXPECT_EQ(parsed("").ops.size(), 0U);
}

TEST(ProgramText, TheLeadingCommentCarriesThePurposeAndItsClauses) {
  constexpr std::string_view kText =
      "\n# One byte backs a page.\n#\n#   [eof.one-byte-file] [mmap.len]\n\n# later\n";
  EXPECT_EQ(leading_comment(kText), "One byte backs a page.\n\n  [eof.one-byte-file] [mmap.len]\n");
  EXPECT_EQ(clause_ids(leading_comment(kText)), (std::vector<std::string>{"eof.one-byte-file", "mmap.len"}));
  EXPECT_EQ(clause_ids("[] [Not one] [a.b"), std::vector<std::string>());
  EXPECT_EQ(leading_comment(comment_block("a\n\nb\n")), "a\n\nb\n");
  EXPECT_EQ(leading_comment("p0 maps\n# late\n"), "");
}

struct Malformed {
  std::string_view text, message;
};
constexpr std::string_view kQuantity = "expected a quantity like a+3p, m0+1p-1, 2p+1, top or 0, found ";
const Malformed kMalformed[] = {
    {"load", "t:1:1: expected a process, p0 to p63, found 'load'"},
    {"p64 maps", "t:1:1: expected a process, p0 to p63, found 'p64'"},
    {"p00 maps", "t:1:1: expected a process, p0 to p63, found 'p00'"},
    {"\n  p0", "t:2:5: expected an operation, found the end of the line"},
    {"p0 maps\np0 mmpa m0", "t:2:4: expected an operation, found 'mmpa', did you mean 'mmap'?"},
    {"p0 \x01\xff", "t:1:4: expected an operation, found '\\x01\\xff'"},
    {"p0 end", "t:1:4: expected an operation, found 'end'"},
    {"p0 fork", "t:1:8: expected the name of the result, p0 to p63, found the end of the line"},
    {"p0 open bad n0", "t:1:9: expected the name of the result, f0 to f7, found 'bad'"},
    {"p0 mmap f0 f0", "t:1:9: expected the name of the result, m0 to m15, found 'f0'"},
    {"p0 close n0", "t:1:10: expected f0 to f7, - or bad, found 'n0'"},
    {"p0 shmctl s8", "t:1:11: expected s0 to s7, neg or bogus, found 's8'"},
    {"p0 close", "t:1:9: close needs f0 to f7, - or bad"},
    {"p0 maps m0", "t:1:9: maps takes no labelled arguments here, found 'm0'"},
    {"p0 shmctl s0 s1", "t:1:14: shmctl takes cmd=, owner=, mode=, flags= here, found 's1'"},
    {"p0 shmdt m0 len=1", "t:1:13: shmdt has no argument 'len', it takes no labelled arguments"},
    {"p0 munmap m0 size=1p", "t:1:14: munmap has no argument 'size', it takes len="},
    {"p0 munmap m0 len=1p len=1p", "t:1:21: len= is given twice"},
    {"p0 munmap m0   # no length",
     "t:1:13: munmap needs len= with a quantity like 2p+1, -1p, half, top or 0 (not counted from a mapping)"},
    {"p0 munmap m0 len=m1",
     "t:1:18: expected a quantity like 2p+1, -1p, half, top or 0 (not counted from a mapping), found 'm1'"},
    {"p0 load =m0", "t:1:9: expected a quantity like a+3p, m0+1p-1, 2p+1, top or 0, found '=m0'"},
    {"p0 store m0 0x414", "t:1:13: expected 1, 2, 4 or 8 bytes in memory order like 0x4142, found '0x414'"},
    {"p0 store m0 0x414243",
     "t:1:13: expected 1, 2, 4 or 8 bytes in memory order like 0x4142, found '0x414243'"},
    {"p0 load m0 size=3", "t:1:17: expected 1, 2, 4 or 8, found '3'"},
    {"p0 load m0 act=", "t:1:16: expected one of caught, default, ignored, blocked, found ''"},
    {"p0 contents m0 len=64p+1",
     "t:1:20: expected a length like 2p-1 or 5, from 0 to 64p for every page size, found '64p+1'"},
    {"p0 contents m0 len=-1",
     "t:1:20: expected a length like 2p-1 or 5, from 0 to 64p for every page size, found '-1'"},
    {"p0 mprotect m0 len=1p prot=rr", "t:1:28: expected letters of rwx?du, each once, or none, found 'rr'"},
    {"p0 mprotect m0 len=1p prot=", "t:1:28: expected letters of rwx?du, each once, or none, found ''"},
    {"p0 msync m0 len=1 flags=sync,sync",
     "t:1:25: expected names from async, sync, invalidate, unknown joined by commas, each once, found "
     "'sync,sync'"},
    {"p0 msync m0 len=1 flags=sync,",
     "t:1:25: expected names from async, sync, invalidate, unknown joined by commas, each once, found "
     "'sync,'"},
    {"p0 shmget s0 key=k0 size=1", "t:1:18: expected private or k1 to k7, found 'k0'"},
    {"p0 shmget s0 key=k1 size=1 mode=1000",
     "t:1:33: expected octal permission bits from 0 to 777, found '1000'"},
    {"p0 setid user=u3", "t:1:15: expected u0 to u2, found 'u3'"},
    {"p0 exit status=256", "t:1:16: expected an exit status from 0 to 255, found '256'"},
    {"p0 pwrite f0 len=1 byte=65", "t:1:25: expected a byte from 0x00 to 0xff, found '65'"},
};

TEST(ProgramText, MalformedTextGetsOneSentenceWithItsPosition) {
  for (const Malformed& m : kMalformed) EXPECT_EQ(message(m.text), m.message) << m.text;
}

TEST(ProgramText, MalformedQuantitiesAreRefused) {
  for (std::string_view q :
       {"m16", "b", "a3p", "a+", "a+3p3", "1p1p", "1+1p", "+", "32768", "99999999999999999999", "a+-1", "1pp",
        "top+half", "m0+1p+", "-32768p", "A", "0x10"}) {
    EXPECT_EQ(message("p0 load " + std::string(q)),
              "t:1:9: " + std::string(kQuantity) + "'" + std::string(q) + "'");
  }
}

TEST(ProgramText, TooManyOperationsAreRefusedAtTheFirstOneTooMany) {
  std::string text;
  for (unsigned i = 0; i < kMaxOps; ++i) text += "p0 maps\n";
  EXPECT_EQ(parsed(text).ops.size(), kMaxOps);
  EXPECT_EQ(message(text + "p0 maps"), "t:16385:1: a program has at most 16384 operations, this is one more");
}

}  // namespace
}  // namespace shmcheck::program

#include "bench/programs.h"

#include <stdexcept>
#include <string_view>

#include "bench/flatten.h"
#include "harness/generator/generator.h"
#include "program/text.h"

namespace shmcheck::bench {
namespace {

constexpr std::uint64_t kSeed = 20261124;
constexpr unsigned kTurns = 50, kPrograms = 40;

struct Loop {
  const char* name;
  const char* before;
  const char* turn;  // repeated
};

constexpr Loop kLoops[] = {
    {"mappings", "", R"(p0 mmap m0 - len=8p prot=rw flags=private,anon
p0 store m0 0x01
p0 store m0+1p 0x01
p0 store m0+2p 0x01
p0 store m0+3p 0x01
p0 mprotect m0 len=2p prot=r
p0 store m0 0x02
p0 load m0+7p
p0 munmap m0 len=8p
p0 load m0
)"},
    {"files", "p0 open f0 n0 access=rw flags=creat mode=0600\n", R"(p0 ftruncate f0 size=3p+5
p0 mmap m0 f0 len=4p prot=rw flags=shared
p0 store m0+1p 0x41
p0 store m0+3p+6 0x42
p0 pwrite f0 len=100 byte=0x43 off=2p
p0 pread f0 len=2p off=1p
p0 fstat f0
p0 contents m0 len=4p via=load
p0 munmap m0 len=4p
p0 ftruncate f0 size=0
)"},
    {"segments", "", R"(p0 shmget s0 key=k1 size=2p flags=creat mode=0600
p0 shmat m0 s0
p0 store m0 0x0102030405060708
p0 shmat m2 s0 flags=rdonly
p0 load m2 size=8
p0 shmctl s0 cmd=stat
p0 shmdt m0
p0 shmdt m2
p0 shmctl s0 cmd=rmid
p0 shmat m0 s0
)"},
    {"turns", "p0 mmap m0 - len=1p prot=rw flags=shared,anon\np0 fork p1\n", R"(p0 store m0 0x01
p1 mprotect m0 len=1p prot=r
p0 store m0 0x02
p1 mprotect m0 len=1p prot=rw
)"},
    {"processes", "p0 mmap m1 - len=4p prot=rw flags=private,anon\np0 store m1 0x01\n", R"(p0 fork p1
p1 store m1 0x02
p1 exit
p0 load m1
)"},
};

program::Program parse(const std::string& text, const char* name) {
  auto parsed = program::parse_program(text, name);
  if (const auto* error = std::get_if<program::ParseError>(&parsed)) {
    throw std::logic_error(error->to_string());
  }
  return std::get<program::Program>(parsed);
}

}  // namespace

std::vector<Set> loops() {
  std::vector<Set> sets;
  for (const Loop& loop : kLoops) {
    std::string text = loop.before;
    for (unsigned i = 0; i < kTurns; ++i) text += loop.turn;
    sets.push_back({loop.name, std::vector(kPrograms, parse(text, loop.name))});
  }
  return sets;
}

program::Program random_program(const program::Facts& facts, std::uint64_t index, unsigned min_ops,
                                unsigned max_ops) {
  harness::GeneratorOptions options;
  for (std::size_t code = 0; code < program::kOpCodes; ++code) {
    if (!can_flatten(static_cast<program::OpCode>(code))) options.allowed.reset(code);
  }
  options.min_ops = min_ops;
  options.max_ops = max_ops;
  return harness::make_program(kSeed, index, options, facts);
}

Set random_set(const program::Facts& facts, unsigned programs, unsigned min_ops, unsigned max_ops) {
  Set set{"random", {}};
  for (unsigned i = 0; i < programs; ++i) {
    set.programs.push_back(random_program(facts, i, min_ops, max_ops));
  }
  return set;
}

LongProgram long_program(std::size_t min_ops) {
  std::string before, turn;
  for (const Loop& loop : kLoops) {
    if (std::string_view(loop.name) == "turns") continue;  // its p1 would be in the way
    before += loop.before;
    turn += loop.turn;
  }
  LongProgram result;
  result.first = parse(before, "long").ops.size();
  result.turn = parse(turn, "long").ops.size();
  std::string text = before;
  for (std::size_t ops = 0; ops < min_ops; ops += result.turn) text += turn;
  result.program = parse(text, "long");
  return result;
}

program::Program accesses(const char* access, unsigned count) {
  std::string text = "p0 mmap m0 - len=1p prot=rw flags=private,anon\np0 store m0 0x01\n";
  for (unsigned i = 0; i < count; ++i) text += access;
  return parse(text, "accesses");
}

std::uint64_t ops_of(const std::vector<program::Program>& programs) {
  std::uint64_t ops = 0;
  for (const program::Program& p : programs) ops += p.ops.size();
  return ops;
}

}  // namespace shmcheck::bench

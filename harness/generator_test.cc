// The generator: deterministic, within its options, varied, and aimed at things that exist.

#include "harness/generator/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "model/machine.h"
#include "model/world.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

using program::Facts;
using program::Op;
using program::OpCode;
using program::OutcomeKind;
using program::Program;
using ::testing::Gt;

const Facts& facts() {
  static const Facts kFacts = model::model_facts();
  return kFacts;
}

std::size_t at(OpCode code) {
  return static_cast<std::size_t>(code);
}

TEST(Generator, MakesTheSameProgramForTheSameSeedAndIndex) {
  Generator generator(11, {}, facts());
  std::vector<Program> programs;
  for (int i = 0; i < 50; ++i) programs.push_back(generator.next());
  for (std::uint64_t i = 50; i-- > 0;) EXPECT_EQ(make_program(11, i, {}, facts()), programs[i]) << i;
}

TEST(Generator, MakesOtherProgramsForOtherSeedsAndIndices) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (std::uint64_t i = 0; i < 20; ++i) seen.insert(program::to_text(make_program(seed, i, {}, facts())));
  }
  EXPECT_EQ(seen.size(), 400U);
}

TEST(Generator, MakesNormalizedOps) {
  for (std::uint64_t i = 0; i < 300; ++i) {
    for (const Op& op : make_program(3, i, {}, facts()).ops) {
      Op again = op;
      program::normalize(again);
      EXPECT_EQ(op, again) << program::to_text(op);
    }
  }
}

TEST(Generator, KeepsToAllowedOps) {
  GeneratorOptions options;
  options.allowed = OpSet();
  for (OpCode code : {OpCode::mmap, OpCode::store, OpCode::load, OpCode::munmap})
    options.allowed.set(at(code));
  std::size_t ops = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    for (const Op& op : make_program(5, i, options, facts()).ops) {
      EXPECT_TRUE(options.allows(op.code)) << program::to_text(op);
      ++ops;
    }
  }
  EXPECT_THAT(ops, Gt(500U));
}

// Of a target that can do everything.
Facts everything() {
  Facts all = facts();
  all.fs = program::FileSystem::ext4;
  all.remounts = all.reboot = all.exec = all.fork = all.set_limits = all.ipc_namespaces = true;
  all.fill = all.map_files = all.names = true;
  all.append = program::AppendAttribute::settable;
  all.max_map_count = 1500;
  return all;
}

// How many programs have the op.
std::size_t programs_with(OpCode code, const GeneratorOptions& options, const Facts& facts) {
  std::size_t count = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    const Program program = make_program(5, i, options, facts);
    count += std::ranges::find(program.ops, code, &Op::code) != program.ops.end() ? 1 : 0;
  }
  return count;
}

// It would be withheld.
TEST(Generator, LeavesOutWhatTheTargetCannotDo) {
  struct Lack {
    void (*take)(Facts&);
    std::vector<OpCode> ops;
  };
  const Lack lacks[] = {
      {[](Facts& f) { f.exec = false; }, {OpCode::exec}},
      {[](Facts& f) { f.fork = false; }, {OpCode::fork, OpCode::race_shmget, OpCode::race_shmat}},
      {[](Facts& f) { f.reboot = false; }, {OpCode::reboot}},
      {[](Facts& f) { f.set_limits = false; }, {OpCode::limit, OpCode::limits}},
      {[](Facts& f) { f.ipc_namespaces = false; }, {OpCode::unshare, OpCode::setns}},
      {[](Facts& f) { f.fill = false; }, {OpCode::fill}},
      {[](Facts& f) { f.map_files = false; }, {OpCode::map_file}},
      {[](Facts& f) { f.names = false; }, {OpCode::names}},
      {[](Facts& f) { f.smaps = false; }, {OpCode::smaps}},
      {[](Facts& f) { f.rss = false; }, {OpCode::rss}},
      {[](Facts& f) { f.append = program::AppendAttribute::none; }, {OpCode::chattr}},
      {[](Facts& f) { f.max_map_count = 0; }, {OpCode::crowd}},
      {[](Facts& f) { f.remounts = false; }, {OpCode::remount}},
  };
  const Facts with = everything();
  for (const Lack& lack : lacks) {
    Facts without = with;
    lack.take(without);
    for (const OpCode code : lack.ops) {
      EXPECT_THAT(programs_with(code, {}, with), Gt(0U)) << program::spec(code).name;
      EXPECT_EQ(programs_with(code, {}, without), 0U) << program::spec(code).name;
    }
  }
}

// Each process that a race has would have them all.
TEST(Generator, LeavesRacesOutOfProgramsWithVeryManyMappings) {
  GeneratorOptions options;
  std::size_t crowds = 0, races = 0;
  for (std::uint64_t i = 0; i < 600; ++i) {
    const Program program = make_program(6, i, options, everything());
    const bool crowd = std::ranges::find(program.ops, OpCode::crowd, &Op::code) != program.ops.end();
    const bool race =
        std::ranges::any_of(program.ops, [](const Op& op) { return program::is_race(op.code); });
    EXPECT_FALSE(crowd && race) << i;
    crowds += crowd ? 1 : 0;
    races += race ? 1 : 0;
  }
  EXPECT_GT(crowds, 20U);
  EXPECT_GT(races, 20U);
}

TEST(Generator, LeavesOutNamespacesThatTheTargetDoesNotHave) {
  struct Lack {
    bool Facts::*has;
    OpCode code;
  };
  for (const Lack& lack :
       {Lack{&Facts::pid_namespaces, OpCode::fork}, {&Facts::user_namespaces, OpCode::unshare}}) {
    const auto programs_that_ask = [&](const Facts& facts) {
      std::size_t count = 0;
      for (std::uint64_t i = 0; i < 300; ++i) {
        const auto asks = [&](const Op& op) { return op.code == lack.code && op.small != 0; };
        count += std::ranges::any_of(make_program(5, i, {}, facts).ops, asks) ? 1 : 0;
      }
      return count;
    };
    Facts facts = everything();
    EXPECT_THAT(programs_that_ask(facts), Gt(0U)) << program::spec(lack.code).name;
    facts.*lack.has = false;
    EXPECT_EQ(programs_that_ask(facts), 0U) << program::spec(lack.code).name;
  }
}

TEST(Generator, StartsTheMachineAnewAsSeldomAsAsked) {
  Facts disk = facts();
  disk.reboot = true;
  GeneratorOptions often, seldom;
  often.reboots_one_in = 1;
  seldom.reboots_one_in = 20;
  const std::size_t few = programs_with(OpCode::reboot, seldom, disk);
  EXPECT_THAT(few, Gt(0U));
  EXPECT_THAT(programs_with(OpCode::reboot, often, disk), Gt(5 * few));
}

TEST(Generator, NeverHasMoreLiveProcessesThanAsked) {
  for (unsigned processes : {1U, 2U, 3U, 8U}) {
    GeneratorOptions options;
    options.processes = processes;
    unsigned most = 0;
    for (std::uint64_t i = 0; i < 300; ++i) {
      model::Machine machine(facts());
      for (const Op& op : make_program(5, i, options, facts()).ops) {
        machine.run(op);
        unsigned alive = 0;
        for (const model::Process& p : machine.world().processes) alive += p.life == model::Life::alive;
        most = std::max(most, alive);
      }
    }
    EXPECT_EQ(most, processes);
  }
}

TEST(Generator, LeavesOutWhatIsKnownToDivergeInHalfOfThePrograms) {
  GeneratorOptions options;
  options.avoid = [](const model::World&, const Op& op) { return op.code == OpCode::mremap; };
  int with = 0, without = 0;
  for (std::uint64_t i = 0; i < 600; ++i) {
    Program all = make_program(9, i, {}, facts()), avoiding = make_program(9, i, options, facts());
    auto has = [](const Program& p) {
      return std::any_of(p.ops.begin(), p.ops.end(), [](const Op& op) { return op.code == OpCode::mremap; });
    };
    if (!has(all)) continue;
    ++(has(avoiding) ? with : without);
  }
  EXPECT_GT(with, 60);
  EXPECT_GT(without, 60);
}

// The shares below are what makes random testing find anything; they are wide, so that tuning is free.
constexpr std::uint64_t kMeasured = 3000, kProgramsPerOp = 25;

struct Share {
  std::array<std::uint64_t, program::kOpCodes> ops{}, ok{}, failed{}, unbound{};
};

Share measure(const Facts& f) {
  Share share;
  for (std::uint64_t i = 0; i < kMeasured; ++i) {
    for (const program::Step& step : model::run_program(make_program(1, i, {}, f), f).steps) {
      if (step.op.code == OpCode::end) continue;
      std::size_t code = at(step.op.code);
      ++share.ops[code];
      switch (step.outcome.kind) {
        case OutcomeKind::ok:
          ++share.ok[code];
          break;
        case OutcomeKind::error:
        case OutcomeKind::signal:
          ++share.failed[code];
          break;
        case OutcomeKind::unbound:
          ++share.unbound[code];
          break;
        default:
          break;
      }
    }
  }
  return share;
}

bool fails(OpCode op) {
  return op != OpCode::maps && op != OpCode::fork && op != OpCode::setid && op != OpCode::contents &&
         op != OpCode::kill && op != OpCode::fstat && op != OpCode::close && op != OpCode::pread &&
         op != OpCode::locked && op != OpCode::memfd && op != OpCode::shm_info && op != OpCode::limits &&
         op != OpCode::sysvipc && op != OpCode::munlockall && op != OpCode::rlimit && op != OpCode::age &&
         op != OpCode::times && op != OpCode::reboot && op != OpCode::blocks && op != OpCode::fill &&
         op != OpCode::crowd && op != OpCode::descriptors && op != OpCode::names && op != OpCode::brk &&
         !program::is_race(op) && op != OpCode::rss;
}

TEST(Generator, ReachesBothSuccessAndFailureOfEveryOp) {
  Facts disk = facts();
  disk.fs = program::FileSystem::ext4;
  const Share of_memory = measure(facts()), of_disk = measure(disk);
  for (std::uint8_t code = 0; code < program::kOpCodes; ++code) {
    OpCode op = static_cast<OpCode>(code);
    std::string_view name = program::spec(op).name;
    const Share& share = op == OpCode::stored || op == OpCode::remount ? of_disk : of_memory;
    EXPECT_GT(share.ops[code], kMeasured / kProgramsPerOp) << name;
    if (op == OpCode::exit) continue;  // its success is a death
    EXPECT_GT(share.ok[code] * 5, share.ops[code]) << name << ": too few succeed";
    if (fails(op)) {
      EXPECT_GT(share.failed[code] * 60, share.ops[code]) << name << ": too few fail";
    }
    EXPECT_LT(share.unbound[code] * 6, share.ops[code]) << name << ": too many do nothing";
  }
}

TEST(Generator, IsDrivenByBytesToo) {
  std::vector<std::uint8_t> bytes;
  for (unsigned i = 0; i < 4000; ++i) bytes.push_back(static_cast<std::uint8_t>(i * i * 31 + (i >> 3)));
  ByteEntropy all(bytes), again(bytes);
  Program p = generate(all, {}, facts());
  EXPECT_EQ(generate(again, {}, facts()), p);
  EXPECT_GT(p.ops.size(), 5U);
  ByteEntropy none({});
  EXPECT_LT(generate(none, {}, facts()).ops.size(), 5U);
}

}  // namespace
}  // namespace shmcheck::harness

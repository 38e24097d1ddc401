// The generator of random programs, one for all front ends.
//
// It runs the program that it writes on the model, op by op, so it knows which mappings, files, segments and
// processes there are and can aim at them and at their edges. Program `index` of a seed depends on nothing
// but seed, index, options and facts, so any program of a run can be made again alone.
#pragma once

#include <cstdint>
#include <functional>

#include "harness/entropy.h"
#include "harness/generator/swarm.h"
#include "program/facts.h"
#include "program/op.h"

namespace shmcheck::model {
class World;
}

namespace shmcheck::harness {

struct GeneratorOptions {
  unsigned processes = 3;               // 1 … kUsualProcesses; names p0 … of live processes at any time
  unsigned min_ops = 12, max_ops = 64;  // ops besides observations; one program in sixteen is longer
  OpSet allowed = all_ops();
  unsigned reboots_one_in = 10;  // programs may start the machine anew, where that can be done
  // True for an op that shows a known divergence in this world. Such ops are left out of half of the
  // programs, so that random testing still finds the second bug.
  std::function<bool(const model::World&, const program::Op&)> avoid;
  // True for an op that no program may hold, since it can damage this target.
  std::function<bool(const program::Op&)> never;

  bool allows(program::OpCode code) const { return allowed[static_cast<std::size_t>(code)]; }
  void leave_out(std::initializer_list<program::OpCode> codes) {
    for (const program::OpCode code : codes) allowed.reset(static_cast<std::size_t>(code));
  }
};

// The program that this entropy describes.
program::Program generate(Entropy& entropy, const GeneratorOptions& options, const program::Facts& facts);

// Program `index` of `seed`.
program::Program make_program(std::uint64_t seed, std::uint64_t index, const GeneratorOptions& options,
                              const program::Facts& facts);

class Generator {
 public:
  Generator(std::uint64_t seed, GeneratorOptions options, program::Facts facts)
      : seed_(seed), options_(std::move(options)), facts_(std::move(facts)) {}
  std::uint64_t seed() const { return seed_; }
  std::uint64_t index() const { return index_; }  // of the next program
  program::Program next() { return make_program(seed_, index_++, options_, facts_); }

 private:
  std::uint64_t seed_, index_ = 0;
  GeneratorOptions options_;
  program::Facts facts_;
};

}  // namespace shmcheck::harness

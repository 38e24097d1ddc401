#include "harness/generator/generator.h"

#include <algorithm>

#include "harness/generator/scene.h"

namespace shmcheck::harness {
namespace {

// A program that comes near vm.max_map_count has its price: as many mappings, in the kernel, and as many rows
// to be read by `maps`.
bool crowds(Entropy& entropy, const program::Facts& facts) {
  constexpr std::uint64_t kCheap = 512;
  if (facts.max_map_count == 0) return false;
  return entropy.below(static_cast<std::uint32_t>(facts.max_map_count / kCheap) + 1) == 0;
}

// To unmount a file system and mount it again takes as long as some programs do.
bool unmounts(Entropy& entropy, const program::Facts& facts) {
  return facts.remounts && facts.fs != program::FileSystem::tmpfs && entropy.chance(50);
}

// A race is as many forks as there are racers, and children of theirs: too many of a process with very many
// mappings.
bool races(Entropy& entropy, const GeneratorOptions& options) {
  return entropy.chance(25) && !options.allows(OpCode::crowd);
}

// What the target would do nothing of.
void leave_out_withheld(GeneratorOptions& options, const program::Facts& facts) {
  if (!facts.set_limits) options.leave_out({OpCode::limit, OpCode::limits});
  if (!facts.exec) options.leave_out({OpCode::exec});
  if (!facts.fork) options.leave_out({OpCode::fork, OpCode::race_shmget, OpCode::race_shmat});
  if (!facts.ipc_namespaces) options.leave_out({OpCode::unshare, OpCode::setns});
  if (!facts.fill) options.leave_out({OpCode::fill});
  if (!facts.map_files) options.leave_out({OpCode::map_file});
  if (!facts.names) options.leave_out({OpCode::names});
  if (!facts.smaps) options.leave_out({OpCode::smaps});
  if (!facts.rss) options.leave_out({OpCode::rss});
  if (facts.append == program::AppendAttribute::none) options.leave_out({OpCode::chattr});
}

OpCode random_op(Scene& scene) {
  std::uint32_t at = scene.dice.below(std::max(scene.swarm.total, 1U));
  for (std::size_t i = 0; i < program::kOpCodes; ++i) {
    if (at < scene.swarm.weight[i]) return static_cast<OpCode>(i);
    at -= scene.swarm.weight[i];
  }
  return OpCode::mmap;
}

unsigned planned_ops(Entropy& entropy, const GeneratorOptions& options) {
  unsigned most = std::max(options.min_ops, options.max_ops);
  if (entropy.below(16) == 0) most *= 3;
  return entropy.between(options.min_ops, most);
}

}  // namespace

void random_step(Scene& scene) {
  scene.act(build_op(scene, random_op(scene)));
}

program::Program generate(Entropy& entropy, const GeneratorOptions& options, const program::Facts& facts) {
  GeneratorOptions possible = options;
  leave_out_withheld(possible, facts);
  if (!facts.reboot || entropy.below(options.reboots_one_in) != 0) possible.leave_out({OpCode::reboot});
  if (!crowds(entropy, facts)) possible.leave_out({OpCode::crowd});
  if (!unmounts(entropy, facts)) possible.leave_out({OpCode::remount});
  if (!races(entropy, possible)) possible.leave_out({OpCode::race_shmget, OpCode::race_shmat});
  Swarm swarm = make_swarm(entropy, possible.allowed);
  Scene scene(entropy, swarm, possible, facts);
  scene.plan(planned_ops(entropy, options));
  while (!scene.finished()) {
    if (scene.dice.chance(swarm.scenario)) {
      play_scenario(scene);
    } else {
      random_step(scene);
    }
  }
  if (swarm.finale) scene.finale();
  return scene.take();
}

program::Program make_program(std::uint64_t seed, std::uint64_t index, const GeneratorOptions& options,
                              const program::Facts& facts) {
  SeededEntropy entropy(mix(seed, index));
  return generate(entropy, options, facts);
}

}  // namespace shmcheck::harness

// Steps of processes, and which scenario is played.
#include "harness/generator/play.h"

#include <vector>

namespace shmcheck::harness {

void Play::step(const Op& op) {
  if (dice.chance(s.swarm.interrupt)) random_step(s);
  // Scenarios are spoilt too, seldom: what they set up should be reached.
  if (dice.chance(s.swarm.spoil / 8)) {
    s.act(op);
  } else {
    s.act_exactly(op);
  }
}

std::optional<std::uint8_t> Play::child(std::uint8_t parent, program::ForkInto into) {
  std::optional<std::uint8_t> name = s.fresh_process();
  if (!name) return s.other_alive(parent);
  Op op = make_op(OpCode::fork, parent);
  op.result = *name;
  op.small = static_cast<std::uint8_t>(into);
  step(op);
  if (s.process(*name).life != model::Life::alive) return std::nullopt;
  return name;
}

std::optional<std::uint8_t> Play::partner(std::uint8_t of) {
  if (dice.chance(50)) {
    if (std::optional<std::uint8_t> p = s.other_alive(of)) return p;
  }
  return child(of);
}

void Play::leave(std::uint8_t p) {
  if (s.alive() < 2) return;
  Op op = make_op(OpCode::exit, p);
  if (dice.chance(50)) {
    if (std::optional<std::uint8_t> killer = s.other_alive(p)) op = make_op(OpCode::kill, *killer, p);
  }
  step(op);
}

void Play::exec(std::uint8_t p) {
  step(make_op(OpCode::exec, p));
}

void Play::become(std::uint8_t p, std::uint8_t user) {
  Op op = make_op(OpCode::setid, p);
  op.byte = user;
  step(op);
}

void Play::join_group(std::uint8_t p, std::uint8_t user, std::uint8_t other) {
  Op op = make_op(OpCode::setid, p);
  op.byte = user;
  if (dice.chance(60))
    op.flags = 1U << other;
  else
    op.small = static_cast<std::uint8_t>(other + 1);
  step(op);
}

void Play::rlimit(std::uint8_t p, program::Resource what, Quantity value) {
  Op op = make_op(OpCode::rlimit, p);
  op.small = static_cast<std::uint8_t>(what);
  op.len = value;
  step(op);
}

void Play::crowd(std::uint8_t p, unsigned left) {
  Op op = make_op(OpCode::crowd, p);
  op.small = static_cast<std::uint8_t>(left - 1);
  step(op);
}

std::uint8_t Play::reboot(std::uint8_t p, program::Ending how) {
  Op op = make_op(OpCode::reboot, p);
  op.small = static_cast<std::uint8_t>(how);
  op.result = dice.chance(80) ? 0 : p;
  step(op);
  return s.any_alive();
}

namespace {
std::vector<Scenario> joined(std::span<const Scenario> a, std::span<const Scenario> b) {
  std::vector<Scenario> both(a.begin(), a.end());
  both.insert(both.end(), b.begin(), b.end());
  return both;
}

struct Group {
  std::uint32_t weight;
  std::span<const Scenario> scenarios;
};

std::span<const Scenario> pick(Entropy& dice, std::span<const Group> groups) {
  std::uint32_t all = 0;
  for (const Group& group : groups) all += group.weight;
  std::uint32_t at = dice.below(all);
  while (at >= groups.front().weight) {
    at -= groups.front().weight;
    groups = groups.subspan(1);
  }
  return groups.front().scenarios;
}
}  // namespace

void play_scenario(Scene& scene) {
  // Files and what reaches storage of them are one subject, and so are segments and their namespaces.
  static const std::vector<Scenario> files = joined(file_scenarios(), storage_scenarios()),
                                     sysv = joined(joined(sysv_scenarios(), ipcns_scenarios()),
                                                   standing_scenarios());
  const Group groups[] = {{3, files},
                          {3, memory_scenarios()},
                          {4, sysv},
                          {2, limit_scenarios()},
                          {1, name_scenarios()},
                          {1, peer_scenarios()},
                          {1, space_scenarios()},
                          {1, refusal_scenarios()},
                          {1, residency_scenarios()},
                          {2, short_sysv_scenarios()},
                          {2, short_memory_scenarios()}};
  std::span<const Scenario> group = pick(scene.dice, groups);
  if (scene.options.allows(OpCode::reboot) && scene.dice.chance(50)) group = reboot_scenarios();
  if (scene.options.allows(OpCode::crowd) && scene.dice.chance(12)) group = crowd_scenarios();
  if (scene.options.allows(OpCode::race_shmget) && scene.dice.chance(20)) group = race_scenarios();
  Play play(scene);
  group[scene.dice.below(static_cast<std::uint32_t>(group.size()))](play);
}

}  // namespace shmcheck::harness

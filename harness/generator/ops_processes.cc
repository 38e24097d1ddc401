// Builders of the ops on processes.
#include "harness/generator/ops.h"

namespace shmcheck::harness {
Op build_fork(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::fork, p);
  std::optional<std::uint8_t> child = s.fresh_process();
  if (!child) return build_op(s, OpCode::store);
  op.result = *child;
  if (s.world().facts().pid_namespaces && s.dice.chance(8))
    op.small = static_cast<std::uint8_t>(program::ForkInto::new_pids);
  return op;
}

// Programs with one process left go on with it.
Op build_exit(Scene& s, std::uint8_t p) {
  if (s.alive() < 2) return build_op(s, OpCode::fork);
  Op op = make_op(OpCode::exit, p);
  op.byte = s.dice.pick<std::uint8_t>({0, 0, 1, 255});
  return op;
}

Op build_kill(Scene& s, std::uint8_t p) {
  std::optional<std::uint8_t> victim = s.other_alive(p);
  if (!victim) return build_op(s, OpCode::fork);
  Op op = make_op(OpCode::kill, p);
  op.object = *victim;
  if (!s.process(*victim).first_of_pids) op.small = static_cast<std::uint8_t>(s.dice.below(2));
  return op;
}

Op build_setid(Scene& s, std::uint8_t p) {
  // For good: only children change, so that one process keeps its rights.
  if (!s.swarm.users) return build_op(s, OpCode::store);
  if (p == 0 || s.alive() < 2) p = s.other_alive(0).value_or(0);
  if (p == 0) return build_op(s, OpCode::fork);
  Op op = make_op(OpCode::setid, p);
  op.byte = static_cast<std::uint8_t>(s.dice.between(1, 2));
  if (s.dice.chance(40)) op.flags = 1U << s.dice.below(program::kUsers);
  if (s.dice.chance(15)) op.small = static_cast<std::uint8_t>(s.dice.between(1, program::kUsers));
  return op;
}

static std::optional<std::uint8_t> one_without_rights(const Scene& s) {
  for (std::uint8_t p = 0; p < s.world().processes.size(); ++p) {
    const model::Process& process = s.process(p);
    if (process.life == model::Life::alive && !process.cred.capable) return p;
  }
  return std::nullopt;
}

Op build_unshare(Scene& s, std::uint8_t p) {
  // Mostly a child, so that somebody stays where the segments are.
  if (s.dice.chance(80)) p = s.other_alive(0).value_or(p);
  if (p == 0 && s.dice.chance(60)) return build_op(s, OpCode::fork);
  if (s.dice.chance(25)) p = one_without_rights(s).value_or(p);
  Op op = make_op(OpCode::unshare, p);
  if (s.world().facts().user_namespaces && s.dice.chance(30))
    op.small = static_cast<std::uint8_t>(program::Unshare::user);
  return op;
}

// Into the namespace of another process, seldom into its own.
Op build_setns(Scene& s, std::uint8_t p) {
  std::optional<std::uint8_t> other = s.other_alive(p);
  if (!other) return build_op(s, OpCode::fork);
  Op op = make_op(OpCode::setns, p);
  op.object = s.dice.chance(10) ? p : *other;
  op.small = static_cast<std::uint8_t>(s.dice.below(2));
  return op;
}

Op build_reboot(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::reboot, p);
  op.result = s.dice.chance(80) ? 0 : p;
  op.small = static_cast<std::uint8_t>(s.dice.below(2));
  return op;
}

Op build_maps(Scene&, std::uint8_t p) {
  return make_op(OpCode::maps, p);
}

Op build_descriptors(Scene&, std::uint8_t p) {
  return make_op(OpCode::descriptors, p);
}

Op build_names(Scene&, std::uint8_t p) {
  return make_op(OpCode::names, p);
}

Op build_brk(Scene&, std::uint8_t p) {
  return make_op(OpCode::brk, p);
}

Op build_rss(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::rss, p);
  op.small = static_cast<std::uint8_t>(s.dice.below(3));
  return op;
}

Op build_locked(Scene&, std::uint8_t p) {
  return make_op(OpCode::locked, p);
}

Op build_mlockall(Scene& s, std::uint8_t p) {
  using namespace program::mlockall;
  Op op = make_op(OpCode::mlockall, p);
  op.flags =
      s.dice.pick({kCurrent, kFuture, kFuture, kCurrent | kFuture, kCurrent | kOnFault, kFuture | kOnFault});
  return op;
}

Op build_munlockall(Scene&, std::uint8_t p) {
  return make_op(OpCode::munlockall, p);
}

// A limit on files would soon end the only process.
Op build_rlimit(Scene& s, std::uint8_t p) {
  using program::Resource;
  Op op = make_op(OpCode::rlimit, p);
  bool alone = s.alive() < 2;
  Resource what = s.dice.pick({Resource::address_space, Resource::memlock, Resource::file_size});
  if (alone && what == Resource::file_size) what = Resource::memlock;
  op.small = static_cast<std::uint8_t>(what);
  op.len = pages(64);
  if (s.dice.chance(30)) return op;
  const int bytes = s.dice.pick({0, 0, 1});
  op.len = pages(static_cast<int>(s.dice.below(8)), bytes);
  return op;
}

Op build_crowd(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::crowd, p);
  op.small = static_cast<std::uint8_t>(s.dice.below(s.dice.chance(70) ? 3 : program::kMostLeft));
  return op;
}

Op build_remount(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::remount, p);
  op.small = static_cast<std::uint8_t>(s.dice.below(2));
  return op;
}

Op build_exec(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::exec, p);
  if (s.dice.chance(20)) op.small = static_cast<std::uint8_t>(program::Image::missing);
  return op;
}

}  // namespace shmcheck::harness

#include "model/machine.h"

#include "model/rules.h"

namespace shmcheck::model {

struct Machine::State {
  State(const Facts& f, const Fault* fault) : facts(f), world(facts, kRootPid), fault(fault) {}
  static constexpr std::uint64_t kRootPid = 1000;

  Facts facts;
  World world;
  const Fault* fault;
  StepReport report;
  std::int64_t now = 1'700'000'000;
  std::uint64_t steps = 0;

  void apply_one(const Op& op, Outcome& made) {
    // Time passes, but seldom, as on a target that runs hundreds of thousands of steps a second.
    if (++steps % 3 == 0) ++now;
    report.clear();
    Step step(op, facts, made, report, now);
    if (op.code == OpCode::end)
      apply_end(world, step);
    else
      apply(world, step);
  }
};

Machine::Machine(const Facts& facts, const Fault* fault) : state_(std::make_unique<State>(facts, fault)) {}
Machine::~Machine() = default;
Machine::Machine(Machine&&) noexcept = default;
Machine& Machine::operator=(Machine&&) noexcept = default;

Outcome Machine::run(const Op& asked) {
  State& st = *state_;
  Outcome made;
  if (!st.fault) {
    st.apply_one(asked, made);
    return made;
  }
  st.world.processes.name(asked);
  Op op = asked;
  std::optional<World> was;
  if (st.fault->needs_past) was = st.world;
  if (st.fault->before) st.fault->before(st.world, op);
  st.apply_one(op, made);
  if (st.fault->after) st.fault->after(was ? *was : st.world, st.world, asked, made);
  return made;
}

Outcome Machine::finish() {
  Op end;
  end.code = OpCode::end;
  return run(end);
}

const World& Machine::world() const {
  return state_->world;
}

std::vector<clauses::Clause> decisive_clauses(const World& world, const Op& op) {
  World running = world, judging = world;
  Outcome made;
  StepReport report;
  Step run(op, world.facts(), made, report, 0);
  apply(running, run);
  report.clear();
  Step judge(op, world.facts(), Profile::exact, made, report, 0);
  apply(judging, judge);
  return {report.decisive.begin(), report.decisive.begin() + report.decisive_count};
}

program::Trace run_program(const program::Program& program, const Facts& facts, const Fault* fault) {
  Machine machine(facts, fault);
  program::Trace trace;
  trace.facts = facts;
  trace.root_pid = Machine::State::kRootPid;
  trace.steps.reserve(program.ops.size() + 1);
  for (const Op& op : program.ops) trace.steps.push_back({op, machine.run(op)});
  Op end;
  end.code = OpCode::end;
  trace.steps.push_back({end, machine.finish()});
  return trace;
}

Facts model_facts(const Fault* fault) {
  Facts f;
  if (fault && fault->on_disk) f.fs = program::FileSystem::ext4;
  f.kernel = "model";
  f.release = program::release(6, 18);
  f.arena = 0x20'0000'0000;
  f.arena_pages = 32;
  f.own = {{0x10'0000'0000, 0x10'0100'0000}, {0x40'0000, 0x50'0000}};
  f.other_uid[0] = 65533;
  f.other_uid[1] = 65532;
  f.shmmax = f.shmall = ~std::uint64_t{0} - (std::uint64_t{1} << 24);
  f.shmmni = 4096;
  f.nx = true;
  f.reboot = true;
  f.max_map_count = 1024;
  f.objects_noexec = true;
  f.remounts = true;
  return f;
}

}  // namespace shmcheck::model

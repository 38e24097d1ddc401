// Properties of the model alone. Programs come from the generator, driven by bytes or seeds of RapidCheck;
// what fails is shrunk by our own shrinker and shown as a text program.
#include <rapidcheck.h>
#include <stdlib.h>  // setenv

#include <cstdio>
#include <cstdlib>
#include <functional>

#include "harness/generator/generator.h"
#include "harness/shrink.h"
#include "model/judge.h"
#include "model/machine.h"
#include "program/bytes.h"
#include "program/text.h"
#include "props/neighbour.h"

namespace shmcheck::program {
// How RapidCheck shows a counterexample.
static void showValue(const Program& program, std::ostream& out) {
  out << '\n' << to_text(program);
}
}  // namespace shmcheck::program

using namespace shmcheck;
using namespace shmcheck::program;

namespace {

const Facts& facts() {
  static const Facts kFacts = model::model_facts();
  return kFacts;
}

harness::GeneratorOptions short_programs() {
  harness::GeneratorOptions options;
  options.min_ops = 4;
  options.max_ops = 24;
  return options;
}

// Where storage does not count, what is looked at is not what takes some.
harness::GeneratorOptions without_storage() {
  harness::GeneratorOptions options = short_programs();
  options.leave_out({OpCode::blocks, OpCode::fill});
  return options;
}

// Our shrinker knows programs better than RapidCheck knows seeds or bytes.
rc::Gen<Program> programs(const harness::GeneratorOptions& options = short_programs()) {
  auto seeded = rc::gen::map(rc::gen::arbitrary<std::uint64_t>(), [options](std::uint64_t seed) {
    return harness::make_program(seed, 0, options, facts());
  });
  auto from_bytes = rc::gen::map(rc::gen::resize(600, rc::gen::arbitrary<std::vector<std::uint8_t>>()),
                                 [options](const std::vector<std::uint8_t>& bytes) {
                                   harness::ByteEntropy entropy(bytes);
                                   return harness::generate(entropy, options, facts());
                                 });
  return rc::gen::noShrink(rc::gen::oneOf(seeded, from_bytes));
}

// Fails with the shortest program for which `wrong` says what is wrong.
void require_right(const Program& program, const std::function<std::string(const Program&)>& wrong) {
  if (wrong(program).empty()) return;
  Program shortest = harness::shrink(program, [&](const Program& p) { return !wrong(p).empty(); }).program;
  RC_FAIL(wrong(shortest) + "\n" + to_text(shortest));
}

Trace run(const Program& program) {
  return model::run_program(program, facts());
}

// --- what the model does is allowed

std::string refused(const Program& program) {
  Trace trace = run(program);
  for (auto profile :
       {model::Profile::posix, model::Profile::linux, model::Profile::defacto, model::Profile::exact}) {
    model::TraceVerdict verdict = model::judge_trace(trace, profile);
    std::string name(model::to_string(profile));
    if (const model::Finding* f = verdict.first()) return name + ": " + to_text(*f);
    if (!verdict.unjudged_reason.empty()) return name + ": not judged: " + verdict.unjudged_reason;
  }
  return "";
}

void what_the_model_does_is_allowed() {
  require_right(*programs(), refused);
}

// --- what was seen matters: another outcome is refused wherever only one was allowed

Outcome altered(const Op& op, Outcome outcome) {
  switch (outcome.kind) {
    case OutcomeKind::ok:
      switch (spec(op.code).result) {
        case ResultKind::value:
        case ResultKind::count:
        case ResultKind::shm_at:
          outcome.value ^= 1;
          return outcome;
        case ResultKind::stat:
          ++outcome.words.at(0);
          return outcome;
        case ResultKind::smaps:
          outcome.words.at(4) ^= program::kSmapsShared;
          return outcome;
        case ResultKind::address:
        case ResultKind::id:
        case ResultKind::pid:
        case ResultKind::runs:
        case ResultKind::maps:
        case ResultKind::end:
        case ResultKind::racers:
        case ResultKind::shm:
        case ResultKind::listing:
        case ResultKind::nothing:
          break;
      }
      outcome = Outcome();
      outcome.kind = OutcomeKind::error;
      outcome.error = 5;  // EIO: no clause of these ops allows it
      return outcome;
    case OutcomeKind::error:
      outcome.error = 5;
      return outcome;
    case OutcomeKind::signal:
      outcome.address ^= 1;
      return outcome;
    default:
      outcome.kind = OutcomeKind::timeout;
      return outcome;
  }
}

void another_outcome_is_refused() {
  Trace trace = run(*programs());
  RC_PRE(trace.steps.size() > 1);
  auto at = *rc::gen::inRange<std::size_t>(0, trace.steps.size() - 1);
  model::Judge judge(facts(), trace.root_pid, model::Profile::exact);
  model::Judge other(facts(), trace.root_pid, model::Profile::exact);
  for (std::size_t i = 0; i < at; ++i) {
    judge.step(trace.steps[i]);
    other.step(trace.steps[i]);
  }
  auto code = static_cast<std::size_t>(trace.steps[at].op.code);
  std::uint64_t unique = judge.stats().per_op[code].unique, unjudged = judge.stats().unjudged;
  RC_PRE(judge.step(trace.steps[at]));
  RC_PRE(judge.stats().per_op[code].unique > unique && judge.stats().unjudged == unjudged);
  Step wrong = {trace.steps[at].op, altered(trace.steps[at].op, trace.steps[at].outcome)};
  if (other.step(wrong)) {
    trace.steps[at] = wrong;
    trace.steps.resize(at + 1);
    RC_FAIL("the last step was allowed:\n" + to_text(trace));
  }
}

// --- round trips of what is generated

void generated_programs_round_trip() {
  Program program = *programs(), exact;
  auto parsed = parse_program(to_text(program), "generated");
  if (auto* error = std::get_if<ParseError>(&parsed)) RC_FAIL(error->to_string() + "\n" + to_text(program));
  RC_ASSERT(std::get<Program>(parsed) == program);
  RC_ASSERT(decode_exact(encode(program), exact) == "");
  RC_ASSERT(exact == program);
}

void traces_of_generated_programs_round_trip() {
  Trace trace = run(*programs());
  auto parsed = parse_trace(to_text(trace), "generated");
  if (auto* error = std::get_if<ParseError>(&parsed)) RC_FAIL(error->to_string() + "\n" + to_text(trace));
  RC_ASSERT(std::get<Trace>(parsed) == trace);
}

// --- ops that change nothing that others see

// Clears these words of every ShmStat in an outcome.
void clear_shm_words(const OpSpec& s, Outcome& outcome, std::initializer_list<std::size_t> which) {
  const bool one = s.result == ResultKind::shm || s.result == ResultKind::shm_at;
  const bool listing = s.result == ResultKind::listing;
  if (!one && !listing && s.result != ResultKind::end) return;
  std::size_t first = one ? 0 : listing ? 1 : 3;
  std::size_t stride = one ? kShmStatWords : listing ? kListingRowWords : kEndSegmentWords;
  for (std::size_t at = first; at + kShmStatWords <= outcome.words.size(); at += stride) {
    for (std::size_t word : which) outcome.words[at + word] = 0;
  }
}

// What a step showed, without clocks, which run on with every op.
Outcome timeless(const OpSpec& s, Outcome outcome) {
  outcome.before = outcome.after = 0;
  clear_shm_words(s, outcome, {7, 8, 9});  // atime, dtime, ctime
  return outcome;
}

// And without what tells which pages of segments were looked at.
Outcome untouched(const Op& op, Outcome outcome) {
  if (spec(op.code).result == ResultKind::listing) clear_shm_words(spec(op.code), outcome, {13, 14});
  const bool kept = op.code == OpCode::shm_info && static_cast<ShmTotal>(op.small) == ShmTotal::kept;
  if (kept && outcome.kind == OutcomeKind::ok) outcome.value = 0;
  return outcome;
}

Outcome without_pids(const OpSpec& s, Outcome outcome) {
  if (s.result == ResultKind::pid) outcome.value = 0;
  if (s.result == ResultKind::racers) {
    for (std::size_t at = 0; at < outcome.words.size(); at += kRacerWords) outcome.words[at] = 0;
  }
  clear_shm_words(s, outcome, {10, 11});  // cpid, lpid
  return outcome;
}

// The outcomes of the program's own steps with `extra` performed before step `at`.
std::vector<Outcome> outcomes(const Program& program, std::size_t at, const std::vector<Op>& extra) {
  model::Machine machine(facts());
  std::vector<Outcome> all;
  for (std::size_t i = 0; i <= program.ops.size(); ++i) {
    if (i == at) {
      for (const Op& op : extra) machine.run(op);
    }
    if (i < program.ops.size())
      all.push_back(
          untouched(program.ops[i], timeless(spec(program.ops[i].code), machine.run(program.ops[i]))));
  }
  all.push_back(timeless(spec(OpCode::end), machine.finish()));
  return all;
}

// What shows that somebody has looked: pages that a load has brought in, the time of a read.
bool shows_looks(OpCode code) {
  return code == OpCode::mincore || code == OpCode::times || code == OpCode::sysvipc ||
         code == OpCode::shm_info;
}

std::string changed_by(const Program& program, std::size_t at, const std::vector<Op>& extra) {
  std::vector<Outcome> without = outcomes(program, at, {}), with = outcomes(program, at, extra);
  for (std::size_t i = 0; i < without.size(); ++i) {
    if (without[i] == with[i] || (i < program.ops.size() && shows_looks(program.ops[i].code))) continue;
    Program inserted;
    inserted.ops = extra;
    return "step " + std::to_string(i) + " changes with these before step " + std::to_string(at) + ":\n" +
           to_text(inserted);
  }
  return "";
}

void require_no_change(const std::vector<Op>& extra) {
  Program program = *programs(without_storage());
  auto at = *rc::gen::inRange<std::size_t>(0, program.ops.size() + 1);
  std::string wrong = changed_by(program, at, extra);
  if (!wrong.empty()) RC_FAIL(wrong + "of\n" + to_text(program));
}

Quantity any_address() {
  Quantity q;
  q.base = *rc::gen::inRange<std::uint8_t>(static_cast<std::uint8_t>(Base::arena), kBases);
  q.pages = *rc::gen::inRange<std::int16_t>(-1, 9);
  q.bytes = *rc::gen::element<std::int16_t>(0, 0, 0, 1, -1, 100);
  return q;
}

Op any_op(OpCode code) {
  Op op;
  op.code = code;
  op.proc = *rc::gen::inRange<std::uint8_t>(0, 4);
  op.object = *rc::gen::inRange<std::uint8_t>(0, 6);
  op.addr = any_address();
  op.len.pages = *rc::gen::inRange<std::int16_t>(0, 6);
  op.small = *rc::gen::inRange<std::uint8_t>(0, 2);
  op.flags = *rc::gen::inRange<std::uint32_t>(0, 16);
  return op;
}

void msync_changes_nothing_that_readers_see() {
  Op op = any_op(OpCode::msync);
  normalize(op);
  require_no_change({op});
}

void observing_changes_nothing() {
  std::vector<Op> extra;
  auto count = *rc::gen::inRange(1, 6);
  for (int i = 0; i < count; ++i) {
    Op op = any_op(*rc::gen::element(OpCode::contents, OpCode::load, OpCode::fstat, OpCode::pread,
                                     OpCode::maps, OpCode::shmctl));
    if (op.code == OpCode::shmctl) op.small = static_cast<std::uint8_t>(ShmCommand::stat);
    op.byte = 0;  // loads: faults are caught
    normalize(op);
    extra.push_back(op);
  }
  require_no_change(extra);
}

// A child that does nothing leaves no trace but the times and the last pid of attached segments.
void fork_then_nothing_changes_nothing() {
  Program program = *programs();
  Op fork, exit;
  fork.code = OpCode::fork;
  fork.proc = *rc::gen::inRange<std::uint8_t>(0, 3);
  fork.result = exit.proc = kUsualProcesses - 1;
  exit.code = OpCode::exit;
  for (const Op& op : program.ops) {
    bool named = op.proc == fork.result || (op.code == OpCode::fork && op.result == fork.result) ||
                 (op.code == OpCode::kill && op.object == fork.result);
    if (named) RC_DISCARD("the program has this process");
  }
  auto at = *rc::gen::inRange<std::size_t>(0, program.ops.size() + 1);
  std::vector<Outcome> without = outcomes(program, at, {}), with = outcomes(program, at, {fork, exit});
  for (std::size_t i = 0; i < without.size(); ++i) {
    const OpSpec& s = spec(i < program.ops.size() ? program.ops[i].code : OpCode::end);
    if (without_pids(s, without[i]) == without_pids(s, with[i])) continue;
    RC_FAIL("step " + std::to_string(i) + " changes with a fork before step " + std::to_string(at) + " of\n" +
            to_text(program));
  }
}

// --- what a file holds does not depend on its being mapped

std::string contents_of(const Program& program) {
  model::Machine machine(facts());
  Outcome last;
  for (const Op& op : program.ops) last = machine.run(op);
  return program.ops.empty() ? "" : to_text(last, program.ops.back(), facts());
}

Program parsed(std::string_view text) {
  return std::get<Program>(parse_program(text, "property"));
}

void append(Program& program, const Program& more) {
  program.ops.insert(program.ops.end(), more.ops.begin(), more.ops.end());
}

void remapping_a_shared_file_keeps_its_bytes() {
  // A limit may allow the file to be mapped once, and not again.
  harness::GeneratorOptions unlimited = short_programs();
  unlimited.leave_out({OpCode::rlimit, OpCode::fill, OpCode::chattr});
  Program program = *programs(unlimited);
  append(program, parsed("p0 open f7 n7 access=rw flags=creat mode=0666\n"
                         "p0 ftruncate f7 size=2p-100\n"
                         "p0 mmap m15 f7 len=2p prot=rw flags=shared\n"));
  Program look = parsed("p0 contents m15 len=2p\n");
  auto stores = *rc::gen::inRange(1, 5);
  for (int i = 0; i < stores; ++i) {
    Op store;
    store.code = OpCode::store;
    store.addr = look.ops[0].addr;
    store.addr.pages = *rc::gen::inRange<std::int16_t>(0, 2);
    store.addr.bytes = *rc::gen::inRange<std::int16_t>(0, 4000);
    store.small = *rc::gen::inRange<std::uint8_t>(0, 4);
    store.value = *rc::gen::arbitrary<std::uint64_t>();
    normalize(store);
    program.ops.push_back(store);
  }
  Program again = program;
  append(program, look);
  append(again, parsed("p0 munmap m15 len=2p\np0 mmap m15 f7 len=2p prot=rw flags=shared\n"));
  append(again, look);
  RC_ASSERT(contents_of(program) == contents_of(again));
}

// --- what happens in another IPC namespace shows nothing

std::string seen_with(std::uint64_t seed, const model::Fault* fault) {
  const props::Neighbourhood programs = props::make_neighbourhood(seed, facts());
  return props::seen_of_the_neighbour(programs, model::run_program(programs.alone, facts(), fault),
                                      model::run_program(programs.together, facts(), fault));
}

void a_neighbour_is_not_seen() {
  const std::string wrong = seen_with(*rc::gen::arbitrary<std::uint64_t>(), nullptr);
  if (!wrong.empty()) RC_FAIL(wrong);
}

// The property sees what it is there for: each of these lets something through.
bool a_leak_is_seen() {
  bool all = true;
  for (std::string_view name : {"unshare-does-nothing", "ipcns-keys-of-all", "ipcns-totals-of-all",
                                "ipcns-limits-of-all", "sysvipc-of-all-namespaces"}) {
    std::uint64_t seed = 0;
    while (seed < 2000 && seen_with(seed, model::find_fault(name)).empty()) ++seed;
    std::printf("%s is seen with seed %llu\n", std::string(name).c_str(),
                static_cast<unsigned long long>(seed));
    all &= seed < 2000;
  }
  return all;
}

// --- names carry no meaning

void renaming_changes_no_kind_of_outcome() {
  Program program = *programs();
  Trace before = run(program), after = run(harness::canonical_names(program));
  RC_ASSERT(before.steps.size() == after.steps.size());
  for (std::size_t i = 0; i < before.steps.size(); ++i) {
    RC_ASSERT(before.steps[i].outcome.kind == after.steps[i].outcome.kind);
    RC_ASSERT(before.steps[i].outcome.error == after.steps[i].outcome.error);
  }
}

}  // namespace

int main() {
  // A program takes microseconds here; what the caller asks for goes before it.
  setenv("RC_PARAMS", "max_success=1000", 0);
  bool good = true;
  good &= rc::check("what the model does is allowed in every profile", what_the_model_does_is_allowed);
  good &= rc::check("another outcome is refused where one is allowed", another_outcome_is_refused);
  good &= rc::check("generated programs round-trip", generated_programs_round_trip);
  good &= rc::check("traces of generated programs round-trip", traces_of_generated_programs_round_trip);
  good &= rc::check("msync changes nothing that readers see", msync_changes_nothing_that_readers_see);
  good &= rc::check("observing changes nothing", observing_changes_nothing);
  good &= rc::check("fork then nothing changes nothing", fork_then_nothing_changes_nothing);
  good &= rc::check("remapping a shared file keeps its bytes", remapping_a_shared_file_keeps_its_bytes);
  good &= rc::check("a neighbour in another IPC namespace is not seen", a_neighbour_is_not_seen);
  good &= a_leak_is_seen();
  good &= rc::check("renaming changes no kind of outcome", renaming_changes_no_kind_of_outcome);
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

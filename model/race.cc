#include "model/race.h"

#include <fmt/format.h>

#include <algorithm>

namespace shmcheck::model {

using program::kRacers;
using program::Racer;

namespace {
constexpr int kEINVAL = 22, kEIDRM = 43;
}  // namespace

Race::Race(World& w, Step& s) : w_(w), s_(s), first_(w.processes.lend(program::racers(s.op))) {
  address_ = w.mapping_names[0];
  for (unsigned i = 0; i < program::racers(s.op) && !s.running(); ++i) {
    racers_[i] = program::unpack_racer(
        std::span(s.seen().words).subspan(i * program::kRacerWords, program::kRacerWords));
  }
}

Race::~Race() {
  for (unsigned i = 0; i < program::racers(s_.op); ++i) {
    const Racer& r = racers_[i];
    if (s_.running()) s_.made().words.insert(s_.made().words.end(), {r.pid, pack_how(r), r.value});
  }
  w_.mapping_names[0] = address_;
  w_.processes.give_back(first_);
}

void Race::ask(const Op& op, Step& step) {
  (*rule_of(op.code))(w_, w_.processes[op.proc], step);
}

void Race::run(const Op& op, Outcome& outcome) {
  StepReport report;
  Step step(op, s_.facts, outcome, report, s_.when.low);
  ask(op, step);
}

// What the call breaks or leaves open is the step's.
bool Race::judge(const Op& op, Outcome outcome) {
  StepReport report;
  outcome.before = s_.when.low;
  outcome.after = s_.when.high;
  Step step(op, s_.facts, s_.profile, outcome, report, -1);
  ask(op, step);
  // Where it came to lie is not seen.
  report.freedoms.reset(static_cast<std::size_t>(Freedom::address));
  report.of_content.reset(static_cast<std::size_t>(Freedom::address));
  StepReport& all = s_.report();
  all.freedoms |= report.freedoms;
  all.of_content |= report.of_content;
  all.unique &= report.unique;
  all.unjudged |= report.unjudged;
  for (std::uint8_t i = 0; i < report.decisive_count && all.decisive_count < all.decisive.size(); ++i)
    s_.applies(report.decisive[i]);
  if (report.diverged)
    s_.diverge(blame(report.clause), fmt::format("of {}, {}", program::spec(op.code).name, report.allowed),
               report.seen);
  else if (step.choices_wanted() > 0)
    s_.lose_quietly(Freedom::documented_alternative);  // what a refused attach ends, if anything
  else if (report.lost)
    s_.lose();
  over_ = report.diverged || step.choices_wanted() > 0 || report.lost;
  return !over_ && outcome.kind != OutcomeKind::error;
}

bool Race::call(OpCode code, unsigned who, Op op, Racer& racer) {
  op.code = code;
  op.proc = static_cast<std::uint8_t>(first_ + who);
  Outcome o;
  if (!s_.running()) {
    o.kind = racer.kind;
    if (racer.kind == OutcomeKind::error) o.error = racer.error;
    o.value = code == OpCode::shmget || code == OpCode::load ? racer.value
              : code == OpCode::shmat                        ? at_[who]
                                                             : 0;
    return judge(op, o);
  }
  run(op, o);
  racer.kind = o.kind;
  racer.error = o.error;
  if (code == OpCode::shmat)
    at_[who] = o.value;
  else
    racer.value = o.value;
  return o.kind == OutcomeKind::ok;
}

void Race::begin(unsigned who, std::uint8_t parent) {
  Op op;
  op.code = OpCode::fork;
  op.proc = parent;
  op.result = static_cast<std::uint8_t>(first_ + who);
  Outcome o;
  o.value = racers_[who].pid;
  if (!s_.running()) {
    if (!over_) judge(op, o);
    return;
  }
  run(op, o);
  racers_[who].pid = o.value;
}

void Race::get(unsigned who) {
  if (!over_) call(OpCode::shmget, who, s_.op, racers_[who]);
}

void Race::look(unsigned who) {
  Op op;
  op.addr.base = static_cast<std::uint8_t>(program::Base::mapping);
  op.small = 3;
  Racer& r = racers_[who];
  if (!s_.running() && r.kind == OutcomeKind::signal) {
    over_ = true;
    return s_.diverge(blame(C::shmat_null_addr), "memory that can be loaded from and stored to",
                      signal_name(static_cast<std::uint8_t>(r.error), r.code));
  }
  if (!call(OpCode::load, who, op, r)) return;
  op.value = r.value;
  Racer stored;
  call(OpCode::store, who, op, stored);
}

void Race::attach(unsigned who) {
  if (over_) return;
  Racer& r = racers_[who];
  const std::int32_t found = w_.named_segment(process(who).ipc_namespace, s_.op.object);
  const std::uint64_t size = found < 0 ? 1 : w_.ipc.segments[static_cast<std::size_t>(found)].segsz;
  if (!s_.running() && size < kNoRoom) at_[who] = free_range(w_, process(who), w_.up(size));
  Racer answer = r;
  if (answer.kind == OutcomeKind::signal) answer = {r.pid};
  if (taken_away_ && r.kind == OutcomeKind::error && r.error == kEIDRM) answer.error = kEINVAL;
  Op op;
  op.object = s_.op.object;
  const bool attached = call(OpCode::shmat, who, op, answer);
  if (s_.running()) r = {r.pid, answer.kind, answer.error};
  if (attached) look(who);
}

void Race::detach(unsigned who, unsigned attached_by) {
  if (over_) return;
  Op op;
  op.addr.base = static_cast<std::uint8_t>(program::Base::mapping);
  w_.mapping_names[0] = at_[attached_by];
  Racer worked;
  call(OpCode::shmdt, who, op, worked);
}

void Race::remove(unsigned who) {
  if (over_) return;
  Op op;
  op.object = s_.op.object;
  op.small = static_cast<std::uint8_t>(program::ShmCommand::rmid);
  call(OpCode::shmctl, who, op, racers_[who]);
}

void Race::end_all() {
  for (const Vma& v : process(0).memory.vmas()) {
    if (v.segment >= 0) had_.push_back(static_cast<std::uint32_t>(v.segment));
  }
  for (unsigned i = program::racers(s_.op); i-- > 0;) {
    end(i);
  }
  for (const std::uint32_t segment : had_) {
    ShmidKernel& k = w_.ipc.segments[segment];
    for (unsigned i = 0; i < kRacers; ++i) k.lprid.add(racers_[i].pid);
    k.raced = true;
  }
}

bool granted(const Racer& r) {
  return r.pid != 0 && (r.kind == OutcomeKind::ok || r.kind == OutcomeKind::signal);
}
bool found_nothing(const Racer& r) {
  return r.kind == OutcomeKind::error && (r.error == kEINVAL || r.error == kEIDRM);
}

bool unanswered(Race& race, Step& s, C clause) {
  for (unsigned i = 0; i < program::racers(s.op) && !s.running(); ++i) {
    if (race[i].kind != OutcomeKind::died) continue;
    s.diverge(clause, "an answer of each process", fmt::format("none of process {}", race[i].pid));
    return true;
  }
  return false;
}

}  // namespace shmcheck::model

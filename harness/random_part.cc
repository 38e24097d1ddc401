// Random or enumerated programs, in this process: a campaign on each file system in turn.

#include <fmt/format.h>

#include "harness/campaign.h"
#include "harness/interrupt.h"
#include "harness/parts.h"
#include "harness/session_runner.h"
#include "model/machine.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

// How far the indices of the file systems and of the processes of a run lie apart.
constexpr std::uint64_t kIndicesPerShare = std::uint64_t{1} << 40;
// Processes take turns with so many indices of an enumeration.
constexpr std::uint64_t kIndicesPerTurn = 256;

// The programs of an enumeration that are this process's.
std::function<std::optional<program::Program>(std::uint64_t&)> share_of(const RandomOptions& options) {
  return [&options](std::uint64_t& index) -> std::optional<program::Program> {
    const auto workers = static_cast<std::uint64_t>(options.workers),
               own = static_cast<std::uint64_t>(options.worker);
    for (;;) {
      std::optional<program::Program> program = options.enumeration->from(index);
      const std::uint64_t turn = index / kIndicesPerTurn % workers;
      if (!program || turn == own) return program;
      index = (index / kIndicesPerTurn + (own + workers - turn) % workers) * kIndicesPerTurn;
    }
  };
}

Outcome outcome_of(CampaignFinding::Kind kind) {
  switch (kind) {
    case CampaignFinding::Kind::divergence:
      return Outcome::fail;
    case CampaignFinding::Kind::flake:
      return Outcome::flake;
    case CampaignFinding::Kind::timeout:
      return Outcome::timeout;
    case CampaignFinding::Kind::lost:
      return Outcome::crash;
    case CampaignFinding::Kind::refused:
      break;
  }
  return Outcome::error;
}

class Campaigner {
 public:
  Campaigner(Run& run, std::uint8_t fs, const RandomOptions& random)
      : run_(run), fs_(fs), random_(random), runner_(run, fs) {}

  void go(std::uint64_t first, Deadline deadline) {
    CampaignOptions options;
    options.seed = run_.options().seed;
    options.first_index = first;
    options.profile = run_.result().profile;
    options.end = Deadline::Clock::now() + deadline.left();
    options.programs = random_.programs;
    if (random_.enumeration) options.source = share_of(random_);
    options.first = run_.options().first;
    options.interrupted = interrupted;
    // A reboot takes as long as a thousand programs.
    if (run_.options().target.kind != TargetKind::model) options.generator.reboots_one_in = 1000;
    options.generator.never = [this](const program::Op& op) { return forbidden(op); };
    const auto known = run_.options().expectations.known_clauses(std::span(&run_.facts(fs_), 1));
    if (!known.empty()) {
      options.generator.avoid = [known](const model::World& world, const program::Op& op) {
        const auto decisive = model::decisive_clauses(world, op);
        return std::ranges::find_first_of(decisive, known) != decisive.end();
      };
    }
    if (random_.trace)
      options.ran = [this](const program::Trace& trace) { run_.output().line(program::to_text(trace)); };
    options.expected = [this](clauses::Clause clause, const program::Program& program) {
      return expected(clause, program);
    };
    options.found = [this](const CampaignFinding& found) { take(found); };
    options.progress = [this](std::uint64_t programs, const model::JudgeStats& stats) {
      progress(programs, stats);
    };
    const CampaignResult campaign = run_campaign(options, runner_);
    add(campaign);
    if (random_.enumeration && !campaign.exhausted) tell_rest(campaign);
  }

 private:
  // Whether an expectation says that this target cannot be asked to do it.
  bool forbidden(const program::Op& op) const {
    const auto entries = run_.options().expectations.all();
    return std::any_of(entries.begin(), entries.end(), [&](const Expectation& entry) {
      return entry.matches(op) && entry.applies(run_.facts(fs_));
    });
  }

  Part part() const { return random_.enumeration ? Part::enumerated : Part::random; }

  void tell_rest(const CampaignResult& campaign) {
    run_.result().warnings.push_back(
        fmt::format("on {} the enumeration stopped at index {} of {}; it goes on with: --fs {} --from {}",
                    program::place_name(run_.facts(fs_)), campaign.next_index, random_.enumeration->end(),
                    program::place_name(run_.facts(fs_)), campaign.next_index));
  }

  Finding blank(clauses::Clause clause) const {
    Finding finding;
    finding.part = part();
    finding.clause = clause;
    if (!random_.enumeration) finding.seed = run_.options().seed;
    finding.fs_index = fs_;
    finding.fs = program::place_name(run_.facts(fs_));
    return finding;
  }

  // A divergence that an expectation foresees is reported once, with the first program that showed it.
  bool expected(clauses::Clause clause, const program::Program& program) {
    Finding finding = blank(clause);
    finding.subject = "programs";
    finding.program = program;
    if (run_.options().expectations.find(finding, run_.facts(fs_)) == nullptr) return false;
    const auto known = std::find_if(
        run_.result().findings.begin(), run_.result().findings.end(),
        [&](const Finding& f) { return f.part == part() && f.clause == clause && f.fs_index == fs_; });
    if (known == run_.result().findings.end()) {
      run_.report(std::move(finding));
    } else {
      ++known->times;
    }
    return true;
  }

  void take(const CampaignFinding& found) {
    Finding finding = blank(found.clause);
    finding.outcome = outcome_of(found.kind);
    finding.subject = fmt::format("program {}", found.index);
    finding.program = found.program;
    finding.trace = found.trace;
    finding.sentence = found.sentence;
    finding.step = found.trace.steps.size();
    if (!found.finding.allowed.empty()) {
      finding.step = found.finding.step;
      finding.allowed = found.finding.allowed;
      finding.seen = found.finding.seen;
    }
    if (found.clause != found.first_clause)
      finding.note =
          fmt::format("first seen as {}, by a longer program", clauses::info(found.first_clause).id);
    if (found.kind == CampaignFinding::Kind::flake)
      finding.sentence = "seen once, and not each time it was run again";
    if (found.kind == CampaignFinding::Kind::lost) finding.evidence = runner_.evidence();
    run_.report(std::move(finding));
  }

  void progress(std::uint64_t programs, const model::JudgeStats& stats) {
    run_.output().progress(fmt::format("{} on {}: {} programs, {} ops judged, {} findings, {} s",
                                       to_string(part()), program::place_name(run_.facts(fs_)), programs,
                                       stats.steps, run_.result().findings.size(),
                                       run_.elapsed().count() / 1000));
  }

  void add(const CampaignResult& campaign) {
    Result& result = run_.result();
    PartCount& count = result.parts[static_cast<std::size_t>(part())];
    std::uint64_t failed = campaign.expected;
    for (const CampaignFinding& found : campaign.findings) failed += 1 + found.repeats;
    count.run += campaign.programs;
    count.fail += failed;
    count.pass += campaign.programs - std::min(failed, campaign.programs);
    result.random.programs += campaign.programs;
    result.random.stats += campaign.stats;
    result.judged_steps += campaign.stats.steps + campaign.stats.observations;
    result.unjudged_traces += campaign.unjudged;
    add_decided(result, campaign.stats);
    if (campaign.unjudged > 0) {
      result.warnings.push_back(
          fmt::format("{} random programs could not be judged to their end, such as: {}", campaign.unjudged,
                      campaign.unjudged_reason));
    }
    if (!campaign.stopped.empty() && result.partial.empty() && !interrupted())
      result.partial = campaign.stopped;
    add_repeats(campaign);
  }

  void add_repeats(const CampaignResult& campaign) {
    for (const CampaignFinding& found : campaign.findings) {
      for (Finding& finding : run_.result().findings) {
        const bool same = finding.part == part() && finding.fs_index == fs_ &&
                          finding.subject == fmt::format("program {}", found.index);
        if (same) finding.times += found.repeats;
      }
    }
  }

  Run& run_;
  std::uint8_t fs_;
  const RandomOptions& random_;
  SessionRunner runner_;
};

}  // namespace

void run_random(Run& run, const RandomOptions& options, Deadline deadline) {
  const milliseconds before = run.elapsed();
  const std::size_t count = run.file_systems().size();
  for (std::size_t i = 0; i < count && !run.over() && !deadline.over(); ++i) {
    // The processes of a run begin on different file systems.
    const std::size_t which = (i + static_cast<std::size_t>(options.worker)) % count;
    const std::uint64_t share =
        options.enumeration ? 0 : static_cast<std::uint64_t>(options.worker) * count + which;
    const Deadline end = Deadline::in(deadline.left() / static_cast<int>(count - i));
    Campaigner(run, run.file_systems()[which], options).go(options.first + share * kIndicesPerShare, end);
  }
  const Part part = options.enumeration ? Part::enumerated : Part::random;
  const double seconds = std::chrono::duration<double>(run.elapsed() - before).count();
  run.result().random.seconds += seconds;
  run.result().parts[static_cast<std::size_t>(part)].seconds += seconds;
}

}  // namespace shmcheck::harness

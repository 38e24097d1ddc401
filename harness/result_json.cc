#include "harness/result_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/claims.h"
#include "harness/report.h"
#include "program/text.h"

namespace shmcheck::harness {
namespace {

using nlohmann::json;

constexpr auto kReplace = json::error_handler_t::replace;  // evidence may hold any bytes

json clause_ids(const std::vector<clauses::Clause>& list) {
  json ids = json::array();
  for (const clauses::Clause clause : list) ids.push_back(clauses::info(clause).id);
  return ids;
}

json finding_json(const Finding& finding) {
  json out = {{"identity", finding.identity()},
              {"outcome", to_string(finding.outcome)},
              {"part", to_string(finding.part)},
              {"subject", finding.subject},
              {"fs", finding.fs},
              {"fs_index", finding.fs_index},
              {"times", finding.times},
              {"sentence", finding.sentence},
              {"note", finding.note},
              {"allowed", finding.allowed},
              {"seen", finding.seen},
              {"step", finding.step},
              {"replay", finding.replay},
              {"evidence", finding.evidence},
              {"files", finding.files},
              {"expected", finding.expected},
              {"in_baseline", finding.in_baseline},
              {"more_clauses", clause_ids(finding.more_clauses)}};
  if (finding.clause != clauses::Clause::none) {
    const clauses::Info& info = clauses::info(finding.clause);
    out["clause"] = info.id;
    out["statement"] = info.statement;
    out["source"] = info.source;
    out["strength"] = clauses::name(info.strength);
  }
  if (!finding.program.ops.empty()) out["program"] = program::to_text(finding.program);
  if (!finding.trace.steps.empty()) out["trace"] = program::to_text(finding.trace);
  if (finding.seed) out["seed"] = *finding.seed;
  return out;
}

json stats_json(const RandomTotals& random) {
  const model::JudgeStats& stats = random.stats;
  json per_op = json::object(), freedoms = json::object();
  for (std::size_t i = 0; i < stats.per_op.size(); ++i) {
    const auto& op = stats.per_op[i];
    if (op.steps == 0) continue;
    per_op[std::string(program::spec(static_cast<program::OpCode>(i)).name)] = {
        {"steps", op.steps}, {"unique", op.unique}, {"failed", op.failed}, {"unjudged", op.unjudged}};
  }
  for (std::size_t i = 0; i < stats.freedoms.size(); ++i) {
    if (stats.freedoms[i] > 0)
      freedoms[std::string(model::to_string(static_cast<model::Freedom>(i)))] = stats.freedoms[i];
  }
  return {{"programs", random.programs},
          {"seconds", random.seconds},
          {"traces", stats.traces},
          {"steps", stats.steps},
          {"observations", stats.observations},
          {"unjudged", stats.unjudged},
          {"per_op", per_op},
          {"freedoms", freedoms}};
}

json tallies_json(const Result& result) {
  json out = json::object();
  for (std::size_t i = 0; i < clauses::kCount; ++i) {
    const ClauseTally& tally = result.tallies[i];
    if (tally.pass + tally.fail + tally.expected + tally.skip == 0) continue;
    json entry = {
        {"pass", tally.pass}, {"fail", tally.fail}, {"expected", tally.expected}, {"skip", tally.skip}};
    if (!tally.skip_evidence.empty()) entry["skip_evidence"] = tally.skip_evidence;
    out[std::string(clauses::all()[i].id)] = entry;
  }
  return out;
}

json parts_json(const Result& result) {
  json out = json::object();
  for (std::size_t i = 0; i < result.parts.size(); ++i) {
    const PartCount& part = result.parts[i];
    out[std::string(kPartNames[i])] = {{"run", part.run},         {"pass", part.pass},
                                       {"fail", part.fail},       {"skip", part.skip},
                                       {"not_run", part.not_run}, {"seconds", part.seconds}};
  }
  return out;
}

json findings_json(const Result& result) {
  json out = json::array();
  for (const Finding& finding : result.findings) out.push_back(finding_json(finding));
  return out;
}

json clause_json(const ClaimClause& clause) {
  json broken_by = json::array();
  for (const Finding* finding : clause.broken_by) broken_by.push_back(brief(*finding));
  return {{"clause", clauses::info(clause.clause).id},
          {"role", to_string(clause.role)},
          {"state", to_string(clause.state)},
          {"programs", clause.tally->programs},
          {"tests", clause.tally->tests},
          {"broken_by", broken_by},
          {"evidence", clause.evidence}};
}

json claims_json(const Result& result) {
  json out = json::array();
  for (const ClaimVerdict& verdict : decide_claims(result)) {
    json decided_by = json::array();
    for (const ClaimClause& clause : verdict.clauses) decided_by.push_back(clause_json(clause));
    out.push_back({{"id", verdict.claim->id},
                   {"claim", verdict.claim->claim},
                   {"verdict", verdict.verdict},
                   {"catalogue", name(verdict.claim->truth)},
                   {"refined", verdict.claim->refined},
                   {"standing", to_string(verdict.standing)},
                   {"clauses", decided_by},
                   {"measured", verdict.measured}});
  }
  return out;
}

json shared_json(const Result& result) {
  return {{"format", kResultFormat},
          {"clauses", tallies_json(result)},
          {"parts", parts_json(result)},
          {"random", stats_json(result.random)},
          {"findings", findings_json(result)},
          {"warnings", result.warnings},
          {"partial", result.partial},
          {"unjudged", result.unjudged},
          {"judged_steps", result.judged_steps},
          {"unjudged_traces", result.unjudged_traces}};
}

// --- reading --------------------------------------------------------------------------------------------

Outcome outcome_of(const std::string& name) {
  const auto* found = std::find(kOutcomeNames.begin(), kOutcomeNames.end(), name);
  return found == kOutcomeNames.end() ? Outcome::error : static_cast<Outcome>(found - kOutcomeNames.begin());
}

Part part_of(const std::string& name) {
  const auto* found = std::find(kPartNames.begin(), kPartNames.end(), name);
  return found == kPartNames.end() ? Part::program : static_cast<Part>(found - kPartNames.begin());
}

clauses::Clause clause_of(const json& id) {
  return clauses::find(id.get<std::string>()).value_or(clauses::Clause::none);
}

Finding finding_of(const json& in) {
  Finding finding;
  finding.outcome = outcome_of(in.at("outcome"));
  finding.part = part_of(in.at("part"));
  finding.subject = in.at("subject");
  finding.fs = in.at("fs");
  finding.fs_index = in.at("fs_index");
  finding.times = in.at("times");
  finding.sentence = in.at("sentence");
  finding.note = in.at("note");
  finding.allowed = in.at("allowed");
  finding.seen = in.at("seen");
  finding.step = in.at("step");
  finding.replay = in.at("replay");
  finding.evidence = in.at("evidence");
  finding.files = in.at("files").get<std::vector<std::string>>();
  finding.expected = in.at("expected");
  finding.in_baseline = in.at("in_baseline");
  for (const json& id : in.at("more_clauses")) finding.more_clauses.push_back(clause_of(id));
  if (in.contains("clause")) finding.clause = clause_of(in.at("clause"));
  if (in.contains("seed")) finding.seed = in.at("seed").get<std::uint64_t>();
  if (in.contains("program")) {
    auto parsed = program::parse_program(in.at("program").get<std::string>(), "program");
    if (auto* program = std::get_if<program::Program>(&parsed)) finding.program = std::move(*program);
  }
  if (in.contains("trace")) {
    auto parsed = program::parse_trace(in.at("trace").get<std::string>(), "trace");
    if (auto* trace = std::get_if<program::Trace>(&parsed)) finding.trace = std::move(*trace);
  }
  return finding;
}

void add_stats(const json& in, RandomTotals& random) {
  random.programs += in.at("programs").get<std::uint64_t>();
  random.seconds = std::max(random.seconds, in.at("seconds").get<double>());
  model::JudgeStats stats;
  stats.traces = in.at("traces");
  stats.steps = in.at("steps");
  stats.observations = in.at("observations");
  stats.unjudged = in.at("unjudged");
  for (std::size_t i = 0; i < stats.per_op.size(); ++i) {
    const std::string name(program::spec(static_cast<program::OpCode>(i)).name);
    if (!in.at("per_op").contains(name)) continue;
    const json& op = in.at("per_op").at(name);
    stats.per_op[i] = {op.at("steps"), op.at("unique"), op.at("failed"), op.at("unjudged")};
  }
  for (std::size_t i = 0; i < stats.freedoms.size(); ++i) {
    stats.freedoms[i] =
        in.at("freedoms")
            .value(std::string(model::to_string(static_cast<model::Freedom>(i))), std::uint64_t{0});
  }
  random.stats += stats;
}

void add_tallies(const json& in, Result& result) {
  for (const auto& [id, entry] : in.items()) {
    const auto clause = clauses::find(id);
    if (!clause) continue;
    ClauseTally& tally = result.tallies[static_cast<std::size_t>(*clause)];
    tally.pass += entry.at("pass").get<std::uint64_t>();
    tally.fail += entry.at("fail").get<std::uint64_t>();
    tally.expected += entry.at("expected").get<std::uint64_t>();
    tally.skip += entry.at("skip").get<std::uint64_t>();
    if (tally.skip_evidence.empty()) tally.skip_evidence = entry.value("skip_evidence", "");
  }
}

void add_parts(const json& in, Result& result) {
  for (std::size_t i = 0; i < result.parts.size(); ++i) {
    const json& part = in.at(std::string(kPartNames[i]));
    PartCount& sum = result.parts[i];
    sum.run += part.at("run").get<std::uint64_t>();
    sum.pass += part.at("pass").get<std::uint64_t>();
    sum.fail += part.at("fail").get<std::uint64_t>();
    sum.skip += part.at("skip").get<std::uint64_t>();
    sum.not_run += part.at("not_run").get<std::uint64_t>();
    sum.seconds = std::max(sum.seconds, part.at("seconds").get<double>());
  }
}

// The same thing seen by two processes is one finding.
void add_findings(const json& in, Result& result) {
  for (const json& entry : in) {
    Finding finding = finding_of(entry);
    const auto known = std::find_if(
        result.findings.begin(), result.findings.end(),
        [&finding](const Finding& f) { return f.identity() == finding.identity() && f.fs == finding.fs; });
    if (known == result.findings.end()) {
      result.findings.push_back(std::move(finding));
    } else {
      known->times += finding.times;
    }
  }
}

std::string read_whole(const std::string& path, std::string& text) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  if (in) out << in.rdbuf();
  text = out.str();
  return in ? "" : fmt::format("{}: cannot read this file", path);
}

}  // namespace

std::string to_json(const Result& result) {
  json out = shared_json(result);
  out["command"] = result.command;
  out["target"] = result.target;
  out["boot_args"] = result.boot_args;
  out["seed"] = result.seed;
  out["profile"] = model::to_string(result.profile);
  out["seconds"] = result.seconds;
  out["verdict"] = to_string(result.verdict());
  out["exit_code"] = result.exit_code();
  out["unexpected_passes"] = result.failed_reasons;
  out["facts"] = json::array();
  for (const program::Facts& facts : result.facts) out["facts"].push_back(program::to_text(facts));
  if (result.shows_claims()) out["claims"] = claims_json(result);
  out["absent"] = json::array();
  for (const Absent& absent : result.absent)
    out["absent"].push_back({{"what", absent.what}, {"evidence", absent.evidence}});
  return out.dump(2, ' ', false, kReplace) + "\n";
}

std::string share_to_json(const Result& result) {
  return shared_json(result).dump(-1, ' ', false, kReplace);
}

std::string add_share(std::string_view text, Result& result) {
  try {
    const json in = json::parse(text);
    add_tallies(in.at("clauses"), result);
    add_parts(in.at("parts"), result);
    add_stats(in.at("random"), result.random);
    add_findings(in.at("findings"), result);
    for (const json& warning : in.at("warnings")) result.warnings.push_back(warning);
    if (result.partial.empty()) result.partial = in.at("partial");
    result.judged_steps += in.at("judged_steps").get<std::uint64_t>();
    result.unjudged_traces += in.at("unjudged_traces").get<std::uint64_t>();
    return {};
  } catch (const json::exception& error) {
    return fmt::format("what a process of this run found cannot be understood: {}", error.what());
  }
}

std::string read_baseline(const std::string& path, std::vector<std::string>& identities) {
  std::string text;
  std::string sentence = read_whole(path, text);
  if (!sentence.empty()) return sentence;
  try {
    const json in = json::parse(text);
    if (in.at("format") != kResultFormat) {
      return fmt::format("{}: this result has format {}, and this command reads format {}", path,
                         in.at("format").dump(), kResultFormat);
    }
    for (const json& finding : in.at("findings")) identities.push_back(finding.at("identity"));
  } catch (const json::exception& error) {
    return fmt::format("{}: this is no result of shmcheck --json: {}", path, error.what());
  }
  std::sort(identities.begin(), identities.end());
  return {};
}

}  // namespace shmcheck::harness

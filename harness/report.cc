#include "harness/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "program/text.h"

namespace shmcheck::harness {
namespace {

std::string release_text(std::uint32_t release) {
  return fmt::format("{}.{}.{}", release >> 16, release >> 8 & 255, release & 255);
}

std::string indented(std::string_view text, std::string_view indent) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += fmt::format("{}{}\n", indent, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

const program::Op* op_of_step(const Finding& finding) {
  if (finding.step < finding.trace.steps.size()) return &finding.trace.steps[finding.step].op;
  return finding.step < finding.program.ops.size() ? &finding.program.ops[finding.step] : nullptr;
}

std::string step_text(const Finding& finding) {
  const program::Op* op = op_of_step(finding);
  if (op == nullptr || finding.trace.steps.empty()) return {};
  const std::string text =
      op->code == program::OpCode::end ? "the end of the program" : program::to_text(*op);
  return fmt::format(", step {} ({})", finding.step + 1, text);
}

std::string ids(const std::vector<clauses::Clause>& list) {
  std::string text;
  for (const clauses::Clause clause : list)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", clauses::info(clause).id);
  return text;
}

std::string clause_lines(clauses::Clause clause) {
  const clauses::Info& info = clauses::info(clause);
  std::string text = fmt::format(
      "  clause   {} ({}{})\n           {}\n  source   {}\n", info.id, clauses::name(info.strength),
      info.seed ? ", also in the introductory text" : "", info.statement, info.source);
  if (!info.freedom.empty()) text += fmt::format("  freedom  {}\n", info.freedom);
  return text;
}

std::string heredoc(const program::Program& program) {
  return fmt::format(" - <<'END'\n{}END", program::to_text(program));
}

std::string_view privileges(const program::Facts& facts) {
  if (!facts.capable) return "";
  return facts.first_userns ? " with all capabilities" : " of a user namespace";
}

}  // namespace

std::string shell_word(std::string_view text) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-_./:=+,@%").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return std::string(text);
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::vector<std::string> describe_target(const Result& result) {
  std::vector<std::string> lines;
  const program::Facts& facts = result.facts.front();
  lines.push_back(fmt::format("target   {}: {} {} {}, pages of {}, SHMLBA {}, uid {}{}", result.target,
                              facts.kernel, release_text(facts.release), facts.arch, facts.page_size,
                              facts.shmlba, facts.uid, privileges(facts)));
  std::string systems;
  for (const program::Facts& one : result.facts) {
    systems += fmt::format("{}{}", systems.empty() ? "" : ", ", program::place_name(one));
  }
  const std::string others =
      facts.other_uid[0] == 0 ? "none" : fmt::format("{}, {}", facts.other_uid[0], facts.other_uid[1]);
  lines.push_back(fmt::format("has      {}; other uids: {}; {} IPC namespace, shmmax {} shmall {} shmmni {}",
                              systems, others, facts.private_ipc ? "private" : "shared", facts.shmmax,
                              facts.shmall, facts.shmmni));
  for (const Absent& absent : result.absent)
    lines.push_back(fmt::format("absent   {}: {}", absent.what, absent.evidence));
  lines.push_back(
      fmt::format("judged   by profile {}, seed {}", model::to_string(result.profile), result.seed));
  return lines;
}

std::string brief(const Finding& finding) {
  const std::string what = finding.clause != clauses::Clause::none
                               ? std::string(clauses::info(finding.clause).id)
                           : !finding.more_clauses.empty() ? ids(finding.more_clauses)
                           : !finding.allowed.empty()      ? "no clause"
                                                           : finding.sentence;
  const std::string known = finding.in_baseline ? " (in the baseline)" : "";
  const std::string on = finding.fs.empty() ? "" : " on " + finding.fs;
  return fmt::format("{:<7} {}: {} {}{}{}{}", to_string(finding.outcome), what, to_string(finding.part),
                     finding.subject, on, step_text(finding), known);
}

std::string marked_program(const Finding& finding) {
  std::string text;
  for (std::size_t i = 0; i < std::max(finding.trace.steps.size(), finding.program.ops.size()); ++i) {
    const bool marked = i == finding.step;
    const bool done = i < finding.trace.steps.size();
    const program::Op& op = done ? finding.trace.steps[i].op : finding.program.ops[i];
    if (op.code == program::OpCode::end && !marked) continue;
    std::string line = op.code == program::OpCode::end ? "end" : program::to_text(op);
    if (done)
      line = fmt::format("{:<44} -> {}", line,
                         program::to_text(finding.trace.steps[i].outcome, op, finding.trace.facts));
    text += fmt::format("{} {}\n", marked ? "=>" : "  ", line);
  }
  return text;
}

std::string describe(const Finding& finding) {
  std::string text = brief(finding) + "\n";
  if (finding.clause != clauses::Clause::none) text += clause_lines(finding.clause);
  if (finding.clause == clauses::Clause::none && !finding.allowed.empty())
    text += "  clause   none: the catalogue takes for granted what this call does here\n";
  for (const clauses::Clause clause : finding.more_clauses) {
    if (clause != finding.clause) text += clause_lines(clause);
  }
  // A known failure of a random program is neither looked into nor shrunk; the JSON result has the program.
  const bool counted_only = finding.outcome == Outcome::xfail && finding.trace.steps.empty();
  if (!finding.program.ops.empty() && !counted_only)
    text += "  program\n" + indented(marked_program(finding), "    ");
  if (!finding.allowed.empty())
    text += fmt::format("  allowed  {}\n  seen     {}\n", finding.allowed, finding.seen);
  if (!finding.sentence.empty()) text += fmt::format("  what     {}\n", finding.sentence);
  if (!finding.note.empty()) text += fmt::format("  note     {}\n", finding.note);
  if (finding.times > 1) text += fmt::format("  times    seen in {} programs\n", finding.times);
  if (finding.seed) text += fmt::format("  seed     {}\n", *finding.seed);
  if (!finding.expected.empty()) text += fmt::format("  expected {}\n", finding.expected);
  if (!finding.evidence.empty()) text += "  evidence\n" + indented(finding.evidence, "    | ");
  for (const std::string& file : finding.files) text += fmt::format("  file     {}\n", file);
  if (!finding.replay.empty() && !counted_only) text += "  replay\n" + indented(finding.replay, "    ");
  return text;
}

std::string replay_command(const Finding& finding, const Result& result) {
  std::string options = fmt::format(" --target {}", shell_word(result.target));
  for (const std::string& argument : result.boot_args)
    options += fmt::format(" --boot-arg {}", shell_word(argument));
  if (finding.part == Part::conformance) {
    return fmt::format("shmcheck check{} --part conformance --tests {}", options,
                       shell_word(finding.subject));
  }
  if (!finding.fs.empty()) options += fmt::format(" --fs {}", finding.fs);
  options += fmt::format(" --profile {}", model::to_string(result.profile));
  return "shmcheck run" + options + heredoc(finding.program);
}

}  // namespace shmcheck::harness

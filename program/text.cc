#include "program/text.h"

#include <optional>

#include "program/op_text.h"
#include "program/outcome_text.h"
#include "program/scan.h"

namespace shmcheck::program {
namespace {

constexpr std::string_view kArrow = " -> ";
constexpr std::string_view kClock = " @";
constexpr std::string_view kTarget = "target ";
constexpr std::string_view kStart = "start pid=";

// --- lines ----------------------------------------------------------------------------------------------

struct Line {
  std::string_view text;  // without its newline
  unsigned number = 0;
};

class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  bool next(Line& line) {
    if (rest_.empty()) return false;
    std::size_t end = rest_.find('\n');
    line.text = rest_.substr(0, end);
    ++line.number;
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return true;
  }

 private:
  std::string_view rest_;
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

ParseError error_at(std::string_view file, const Line& line, const Fault& fault) {
  return {std::string(file), line.number, static_cast<unsigned>(fault.at) + 1, fault.message};
}

Fault too_many_ops() {
  return {0, "a program has at most " + std::to_string(kMaxOps) + " operations, this is one more"};
}

// --- traces -----------------------------------------------------------------------------------------------

std::string clock_text(const Outcome& o) {
  std::string out = std::string(kClock) + std::to_string(o.before);
  return o.before == o.after ? out : out + ".." + std::to_string(o.after);
}

bool parse_clock(std::string_view text, Outcome& o) {
  std::size_t dots = text.find("..");
  auto before = signed_number(text.substr(0, dots));
  auto after = dots == std::string_view::npos ? before : signed_number(text.substr(dots + 2));
  if (!before || !after) return false;
  o.before = *before;
  o.after = *after;
  return true;
}

std::string step_text(const Step& step, const Facts& facts) {
  std::string op = step.op.code == OpCode::end ? "end" : to_text(step.op);
  return op + std::string(kArrow) + to_text(step.outcome, step.op, facts);
}

class TraceParser {
 public:
  std::optional<Fault> line(std::string_view text) {
    std::string_view body = without_comment(text);
    std::size_t start = 0;
    while (start < body.size() && is_blank(body[start])) ++start;
    if (start == body.size()) return std::nullopt;
    if (!facts_given_) return target(body, start);
    if (trace_.steps.empty() && body.substr(start).starts_with("start")) return start_line(body, start);
    if (ended_) return Fault{start, "expected nothing behind `end`, found " + quote(trimmed(body))};
    return step(body, start);
  }
  bool facts_given() const { return facts_given_; }
  Trace take() { return std::move(trace_); }

 private:
  std::optional<Fault> target(std::string_view body, std::size_t start) {
    std::string_view text = body.substr(start);
    if (!text.starts_with(kTarget)) {
      return Fault{start, "expected `target` with the facts of the target, found " + quote(trimmed(text))};
    }
    std::size_t where = 0;
    std::string message = from_text(text.substr(kTarget.size()), trace_.facts, &where);
    if (!message.empty()) return Fault{start + kTarget.size() + where, message};
    facts_given_ = true;
    return std::nullopt;
  }

  std::optional<Fault> start_line(std::string_view body, std::size_t start) {
    std::string_view text = trimmed(body.substr(start));
    std::optional<std::uint64_t> pid;
    if (text.starts_with(kStart)) pid = number(text.substr(kStart.size()));
    if (!pid || started_) {
      return Fault{start, "expected `start pid=` with the process id of p0, once, found " + quote(text)};
    }
    trace_.root_pid = *pid;
    started_ = true;
    return std::nullopt;
  }

  std::optional<Fault> step(std::string_view body, std::size_t start) {
    std::size_t arrow = body.find(kArrow);
    if (arrow == std::string_view::npos)
      return Fault{body.size(), "expected `->` and the outcome of this step"};
    Step step;
    if (auto fault = head(body.substr(0, arrow), step.op)) return fault;
    if (!ended_ && trace_.steps.size() == kMaxOps) return Fault{start, too_many_ops().message};
    std::size_t at = arrow + kArrow.size();
    if (auto fault = outcome(body, at, step)) return fault;
    trace_.steps.push_back(std::move(step));
    return std::nullopt;
  }

  std::optional<Fault> head(std::string_view text, Op& op) {
    std::vector<Word> words = split_words(text);
    if (words.size() == 1 && words[0].text == "end") {
      op = {};
      op.code = OpCode::end;
      ended_ = true;
      return std::nullopt;
    }
    return parse_op(words, text.size(), op);
  }

  std::optional<Fault> outcome(std::string_view body, std::size_t at, Step& step) {
    while (at < body.size() && is_blank(body[at])) ++at;
    std::string_view text = trimmed(body.substr(at));
    std::size_t clock = text.find(kClock);
    Outcome times;
    if (clock == std::string_view::npos) {
      if (trace_.steps.empty()) return Fault{at + text.size(), "the first step needs its clock, like @5..6"};
      times = trace_.steps.back().outcome;
    } else if (!parse_clock(text.substr(clock + kClock.size()), times)) {
      return Fault{at + clock + 1,
                   "expected a clock like @5 or @5..6, found " + quote(text.substr(clock + 1))};
    }
    if (auto fault = parse_outcome(trimmed(text.substr(0, clock)), step.op, trace_.facts, step.outcome)) {
      return Fault{at + fault->at, fault->message};
    }
    step.outcome.before = times.before;
    step.outcome.after = times.after;
    return std::nullopt;
  }

  Trace trace_;
  bool facts_given_ = false;
  bool started_ = false;
  bool ended_ = false;
};

}  // namespace

std::string ParseError::to_string() const {
  return file + ':' + std::to_string(line) + ':' + std::to_string(column) + ": " + message;
}

std::string to_text(const Program& program) {
  std::string out;
  for (const Op& op : program.ops) out += to_text(op) + '\n';
  return out;
}

std::string to_text(const Trace& trace) {
  std::string out = std::string(kTarget) + to_text(trace.facts) + '\n';
  out += std::string(kStart) + std::to_string(trace.root_pid) + '\n';
  const Outcome* previous = nullptr;
  for (const Step& step : trace.steps) {
    const Outcome& o = step.outcome;
    out += step_text(step, trace.facts);
    if (previous == nullptr || previous->before != o.before || previous->after != o.after)
      out += clock_text(o);
    out += '\n';
    previous = &o;
  }
  return out;
}

Parsed<Program> parse_program(std::string_view text, std::string_view file) {
  Program program;
  Lines lines(text);
  Line line;
  while (lines.next(line)) {
    std::string_view body = without_comment(line.text);
    std::vector<Word> words = split_words(body);
    if (words.empty()) continue;
    if (program.ops.size() == kMaxOps) return error_at(file, line, too_many_ops());
    Op op;
    std::size_t end = words.back().at + words.back().text.size();
    if (auto fault = parse_op(words, end, op)) return error_at(file, line, *fault);
    program.ops.push_back(op);
  }
  return program;
}

Parsed<Trace> parse_trace(std::string_view text, std::string_view file) {
  TraceParser parser;
  Lines lines(text);
  Line line;
  while (lines.next(line)) {
    if (auto fault = parser.line(line.text)) return error_at(file, line, *fault);
  }
  if (!parser.facts_given()) {
    ++line.number;
    return error_at(file, line,
                    {0, "expected `target` with the facts of the target, found the end of the file"});
  }
  return parser.take();
}

Program program_of(const Trace& trace) {
  Program program;
  for (const Step& step : trace.steps) {
    if (step.op.code != OpCode::end) program.ops.push_back(step.op);
  }
  return program;
}

std::string leading_comment(std::string_view text) {
  std::string out;
  Lines lines(text);
  Line line;
  while (lines.next(line)) {
    std::string_view body = trimmed(line.text);
    if (body.empty() && out.empty()) continue;
    if (!body.starts_with('#')) break;
    body.remove_prefix(body.starts_with("# ") ? 2 : 1);
    out += body;
    out += '\n';
  }
  return out;
}

std::vector<std::string> clause_ids(std::string_view comment) {
  std::vector<std::string> ids;
  auto is_id = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  };
  for (std::size_t open = comment.find('['); open != std::string_view::npos;
       open = comment.find('[', open + 1)) {
    std::size_t end = open + 1;
    while (end < comment.size() && is_id(comment[end])) ++end;
    if (end < comment.size() && comment[end] == ']' && end > open + 1) {
      ids.emplace_back(comment.substr(open + 1, end - open - 1));
    }
  }
  return ids;
}

std::string comment_block(std::string_view comment) {
  std::string out;
  Lines lines(comment);
  Line line;
  while (lines.next(line)) out += (line.text.empty() ? "#" : "# " + std::string(line.text)) + '\n';
  return out;
}

}  // namespace shmcheck::program

#include "model/step.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace shmcheck::model {

std::string_view to_string(Profile profile) {
  constexpr std::string_view names[] = {"posix", "linux", "defacto", "exact"};
  return names[static_cast<std::size_t>(profile)];
}

std::string_view to_string(Freedom freedom) {
  constexpr std::string_view names[] = {"address",
                                        "segment-id",
                                        "process-id",
                                        "clock",
                                        "map-merge",
                                        "map-name",
                                        "which-error",
                                        "documented-alternative",
                                        "hint-ignored",
                                        "overcommit",
                                        "slack-writeback",
                                        "slack-extended",
                                        "private-follows-file",
                                        "straddling-store",
                                        "page-zero",
                                        "non-canonical",
                                        "straddling-address",
                                        "overlapping-copy",
                                        "copied-doubt",
                                        "empty-write-extends",
                                        "partial-transfer",
                                        "partial-protection",
                                        "split-count",
                                        "implicit-times",
                                        "prot-implies",
                                        "freed-page",
                                        "fixed-failure",
                                        "uncounted",
                                        "lock-count",
                                        "file-times",
                                        "residency",
                                        "counter-batch",
                                        "large-folios",
                                        "map-limit",
                                        "not-yet-stored",
                                        "spare-space",
                                        "allocation",
                                        "race-order",
                                        "tainted"};
  static_assert(std::size(names) == kFreedoms);
  return names[static_cast<std::size_t>(freedom)];
}

std::string error_name(int error) {
  const char* name = strerrorname_np(error);
  return name ? name : fmt::format("errno {}", error);
}

std::string signal_name(std::uint8_t signal, std::uint8_t code) {
  const char* name = sigabbrev_np(signal);
  std::string text = name ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal);
  if (code == 0) return text;
  if (signal == 11 && code == 1) return text + "/MAPERR";
  if (signal == 11 && code == 2) return text + "/ACCERR";
  if (signal == 7 && code == 2) return text + "/ADRERR";
  return fmt::format("{}/{}", text, code);
}

std::string hex(std::uint64_t value) {
  return fmt::format("{:#x}", value);
}

std::string describe(const Outcome& o) {
  switch (o.kind) {
    case OutcomeKind::ok:
      return "success";
    case OutcomeKind::error:
      return error_name(o.error);
    case OutcomeKind::signal:
      return signal_name(o.signal, o.code) + " at " + hex(o.address);
    case OutcomeKind::died:
      return o.signal ? "death by " + signal_name(o.signal, 0) : fmt::format("exit with status {}", o.value);
    case OutcomeKind::unbound:
      return "nothing done: a name or the process does not exist";
    case OutcomeKind::withheld:
      return "nothing done: withheld by the executor";
    case OutcomeKind::timeout:
      return "no answer in time";
  }
  return "an unknown outcome";
}

void StepReport::clear() {
  diverged = lost = unjudged = false;
  unique = true;
  clause = C::none;
  allowed.clear();
  seen.clear();
  freedoms.reset();
  of_content.reset();
  decisive_count = 0;
}

void Step::applies(C clause) {
  if (clause == C::none || report_.decisive_count == report_.decisive.size()) return;
  const auto known = report_.decisive.begin() + report_.decisive_count;
  if (std::find(report_.decisive.begin(), known, clause) != known) return;
  report_.decisive[report_.decisive_count++] = clause;
}

void Step::names(Freedom freedom) {
  report_.freedoms.set(static_cast<std::size_t>(freedom));
  report_.of_content.set(static_cast<std::size_t>(freedom));
}

void Step::might_fail(Freedom freedom) {
  report_.unique = false;
  report_.freedoms.set(static_cast<std::size_t>(freedom));
}

void Step::uses(Freedom freedom) {
  report_.unique = false;
  names(freedom);
}

void Step::diverge(C clause, std::string allowed) {
  diverge(clause, std::move(allowed), describe(*seen_));
}

void Step::diverge(C clause, std::string allowed, std::string seen) {
  if (report_.diverged) return;
  report_.diverged = true;
  report_.lost = true;
  report_.clause = clause;
  report_.allowed = std::move(allowed);
  report_.seen = std::move(seen);
}

const Step::Failure* Step::first_required() const {
  for (std::size_t i = 0; i < count_; ++i) {
    if (failures_[i].required) return &failures_[i];
  }
  return nullptr;
}

bool Step::must_fail() const {
  return first_required() != nullptr;
}

std::string Step::allowed_errors() const {
  std::string text;
  auto append = [&](int error) {
    std::string name = error_name(error);
    if (text.find(name) == std::string::npos) text += (text.empty() ? "" : " or ") + name;
  };
  for (std::size_t i = 0; i < count_; ++i) {
    append(failures_[i].error);
    if (failures_[i].other && !exact()) append(failures_[i].other);
    if (exact() && failures_[i].required) break;
  }
  return text;
}

// What leaves open that it might have been another one.
void Step::note_other_errors(int error) {
  for (std::size_t i = 0; i < count_; ++i) {
    const Failure& f = failures_[i];
    if (f.error != error || (f.other && f.other != error)) uses(f.freedom);
  }
}

bool Step::accepts_error(int error) {
  const Failure* first = first_required();
  for (std::size_t i = 0; i < count_; ++i) {
    const Failure& f = failures_[i];
    // Linux reports the first condition it looks for; documents leave the choice.
    bool open = !f.required || !exact() || &f == first;
    if (!open) continue;
    if (error == f.error) {
      applies(f.clause);
      if (&f != first || !f.required)
        uses(f.freedom);
      else if (!exact())
        note_other_errors(error);
      return true;
    }
    if (!exact() && f.other && error == f.other) {
      applies(f.clause);
      uses(f.freedom);
      return true;
    }
  }
  return false;
}

bool Step::failed(C success) {
  const Failure* first = first_required();
  if (running()) {
    if (!first) return false;
    made_->kind = OutcomeKind::error;
    made_->error = static_cast<std::uint16_t>(first->error);
    return true;
  }
  bool is_error = seen_->kind == OutcomeKind::error;
  if (first) {
    if (is_error && accepts_error(seen_->error)) return true;
    diverge(first->clause, "failure with " + allowed_errors());
    // Another error than the right one leaves the world as it was.
    if (is_error) report_.lost = false;
    return true;
  }
  for (std::size_t i = 0; i < count_; ++i) might_fail(failures_[i].freedom);
  if (seen_->kind == OutcomeKind::ok) {
    applies(success);
    return false;
  }
  if (is_error && accepts_error(seen_->error)) return true;
  diverge(success, count_ > 0 ? "success, or failure with " + allowed_errors() : "success");
  if (is_error) report_.lost = false;
  return true;
}

std::uint64_t Step::returns(std::uint64_t expected, C clause) {
  if (running()) {
    made_->value = expected;
    return expected;
  }
  applies(clause);
  if (seen_->value != expected) {
    diverge(clause, fmt::format("{}", expected), fmt::format("{}", seen_->value));
  }
  return expected;
}

std::uint64_t Step::chosen(std::uint64_t fallback, Freedom freedom) {
  names(freedom);
  if (!running()) return seen_->value;
  made_->value = fallback;
  return fallback;
}

void Step::signals(std::uint8_t signal, std::uint8_t code, std::uint64_t address, C clause) {
  if (running()) {
    made_->kind = OutcomeKind::signal;
    made_->signal = signal;
    made_->code = code;
    made_->address = address;
    return;
  }
  applies(clause);
  bool same = seen_->kind == OutcomeKind::signal && seen_->signal == signal && seen_->code == code &&
              seen_->address == address;
  if (!same) diverge(clause, signal_name(signal, code) + " at " + hex(address));
}

void Step::dies(std::uint8_t signal, C clause) {
  if (running()) {
    made_->kind = OutcomeKind::died;
    made_->signal = signal;
    return;
  }
  expect(saw_death() && seen_->signal == signal, clause,
         [&] { return "death by " + signal_name(signal, 0); });
}

int Step::choose(int count, Freedom freedom) {
  if (running()) return 0;
  if (choice_ < 0) {
    choices_wanted_ = count;
    return -1;
  }
  uses(freedom);
  return choice_;
}

}  // namespace shmcheck::model

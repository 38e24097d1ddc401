// The form of outcomes: which fields a kind of outcome and an operation have. What is in them is for the
// rules.
#include <fmt/format.h>

#include "model/rules.h"

namespace shmcheck::model {
namespace {

using program::ResultKind;

ResultKind result_of(const Op& op) {
  bool shm = op.code == OpCode::shmctl;
  const bool bad_buffer = shm && (op.flags & program::shmctl::kBadBuffer) != 0;
  if (bad_buffer) return ResultKind::nothing;
  if (shm && static_cast<program::ShmCommand>(op.small) != program::ShmCommand::stat)
    return ResultKind::nothing;
  return program::spec(op.code).result;
}

bool good_runs(const std::vector<std::uint64_t>& words) {
  for (std::uint64_t word : words) {
    program::Run run = program::unpack_run(word);
    if (run.kind > program::RunKind::error || run.length == 0) return false;
    if (run.kind != program::RunKind::signal && run.code != 0) return false;
  }
  return true;
}

bool good_racer(const Op& op, const program::Racer& r) {
  if (r.pid == 0) return r == program::Racer{};
  const bool failed = r.kind == OutcomeKind::error || r.kind == OutcomeKind::signal;
  if (r.kind > OutcomeKind::died || failed != (r.error != 0)) return false;
  if (r.kind != OutcomeKind::signal && r.code != 0) return false;
  const bool id = op.code == OpCode::race_shmget;
  return r.kind == OutcomeKind::ok ? !id || r.value <= INT32_MAX : r.value == 0;
}

bool good_racers(const Op& op, const std::vector<std::uint64_t>& words) {
  if (words.size() != program::racers(op) * program::kRacerWords) return false;
  for (std::size_t i = 0; i < words.size(); i += program::kRacerWords) {
    const std::span<const std::uint64_t> row = std::span(words).subspan(i, program::kRacerWords);
    const program::Racer r = program::unpack_racer(row);
    const bool stray = program::is_remover(op, i / program::kRacerWords) && r.value != 0;
    if (pack_how(r) != row[1] || !good_racer(op, r) || stray) return false;
  }
  return true;
}

bool good_words(ResultKind result, const Op& op, const std::vector<std::uint64_t>& words) {
  switch (result) {
    case ResultKind::runs:
      return good_runs(words);
    case ResultKind::stat:
      return words.size() == program::kFileStatWords;
    case ResultKind::shm:
    case ResultKind::shm_at:
      return words.size() == program::kShmStatWords;
    case ResultKind::listing:
      return words.size() % program::kListingRowWords == 0;
    case ResultKind::smaps:
      return words.size() == program::kSmapsWords && words[4] >> std::size(program::kSmapsFlags) == 0;
    case ResultKind::maps:
      return words.size() % program::kMapRowWords == 0;
    case ResultKind::end:
      return words.size() % program::kEndSegmentWords == 1;
    case ResultKind::racers:
      return good_racers(op, words);
    default:
      return words.empty();
  }
}

bool good_value(ResultKind result, const Op& op, std::uint64_t value) {
  switch (result) {
    case ResultKind::address:
    case ResultKind::id:
    case ResultKind::shm_at:
    case ResultKind::count:
    case ResultKind::pid:
      return true;
    case ResultKind::value: {
      unsigned bits = 8U << op.small;
      return bits >= 64 || value >> bits == 0;
    }
    default:
      return value == 0;
  }
}

}  // namespace

bool well_formed(const Op& op, const Outcome& o) {
  bool exited = o.kind == OutcomeKind::died && o.signal == 0;
  bool caught = o.kind == OutcomeKind::signal;
  if (o.kind > OutcomeKind::timeout) return false;
  if ((o.error != 0) != (o.kind == OutcomeKind::error)) return false;
  if (!caught && (o.code != 0 || o.address != 0)) return false;
  if (caught && o.signal == 0) return false;
  if (!caught && o.kind != OutcomeKind::died && o.signal != 0) return false;
  ResultKind result = o.kind == OutcomeKind::ok ? result_of(op) : ResultKind::nothing;
  return (exited || good_value(result, op, o.value)) && good_words(result, op, o.words);
}

}  // namespace shmcheck::model

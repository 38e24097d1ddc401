// Lies about what kind of outcome it was, about errors, signals and deaths, and in fields that it does not
// have.
#include "harness/perturb/tools.h"

namespace shmcheck::harness {
namespace {

constexpr std::uint8_t kError = kind_bit(OutcomeKind::error), kSignal = kind_bit(OutcomeKind::signal),
                       kDied = kind_bit(OutcomeKind::died), kUnbound = kind_bit(OutcomeKind::unbound),
                       kWithheld = kind_bit(OutcomeKind::withheld);
constexpr std::uint8_t kDone = kOk | kError | kSignal | kDied, kEvery = kDone | kUnbound | kWithheld;
constexpr std::uint8_t kSIGKILL = 9, kSIGBUS = 7, kSIGSEGV = 11, kSIGTERM = 15;

// EPERM, ENOENT, EINTR, EBADF, EAGAIN, ENOMEM, EACCES, EFAULT, EEXIST, EINVAL, EFBIG, ENOSPC, EIDRM, ENOSYS,
// EOVERFLOW, EOPNOTSUPP
const std::vector<std::uint16_t> kErrors = {1, 2, 4, 9, 11, 12, 13, 14, 17, 22, 27, 28, 43, 38, 75, 95};

void become(Outcome& o, OutcomeKind kind) {
  Outcome fresh;
  fresh.kind = kind;
  fresh.before = o.before;
  fresh.after = o.after;
  o = std::move(fresh);
}

bool make_error(Draw& d, Outcome& o) {
  become(o, OutcomeKind::error);
  o.error = pick(d.dice, kErrors);
  return true;
}

// Words of another success of the same op, if the trace has one.
void borrow_words(Draw& d, Outcome& o) {
  for (const program::Step& step : d.trace.steps) {
    if (step.op.code == d.op().code && step.outcome.kind == OutcomeKind::ok) o.words = step.outcome.words;
  }
}

std::uint64_t likely_address(Draw& d) {
  const std::uint64_t asked = worth(d, d.op().code == OpCode::mremap ? d.op().to : d.op().addr);
  const std::uint64_t page = d.facts().page_size;
  return asked < page ? remote_address(d) : asked / page * page;
}

bool make_success(Draw& d, Outcome& o) {
  become(o, OutcomeKind::ok);
  switch (result_of(d.op())) {
    case ResultKind::address:
      o.value = likely_address(d);
      break;
    case ResultKind::id:
      o.value = 32768 + d.dice.below(64);
      break;
    case ResultKind::count:
      o.value = worth(d, d.op().len);
      break;
    case ResultKind::pid:
      o.value = process_ids(d.trace).back();
      break;
    case ResultKind::runs:
      if (const std::uint64_t length = worth(d, d.op().len))
        o.words = {program::pack({program::RunKind::bytes, 0, 0, length})};
      break;
    case ResultKind::smaps:
      o.words = {likely_address(d), likely_address(d) + d.facts().page_size, 0, 0, 0};
      borrow_words(d, o);
      break;
    case ResultKind::stat:
      o.words.assign(program::kFileStatWords, 1);
      borrow_words(d, o);
      break;
    case ResultKind::shm_at:
    case ResultKind::shm:
      o.words.assign(program::kShmStatWords, 0);
      borrow_words(d, o);
      if (o.words.empty()) o.words.assign(program::kShmStatWords, 0);
      break;
    default:
      borrow_words(d, o);
      break;
  }
  return true;
}

bool other_errno(Draw& d, Outcome& o) {
  return replace(d.dice, o.error, kErrors);
}

bool make_signal(Draw& d, Outcome& o) {
  become(o, OutcomeKind::signal);
  o.signal = d.dice.pick({kSIGSEGV, kSIGBUS});
  o.code = d.dice.pick<std::uint8_t>({1, 2});
  o.address = worth(d, d.op().addr);
  return true;
}

bool make_death(Draw& d, Outcome& o) {
  become(o, OutcomeKind::died);
  o.signal = d.dice.pick({kSIGSEGV, kSIGBUS, kSIGKILL});
  return true;
}

bool make_unbound(Draw&, Outcome& o) {
  become(o, OutcomeKind::unbound);
  return true;
}
bool make_withheld(Draw&, Outcome& o) {
  become(o, OutcomeKind::withheld);
  return true;
}
bool make_timeout(Draw&, Outcome& o) {
  become(o, OutcomeKind::timeout);
  return true;
}

bool signal_number(Draw& d, Outcome& o) {
  return replace(d.dice, o.signal, {kSIGSEGV, kSIGBUS, std::uint8_t{4}, kSIGTERM});
}
bool si_code(Draw& d, Outcome& o) {
  return replace(d.dice, o.code, {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}, std::uint8_t{128}});
}
bool address_by_bytes(Draw& d, Outcome& o) {
  o.address += d.dice.pick<std::uint64_t>({1, 2, 8, ~std::uint64_t{0}, ~std::uint64_t{0} - 7});
  return true;
}
bool address_by_pages(Draw& d, Outcome& o) {
  const std::uint64_t page = d.facts().page_size;
  return replace(d.dice, o.address,
                 {o.address + page, o.address - page, o.address / page * page, (o.address / page + 1) * page,
                  std::uint64_t{0}});
}

bool death_signal(Draw& d, Outcome& o) {
  if (o.signal == 0) return false;
  return replace(d.dice, o.signal, {kSIGSEGV, kSIGBUS, kSIGKILL, kSIGTERM});
}
bool exit_status(Draw& d, Outcome& o) {
  if (o.signal != 0) return false;
  return replace(d.dice, o.value, {o.value + 1, o.value - 1, std::uint64_t{0}, o.value + 256});
}
bool exit_or_signal(Draw&, Outcome& o) {
  o.value = 0;
  o.signal = o.signal != 0 ? std::uint8_t{0} : kSIGKILL;
  return true;
}

// --- fields that the outcome does not have

bool stray_value(Draw& d, Outcome& o) {
  const bool has =
      o.kind == OutcomeKind::died ||
      (o.kind == OutcomeKind::ok &&
       result_bit(result_of(d.op())) &
           (result_bit(ResultKind::address) | result_bit(ResultKind::id) | result_bit(ResultKind::count) |
            result_bit(ResultKind::value) | result_bit(ResultKind::pid) | result_bit(ResultKind::shm_at)));
  if (!has) o.value = d.dice.pick<std::uint64_t>({1, 22, ~std::uint64_t{0}});
  return !has;
}
bool stray_word(Draw& d, Outcome& o) {
  o.words.push_back(d.dice.pick<std::uint64_t>({0, 1, 77}));
  return true;
}
bool missing_word(Draw&, Outcome& o) {
  if (o.words.empty()) return false;
  o.words.pop_back();
  return true;
}
bool stray_errno(Draw& d, Outcome& o) {
  o.error = pick(d.dice, kErrors);
  return true;
}
bool no_errno(Draw&, Outcome& o) {
  o.error = 0;
  return true;
}
bool stray_signal(Draw&, Outcome& o) {
  o.signal = kSIGBUS;
  return true;
}
bool stray_code(Draw&, Outcome& o) {
  o.code = 2;
  return true;
}
bool stray_address(Draw& d, Outcome& o) {
  o.address = d.facts().arena + 1;
  return true;
}
bool unknown_kind(Draw&, Outcome& o) {
  o.kind = static_cast<OutcomeKind>(static_cast<unsigned>(OutcomeKind::timeout) + 1);
  return true;
}

constexpr Perturbation kTable[] = {
    {"ok-to-error", "failure", "a success failed", kOk, kAnyResult, make_error},
    {"error-to-ok", "failure", "a failure succeeded", kError, kAnyResult, make_success},
    {"errno", "failure", "another errno", kError, kAnyResult, other_errno},
    {"to-signal", "fault", "a signal was caught", kOk | kError, kAnyResult, make_signal},
    {"signal-to-ok", "fault", "the access succeeded", kSignal, kAnyResult, make_success},
    {"signal-to-error", "fault", "the access failed with an errno", kSignal, kAnyResult, make_error},
    {"signal", "fault", "another signal", kSignal, kAnyResult, signal_number},
    {"si-code", "fault", "another si_code", kSignal, kAnyResult, si_code},
    {"si-addr-bytes", "fault-address", "si_addr a few bytes beside", kSignal, kAnyResult, address_by_bytes},
    {"si-addr-pages", "fault-address", "si_addr in another page, at its start, or 0", kSignal, kAnyResult,
     address_by_pages},
    {"to-death", "fault", "the process died of it", kOk | kError | kSignal, kAnyResult, make_death},
    {"death-to-ok", "fault", "the process lived", kDied, kAnyResult, make_success},
    {"death-signal", "fault", "another signal killed it", kDied, kAnyResult, death_signal},
    {"exit-status", "exit-status", "another exit status", kDied, kAnyResult, exit_status},
    {"exit-or-signal", "exit-status", "exit instead of a signal, or a signal instead of exit", kDied,
     kAnyResult, exit_or_signal},
    {"to-unbound", "not-run", "nothing was done for want of a name", kDone | kWithheld, kAnyResult,
     make_unbound},
    {"to-withheld", "not-run", "nothing was done, for safety", kDone | kUnbound, kAnyResult, make_withheld},
    {"to-timeout", "not-run", "there was no answer in time", kEvery, kAnyResult, make_timeout},
    {"not-run-to-ok", "not-run", "what was not run succeeded", kUnbound | kWithheld, kAnyResult,
     make_success},
    {"not-run-to-error", "not-run", "what was not run failed", kUnbound | kWithheld, kAnyResult, make_error},
    {"stray-value", "form", "a value where there is none", kEvery, kAnyResult, stray_value},
    {"stray-word", "form", "a word too many", kEvery, kAnyResult, stray_word},
    {"missing-word", "form", "a word too few", kOk, kAnyResult, missing_word},
    {"stray-errno", "form", "an errno without an error", kOk | kSignal | kDied | kUnbound | kWithheld,
     kAnyResult, stray_errno},
    {"no-errno", "form", "an error without an errno", kError, kAnyResult, no_errno},
    {"stray-signal", "form", "a signal number without a signal", kOk | kError | kUnbound | kWithheld,
     kAnyResult, stray_signal},
    {"stray-code", "form", "an si_code without a signal", kOk | kError | kDied | kUnbound | kWithheld,
     kAnyResult, stray_code},
    {"stray-si-addr", "form", "an si_addr without a signal", kOk | kError | kDied | kUnbound | kWithheld,
     kAnyResult, stray_address},
    {"unknown-kind", "form", "a kind of outcome that there is not", kEvery, kAnyResult, unknown_kind},
};

}  // namespace

std::span<const Perturbation> kind_perturbations() {
  return kTable;
}

}  // namespace shmcheck::harness

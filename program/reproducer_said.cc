// Outcomes in the words of the C code: what differs between two healthy runs is said by what it means.
#include <algorithm>
#include <csignal>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "program/reproducer_parts.h"
#include "program/scan.h"
#include "program/withheld.h"

namespace shmcheck::program {
namespace {

// The names as the steps before the failing one have bound them. 0 and -1 stand for unbound, as in the C
// code.
struct Names {
  std::uint64_t mapping[kMappings] = {};
  std::uint64_t segment[kSegments];
  std::uint64_t pid[kProcesses] = {};

  explicit Names(const Trace& trace, std::size_t steps) {
    std::fill(std::begin(segment), std::end(segment), ~std::uint64_t{0});
    pid[0] = trace.root_pid;
    for (std::size_t i = 0; i < steps; ++i) bind(trace.steps[i]);
  }

 private:
  void bind_first(const Step& step) {
    for (std::size_t i = step.outcome.words.size(); i >= kRacerWords; i -= kRacerWords) {
      const Racer r = unpack_racer(std::span(step.outcome.words).subspan(i - kRacerWords, kRacerWords));
      if (r.kind == OutcomeKind::ok) segment[step.op.result] = r.value;
    }
  }
  void bind(const Step& step) {
    if (step.outcome.kind != OutcomeKind::ok) return;
    if (step.op.code == OpCode::race_shmget) return bind_first(step);
    switch (spec(step.op.code).result_name) {
      case NameKind::mapping:
        mapping[step.op.result] = step.outcome.value;
        break;
      case NameKind::segment:
        segment[step.op.result] = step.outcome.value;
        break;
      case NameKind::process:
        pid[step.op.result] = step.outcome.value;
        break;
      default:
        break;
    }
  }
};

template <std::size_t N>
std::size_t find(const std::uint64_t (&values)[N], std::uint64_t v) {
  std::size_t k = 0;
  while (k < N && values[k] != v) ++k;
  return k;
}

class Speaker {
 public:
  Speaker(const Trace& trace, std::size_t step)
      : facts_(trace.facts), names_(trace, step), op_(trace.steps[step].op), o_(trace.steps[step].outcome) {}

  std::string outcome() const {
    switch (o_.kind) {
      case OutcomeKind::ok:
        return success();
      case OutcomeKind::error:
        return error(o_.error);
      case OutcomeKind::signal:
        return fault(o_.signal, o_.code) + where();
      case OutcomeKind::died:
        return o_.signal != 0 ? "died signal " + std::to_string(o_.signal)
                              : "died exit=" + std::to_string(o_.value);
      case OutcomeKind::timeout:
        return "timeout";
      case OutcomeKind::unbound:
      case OutcomeKind::withheld:
        break;
    }
    return "not run";
  }

 private:
  static std::string error(std::uint64_t number) { return "errno " + std::to_string(number); }
  static std::string fault(unsigned signal, unsigned code) {
    std::string name = signal == SIGBUS ? "SIGBUS" : signal == SIGSEGV ? "SIGSEGV" : "signal";
    return name + '/' + std::to_string(code);
  }

  std::uint64_t arena_end() const {
    return facts_.arena + std::uint64_t{facts_.arena_pages} * facts_.page_size;
  }
  std::uint64_t page_of(std::uint64_t v) const { return v / facts_.page_size; }

  std::uint64_t operand() const {
    std::uint64_t base = 0;
    if (op_.addr.names_mapping()) {
      base = names_.mapping[op_.addr.mapping()];
    } else if (op_.addr.base == static_cast<std::uint8_t>(Base::arena)) {
      base = facts_.arena;
    } else if (op_.addr.base == static_cast<std::uint8_t>(Base::top)) {
      base = facts_.top;
    } else if (op_.addr.base == static_cast<std::uint8_t>(Base::half)) {
      base = std::uint64_t{1} << 63;
    }
    return resolve(op_.addr, base, facts_.page_size);
  }

  std::string where() const {
    std::uint64_t page = page_of(o_.address) - page_of(operand());
    return " at page +" + std::to_string(std::min<std::uint64_t>(page, 9));
  }

  std::string address() const {
    if (o_.value >= facts_.arena && o_.value <= arena_end()) {
      std::uint64_t offset = o_.value - facts_.arena;
      return "a+" + std::to_string(page_of(offset)) + "p+" + std::to_string(offset % facts_.page_size);
    }
    std::size_t k = find(names_.mapping, o_.value);
    if (k < kMappings) return 'm' + std::to_string(k);
    return "elsewhere+" + std::to_string(o_.value % facts_.page_size);
  }

  std::string runs() const {
    std::string out;
    for (std::uint64_t w : o_.words) {
      Run r = unpack_run(w);
      out += std::to_string(r.length) + '*';
      if (r.kind == RunKind::bytes) out += hex_byte(r.value);
      if (r.kind == RunKind::signal) out += fault(r.value, r.code);
      if (r.kind == RunKind::error) out += error(r.value);
      out += ' ';
    }
    return out;
  }

  std::string process(std::uint64_t pid) const {
    if (pid == 0) return "0";
    std::size_t k = find(names_.pid, pid);
    return k < kProcesses ? 'p' + std::to_string(k) : "other";
  }

  std::string segment(std::span<const std::uint64_t> w) const {
    constexpr std::string_view kNames[] = {" uid=", " gid=", " cuid=", " cgid="};
    constexpr std::string_view kTimes[] = {" atime=", " dtime=", " ctime="};
    std::string out = "key=" + hex(w[0]).substr(2);
    for (unsigned i = 0; i < 4; ++i) out += std::string(kNames[i]) + std::to_string(w[1 + i]);
    out += " mode=" + octal(w[5]) + " segsz=" + std::to_string(w[6]);
    for (unsigned i = 0; i < 3; ++i) out += std::string(kTimes[i]) + (w[7 + i] != 0 ? "set" : "0");
    return out + " cpid=" + process(w[10]) + " lpid=" + process(w[11]) + " nattch=" + std::to_string(w[12]);
  }

  std::string listing() const {
    std::string out;
    for (std::size_t i = 0; i + kListingRowWords <= o_.words.size(); i += kListingRowWords) {
      std::span<const std::uint64_t> w = std::span(o_.words).subspan(i, kListingRowWords);
      std::size_t k = find(names_.segment, w[0]);
      if (k >= kSegments) continue;
      out += 's' + std::to_string(k) + ' ' + segment(w.subspan(1)) + " rss=" + std::to_string(w[14]) +
             " swap=" + std::to_string(w[15]) + "; ";
    }
    return out;
  }

  std::string stat() const {
    std::span<const std::uint64_t> w = o_.words;
    return "size=" + std::to_string(w[0]) + " links=" + std::to_string(w[1]) + " mode=" + octal(w[2]) +
           " uid=" + std::to_string(w[3]) + " gid=" + std::to_string(w[4]);
  }

  std::string map_row(std::span<const std::uint64_t> w) const {
    std::size_t k = w[0] != 0 ? find(names_.mapping, w[0]) : std::size_t{kMappings};
    std::string out;
    if (w[0] >= facts_.arena && w[0] < arena_end()) {
      out = "a+" + std::to_string(page_of(w[0] - facts_.arena)) + 'p';
    } else if (k < kMappings) {
      out = 'm' + std::to_string(k);
    } else {
      return "";
    }
    out += "..+" + std::to_string(page_of(w[1] - w[0])) + "p ";
    for (unsigned i = 0; i < 3; ++i) out += (w[2] & 1U << i) != 0 ? "rwx"[i] : '-';
    out += (w[2] & kMapShared) != 0 ? 's' : 'p';
    out += " off=" + std::to_string(w[3]) + ' ';
    constexpr std::string_view kObjects[] = {"anon; ",    "shared_anon; ", "file ",
                                             "segment; ", "other; ",       "memfd; "};
    std::uint64_t object = w[2] >> 8 & 255;
    out += object < std::size(kObjects) ? kObjects[object] : "other; ";
    if (static_cast<MapObject>(object) != MapObject::file) return out;
    const bool path = w[4] < kNames;
    out += (path ? 'n' : 'o') + std::to_string(path ? w[4] : w[4] - kNames);
    return out + ((w[2] & kMapDeleted) != 0 ? " deleted; " : "; ");
  }

  std::string smaps() const {
    const std::span<const std::uint64_t> w = o_.words;
    std::string out = "+";
    out += std::to_string(page_of(operand()) - page_of(w[0])) + "p of " +
           std::to_string(page_of(w[1] - w[0])) + "p shared=" + std::to_string(w[2]) +
           " private=" + std::to_string(w[3]);
    return out + smaps_flags_text(w[4]);
  }

  std::string maps() const {
    std::string out;
    for (std::size_t i = 0; i + kMapRowWords <= o_.words.size(); i += kMapRowWords) {
      out += map_row(std::span(o_.words).subspan(i, kMapRowWords));
    }
    return out;
  }

  std::vector<Racer> racers() const {
    std::vector<Racer> out;
    for (std::size_t i = 0; i + kRacerWords <= o_.words.size(); i += kRacerWords) {
      out.push_back(unpack_racer(std::span(o_.words).subspan(i, kRacerWords)));
    }
    return out;
  }

  // How many met each error.
  static std::string errors(const std::vector<Racer>& all, bool counted) {
    std::map<std::uint16_t, unsigned> met;
    std::string out;
    for (const Racer& r : all) {
      if (r.kind == OutcomeKind::error) ++met[r.error];
    }
    for (const auto& [number, times] : met) {
      if (counted) out += std::to_string(times) + '*';
      out += error(number) + ' ';
    }
    return out;
  }

  std::string got() const {
    const std::vector<Racer> all = racers();
    const auto worked = [](const Racer& r) { return r.kind == OutcomeKind::ok; };
    const auto id = std::find_if(all.begin(), all.end(), worked);
    const auto first = std::count_if(all.begin(), all.end(),
                                     [&](const Racer& r) { return worked(r) && r.value == id->value; });
    const auto others = std::count_if(all.begin(), all.end(), worked) - first;
    return std::to_string(first) + "*id " + std::to_string(others) + "*another " + errors(all, true);
  }

  std::string attached() const {
    std::vector<Racer> all = racers();
    std::string out;
    std::set<std::uint64_t> values;
    if (static_cast<Against>(op_.small) == Against::rmid && !all.empty()) {
      out = all[0].kind == OutcomeKind::ok ? "removed " : error(all[0].error) + ' ';
      all.erase(all.begin());
    }
    bool faulted = false;
    for (const Racer& r : all) {
      if (r.pid != 0 && r.kind == OutcomeKind::ok) values.insert(r.value);
      faulted |= r.kind == OutcomeKind::signal;
    }
    for (const std::uint64_t v : values) out += hex(v) + ' ';
    return out + errors(all, false) + (faulted ? "fault " : "");
  }

  std::string end() const {
    std::string out = "used=" + (o_.words[0] == UINT64_MAX ? "?" : std::to_string(o_.words[0]));
    for (std::size_t i = 1; i + kEndSegmentWords <= o_.words.size(); i += kEndSegmentWords) {
      std::span<const std::uint64_t> w = std::span(o_.words).subspan(i, kEndSegmentWords);
      out += "; s" + std::to_string(w[0]) + ": " + (w[1] != 0 ? error(w[1]) : segment(w.subspan(2)));
    }
    return out;
  }

  std::string success() const {
    switch (spec(op_.code).result) {
      case ResultKind::address:
        return address();
      case ResultKind::id: {
        std::size_t k = find(names_.segment, o_.value);
        return k < kSegments ? 's' + std::to_string(k) : "new id";
      }
      case ResultKind::count:
        return std::to_string(o_.value);
      case ResultKind::value:
        return memory_order(o_.value, 1U << op_.small);
      case ResultKind::runs:
        return runs();
      case ResultKind::stat:
        return o_.words.size() == kFileStatWords ? stat() : "";
      case ResultKind::shm:
        return o_.words.size() == kShmStatWords ? segment(o_.words) : "ok";
      case ResultKind::shm_at: {
        if (o_.words.size() != kShmStatWords) return "";
        std::size_t k = find(names_.segment, o_.value);
        return (k < kSegments ? 's' + std::to_string(k) + ' ' : "") + segment(o_.words);
      }
      case ResultKind::listing:
        return listing();
      case ResultKind::maps:
        return maps();
      case ResultKind::smaps:
        return o_.words.size() == kSmapsWords ? smaps() : "";
      case ResultKind::pid:
        return "child";
      case ResultKind::end:
        return o_.words.empty() ? "" : end();
      case ResultKind::racers:
        return op_.code == OpCode::race_shmget ? got() : attached();
      case ResultKind::nothing:
        break;
    }
    return "ok";
  }

  const Facts& facts_;
  Names names_;
  const Op& op_;
  const Outcome& o_;
};

}  // namespace

std::string said(const Trace& trace, std::size_t step) {
  std::string text = Speaker(trace, step).outcome();
  return text.substr(0, kSaidBytes);
}

}  // namespace shmcheck::program

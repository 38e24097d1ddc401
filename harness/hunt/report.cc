#include "harness/hunt/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <set>

namespace shmcheck::harness {
namespace {

using nlohmann::json;

// Clauses that were blamed, those that are wrong marked.
std::string blamed(const Hunt& hunt) {
  std::set<std::string> names;
  for (const Catch& one : hunt.catches) {
    if (one.caught) names.insert(fmt::format("{}{}", one.right ? "" : "!", clauses::info(one.clause).id));
  }
  return fmt::format("{}", fmt::join(names, " "));
}

double percent(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Totals totals_of(const std::vector<Hunt>& hunts) {
  Totals t;
  std::vector<std::uint64_t> ops;
  std::vector<std::size_t> lengths;
  for (const Hunt& hunt : hunts) {
    ++t.faults;
    t.subtle += hunt.fault->subtle ? 1 : 0;
    t.sourced += hunt.fault->source.empty() ? 0 : 1;
    t.caught += hunt.caught() ? 1 : 0;
    t.caught_by_corpus += hunt.corpus.programs > 0 ? 1 : 0;
    t.caught_by_enumeration += hunt.enumerated.programs > 0 ? 1 : 0;
    t.right += hunt.rightly();
    for (const Catch& one : hunt.catches) {
      ++t.hunts;
      ops.push_back(one.ops);
      if (one.caught) lengths.push_back(one.length);
    }
    t.worst_ops = std::max(t.worst_ops, hunt.worst_ops());
    t.worst_length = std::max(t.worst_length, hunt.worst_length());
  }
  t.median_ops = median_of(ops);
  t.median_length = median_of(lengths);
  return t;
}

bool keeps_promises(const Totals& t) {
  return t.faults > 0 && t.caught == t.faults && t.median_ops < kMedianOps &&
         static_cast<double>(t.right) >= kRightShare * static_cast<double>(t.hunts) &&
         t.median_length <= kMedianLength && t.worst_length <= kWorstLength;
}

std::string hunts_table(const std::vector<Hunt>& hunts) {
  std::string text =
      fmt::format("{:<32}{:>6}{:>8}{:>8}{:>8}{:>7}{:>8}{:>8}{:>7}  {}\n", "fault", "caught", "median",
                  "worst", "ms", "right", "length", "corpus", "enum", "blamed (! wrongly)");
  for (const Hunt& h : hunts) {
    const auto caught = static_cast<std::size_t>(std::ranges::count_if(h.catches, &Catch::caught));
    const std::string corpus =
        h.corpus.programs == 0 ? "-" : fmt::format("{}/{}", h.corpus.right, h.corpus.programs);
    const std::string enumerated =
        h.enumerated.programs == 0
            ? "-"
            : fmt::format("{}{}", h.enumerated.right ? "" : "!", h.enumerated.programs);
    text += fmt::format("{:<32}{:>6}{:>8}{:>8}{:>8.1f}{:>7}{:>8}{:>8}{:>7}  {}\n",
                        fmt::format("{}{}", h.fault->name, h.fault->subtle ? " *" : ""),
                        fmt::format("{}/{}", caught, h.catches.size()), h.median_ops(), h.worst_ops(),
                        1000 * h.median_seconds(), fmt::format("{}/{}", h.rightly(), h.catches.size()),
                        fmt::format("{}..{}", h.median_length(), h.worst_length()), corpus, enumerated,
                        blamed(h));
  }
  return text;
}

std::string totals_text(const Totals& t, unsigned seeds, std::uint64_t ops) {
  return fmt::format(
      "{} faults, {} of them subtle (*), {} from a public report; {} seeds\n"
      "caught within {} ops on every seed   {} of {} (all)\n"
      "ops until caught, median and worst       {} (below {}), {}\n"
      "rightly blamed                           {:.1f} % (at least {:.0f} %)\n"
      "length of the program, median and worst  {} (at most {}), {} (at most {})\n"
      "caught by the corpus                     {} of {}\n"
      "caught by enumeration                    {} of {}\n",
      t.faults, t.subtle, t.sourced, seeds, ops, t.caught, t.faults, t.median_ops, kMedianOps, t.worst_ops,
      percent(t.right, t.hunts), 100 * kRightShare, t.median_length, kMedianLength, t.worst_length,
      kWorstLength, t.caught_by_corpus, t.faults, t.caught_by_enumeration, t.faults);
}

std::string hunts_json(const std::vector<Hunt>& hunts, const HuntOptions& options, double seconds) {
  json faults = json::array();
  for (const Hunt& hunt : hunts) {
    json catches = json::array();
    for (std::size_t i = 0; i < hunt.catches.size(); ++i) {
      const Catch& one = hunt.catches[i];
      catches.push_back({{"seed", options.first_seed + i},
                         {"caught", one.caught},
                         {"ops", one.ops},
                         {"seconds", one.seconds},
                         {"clause", one.caught ? clauses::info(one.clause).id : std::string_view()},
                         {"right", one.right},
                         {"length", one.length}});
    }
    faults.push_back({{"name", hunt.fault->name},
                      {"description", hunt.fault->description},
                      {"source", hunt.fault->source},
                      {"subtle", hunt.fault->subtle},
                      {"seeds", catches},
                      {"corpus",
                       {{"programs", hunt.corpus.programs},
                        {"right", hunt.corpus.right},
                        {"ops", hunt.corpus.ops},
                        {"seconds", hunt.corpus.seconds},
                        {"first", hunt.corpus.first}}},
                      {"enumerated",
                       {{"programs", hunt.enumerated.programs},
                        {"ops", hunt.enumerated.ops},
                        {"seconds", hunt.enumerated.seconds},
                        {"right", hunt.enumerated.right}}}});
  }
  const Totals t = totals_of(hunts);
  return json{{"command", "faults"},
              {"first_seed", options.first_seed},
              {"ops", options.ops},
              {"seconds", seconds},
              {"faults", faults},
              {"caught", t.caught},
              {"median_ops", t.median_ops},
              {"worst_ops", t.worst_ops},
              {"right", percent(t.right, t.hunts)},
              {"median_length", t.median_length},
              {"worst_length", t.worst_length},
              {"verdict", keeps_promises(t) ? "pass" : "fail"}}
             .dump(2) +
         "\n";
}

}  // namespace shmcheck::harness

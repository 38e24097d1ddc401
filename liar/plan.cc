#include "liar/plan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>

namespace shmcheck::liar {
namespace {

// What the clauses of a subject speak of: beginnings of labels, separated by '|', the nearest first. A
// subject that is the name of a call speaks of that call; "memory" stands for lies about memory at any
// moment.
struct Subject {
  const char* name;
  const char* labels;
};
constexpr Subject kSubjects[] = {
    {"access", "SIG|mmap|memory|read|write|mprotect|stat"},
    {"eof", "SIG|memory|mmap|read|stat|write"},
    {"exec", "execve|memory|shmctl|shmat|read|SIG"},
    {"exit", "memory|shmctl|shmat|read|SIG"},
    {"fallocate", "fallocate|memory|stat|read|SIG"},
    {"fork", "fork|memory|shmctl|SIG|read"},
    {"ipcns", "shm|read /proc|unshare|write|memory"},
    {"limit",
     "mremap|mprotect|munmap|mlock|munlock|shm|mmap|prlimit|SIG|read|write|ftruncate|fallocate|memory"},
    {"madvise", "madvise|memory|SIG|fork|mincore"},
    {"memfd", "memfd_create|fcntl|open|readlink|stat|memory|mmap|read"},
    {"mincore", "mincore"},
    {"mlock", "mlock|munlock|read /proc|mincore"},
    {"mlock2", "mlock2|munlock|read /proc|mincore"},
    {"mlockall", "mlockall|munlockall|read /proc|mincore"},
    {"mmap", "mmap|SIG|memory|read"},
    {"mprotect", "mprotect|SIG|memory"},
    {"mremap", "mremap|SIG|memory"},
    {"msync", "msync|fsync|memory|read"},
    {"munmap", "munmap|umount|mount|SIG|memory|read"},
    {"perm", "shm|open|SIG|memory"},
    {"persist", "msync|fsync|sync|memory|read"},
    {"prec", "mmap|shm|munmap|mprotect|msync|madvise|mremap|mlock"},
    {"private", "mmap|memory|SIG|read"},
    {"proc", "read /proc|readlink|open"},
    {"pshm", "open|unlink|stat|memory|mmap|read|SIG|ftruncate"},
    {"punch", "fallocate|madvise|memory|stat|read|SIG"},
    {"remap-file-pages", "remap_file_pages|memory"},
    {"seal", "fcntl|mmap|mprotect|ftruncate|fallocate|write|open|memfd_create|memory|SIG|read"},
    {"share", "futex|mmap|shmat|memory|read|process_vm"},
    {"shmat", "shmat|shmctl|SIG|memory"},
    {"shmctl", "shmctl|read /proc|memory"},
    {"shmdt", "shmdt|shmctl|SIG|memory"},
    {"shmget", "shmget|shmctl|memory"},
    {"slack", "memory|mmap|read|stat|SIG"},
    {"sysv", "shm|memory|SIG|read"},
    {"times", "stat"},
    {"trunc", "SIG|memory|ftruncate|truncate|fallocate|open|stat|read"},
    {"writeback", "msync|fsync|memory|read|stat|sync"},
};

std::string labels_of(const std::vector<std::string>& clauses) {
  std::string labels;
  for (const std::string& clause : clauses) {
    const std::string subject = clause.substr(0, clause.find('.'));
    const auto known = std::find_if(std::begin(kSubjects), std::end(kSubjects),
                                    [&](const Subject& each) { return subject == each.name; });
    labels += (labels.empty() ? "" : "|") + (known == std::end(kSubjects) ? subject : known->labels);
  }
  return labels;
}

bool of_memory(const Lie& lie) {
  return lie.when == When::answer || lie.when == When::birth;
}

// Where in the list of labels the lie belongs; nothing when it is beside the subject.
std::optional<int> nearness(const Lie& lie, const std::string& label, std::string_view labels) {
  for (int position = 0; !labels.empty(); ++position) {
    const std::string_view word = labels.substr(0, labels.find('|'));
    labels.remove_prefix(std::min(labels.size(), word.size() + 1));
    const bool fits = word == "memory" ? of_memory(lie) : std::string_view(label).starts_with(word);
    if (fits) return position;
  }
  return std::nullopt;
}

std::string which_name(int which, int count) {
  if (which == 0) return "each";
  if (which == count) return "last";
  return which == 1 ? "first" : "#" + std::to_string(which);
}

constexpr int kMostPlaces = 8;  // of one event in one test

// The places of an event to lie about: each of them, the last, the first, some in between.
std::vector<int> places(int count) {
  std::vector<int> all = {0};
  if (count > 1) all.insert(all.end(), {count, 1});
  const int step = std::max(1, (count - 2) / kMostPlaces);
  for (int place = 2; place < count; place += step) all.push_back(place);
  return all;
}

Planned make(const Lie& lie, const std::string& label, int which, int count, std::string_view labels) {
  return {Choice{&lie, label, which}, nearness(lie, label, labels).has_value(),
          label + " [" + which_name(which, count) + "]: " + lie.name};
}

}  // namespace

std::vector<Planned> plan(const Recording& recording, const std::vector<std::string>& clauses) {
  struct Ranked {
    std::tuple<int, int, int, size_t, int> rank;
    Planned planned;
  };
  const std::string labels = labels_of(clauses);
  std::vector<Ranked> ranked;
  for (size_t index = 0; index < lies().size(); ++index) {
    const Lie& lie = lies()[index];
    for (const auto& [event, tally] : recording) {
      if (event.first != lie.when || !lie.fits(tally.first)) continue;
      int order = 0;
      for (const int which : places(tally.count)) {
        Planned planned = make(lie, event.second, which, tally.count, labels);
        // The plain places of what the clause is about, then of the rest, then the ones in between.
        const int late = order < 3 ? 0 : 2;
        const int near = nearness(lie, event.second, labels).value_or(0);
        const std::tuple rank{late + (planned.about ? 0 : 1), near, order < 3 ? 0 : order, index, order};
        ranked.push_back({rank, std::move(planned)});
        ++order;
      }
    }
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.rank < b.rank; });
  std::vector<Planned> planned;
  for (Ranked& each : ranked) planned.push_back(std::move(each.planned));
  return planned;
}

namespace {

// "munmap [last]: does nothing", taken apart.
struct Name {
  const Lie* lie = nullptr;
  std::string label, place;
};
Name parse(const std::string& name) {
  const size_t open = name.find(" ["), close = name.find("]: ");
  if (open == std::string::npos || close == std::string::npos || close < open) return {};
  return {find_lie(std::string_view(name).substr(close + 3)), name.substr(0, open),
          name.substr(open + 2, close - open - 2)};
}

Planned make(const std::string& name, const Name& parts, int count, const std::vector<std::string>& clauses) {
  int which = 0;
  if (parts.place == "last") {
    which = count;
  } else if (parts.place == "first") {
    which = 1;
  } else if (parts.place.starts_with("#")) {
    std::from_chars(parts.place.data() + 1, parts.place.data() + parts.place.size(), which);
  }
  Planned planned = make(*parts.lie, parts.label, which, count, labels_of(clauses));
  planned.name = name;
  return planned;
}

}  // namespace

std::optional<Planned> recall_planned(const std::string& name, const std::vector<std::string>& clauses) {
  const Name parts = parse(name);
  if (parts.lie == nullptr || parts.place == "last") return std::nullopt;
  return make(name, parts, 0, clauses);
}

std::optional<Planned> find_planned(const std::string& name, const Recording& recording,
                                    const std::vector<std::string>& clauses) {
  const Name parts = parse(name);
  if (parts.lie == nullptr) return std::nullopt;
  const auto tally = recording.find({parts.lie->when, parts.label});
  if (tally == recording.end()) return std::nullopt;
  return make(name, parts, tally->second.count, clauses);
}

}  // namespace shmcheck::liar

#include "harness/shrink.h"

#include <algorithm>
#include <unordered_set>

#include "program/bytes.h"

namespace shmcheck::harness {
namespace {

using program::NameKind;
using program::Op;
using program::OpCode;
using program::Program;
using Clock = std::chrono::steady_clock;

std::uint64_t fingerprint(const Program& p) {
  std::uint64_t h = 0xcbf29ce484222325;  // FNV-1a
  std::uint8_t record[program::kRecordBytes];
  for (const Op& op : p.ops) {
    program::encode_record(op, record);
    for (std::uint8_t byte : record) h = (h ^ byte) * 0x100000001b3;
  }
  return h;
}

// How far the addresses that two names stand for may lie apart, in pages, for one to be said by the other.
constexpr int kNear = 3, kFar = 8;

bool forks_into(const Op& op, std::uint8_t process) {
  return op.code == OpCode::fork && op.result == process;
}

class Shrinker {
 public:
  Shrinker(const Program& program, const std::function<bool(const Program&)>& shows,
           const ShrinkBudget& budget)
      : best_(program), shows_(shows), budget_(budget), end_(Clock::now() + budget.time) {
    tried_.insert(fingerprint(program));
  }

  Shrunk run() {
    cut_tail();
    bool changed = true;
    while (changed && !spent()) {
      changed = drop_chunks();
      changed |= drop_processes();
      changed |= drop_dependents();
      changed |= give_to_parents();
      changed |= merge_names(kNear);
      changed |= exchange();
      if (changed) continue;  // fewer ops first: every op left costs tries
      changed |= simplify_arguments();
      changed |= drop_neighbours();
      changed |= drop_pairs();
      if (!changed) changed = drop_triples() || merge_names(kFar);
      changed |= attempt(canonical_names(best_));
    }
    return {best_, runs_, !spent()};
  }

 private:
  bool spent() const { return runs_ >= budget_.runs || Clock::now() >= end_; }

  bool attempt(Program candidate) {
    if (spent() || !tried_.insert(fingerprint(candidate)).second) return false;
    ++runs_;
    if (!shows_(candidate)) return false;
    best_ = std::move(candidate);
    return true;
  }

  Program without(std::size_t first, std::size_t count) const {
    Program p = best_;
    auto begin = p.ops.begin() + static_cast<std::ptrdiff_t>(first);
    p.ops.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
    return p;
  }

  template <typename Drop>
  Program without(Drop drop) const {
    Program p;
    for (std::size_t i = 0; i < best_.ops.size(); ++i) {
      if (!drop(i, best_.ops[i])) p.ops.push_back(best_.ops[i]);
    }
    return p;
  }

  // What comes after the step that shows it is of no use.
  void cut_tail() {
    std::size_t low = 0, high = best_.ops.size();  // the shortest beginning that shows it lies in (low, high]
    while (low + 1 < high && !spent()) {
      std::size_t middle = (low + high) / 2;
      if (attempt(without(middle, best_.ops.size() - middle))) {
        high = middle;
      } else {
        low = middle;
      }
    }
  }

  bool drop_chunks() {
    bool changed = false;
    for (std::size_t size = std::max<std::size_t>(best_.ops.size() / 2, 1);; size /= 2) {
      for (std::size_t end = best_.ops.size(); end > 0 && !spent();) {
        std::size_t first = end > size ? end - size : 0;
        bool gone = end <= best_.ops.size() && attempt(without(first, end - first));
        changed |= gone;
        end = first;
      }
      if (size == 1) break;
    }
    return changed;
  }

  // Neighbours that have to go together, wherever they begin: dropping one of them shifts what the clock or
  // the next id is at the others.
  bool drop_neighbours() {
    bool changed = false;
    for (std::size_t count : {std::size_t{3}, std::size_t{2}}) {
      for (std::size_t end = best_.ops.size(); end >= count && !spent(); --end) {
        if (end <= best_.ops.size()) changed |= attempt(without(end - count, count));
      }
    }
    return changed;
  }

  bool drop_processes() {
    bool changed = false;
    for (std::uint8_t p = program::kProcesses - 1; p > 0; --p) {
      changed |= attempt(without([p](std::size_t, const Op& op) {
        return op.proc == p || forks_into(op, p) || (op.code == OpCode::kill && op.object == p);
      }));
    }
    return changed;
  }

  bool drop_dependents() {
    bool changed = false;
    for (std::size_t i = best_.ops.size(); i-- > 0 && !spent();) {
      if (i >= best_.ops.size() || program::spec(best_.ops[i].code).result_name == NameKind::none) continue;
      std::vector<bool> gone = dependents(best_, i);
      changed |= attempt(without([&](std::size_t at, const Op&) { return gone[at]; }));
    }
    return changed;
  }

  // Pairs, where each op alone is needed because of the other: a store and the store that hides it.
  bool drop_pairs() {
    bool changed = false;
    if (best_.ops.size() > 14) return false;
    for (std::size_t j = best_.ops.size(); j-- > 1;) {
      for (std::size_t i = j; i-- > 0 && !spent();) {
        if (j >= best_.ops.size()) break;
        changed |= attempt(without([=](std::size_t at, const Op&) { return at == i || at == j; }));
      }
    }
    return changed;
  }

  // What only passes the time: the clock moves on every few ops, so that three go where fewer cannot.
  bool drop_triples() {
    const std::size_t count = best_.ops.size();
    if (count > 12) return false;
    for (std::size_t k = count; k-- > 2;) {
      for (std::size_t j = k; j-- > 1;) {
        for (std::size_t i = j; i-- > 0 && !spent();) {
          if (attempt(without([=](std::size_t at, const Op&) { return at == i || at == j || at == k; })))
            return true;
        }
      }
    }
    return false;
  }

  bool exchange() {
    bool changed = false, again = true;
    while (again && !spent()) {
      again = false;
      for (Program& shorter : exchanges(best_)) {
        if (!attempt(std::move(shorter))) continue;
        again = changed = true;
        break;
      }
    }
    return changed;
  }

  static Program given(Program program, std::uint8_t child, std::uint8_t parent) {
    for (Op& op : program.ops) {
      if (op.proc == child) op.proc = parent;
      if (op.code == OpCode::reboot && op.result == child) op.result = parent;
    }
    return program;
  }

  bool give_to_parents() {
    bool changed = false;
    for (std::size_t i = 0; i < best_.ops.size(); ++i) {
      if (best_.ops[i].code != OpCode::fork) continue;
      const std::uint8_t child = best_.ops[i].result, parent = best_.ops[i].proc;
      const std::optional<Program> apart = with_own_files(best_, child);
      changed |= attempt(given(best_, child, parent)) || (apart && attempt(given(*apart, child, parent)));
    }
    for (std::size_t i = 0; i < best_.ops.size() && !spent(); ++i) {
      if (best_.ops[i].proc == 0) continue;
      Program one = best_;
      one.ops[i].proc = 0;
      changed |= attempt(std::move(one));
    }
    return changed;
  }

  // One name for what two ops make: the second op goes, and what used its name uses the first one's.
  bool merge_names(int most_pages) {
    bool changed = false;
    for (std::size_t gone = best_.ops.size(); gone-- > 0;) {
      for (std::size_t kept = 0; kept < best_.ops.size() && !spent(); ++kept) {
        if (gone >= best_.ops.size()) break;
        changed |= merge_ops(gone, kept, most_pages);
      }
    }
    return changed;
  }

  // The nearest distance first.
  bool merge_ops(std::size_t gone, std::size_t kept, int most_pages) {
    for (int i = 0; i <= 2 * most_pages; ++i) {
      std::optional<Program> merged = merge(best_, gone, kept, i % 2 != 0 ? (i + 1) / 2 : -i / 2);
      if (!merged) return false;
      if (attempt(std::move(*merged))) return true;
    }
    return false;
  }

  bool simplify_arguments() {
    bool changed = false;
    for (std::size_t i = 0; i < best_.ops.size(); ++i) {
      bool again = true;
      while (again && !spent()) {
        again = false;
        for (const Op& form : simpler_forms(best_.ops[i])) {
          Program p = best_;
          p.ops[i] = form;
          if (!attempt(std::move(p))) continue;
          again = changed = true;
          break;
        }
      }
    }
    return changed;
  }

  Program best_;
  const std::function<bool(const Program&)>& shows_;
  ShrinkBudget budget_;
  Clock::time_point end_;
  unsigned runs_ = 0;
  std::unordered_set<std::uint64_t> tried_;
};

}  // namespace

Shrunk shrink(const Program& program, const std::function<bool(const Program&)>& shows,
              const ShrinkBudget& budget) {
  return Shrinker(program, shows, budget).run();
}

}  // namespace shmcheck::harness

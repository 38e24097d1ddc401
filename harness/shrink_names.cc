// Names in programs that are being shrunk: which op uses what another makes, and what to call it.
#include <algorithm>
#include <array>

#include "harness/shrink.h"

namespace shmcheck::harness {
namespace {

using program::Arg;
using program::ArgKind;
using program::NameKind;
using program::Op;
using program::OpCode;
using program::OpSpec;
using program::Quantity;

constexpr std::size_t kMostNames = std::max({program::kProcesses, program::kMappings, program::kFiles,
                                             program::kNames, program::kSegments, program::kObjects});

bool has_key(const Op& op) {
  return (op.code == OpCode::shmget || op.code == OpCode::race_shmget) && op.byte != 0;
}

// Calls visit(kind, index&) for every name in the op, its process first and its result last.
template <typename AnOp, typename Visit>
void each_name(AnOp& op, Visit visit) {
  const OpSpec& spec = program::spec(op.code);
  visit(NameKind::process, op.proc);
  for (const Arg& arg : spec.args) {
    if (arg.kind == ArgKind::object) visit(spec.object_kind, op.object);
  }
  if (program::has_second_path(op.code)) visit(NameKind::path, op.byte);
  for (auto* q : {&op.addr, &op.to}) {
    if (!q->names_mapping()) continue;
    std::uint8_t index = static_cast<std::uint8_t>(q->mapping());
    visit(NameKind::mapping, index);
    if constexpr (!std::is_const_v<AnOp>) {
      q->base = static_cast<std::uint8_t>(static_cast<unsigned>(program::Base::mapping) + index);
    }
  }
  if (spec.result_name != NameKind::none) visit(spec.result_name, op.result);
}

// New numbers in the order of first use.
class Renaming {
 public:
  Renaming() {
    for (auto& kind : to_) kind.fill(kUnused);
    to_[static_cast<std::size_t>(NameKind::process)][0] = 0;  // p0 is there from the start
    next_[static_cast<std::size_t>(NameKind::process)] = 1;
  }
  void rename(NameKind kind, std::uint8_t& index) {
    if (index >= program::name_count(kind)) return;  // `-`, `bad`, `neg`, `bogus`
    std::uint8_t& to = to_[static_cast<std::size_t>(kind)][index];
    if (to == kUnused) to = next_[static_cast<std::size_t>(kind)]++;
    index = to;
  }

 private:
  static constexpr std::uint8_t kUnused = 255;
  std::array<std::array<std::uint8_t, kMostNames>, program::kNameKinds> to_;
  std::array<std::uint8_t, program::kNameKinds> next_{};
};

}  // namespace

program::Program canonical_names(const program::Program& program) {
  program::Program p = program;
  Renaming names;
  std::array<std::uint8_t, program::kKeys> keys{};
  std::uint8_t next_key = 1;
  for (Op& op : p.ops) {
    each_name(op, [&](NameKind kind, std::uint8_t& index) { names.rename(kind, index); });
    if (!has_key(op)) continue;
    if (keys[op.byte] == 0) keys[op.byte] = next_key++;
    op.byte = keys[op.byte];
  }
  return p;
}

std::optional<program::Program> with_own_files(const program::Program& program, std::uint8_t process) {
  std::array<bool, program::kFiles> used{};
  std::array<std::uint8_t, program::kFiles> to{};
  for (std::uint8_t file = 0; file < program::kFiles; ++file) to[file] = file;
  for (const Op& op : program.ops) {
    each_name(op, [&](NameKind kind, const std::uint8_t& index) {
      if (kind == NameKind::file && index < program::kFiles) used[index] = true;
    });
  }
  program::Program apart = program;
  bool opens = false;
  for (Op& op : apart.ops) {
    if (op.proc != process) continue;
    const bool opened = program::spec(op.code).result_name == NameKind::file;
    const std::uint8_t result = op.result;
    each_name(op, [&](NameKind kind, std::uint8_t& index) {
      if (kind == NameKind::file && index < program::kFiles) index = to[index];
    });
    if (!opened) continue;
    const auto unused = std::find(used.begin(), used.end(), false);
    if (unused == used.end()) return std::nullopt;
    *unused = opens = true;
    op.result = to[result] = static_cast<std::uint8_t>(unused - used.begin());
  }
  if (!opens) return std::nullopt;
  return apart;
}

std::optional<program::Program> merge(const program::Program& program, std::size_t gone, std::size_t kept,
                                      int pages) {
  const Op& old_op = program.ops[gone];
  const Op& new_op = program.ops[kept];
  NameKind kind = program::spec(old_op.code).result_name;
  if (kind == NameKind::none || kind == NameKind::process) return std::nullopt;
  if (program::spec(new_op.code).result_name != kind || old_op.result == new_op.result) return std::nullopt;
  if (pages != 0 && kind != NameKind::mapping) return std::nullopt;
  program::Program merged = program;
  merged.ops.erase(merged.ops.begin() + static_cast<std::ptrdiff_t>(gone));
  for (Op& op : merged.ops) {
    for (program::Quantity* q : {&op.addr, &op.to}) {
      bool moves = kind == NameKind::mapping && q->names_mapping() && q->mapping() == old_op.result;
      if (moves) q->pages = static_cast<std::int16_t>(q->pages + pages);
    }
    each_name(op, [&](NameKind named, std::uint8_t& index) {
      if (named == kind && index == old_op.result) index = new_op.result;
    });
  }
  return merged;
}

std::vector<bool> dependents(const program::Program& program, std::size_t index) {
  std::vector<bool> gone(program.ops.size());
  std::array<std::array<bool, kMostNames>, program::kNameKinds> lost{};
  gone[index] = true;
  auto mark = [&](const Op& op, bool value) {
    NameKind kind = program::spec(op.code).result_name;
    if (kind != NameKind::none) lost[static_cast<std::size_t>(kind)][op.result] = value;
  };
  mark(program.ops[index], true);
  for (std::size_t i = index + 1; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    bool uses = false;
    unsigned names = 0;
    // The last name visited is the result, which is bound and not used.
    unsigned total = 0;
    each_name(op, [&](NameKind, const std::uint8_t&) { ++total; });
    if (program::spec(op.code).result_name != NameKind::none) --total;
    each_name(op, [&](NameKind kind, const std::uint8_t& name) {
      if (names++ < total && name < program::name_count(kind))
        uses |= lost[static_cast<std::size_t>(kind)][name];
    });
    gone[i] = uses;
    mark(op, uses);
  }
  return gone;
}

}  // namespace shmcheck::harness

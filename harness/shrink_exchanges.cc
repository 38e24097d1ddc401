// Exchanges: an op goes when another one changes with it. Each program offered has fewer ops than the one
// before.
#include <algorithm>

#include "harness/shrink.h"

namespace shmcheck::harness {
namespace {

using program::Op;
using program::OpCode;
using program::Program;

constexpr std::uint8_t kPlainByte = 0x41;

Program without(const Program& program, std::size_t index) {
  Program shorter = program;
  shorter.ops.erase(shorter.ops.begin() + static_cast<std::ptrdiff_t>(index));
  return shorter;
}

bool counts_segments(const Op& op) {
  if (op.code != OpCode::limit || op.len.base != 0) return false;
  const auto limit = static_cast<program::Limit>(op.small);
  return limit == program::Limit::shmall || limit == program::Limit::shmmni;
}

// A limit stays as near as it was to what is in use, when a segment fewer is.
void lower_limits(const Program& program, std::vector<Program>& offers) {
  for (std::size_t gone = 0; gone < program.ops.size(); ++gone) {
    const Op& segment = program.ops[gone];
    if (segment.code != OpCode::shmget) continue;
    const int pages = segment.len.pages + (segment.len.bytes > 0 ? 1 : 0);
    Program shorter = without(program, gone);
    bool lowered = false;
    for (Op& op : shorter.ops) {
      if (!counts_segments(op)) continue;
      const int by = static_cast<program::Limit>(op.small) == program::Limit::shmall ? pages : 1;
      if (op.len.bytes < by) continue;
      op.len.bytes = static_cast<std::int16_t>(op.len.bytes - by);
      lowered = true;
    }
    if (lowered) offers.push_back(std::move(shorter));
  }
}

// A write puts a byte into a file as a store to a mapping of it does, and needs no mapping.
void write_instead(const Program& program, std::vector<Program>& offers) {
  for (std::size_t map = 0; map < program.ops.size(); ++map) {
    const Op& mapping = program.ops[map];
    if (mapping.code != OpCode::mmap || mapping.object >= program::kFiles) continue;
    for (std::size_t at = map + 1; at < program.ops.size(); ++at) {
      const Op& store = program.ops[at];
      const bool into =
          store.code == OpCode::store && store.addr.names_mapping() && store.addr.mapping() == mapping.result;
      if (!into) continue;
      Program shorter = program;
      Op write;
      write.code = OpCode::pwrite;
      write.proc = store.proc;
      write.object = mapping.object;
      write.byte = kPlainByte;
      write.len.pages = 1;
      program::normalize(write);
      shorter.ops[at] = write;
      offers.push_back(without(shorter, map));
    }
  }
}

// A parent that has ended need not have been: the child does everything itself.
void child_instead(const Program& program, std::vector<Program>& offers) {
  for (std::size_t fork = 0; fork < program.ops.size(); ++fork) {
    const Op& born = program.ops[fork];
    if (born.code != OpCode::fork) continue;
    for (std::size_t end = fork + 1; end < program.ops.size(); ++end) {
      const Op& op = program.ops[end];
      const bool ends = (op.code == OpCode::exit && op.proc == born.proc) ||
                        (op.code == OpCode::kill && op.object == born.proc);
      if (!ends) continue;
      Program shorter = without(without(program, end), fork);
      for (Op& left : shorter.ops) {
        if (left.proc == born.result) left.proc = born.proc;
        if (left.code == OpCode::kill && left.object == born.result) left.object = born.proc;
      }
      offers.push_back(std::move(shorter));
      break;
    }
  }
}

}  // namespace

std::vector<Program> exchanges(const Program& program) {
  std::vector<Program> offers;
  lower_limits(program, offers);
  write_instead(program, offers);
  child_instead(program, offers);
  return offers;
}

}  // namespace shmcheck::harness

// Exchanges: an op goes when another one changes with it. Each program offered has fewer ops than the one
// before.
#include <algorithm>
#include <optional>

#include "harness/shrink.h"

namespace shmcheck::harness {
namespace {

using program::Op;
using program::OpCode;
using program::Program;

constexpr std::uint8_t kPlainByte = 0x41;
constexpr int kMostPages = 16;             // that a transfer in place of something else has
constexpr std::uint8_t kOtherByte = 0x42;  // that no other store is simplified to

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

// A process stays as near to vm.max_map_count as it was, when what makes or divides a mapping is not done.
void lower_crowds(const Program& program, std::vector<Program>& offers) {
  const auto crowd = std::ranges::find(program.ops, OpCode::crowd, [](const Op& op) { return op.code; }) -
                     program.ops.begin();
  const auto at = static_cast<std::size_t>(crowd);
  for (std::size_t gone = at + 1; gone < program.ops.size(); ++gone) {
    for (const int mappings : {1, 2}) {
      if (program.ops[at].small < mappings) break;
      Program shorter = without(program, gone);
      shorter.ops[at].small = static_cast<std::uint8_t>(shorter.ops[at].small - mappings);
      offers.push_back(std::move(shorter));
    }
  }
}

// A page of the file that is written, or what of it is read up to the last page of the access, in place of
// `access` to a mapping of it.
Op through_file(OpCode code, const Op& mapping, const Op& access) {
  Op op;
  op.code = code;
  op.proc = access.proc;
  op.object = mapping.object;
  op.byte = code == OpCode::pwrite ? kPlainByte : std::uint8_t{0};
  const int behind_first = access.code == OpCode::contents ? std::max(access.len.pages - 1, 0) : 0;
  const int pages = access.addr.pages + mapping.off.pages + 1 + behind_first;
  op.len.pages = static_cast<std::int16_t>(code == OpCode::pread ? std::clamp(pages, 1, kMostPages) : 1);
  program::normalize(op);
  return op;
}

// The last op of that kind on the file before a step.
std::optional<std::size_t> done_before(const Program& program, std::size_t at, OpCode code,
                                       std::uint8_t file) {
  for (std::size_t i = at; i-- > 0;) {
    if (program.ops[i].code == code && program.ops[i].object == file) return i;
  }
  return std::nullopt;
}

// A write puts a byte into a file as a store to a mapping of it does, and needs no mapping, or no size. A
// read shows a byte as a load does, and needs no mapping either, whichever name the address has.
void file_instead(const Program& program, std::vector<Program>& offers) {
  for (std::size_t map = 0; map < program.ops.size(); ++map) {
    const Op& mapping = program.ops[map];
    if (mapping.code != OpCode::mmap || mapping.object >= program::kFiles) continue;
    for (std::size_t at = map + 1; at < program.ops.size(); ++at) {
      const Op& access = program.ops[at];
      const bool stores = access.code == OpCode::store;
      const bool loads = access.code == OpCode::load || access.code == OpCode::contents;
      const bool of_mapping = access.addr.names_mapping() && access.addr.mapping() == mapping.result;
      if (!loads && !(stores && of_mapping)) continue;
      Program other = program;
      other.ops[at] = through_file(stores ? OpCode::pwrite : OpCode::pread, mapping, access);
      offers.push_back(without(other, map));
      if (!stores) continue;
      if (const auto sized = done_before(program, at, OpCode::ftruncate, mapping.object))
        offers.push_back(without(other, *sized));
    }
  }
}

// What is read from a file into memory is stored there, and a byte of it is by a store, the first one or the
// last, for which the file needs no size, or no content.
void store_instead(const Program& program, std::vector<Program>& offers) {
  for (std::size_t at = 0; at < program.ops.size(); ++at) {
    const Op& read = program.ops[at];
    if (read.code != OpCode::pread_to) continue;
    Op first;
    first.code = OpCode::store;
    first.proc = read.proc;
    first.addr = read.addr;
    first.value = kOtherByte;
    Op last = first;
    last.addr.pages = static_cast<std::int16_t>(last.addr.pages + read.len.pages);
    last.addr.bytes = static_cast<std::int16_t>(last.addr.bytes + read.len.bytes - 1);
    program::normalize(last);
    for (const OpCode needed : {OpCode::ftruncate, OpCode::pwrite}) {
      const auto done = done_before(program, at, needed, read.object);
      for (const Op& store : {first, last}) {
        if (!done) continue;
        Program other = program;
        other.ops[at] = store;
        offers.push_back(without(other, *done));
      }
    }
  }
}

// Whether some mapping of that name shows a file.
bool shows_a_file(const Program& program, const Op& access) {
  return std::ranges::any_of(program.ops, [&](const Op& op) {
    return op.code == OpCode::mmap && op.object < program::kFiles && op.result == access.addr.mapping();
  });
}

// A file that gets its size by a write differs from memory without a file as a store there makes it differ.
void written_size_instead(const Program& program, std::vector<Program>& offers) {
  for (std::size_t at = 0; at < program.ops.size(); ++at) {
    const Op& store = program.ops[at];
    if (store.code != OpCode::store || !store.addr.names_mapping() || shows_a_file(program, store)) continue;
    for (std::size_t i = 0; i < program.ops.size(); ++i) {
      const Op& sized = program.ops[i];
      if (sized.code != OpCode::ftruncate || sized.len.base != 0 || sized.len.pages > kMostPages) continue;
      Program other = program;
      Op write;
      write.code = OpCode::pwrite;
      write.proc = sized.proc;
      write.object = sized.object;
      write.len = sized.len;
      write.byte = kPlainByte;
      program::normalize(write);
      other.ops[i] = write;
      offers.push_back(without(other, at));
    }
  }
}

bool may_die(const Op& op) {
  const bool accesses = op.code == OpCode::store || op.code == OpCode::load;
  return accesses && static_cast<program::SignalAction>(op.byte) != program::SignalAction::caught;
}

// What forced removal takes when it is switched on, since its maker has ended, IPC_RMID takes.
void removal_instead(const Program& program, std::vector<Program>& offers) {
  std::optional<std::uint8_t> segment;
  for (std::size_t at = 0; at < program.ops.size(); ++at) {
    const Op& op = program.ops[at];
    if (op.code == OpCode::shmget) segment = op.result;
    const bool forces =
        op.code == OpCode::limit && static_cast<program::Limit>(op.small) == program::Limit::rmid_forced;
    if (!segment || !forces) continue;
    Program other = program;
    Op removal;
    removal.code = OpCode::shmctl;
    removal.proc = op.proc;
    removal.object = *segment;
    removal.small = static_cast<std::uint8_t>(program::ShmCommand::rmid);
    program::normalize(removal);
    other.ops[at] = removal;
    offers.push_back(std::move(other));
  }
}

// A parent that has ended need not have been: the child does everything itself.
void child_instead(const Program& program, std::vector<Program>& offers) {
  for (std::size_t fork = 0; fork < program.ops.size(); ++fork) {
    const Op& born = program.ops[fork];
    if (born.code != OpCode::fork) continue;
    for (std::size_t end = fork + 1; end < program.ops.size(); ++end) {
      const Op& op = program.ops[end];
      const bool ends = ((op.code == OpCode::exit || may_die(op)) && op.proc == born.proc) ||
                        (op.code == OpCode::kill && op.object == born.proc);
      if (!ends) continue;
      Program shorter = without(without(program, end), fork);
      for (Op& left : shorter.ops) {
        if (left.proc == born.result) left.proc = born.proc;
        if (left.code == OpCode::kill && left.object == born.result) left.object = born.proc;
      }
      removal_instead(shorter, offers);
      offers.push_back(std::move(shorter));
      break;
    }
  }
}

// What a child does its parent may do.
void parent_instead(const Program& program, std::vector<Program>& offers) {
  for (std::size_t fork = 0; fork < program.ops.size(); ++fork) {
    const Op& born = program.ops[fork];
    if (born.code != OpCode::fork) continue;
    Program shorter = without(program, fork);
    for (std::size_t i = fork; i < shorter.ops.size(); ++i) {
      if (shorter.ops[i].proc == born.result) shorter.ops[i].proc = born.proc;
    }
    offers.push_back(std::move(shorter));
  }
}

// Who dies of an access may as well exit, which needs no mapping.
void exit_instead(const Program& program, std::vector<Program>& offers) {
  for (std::size_t at = 0; at < program.ops.size(); ++at) {
    const Op& access = program.ops[at];
    if (!may_die(access) || !access.addr.names_mapping()) continue;
    for (std::size_t map = 0; map < at; ++map) {
      if (program::spec(program.ops[map].code).result_name != program::NameKind::mapping) continue;
      if (program.ops[map].result != access.addr.mapping()) continue;
      Program other = program;
      Op exit;
      exit.code = OpCode::exit;
      exit.proc = access.proc;
      other.ops[at] = exit;
      offers.push_back(without(other, map));
    }
  }
}

// Without a rename, what one of its names stands for later the other one does.
void names_instead(const Program& program, std::vector<Program>& offers) {
  for (std::size_t at = 0; at < program.ops.size(); ++at) {
    const Op& renamed = program.ops[at];
    if (renamed.code != OpCode::rename || renamed.object == renamed.byte) continue;
    const auto other = [&](std::uint8_t& path) {
      if (path == renamed.object || path == renamed.byte)
        path = path == renamed.object ? renamed.byte : renamed.object;
    };
    Program shorter = without(program, at);
    for (std::size_t i = at; i < shorter.ops.size(); ++i) {
      Op& op = shorter.ops[i];
      if (program::spec(op.code).object_kind == program::NameKind::path) other(op.object);
      if (program::has_second_path(op.code)) other(op.byte);
    }
    offers.push_back(std::move(shorter));
  }
}

// The slot that had the path before a step, opened by the process that takes it.
std::optional<std::uint8_t> slot_before(const Program& program, std::size_t at, const Op& open) {
  for (std::size_t i = at; i-- > 0;) {
    const Op& op = program.ops[i];
    if (op.code == OpCode::open && op.object == open.object && op.proc == program.ops[at].proc)
      return op.result;
  }
  return std::nullopt;
}

// What a crash left of a file and was read again, storage had before it.
void storage_instead(const Program& program, std::vector<Program>& offers) {
  for (std::size_t crash = 0; crash + 2 < program.ops.size(); ++crash) {
    if (program.ops[crash].code != OpCode::reboot) continue;
    const Op &open = program.ops[crash + 1], &read = program.ops[crash + 2];
    if (open.code != OpCode::open || read.code != OpCode::pread || read.object != open.result) continue;
    const std::optional<std::uint8_t> slot = slot_before(program, crash, open);
    if (!slot) continue;
    Program shorter = without(without(program, crash + 1), crash);
    Op& look = shorter.ops[crash];
    look.code = OpCode::stored;
    look.proc = program.ops[crash].proc;
    look.object = *slot;
    program::normalize(look);
    offers.push_back(std::move(shorter));
  }
}

// What a reboot brings to storage of a file that is opened again, fsync does too.
void written_instead(const Program& program, std::vector<Program>& offers) {
  for (std::size_t at = 0; at + 1 < program.ops.size(); ++at) {
    const Op &reboot = program.ops[at], &open = program.ops[at + 1];
    if (reboot.code != OpCode::reboot || open.code != OpCode::open) continue;
    const std::optional<std::uint8_t> slot = slot_before(program, at, open);
    if (!slot) continue;
    Program shorter = without(program, at + 1);
    Op fsync;
    fsync.code = OpCode::fsync;
    fsync.proc = reboot.proc;
    fsync.object = *slot;
    shorter.ops[at] = fsync;
    for (std::size_t i = at + 1; i < shorter.ops.size(); ++i) {
      Op& op = shorter.ops[i];
      if (program::spec(op.code).object_kind == program::NameKind::file && op.object == open.result)
        op.object = *slot;
    }
    offers.push_back(std::move(shorter));
  }
}

}  // namespace

std::vector<Program> exchanges(const Program& program) {
  std::vector<Program> offers;
  lower_limits(program, offers);
  lower_crowds(program, offers);
  file_instead(program, offers);
  store_instead(program, offers);
  written_size_instead(program, offers);
  child_instead(program, offers);
  parent_instead(program, offers);
  exit_instead(program, offers);
  names_instead(program, offers);
  storage_instead(program, offers);
  written_instead(program, offers);
  return offers;
}

}  // namespace shmcheck::harness

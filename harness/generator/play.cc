#include "harness/generator/play.h"

#include <array>
#include <vector>

namespace shmcheck::harness {

using program::Access;
using program::ShmCommand;

void Play::step(const Op& op) {
  if (dice.chance(s.swarm.interrupt)) random_step(s);
  // Scenarios are spoilt too, seldom: what they set up should be reached.
  if (dice.chance(s.swarm.spoil / 8)) {
    s.act(op);
  } else {
    s.act_exactly(op);
  }
}

std::optional<std::uint8_t> Play::child(std::uint8_t parent) {
  std::optional<std::uint8_t> name = s.fresh_process();
  if (!name) return s.other_alive(parent);
  Op op = make_op(OpCode::fork, parent);
  op.result = *name;
  step(op);
  if (s.process(*name).life != model::Life::alive) return std::nullopt;
  return name;
}

std::optional<std::uint8_t> Play::partner(std::uint8_t of) {
  if (dice.chance(50)) {
    if (std::optional<std::uint8_t> p = s.other_alive(of)) return p;
  }
  return child(of);
}

void Play::leave(std::uint8_t p) {
  if (s.alive() < 2) return;
  Op op = make_op(OpCode::exit, p);
  if (dice.chance(50)) {
    if (std::optional<std::uint8_t> killer = s.other_alive(p)) {
      op = make_op(OpCode::kill, *killer);
      op.object = p;
    }
  }
  step(op);
}

// --- files

std::uint8_t Play::file(std::uint8_t p, Quantity size, Access access) {
  Op op = make_op(OpCode::open, p);
  op.object = s.path();
  op.small = static_cast<std::uint8_t>(access);
  op.flags = program::openflag::kCreat;
  op.mode = 0666;
  if (access == Access::read_write && dice.chance(12)) {
    op = make_op(OpCode::memfd, p);
    op.flags = program::memfd::kSealing;
  } else if (dice.chance(12) && access != Access::write_only) {
    op.code = OpCode::shm_open;
    op.object = s.object();
  }
  op.result = s.fresh_file(p);
  step(op);
  if (access != Access::read_only) {
    truncate(p, op.result, size);
    write(p, op.result, {}, size);
  }
  return op.result;
}

std::uint8_t Play::path_of(std::uint8_t p, std::uint8_t file) const {
  const model::Inode* inode = s.inode(p, file);
  return inode && inode->path < program::kNames ? inode->path : std::uint8_t{0};
}

void Play::truncate(std::uint8_t p, std::uint8_t file, Quantity size) {
  Op op = make_op(OpCode::ftruncate, p);
  op.object = file;
  op.len = size;
  step(op);
}

void Play::resize(std::uint8_t p, std::uint8_t file, Quantity size) {
  const model::Inode* inode = s.inode(p, file);
  bool has_path = inode && inode->path < program::kNames;
  switch (dice.below(has_path ? 4 : 2)) {
    case 0:
      return truncate(p, file, size);
    case 1:
      return allocate(p, file, {}, size, program::Allocate::extend);
    case 2: {
      Op op = make_op(OpCode::truncate, p);
      op.object = path_of(p, file);
      op.len = size;
      return step(op);
    }
    default:
      return write(p, file, size, dice.pick({pages(0, 1), pages(0, 16), pages(1)}));
  }
}

namespace {
// An op on a range of addresses.
Op over(OpCode code, std::uint8_t p, Quantity where, Quantity length) {
  Op op = make_op(code, p);
  op.addr = where;
  op.len = length;
  return op;
}
}  // namespace

void Play::allocate(std::uint8_t p, std::uint8_t file, Quantity offset, Quantity length,
                    program::Allocate how) {
  Op op = make_op(OpCode::fallocate, p);
  op.object = file;
  op.off = offset;
  op.len = length;
  op.small = static_cast<std::uint8_t>(how);
  step(op);
}

void Play::seal(std::uint8_t p, std::uint8_t file, std::uint32_t seals) {
  Op op = make_op(OpCode::seal, p);
  op.object = file;
  op.flags = seals;
  step(op);
}

void Play::lock(std::uint8_t p, Quantity where, Quantity length, std::uint32_t flags) {
  Op op = over(OpCode::mlock, p, where, length);
  op.flags = flags;
  step(op);
}

void Play::unlock(std::uint8_t p, Quantity where, Quantity length) {
  step(over(OpCode::munlock, p, where, length));
}

void Play::close(std::uint8_t p, std::uint8_t file) {
  Op op = make_op(OpCode::close, p);
  op.object = file;
  step(op);
}

void Play::remount(std::uint8_t p, program::Remount how) {
  Op op = make_op(OpCode::remount, p);
  op.small = static_cast<std::uint8_t>(how);
  step(op);
}

void Play::age(std::uint8_t p, std::uint8_t file) {
  Op op = make_op(OpCode::age, p);
  op.object = file;
  step(op);
}

void Play::times(std::uint8_t p, std::uint8_t file) {
  Op op = make_op(OpCode::times, p);
  op.object = file;
  step(op);
}

void Play::lock_all(std::uint8_t p, std::uint32_t flags) {
  Op op = make_op(OpCode::mlockall, p);
  op.flags = flags;
  step(op);
}

void Play::unlock_all(std::uint8_t p) {
  step(make_op(OpCode::munlockall, p));
}

void Play::rlimit(std::uint8_t p, program::Resource what, Quantity value) {
  Op op = make_op(OpCode::rlimit, p);
  op.small = static_cast<std::uint8_t>(what);
  op.len = value;
  step(op);
}

void Play::crowd(std::uint8_t p, unsigned left) {
  Op op = make_op(OpCode::crowd, p);
  op.small = static_cast<std::uint8_t>(left - 1);
  step(op);
}

void Play::remap(std::uint8_t p, Quantity where, Quantity length, Quantity offset) {
  Op op = over(OpCode::remap, p, where, length);
  op.off = offset;
  step(op);
}

void Play::put_return(std::uint8_t p, Quantity where) {
  Op op = make_op(OpCode::store, p);
  op.addr = where;
  op.value = kReturnCode;
  step(op);
}

void Play::call(std::uint8_t p, Quantity where) {
  Op op = make_op(OpCode::call, p);
  op.addr = where;
  step(op);
}

void Play::count_locked(std::uint8_t p) {
  step(make_op(OpCode::locked, p));
}

void Play::count_resident(std::uint8_t p, Quantity where, int n) {
  step(over(OpCode::mincore, p, where, pages(n)));
}

void Play::write(std::uint8_t p, std::uint8_t file, Quantity offset, Quantity length) {
  Op op = make_op(OpCode::pwrite, p);
  op.object = file;
  op.off = offset;
  op.len = length;
  op.byte = s.fill();
  step(op);
}

void Play::read(std::uint8_t p, std::uint8_t file, int n) {
  Op op = make_op(OpCode::pread, p);
  op.object = file;
  op.len = pages(n);
  step(op);
}

void Play::size(std::uint8_t p, std::uint8_t file) {
  Op op = make_op(OpCode::fstat, p);
  op.object = file;
  step(op);
}

// --- memory

Quantity Play::arena(int n) {
  auto window = static_cast<int>(s.swarm.window);
  auto room = static_cast<std::uint32_t>(window > n ? window - n + 1 : 1);
  return from(program::Base::arena, static_cast<int>(dice.below(room)));
}

Quantity Play::map(std::uint8_t p, std::uint8_t file, Quantity length, std::uint32_t flags, std::uint8_t prot,
                   Quantity offset) {
  Op op = make_op(OpCode::mmap, p);
  op.result = s.fresh_mapping();
  op.object = file;
  op.len = length;
  op.flags = flags;
  op.small = prot;
  op.off = offset;
  if (dice.chance(s.swarm.placed)) {
    op.addr = arena(length.pages + 1);
    op.flags |= program::map::kFixed;
  }
  step(op);
  return at_mapping(op.result);
}

Quantity Play::map_at(std::uint8_t p, std::uint8_t file, Quantity where, Quantity length,
                      std::uint32_t flags) {
  Op op = make_op(OpCode::mmap, p);
  op.result = s.fresh_mapping();
  op.object = file;
  op.addr = where;
  op.len = length;
  op.flags = flags;
  op.small = program::kProtRead | program::kProtWrite;
  step(op);
  return at_mapping(op.result);
}

Quantity Play::anonymous(std::uint8_t p, int n, std::uint32_t flags, std::uint8_t prot) {
  return map(p, program::kFileNone, pages(n), flags | program::map::kAnonymous, prot);
}

void Play::unmap(std::uint8_t p, Quantity where, Quantity length) {
  step(over(OpCode::munmap, p, where, length));
}

Quantity Play::piece(std::uint8_t p, Quantity three) {
  int gone = dice.pick({0, 1, 1, 2});
  unmap(p, plus(three, gone), pages(1));
  return plus(three, gone == 0 ? 1 : gone == 2 ? 0 : dice.pick({0, 2, 2}));
}

void Play::protect(std::uint8_t p, Quantity where, Quantity length, std::uint8_t prot) {
  Op op = over(OpCode::mprotect, p, where, length);
  op.small = prot;
  step(op);
}

void Play::advise(std::uint8_t p, Quantity where, Quantity length, program::Advice advice) {
  Op op = over(OpCode::madvise, p, where, length);
  op.small = static_cast<std::uint8_t>(advice);
  step(op);
}

void Play::sync(std::uint8_t p, Quantity where, Quantity length) {
  Op op = over(OpCode::msync, p, where, length);
  op.flags = dice.pick({program::msync::kSync, program::msync::kSync, program::msync::kAsync,
                        program::msync::kInvalidate, program::msync::kSync | program::msync::kInvalidate});
  step(op);
}

Quantity Play::move(std::uint8_t p, Quantity where, Quantity old_length, Quantity new_length,
                    std::uint32_t flags, Quantity to) {
  Op op = make_op(OpCode::mremap, p);
  op.result = s.fresh_mapping();
  op.addr = where;
  op.len = old_length;
  op.off = new_length;
  op.flags = flags;
  op.to = to;
  step(op);
  return at_mapping(op.result);
}

void Play::store(std::uint8_t p, Quantity where) {
  if (s.has_file(p) && dice.chance(18)) {
    // The kernel stores, too: what a file holds is read into the memory.
    Op op = make_op(OpCode::pread_to, p);
    op.object = s.file(p);
    op.addr = where;
    op.len = dice.pick({pages(0, 8), pages(0, 100), pages(1)});
    op.off = dice.pick({pages(0), pages(0), pages(1), pages(0, 8)});
    return step(op);
  }
  Op op = make_op(OpCode::store, p);
  op.addr = where;
  op.small = static_cast<std::uint8_t>(dice.below(4));
  op.value = 0x0101010101010101U * s.fill();
  step(op);
}

void Play::load(std::uint8_t p, Quantity where) {
  Op op = make_op(OpCode::load, p);
  op.addr = where;
  op.small = static_cast<std::uint8_t>(dice.below(4));
  step(op);
}

void Play::peek(std::uint8_t p, Quantity where, int n) {
  if (dice.chance(20) && s.world().bound(where)) {
    // Single loads at the edges instead of every byte.
    if (const model::Vma* found = s.process(p).memory.find(s.world().value(where))) {
      // A load may end the process, and its mappings with it.
      const model::Vma v = *found;
      for (int i = 0; i < 2; ++i) {
        if (std::optional<Quantity> q = s.say(s.spot(v))) load(p, *q);
      }
      return;
    }
  }
  Op op = over(OpCode::contents, p, where, pages(n));
  op.small = dice.chance(s.swarm.by_kernel) ? 1 : 0;
  step(op);
}

void Play::fill(std::uint8_t p, Quantity where, int n) {
  for (int i = 0; i < n; ++i) store(p, plus(where, i, dice.pick({0, 0, 8, 100})));
}

// --- segments

std::uint8_t Play::segment(std::uint8_t p, Quantity size, std::uint8_t key, std::uint16_t mode,
                           std::uint32_t flags) {
  Op op = make_op(OpCode::shmget, p);
  op.result = s.fresh_segment();
  op.byte = key;
  op.len = size;
  op.mode = mode;
  op.flags = flags;
  step(op);
  return op.result;
}

Quantity Play::attach(std::uint8_t p, std::uint8_t segment, std::uint32_t flags) {
  Quantity where;
  if (dice.chance(s.swarm.placed)) where = arena(4), flags |= program::shmat::kRemap;
  return attach_at(p, segment, where, flags);
}

Quantity Play::attach_at(std::uint8_t p, std::uint8_t segment, Quantity where, std::uint32_t flags) {
  Op op = make_op(OpCode::shmat, p);
  op.result = s.fresh_mapping();
  op.object = segment;
  op.addr = where;
  op.flags = flags;
  step(op);
  return at_mapping(op.result);
}

void Play::detach(std::uint8_t p, Quantity where) {
  Op op = make_op(OpCode::shmdt, p);
  op.addr = where;
  step(op);
}

void Play::control(std::uint8_t p, std::uint8_t segment, ShmCommand command, std::uint8_t owner,
                   std::uint16_t mode, std::uint32_t flags) {
  Op op = make_op(OpCode::shmctl, p);
  op.object = segment;
  op.small = static_cast<std::uint8_t>(command);
  op.byte = owner;
  op.mode = mode;
  op.flags = flags;
  step(op);
}

void Play::by_index(std::uint8_t p, std::uint8_t segment, bool any) {
  Op op = make_op(OpCode::shm_stat, p);
  op.object = segment;
  if (any) op.flags = program::shmstat::kAny;
  step(op);
}

void Play::exec(std::uint8_t p) {
  step(make_op(OpCode::exec, p));
}

std::uint8_t Play::reboot(std::uint8_t p, program::Ending how) {
  Op op = make_op(OpCode::reboot, p);
  op.small = static_cast<std::uint8_t>(how);
  op.result = dice.chance(80) ? 0 : p;
  step(op);
  return s.any_alive();
}

void Play::flush(std::uint8_t p, std::uint8_t file) {
  Op op = make_op(OpCode::fsync, p);
  op.object = file;
  step(op);
}

void Play::join(std::uint8_t p, std::uint8_t other) {
  Op op = make_op(OpCode::setns, p);
  op.object = other;
  op.small = static_cast<std::uint8_t>(dice.below(2));
  step(op);
}

void Play::unshare(std::uint8_t p) {
  step(make_op(OpCode::unshare, p));
}

void Play::limit(std::uint8_t p, program::Limit which, Quantity value) {
  Op op = make_op(OpCode::limit, p);
  op.small = static_cast<std::uint8_t>(which);
  op.len = value;
  step(op);
}

void Play::become(std::uint8_t p, std::uint8_t user) {
  Op op = make_op(OpCode::setid, p);
  op.byte = user;
  step(op);
}

namespace {
std::vector<Scenario> joined(std::span<const Scenario> a, std::span<const Scenario> b) {
  std::vector<Scenario> both(a.begin(), a.end());
  both.insert(both.end(), b.begin(), b.end());
  return both;
}
}  // namespace

void play_scenario(Scene& scene) {
  // Files and their storage are one subject, and so are segments and their namespaces.
  static const std::vector<Scenario> files = joined(file_scenarios(), storage_scenarios()),
                                     sysv = joined(sysv_scenarios(), ipcns_scenarios());
  const std::array<std::span<const Scenario>, 6> all = {
      files, memory_scenarios(), sysv, limit_scenarios(), name_scenarios(), peer_scenarios()};
  std::span<const Scenario> group = all[scene.dice.pick({0U, 0U, 0U, 1U, 1U, 1U, 2U, 2U, 2U, 3U, 4U, 5U})];
  if (scene.options.allowed[static_cast<std::size_t>(OpCode::reboot)] && scene.dice.chance(50))
    group = reboot_scenarios();
  Play play(scene);
  group[scene.dice.below(static_cast<std::uint32_t>(group.size()))](play);
}

}  // namespace shmcheck::harness

// One builder per operation. Each makes an op that has a good chance to work; `spoil` makes the others.
#include "harness/generator_scene.h"

namespace shmcheck::harness {
namespace {

using model::Vma;
using program::Base;
using program::kProtExec;
using program::kProtRead;
using program::kProtWrite;

constexpr std::uint8_t kReadWrite = kProtRead | kProtWrite;

std::uint8_t some_prot(Scene& s) {
  std::uint32_t how = s.dice.below(20);
  if (how < 11) return kReadWrite;
  if (how < 15) return kProtRead;
  if (how < 17) return 0;
  return static_cast<std::uint8_t>(s.dice.below(8));
}

std::uint16_t some_mode(Scene& s) {
  return s.dice.pick<std::uint16_t>({0600, 0600, 0666, 0666, 0644, 0444, 0400, 0200, 0060, 0006, 0000, 0777});
}

// An offset into a file or mapping object.
Quantity some_offset(Scene& s) {
  if (s.dice.chance(60)) return pages(0);
  return pages(static_cast<int>(s.dice.below(4)));
}

std::uint64_t size_of_file(const Scene& s, std::uint8_t p, std::uint8_t file) {
  const model::Inode* inode = s.inode(p, file);
  return inode ? inode->size : 0;
}

// A file offset for reads and writes, often at the end of the file.
Quantity io_offset(Scene& s, std::uint8_t proc, std::uint8_t file) {
  std::uint64_t size = size_of_file(s, proc, file);
  if (s.dice.chance(40)) return s.size(4);
  if (s.dice.chance(20)) size = s.world().up(size);
  return plus(s.say_bytes(std::min<std::uint64_t>(size, 64 * s.page())), s.dice.pick({0, 0, 0, 1, 2}),
              s.dice.pick({0, 0, -1, 1, -8}));
}

Quantity io_length(Scene& s) {
  return s.dice.pick(
      {pages(0, 1), pages(0, 8), pages(0, 100), pages(1), pages(1, 1), pages(2), pages(2, -1)});
}

// Where a new mapping is asked for; nothing: anywhere.
std::optional<Quantity> some_place(Scene& s, std::uint8_t proc) {
  if (!s.dice.chance(s.swarm.placed)) return std::nullopt;
  const Vma* v = s.dice.chance(25) ? s.vma(proc) : nullptr;
  if (!v) return s.place();
  // Onto a mapping, or right beside it.
  std::uint64_t at = s.dice.chance(60) ? v->low : v->high;
  return s.say(at);
}

void place_mapping(Scene& s, Op& op) {
  std::optional<Quantity> where = some_place(s, op.proc);
  if (!where) return;
  op.addr = *where;
  op.flags |= s.dice.pick({program::map::kFixed, program::map::kFixed, program::map::kFixed, 0U,
                           program::map::kNoReplace, program::map::kFixed | program::map::kNoReplace});
  bool exact = (op.flags & (program::map::kFixed | program::map::kNoReplace)) != 0;
  if (!exact && s.dice.chance(30)) op.addr = plus(op.addr, 0, s.dice.pick({1, -1, 100}));
}

Op build_open(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::open, p);
  op.result = s.fresh_file(p);
  op.object = s.path();
  op.small = s.dice.pick<std::uint8_t>({1, 1, 1, 1, 1, 0, 0, 2});
  op.mode = s.dice.pick<std::uint16_t>({0666, 0666, 0600, 0644, 0444});
  bool present = s.world().paths[op.object] >= 0;
  if (!present || s.dice.chance(30)) op.flags |= program::openflag::kCreat;
  if (s.dice.chance(8)) op.flags |= program::openflag::kTrunc;
  if (s.dice.chance(6)) op.flags |= program::openflag::kAppend;
  if (s.dice.chance(6)) op.flags |= program::openflag::kExcl;
  return op;
}

Op with_file(Scene& s, OpCode code, std::uint8_t p) {
  Op op = make_op(code, p);
  op.object = s.file(p);
  return op;
}

Op build_close(Scene& s, std::uint8_t p) {
  return with_file(s, OpCode::close, p);
}
Op build_fstat(Scene& s, std::uint8_t p) {
  return with_file(s, OpCode::fstat, p);
}

Op build_unlink(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::unlink, p);
  op.object = s.path();
  return op;
}

// A new size: any, or near the old one.
Quantity new_size(Scene& s, std::uint64_t old) {
  if (s.dice.chance(50)) return s.size(5);
  return plus(s.say_bytes(std::min<std::uint64_t>(old, 60 * s.page())), s.dice.pick({0, 0, 1, -1, 2}),
              s.dice.pick({0, 1, -1, 100}));
}

Op build_ftruncate(Scene& s, std::uint8_t p) {
  Op op = with_file(s, OpCode::ftruncate, p);
  op.len = new_size(s, size_of_file(s, p, op.object));
  return op;
}

Op build_truncate(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::truncate, p);
  op.object = s.path();
  std::int32_t inode = s.world().paths[op.object];
  op.len = new_size(s, inode < 0 ? 0 : s.world().inodes[static_cast<std::size_t>(inode)].size);
  return op;
}

Op build_pread(Scene& s, std::uint8_t p) {
  Op op = with_file(s, OpCode::pread, p);
  op.len = s.dice.pick({pages(1), pages(2), pages(4), pages(8), pages(0, 1), pages(1, 1)});
  op.off = s.dice.chance(50) ? pages(0) : io_offset(s, p, op.object);
  return op;
}

Op build_pwrite(Scene& s, std::uint8_t p) {
  Op op = with_file(s, OpCode::pwrite, p);
  op.len = io_length(s);
  op.off = io_offset(s, p, op.object);
  op.byte = s.fill();
  return op;
}

Op memory_io(Scene& s, OpCode code, std::uint8_t p) {
  Op op = with_file(s, code, p);
  op.addr = s.address(p);
  op.len = io_length(s);
  op.off = io_offset(s, p, op.object);
  return op;
}

Op build_pread_to(Scene& s, std::uint8_t p) {
  return memory_io(s, OpCode::pread_to, p);
}
Op build_pwrite_from(Scene& s, std::uint8_t p) {
  return memory_io(s, OpCode::pwrite_from, p);
}

Op build_mmap(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::mmap, p);
  op.result = s.fresh_mapping();
  op.flags = s.dice.chance(55) ? program::map::kShared : program::map::kPrivate;
  if (!s.has_file(p) || s.dice.chance(30)) {
    op.object = program::kFileNone;
    op.flags |= program::map::kAnonymous;
    op.off = s.dice.chance(90) ? pages(0) : some_offset(s);
  } else {
    op.object = s.file(p);
    op.off = some_offset(s);
  }
  op.len = s.dice.chance(50) ? s.size(4) : pages(static_cast<int>(s.dice.between(1, 4)));
  op.small = some_prot(s);
  if (s.dice.chance(10))
    op.flags |= s.dice.pick({program::map::kPopulate, program::map::kNoReserve, program::map::kStack,
                             program::map::kUnknown, program::map::kShared | program::map::kPrivate});
  place_mapping(s, op);
  return op;
}

Op with_stretch(Scene& s, OpCode code, std::uint8_t p) {
  Op op = make_op(code, p);
  if (std::optional<Stretch> r = s.stretch(p)) {
    op.addr = r->addr;
    op.len = r->len;
  } else {
    op.addr = s.address(p);
    op.len = pages(static_cast<int>(s.dice.between(1, 4)));
  }
  return op;
}

Op build_munmap(Scene& s, std::uint8_t p) {
  return with_stretch(s, OpCode::munmap, p);
}

Op build_mprotect(Scene& s, std::uint8_t p) {
  Op op = with_stretch(s, OpCode::mprotect, p);
  op.small = some_prot(s);
  return op;
}

Op build_msync(Scene& s, std::uint8_t p) {
  Op op = with_stretch(s, OpCode::msync, p);
  op.flags = s.dice.below(8);
  return op;
}

Op build_madvise(Scene& s, std::uint8_t p) {
  using program::Advice;
  Op op = with_stretch(s, OpCode::madvise, p);
  Advice advice =
      s.dice.pick({Advice::dontneed, Advice::dontneed, Advice::dontneed, Advice::remove, Advice::remove,
                   Advice::dontfork, Advice::dontfork, Advice::dofork, Advice::populate_read,
                   Advice::populate_write, Advice::wipeonfork, Advice::keeponfork});
  op.small =
      s.dice.chance(75) ? static_cast<std::uint8_t>(advice) : static_cast<std::uint8_t>(s.dice.below(16));
  return op;
}

Op build_mremap(Scene& s, std::uint8_t p) {
  Op op = with_stretch(s, OpCode::mremap, p);
  op.result = s.fresh_mapping();
  switch (s.dice.below(8)) {
    case 0:
      op.off = op.len;
      break;
    case 1:
    case 2:
      op.off = plus(op.len, s.dice.pick({1, 1, 2, 3}));
      break;
    case 3:
    case 4:
      op.off = plus(op.len, -1);
      break;
    case 5:  // a second view of a shared object
      op.off = op.len;
      op.len = pages(0);
      break;
    default:
      op.off = s.size(5);
      break;
  }
  op.flags = s.dice.pick({0U, program::mremap::kMayMove, program::mremap::kMayMove,
                          program::mremap::kMayMove | program::mremap::kFixed,
                          program::mremap::kMayMove | program::mremap::kDontUnmap,
                          program::mremap::kMayMove | program::mremap::kFixed | program::mremap::kDontUnmap});
  if ((op.flags & program::mremap::kDontUnmap) != 0) op.off = op.len;
  if ((op.flags & program::mremap::kFixed) != 0) op.to = some_place(s, p).value_or(s.place());
  return op;
}

std::uint8_t some_action(Scene& s) {
  return s.dice.below(24) == 0 ? static_cast<std::uint8_t>(s.dice.below(4)) : std::uint8_t{0};
}

Op build_load(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::load, p);
  op.addr = s.address(p);
  op.small = static_cast<std::uint8_t>(s.dice.below(4));
  op.byte = some_action(s);
  return op;
}

Op build_store(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::store, p);
  op.addr = s.address(p);
  op.small = static_cast<std::uint8_t>(s.dice.below(4));
  op.value = 0x0101010101010101U * s.fill();
  // Bytes that differ show their order.
  if (s.dice.chance(15)) op.value ^= 0x0706050403020100U;
  op.byte = some_action(s);
  return op;
}

Op build_contents(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::contents, p);
  op.small = s.dice.chance(s.swarm.by_kernel) ? 1 : 0;
  if (const Vma* v = s.vma(p)) {
    auto count = static_cast<int>(std::min<std::uint64_t>((v->high - v->low) / s.page(), 16));
    if (std::optional<Quantity> low = s.say(v->low)) {
      op.addr = plus(*low, s.dice.pick({0, 0, 0, -1}));
      op.len = pages(count, s.dice.pick({0, 0, 1}));
      return op;
    }
  }
  op.addr = from(Base::arena);
  op.len = pages(static_cast<int>(s.swarm.window));
  return op;
}

Op build_fork(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::fork, p);
  std::optional<std::uint8_t> child = s.fresh_process();
  if (!child) return build_op(s, OpCode::store);
  op.result = *child;
  return op;
}

// Programs with one process left go on with it.
Op build_exit(Scene& s, std::uint8_t p) {
  if (s.alive() < 2) return build_op(s, OpCode::fork);
  Op op = make_op(OpCode::exit, p);
  op.byte = s.dice.pick<std::uint8_t>({0, 0, 1, 255});
  return op;
}

Op build_kill(Scene& s, std::uint8_t p) {
  std::optional<std::uint8_t> victim = s.other_alive(p);
  if (!victim) return build_op(s, OpCode::fork);
  Op op = make_op(OpCode::kill, p);
  op.object = *victim;
  op.small = static_cast<std::uint8_t>(s.dice.below(2));
  return op;
}

Op build_setid(Scene& s, std::uint8_t p) {
  // For good: only children change, so that one process keeps its rights.
  if (!s.swarm.users) return build_op(s, OpCode::store);
  if (p == 0 || s.alive() < 2) p = s.other_alive(0).value_or(0);
  if (p == 0) return build_op(s, OpCode::fork);
  Op op = make_op(OpCode::setid, p);
  op.byte = static_cast<std::uint8_t>(s.dice.between(1, 2));
  return op;
}

Op build_shmget(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::shmget, p);
  op.result = s.fresh_segment();
  op.byte = s.key();
  op.len = s.size(5);
  op.mode = some_mode(s);
  if (op.byte == 0) return op;
  bool present = s.key_in_use(op.byte);
  if (!present || s.dice.chance(40)) op.flags |= program::shmget::kCreat;
  if (s.dice.chance(present ? 15 : 40)) op.flags |= program::shmget::kExcl;
  if (present) op.len = s.dice.chance(50) ? pages(0) : s.size(3);
  return op;
}

Op build_shmat(Scene& s, std::uint8_t p) {
  namespace at = program::shmat;
  Op op = make_op(OpCode::shmat, p);
  op.object = s.segment();
  op.result = s.fresh_mapping();
  if (s.dice.chance(25)) op.flags |= at::kReadOnly;
  if (s.dice.chance(8)) op.flags |= at::kExec;
  if (std::optional<Quantity> where = some_place(s, p)) {
    op.addr = *where;
    if (s.dice.chance(30)) {
      op.flags |= at::kRound;
      op.addr = plus(op.addr, 0, s.dice.pick({0, 1, 100, -1}));
    }
    if (s.dice.chance(40)) op.flags |= at::kRemap;
  }
  return op;
}

Op build_shmdt(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::shmdt, p);
  op.addr = s.address(p);
  if (const Vma* v = s.attach_vma(p)) {
    // The start of the attach, though its first piece may be gone.
    std::uint64_t start = s.dice.chance(85) ? v->low - v->page_offset * s.page() : v->low;
    if (std::optional<Quantity> q = s.say(start)) op.addr = *q;
    // Not quite the start.
    std::uint32_t how = s.dice.below(12);
    if (how == 0) op.addr = plus(op.addr, s.dice.pick({1, 2, -1}));
    if (how == 1) op.addr = plus(op.addr, 0, s.dice.pick({1, -1, 100}));
  }
  return op;
}

Op build_shmctl(Scene& s, std::uint8_t p) {
  using program::ShmCommand;
  Op op = make_op(OpCode::shmctl, p);
  op.object = s.segment();
  ShmCommand command =
      s.dice.pick({ShmCommand::stat, ShmCommand::stat, ShmCommand::rmid, ShmCommand::rmid, ShmCommand::rmid,
                   ShmCommand::set, ShmCommand::set, ShmCommand::lock, ShmCommand::unlock});
  op.small = static_cast<std::uint8_t>(command);
  if (command == ShmCommand::set) {
    op.mode = some_mode(s);
    op.byte = s.dice.pick<std::uint8_t>({0, 0, 1, 2});
  }
  return op;
}

Op build_maps(Scene&, std::uint8_t p) {
  return make_op(OpCode::maps, p);
}

Op build_fallocate(Scene& s, std::uint8_t p) {
  using program::Allocate;
  Op op = with_file(s, OpCode::fallocate, p);
  Allocate how = s.dice.pick({Allocate::punch, Allocate::punch, Allocate::punch, Allocate::extend,
                              Allocate::extend, Allocate::keep, Allocate::zero, Allocate::zero_keep});
  op.small = static_cast<std::uint8_t>(how);
  op.len = io_length(s);
  op.off = s.dice.chance(50) ? pages(static_cast<int>(s.dice.below(3))) : io_offset(s, p, op.object);
  return op;
}

Op build_fsync(Scene& s, std::uint8_t p) {
  Op op = with_file(s, OpCode::fsync, p);
  op.small = s.dice.chance(50) ? 1 : 0;
  return op;
}

Op build_memfd(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::memfd, p);
  op.result = s.fresh_file(p);
  op.flags = s.dice.chance(85) ? program::memfd::kSealing : 0U;
  return op;
}

Op build_seal(Scene& s, std::uint8_t p) {
  using namespace program::seal;
  Op op = with_file(s, OpCode::seal, p);
  op.object = s.memfd(p).value_or(op.object);
  op.flags = s.dice.pick({kShrink, kGrow, kWrite, kWrite, kFutureWrite, kFutureWrite, kShrink | kGrow, kSeal,
                          0U, kWrite | kSeal});
  return op;
}

Op build_seals(Scene& s, std::uint8_t p) {
  Op op = with_file(s, OpCode::seals, p);
  op.object = s.memfd(p).value_or(op.object);
  return op;
}

Op build_mlock(Scene& s, std::uint8_t p) {
  Op op = with_stretch(s, OpCode::mlock, p);
  if (s.dice.chance(25)) op.flags = program::mlock::kOnFault;
  if (s.dice.chance(15)) op.addr = plus(op.addr, 0, s.dice.pick({1, 100, -1}));
  return op;
}

Op build_munlock(Scene& s, std::uint8_t p) {
  return with_stretch(s, OpCode::munlock, p);
}

Op build_locked(Scene&, std::uint8_t p) {
  return make_op(OpCode::locked, p);
}

Op build_mincore(Scene& s, std::uint8_t p) {
  Op op = build_contents(s, p);
  op.code = OpCode::mincore;
  op.small = 0;
  return op;
}

Op build_shm_info(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::shm_info, p);
  op.small = static_cast<std::uint8_t>(s.dice.below(2));
  return op;
}

using Builder = Op (*)(Scene&, std::uint8_t);
constexpr Builder kBuilders[] = {
    build_open,     build_close,    build_unlink,      build_ftruncate, build_truncate,  build_pread,
    build_pwrite,   build_pread_to, build_pwrite_from, build_fstat,     build_mmap,      build_munmap,
    build_mprotect, build_load,     build_store,       build_contents,  build_fork,      build_exit,
    build_kill,     build_shmget,   build_shmat,       build_shmdt,     build_shmctl,    build_maps,
    build_msync,    build_setid,    build_mremap,      build_madvise,   build_fallocate, build_fsync,
    build_memfd,    build_seal,     build_seals,       build_mlock,     build_munlock,   build_locked,
    build_mincore,  build_shm_info,
};
static_assert(std::size(kBuilders) == program::kOpCodes);

// What an op works on; without it, it can only fail.
enum class Subject { none, file, memory_file, memory, segment, attach };

Subject subject(OpCode code) {
  switch (code) {
    case OpCode::close:
    case OpCode::ftruncate:
    case OpCode::pread:
    case OpCode::pwrite:
    case OpCode::pread_to:
    case OpCode::pwrite_from:
    case OpCode::fstat:
    case OpCode::fallocate:
    case OpCode::fsync:
    case OpCode::seals:
      return Subject::file;
    case OpCode::seal:
      return Subject::memory_file;
    case OpCode::munmap:
    case OpCode::mprotect:
    case OpCode::load:
    case OpCode::store:
    case OpCode::msync:
    case OpCode::mremap:
    case OpCode::madvise:
    case OpCode::mlock:
    case OpCode::munlock:
    case OpCode::mincore:
      return Subject::memory;
    case OpCode::shmat:
    case OpCode::shmctl:
      return Subject::segment;
    case OpCode::shmdt:
      return Subject::attach;
    default:
      return Subject::none;
  }
}

// The op that provides a missing subject.
OpCode provider(Scene& s, std::uint8_t p, OpCode code) {
  switch (subject(code)) {
    case Subject::file:
      return s.has_file(p) ? code : OpCode::open;
    case Subject::memory_file:
      return s.memfd(p) ? code : OpCode::memfd;
    case Subject::memory:
      return s.vma(p) ? code : OpCode::mmap;
    case Subject::segment:
      return s.has_segment() ? code : OpCode::shmget;
    case Subject::attach:
      return s.attach_vma(p) ? code : s.has_segment() ? OpCode::shmat : OpCode::shmget;
    case Subject::none:
      break;
  }
  return code;
}

}  // namespace

Op build_op(Scene& s, OpCode code) {
  std::uint8_t p = s.actor();
  if (s.dice.chance(90)) {
    OpCode needed = provider(s, p, code);
    if (s.options.allowed[static_cast<std::size_t>(needed)]) code = needed;
  }
  return kBuilders[static_cast<std::size_t>(code)](s, p);
}

}  // namespace shmcheck::harness

// Builders of the ops on files, memory files among them.
#include "harness/generator/ops.h"

namespace shmcheck::harness {
namespace {

std::uint64_t size_of_file(const Scene& s, std::uint8_t p, std::uint8_t file) {
  const model::Inode* inode = s.inode(p, file);
  return inode ? inode->size : 0;
}

// A file offset for reads and writes, often at the end of the file.
Quantity io_offset(Scene& s, std::uint8_t proc, std::uint8_t file) {
  std::uint64_t size = size_of_file(s, proc, file);
  if (s.dice.chance(40)) return s.size(4);
  if (s.dice.chance(20)) size = s.world().up(size);
  const int bytes = s.dice.pick({0, 0, -1, 1, -8}), more = s.dice.pick({0, 0, 0, 1, 2});
  return plus(s.say_bytes(std::min<std::uint64_t>(size, 64 * s.page())), more, bytes);
}

Quantity io_length(Scene& s) {
  return s.dice.pick(
      {pages(0, 1), pages(0, 8), pages(0, 100), pages(1), pages(1, 1), pages(2), pages(2, -1)});
}

Op with_file(Scene& s, OpCode code, std::uint8_t p) {
  Op op = make_op(code, p);
  op.object = s.file(p);
  return op;
}

// A new size: any, or near the old one.
Quantity new_size(Scene& s, std::uint64_t old) {
  if (s.dice.chance(50)) return s.size(5);
  const int bytes = s.dice.pick({0, 1, -1, 100}), more = s.dice.pick({0, 0, 1, -1, 2});
  return plus(s.say_bytes(std::min<std::uint64_t>(old, 60 * s.page())), more, bytes);
}

Op memory_io(Scene& s, OpCode code, std::uint8_t p) {
  Op op = with_file(s, code, p);
  op.addr = s.address(p);
  op.len = io_length(s);
  op.off = io_offset(s, p, op.object);
  return op;
}

}  // namespace

Op build_open(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::open, p);
  op.result = s.fresh_file(p);
  op.object = s.path();
  op.small = s.dice.pick<std::uint8_t>({1, 1, 1, 1, 1, 0, 0, 2});
  op.mode = s.dice.pick<std::uint16_t>({0666, 0666, 0600, 0644, 0444, 0640});
  bool present = s.world().paths[op.object] >= 0;
  if (!present || s.dice.chance(30)) op.flags |= program::openflag::kCreat;
  if (s.dice.chance(8)) op.flags |= program::openflag::kTrunc;
  if (s.dice.chance(6)) op.flags |= program::openflag::kAppend;
  if (s.dice.chance(6)) op.flags |= program::openflag::kExcl;
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

Op build_pread_to(Scene& s, std::uint8_t p) {
  return memory_io(s, OpCode::pread_to, p);
}

Op build_pwrite_from(Scene& s, std::uint8_t p) {
  return memory_io(s, OpCode::pwrite_from, p);
}

Op build_fallocate(Scene& s, std::uint8_t p) {
  using program::Allocate;
  Op op = with_file(s, OpCode::fallocate, p);
  Allocate how = s.dice.pick({Allocate::punch, Allocate::punch, Allocate::punch, Allocate::extend,
                              Allocate::extend, Allocate::keep, Allocate::zero, Allocate::zero_keep,
                              Allocate::collapse, Allocate::insert, Allocate::punch_only});
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
  if (s.dice.chance(2)) op.flags |= program::memfd::kHuge;
  // Of the plain name there are several, as a rule.
  if (s.dice.chance(15)) op.byte = static_cast<std::uint8_t>(s.dice.below(5));
  return op;
}

Op build_memfd_name(Scene& s, std::uint8_t p) {
  Op op = with_file(s, OpCode::memfd_name, p);
  op.object = s.memfd(p).value_or(op.object);
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

namespace {
Op with_two_paths(Scene& s, OpCode code, std::uint8_t p) {
  Op op = make_op(code, p);
  op.object = s.path();
  op.byte = s.dice.chance(50) ? s.path() : static_cast<std::uint8_t>(s.swarm.paths % program::kNames);
  return op;
}
}  // namespace

Op build_rename(Scene& s, std::uint8_t p) {
  return with_two_paths(s, OpCode::rename, p);
}

Op build_link(Scene& s, std::uint8_t p) {
  Op op = with_two_paths(s, OpCode::link, p);
  // The new name should be free.
  const auto& paths = s.world().paths;
  while (op.byte + 1U < program::kNames && paths[op.byte] >= 0) ++op.byte;
  return op;
}

Op build_shm_open(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::shm_open, p);
  op.result = s.fresh_file(p);
  op.object = s.object();
  op.small = s.dice.pick<std::uint8_t>({1, 1, 1, 1, 0});
  op.mode = s.dice.pick<std::uint16_t>({0666, 0666, 0600, 0644, 0444, 0460});
  bool present = op.object < program::kObjects && s.world().objects[op.object] >= 0;
  if (!present || s.dice.chance(30)) op.flags |= program::openflag::kCreat;
  if (s.dice.chance(8)) op.flags |= program::openflag::kTrunc;
  if (s.dice.chance(8)) op.flags |= program::openflag::kExcl;
  return op;
}

Op build_stored(Scene& s, std::uint8_t p) {
  Op op = build_pread(s, p);
  op.code = OpCode::stored;
  return op;
}

Op build_shm_unlink(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::shm_unlink, p);
  op.object = s.object();
  // What is there, as a rule.
  for (int i = 0; i < 6 && op.object < program::kObjects && s.world().objects[op.object] < 0; ++i)
    op.object = s.object();
  return op;
}

Op build_age(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::age, p);
  op.object = s.file(p);
  return op;
}

Op build_times(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::times, p);
  op.object = s.file(p);
  return op;
}

Op build_map_file(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::map_file, p);
  op.result = s.fresh_file(p);
  op.addr = s.address(p);
  return op;
}

Op build_blocks(Scene& s, std::uint8_t p) {
  return with_file(s, OpCode::blocks, p);
}

// What is on is mostly taken off again: not much can be done with the file until then.
Op build_chattr(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::chattr, p);
  op.object = s.path();
  const std::int32_t inode = s.world().paths[op.object];
  const bool on =
      inode >= 0 && s.world().inodes[static_cast<std::size_t>(inode)].append_only != model::Attribute::off;
  op.small = static_cast<std::uint8_t>(s.dice.chance(on ? 80 : 20) ? program::AppendOnly::off
                                                                   : program::AppendOnly::on);
  return op;
}

Op build_fill(Scene& s, std::uint8_t p) {
  Op op = make_op(OpCode::fill, p);
  // Where nothing is to be had not much happens.
  const bool gives_back = s.dice.chance(s.world().full ? 80 : 10);
  op.small = static_cast<std::uint8_t>(gives_back ? program::Room::all : program::Room::none);
  return op;
}

}  // namespace shmcheck::harness

// Steps of files.
#include "harness/generator/play.h"

namespace shmcheck::harness {

using program::Access;

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

std::uint8_t Play::memory_file(std::uint8_t p, std::uint32_t flags) {
  Op op = make_op(OpCode::memfd, p);
  op.flags = flags;
  op.result = s.fresh_file(p);
  step(op);
  return op.result;
}

std::uint8_t Play::path_of(std::uint8_t p, std::uint8_t file) const {
  const model::Inode* inode = s.inode(p, file);
  return inode && inode->path < program::kNames ? inode->path : std::uint8_t{0};
}

void Play::unlink(std::uint8_t p, std::uint8_t path) {
  step(make_op(OpCode::unlink, p, path));
}

void Play::close(std::uint8_t p, std::uint8_t file) {
  step(make_op(OpCode::close, p, file));
}

void Play::fill_up(std::uint8_t p, program::Room left) {
  Op op = make_op(OpCode::fill, p);
  op.small = static_cast<std::uint8_t>(left);
  step(op);
}

void Play::remount(std::uint8_t p, program::Remount how) {
  Op op = make_op(OpCode::remount, p);
  op.small = static_cast<std::uint8_t>(how);
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
      Op op = make_op(OpCode::truncate, p, path_of(p, file));
      op.len = size;
      return step(op);
    }
    default:
      return write(p, file, size, dice.pick({pages(0, 1), pages(0, 16), pages(1)}));
  }
}

void Play::truncate(std::uint8_t p, std::uint8_t file, Quantity size) {
  Op op = make_op(OpCode::ftruncate, p, file);
  op.len = size;
  step(op);
}

void Play::write(std::uint8_t p, std::uint8_t file, Quantity offset, Quantity length) {
  Op op = make_op(OpCode::pwrite, p, file);
  op.off = offset;
  op.len = length;
  op.byte = s.fill();
  step(op);
}

void Play::allocate(std::uint8_t p, std::uint8_t file, Quantity offset, Quantity length,
                    program::Allocate how) {
  Op op = make_op(OpCode::fallocate, p, file);
  op.off = offset;
  op.len = length;
  op.small = static_cast<std::uint8_t>(how);
  step(op);
}

void Play::seal(std::uint8_t p, std::uint8_t file, std::uint32_t seals) {
  Op op = make_op(OpCode::seal, p, file);
  op.flags = seals;
  step(op);
}

void Play::read(std::uint8_t p, std::uint8_t file, int n) {
  Op op = make_op(OpCode::pread, p, file);
  op.len = pages(n);
  step(op);
}

void Play::size(std::uint8_t p, std::uint8_t file) {
  step(make_op(OpCode::fstat, p, file));
}

void Play::age(std::uint8_t p, std::uint8_t file) {
  step(make_op(OpCode::age, p, file));
}

void Play::times(std::uint8_t p, std::uint8_t file) {
  step(make_op(OpCode::times, p, file));
}

void Play::flush(std::uint8_t p, std::uint8_t file, bool data_only) {
  Op op = make_op(OpCode::fsync, p, file);
  op.small = data_only ? 1 : 0;
  step(op);
}

}  // namespace shmcheck::harness

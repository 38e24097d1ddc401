// pread(2) and pwrite(2) with the executor's buffer.
#include <fmt/format.h>

#include "model/blame.h"
#include "model/memory.h"
#include "model/rlimit.h"
#include "model/runs.h"
#include "model/times.h"
#include "model/transfer.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kENOSPC = 28;

Freedom freedom_of_space(const World& w) {
  return w.spare_most > 0 ? Freedom::spare_space : Freedom::partial_transfer;
}

void space_errors(World& w, Step& s, const Transfer& t, const WriteSpace& space) {
  if (t.length == 0 || space.least > 0) return;
  if (space.most == 0)
    s.must(kENOSPC, clause_of_full(w, w.inodes[t.file->inode]));
  else
    s.may(kENOSPC, freedom_of_space(w));
  // The times are moved before space is looked for.
  may_move_mtime(w.inodes[t.file->inode]);
}

// What is said to be written: it ends where the file system has nothing more.
std::uint64_t written(const World& w, Step& s, const Transfer& t, const WriteSpace& space) {
  if (space.least == space.most) {
    const bool all = space.least == t.length;
    return s.returns(space.most, !all        ? C::access_no_space
                                 : t.sealed  ? C::seal_grow
                                 : t.limited ? C::trunc_size_limit
                                             : clause_of_write_space(w, t));
  }
  s.uses(freedom_of_space(w));
  const std::uint64_t count = s.chosen(space.most, freedom_of_space(w));
  s.expect(count > 0 && count >= space.least && count <= space.most, C::access_no_space,
           [&] { return fmt::format("{} to {} bytes", space.least, space.most); });
  return std::min(count, space.most);
}

}  // namespace

void rule_pread(World& w, Process& p, Step& s) {
  Transfer t = check_arguments(w, p, s, false, false);
  may_have_read(w, s, t);
  if (s.failed(C::none)) return;
  std::uint64_t count = readable_bytes(w, t);
  if (count > 0) moves_atime(w, s, w.inodes[t.file->inode]);
  ObjectBytes& bytes = w.inodes[t.file->inode].bytes;
  if (s.running()) {
    RunWriter out(s.made().words);
    for (std::uint64_t at = t.offset; at < t.offset + count;) {
      std::uint64_t part = std::min(t.offset + count - at, w.page() - at % w.page());
      const PageRef* page = bytes.find(at / w.page());
      out.bytes(page && page->bytes() ? page->bytes() + at % w.page() : nullptr, part);
      at += part;
    }
    return;
  }
  RunReader in(s.seen().words);
  for (std::uint64_t at = t.offset; at < t.offset + count;) {
    std::uint64_t part = std::min(t.offset + count - at, w.page() - at % w.page());
    auto accepts = [&](std::uint64_t offset, std::uint64_t length, std::uint8_t seen) {
      return accepts_bytes(s, bytes, offset, length, seen, w.page());
    };
    auto blame = [&](std::uint64_t offset, const program::Run& seen) {
      return seen.kind == program::RunKind::bytes ? blame_of_read(w, t.file->inode, offset, seen.value)
                                                  : C::share_mapping_to_read;
    };
    s.applies(clause_of_read(w, t.file->inode, at));
    if (w.inodes[t.file->inode].event.clause == C::persist_file) s.applies(C::persist_file);
    if (w.inodes[t.file->inode].storage.open(at)) s.applies(C::writeback_visible_before);
    std::uint64_t other = bytes.origin_end(at, w.page());
    if (other < at + part) s.applies(clause_of_read(w, t.file->inode, other));
    if (!match_bytes(s, in, bytes, at, part, w.page(), at - t.offset, accepts, blame)) return;
    at += part;
  }
  if (count < t.length && w.inodes[t.file->inode].size % w.page() != 0) s.applies(C::slack_not_readable);
  if (in.done()) return;
  // Behind the page in which the file ends there is no slack: it is the size that is another one.
  const Inode& inode = w.inodes[t.file->inode];
  const bool of_slack = t.offset + count + in.left() <= w.up(inode.size);
  const bool restored = inode.restored != 0 && inode.size_clause == C::writeback_never_beyond_size;
  s.diverge(of_slack && !restored ? C::slack_not_readable : inode.size_clause, fmt::format("{} bytes", count),
            fmt::format("{} bytes", count + in.left()));
}

void rule_pwrite(World& w, Process& p, Step& s) {
  Transfer t = check_arguments(w, p, s, true, false);
  if (!settle_limit(w, s, t)) return;
  if (t.dies) return dies_of_file_size(w, p, s);
  if (s.first_error() == kEPERM && t.file) may_move_mtime(w.inodes[t.file->inode]);
  const WriteSpace space = s.must_fail() ? WriteSpace{t.length, t.length} : space_of_write(w, t);
  space_errors(w, s, t, space);
  // Of several pages some may have been allocated in vain.
  const bool in_vain =
      space.least < space.most && w.fs_of(w.inodes[t.file->inode]) != program::FileSystem::tmpfs;
  if (s.failed(s.saw(kENOSPC) ? clause_of_write_space(w, t) : C::none)) {
    if (in_vain) may_have_storage(w, t, 0);
    return;
  }
  const std::uint64_t count = written(w, s, t, space);
  write_file(w, s, t, s.op.byte, count);
  if (in_vain && count < t.length) may_have_storage(w, t, count);
}

}  // namespace shmcheck::model

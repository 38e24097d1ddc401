#include "model/times.h"

#include <fmt/format.h>

#include "model/append_only.h"

namespace shmcheck::model {

void moves_mtime(Inode& inode, C clause) {
  inode.mtime = Moved::yes;
  inode.mtime_clause = clause;
}

void may_move_mtime(Inode& inode) {
  if (inode.mtime == Moved::no) inode.mtime = Moved::perhaps;
}

void may_move_atime(Inode& inode) {
  if (inode.atime == Moved::no) inode.atime = Moved::perhaps;
}

void moves_atime(const World& w, const Step& s, Inode& inode) {
  program::FileSystem fs = w.fs_of(inode);
  bool known = fs == program::FileSystem::tmpfs || fs == program::FileSystem::ext4;
  if (s.exact() && known)
    inode.atime = Moved::yes;
  else
    may_move_atime(inode);
}

// ext4 learns of a store when the processor may not write to the page yet (ext4_page_mkwrite), which it may
// not before the first, nor after write-back. Write-back comes whenever the kernel likes. On tmpfs a store
// counts if it faults the page in (mm/memory.c, fault_dirty_shared_page), which an earlier load has spared
// it.
void store_moves_mtime(World& w, Vma& vma) {
  if (!vma.shared || vma.inode < 0) return;
  Inode& inode = w.object_of(vma);
  if (inode.kind != InodeKind::file) return;
  if (!vma.dirtied && w.fs_of(inode) == program::FileSystem::ext4)
    moves_mtime(inode, C::times_mtime);
  else
    may_move_mtime(inode);
  vma.dirtied = true;
}

void stores_are_noticed_again(World& w, std::uint32_t inode) {
  for (Process& p : w.processes) {
    for (Vma& v : p.memory.vmas()) {
      if (v.inode == static_cast<std::int32_t>(inode)) v.dirtied = false;
    }
  }
}

void rule_age(World& w, Process& p, Step& s) {
  constexpr int kEPERM = 1, kEBADF = 9;
  OpenFile* file = w.open_file(p, s.op.object);
  if (!file)
    s.must(kEBADF, C::none);
  else if (w.inodes[file->inode].uid != p.cred.uid && !p.cred.capable_over(w.inodes[file->inode]))
    s.must(kEPERM, C::none);
  else
    append_only_errors(w.inodes[file->inode], s, kEPERM);  // notify_change: ATTR_TIMES_SET
  if (s.failed(C::none)) return;
  Inode& inode = w.inodes[file->inode];
  inode.atime = inode.mtime = Moved::no;
  inode.mtime_clause = C::none;
}

namespace {

struct Time {
  const char* name;
  std::uint8_t bit;
  C clause;
  Moved& moved;
};

// What is not certain is settled by what was seen.
void match(Step& s, const Time& t) {
  bool seen = (s.seen().value & t.bit) != 0;
  s.applies(t.clause);
  if (t.moved == Moved::perhaps) {
    s.uses(Freedom::file_times);
    t.moved = seen ? Moved::yes : Moved::no;
    return;
  }
  bool expected = t.moved == Moved::yes;
  if (seen == expected) return;
  s.diverge(t.clause, fmt::format("{} {}", t.name, expected ? "has moved" : "has not moved"),
            seen ? "it has" : "it has not");
  s.adopted();
  t.moved = seen ? Moved::yes : Moved::no;
}

}  // namespace

void rule_times(World& w, Process& p, Step& s) {
  OpenFile* file = w.open_file(p, s.op.object);
  if (!file) s.must(9 /* EBADF */, C::none);
  if (s.failed(C::none)) return;
  Inode& inode = w.inodes[file->inode];
  C still = inode.stored_privately.empty() ? C::times_mtime : C::private_ro_file_unchanged_times;
  C modified = inode.mtime == Moved::yes ? inode.mtime_clause : still;
  const Time times[] = {{"st_atime", program::moved::kAccess, C::times_atime, inode.atime},
                        {"st_mtime", program::moved::kModification, modified, inode.mtime}};
  if (s.running()) {
    for (const Time& t : times) s.made().value |= t.moved == Moved::yes ? t.bit : 0U;
    return;
  }
  bool possible = s.seen().value <= (program::moved::kAccess | program::moved::kModification);
  if (!s.expect(possible, C::none, [] { return std::string("a sum of 1 and 2"); })) return;
  for (const Time& t : times) match(s, t);
}

void no_space_moves_mtime(World& w, const Vma& vma) {
  if (vma.shared && vma.inode >= 0) may_move_mtime(w.object_of(vma));
}

void may_dirty(World& w, Vma& vma, std::uint64_t offset) {
  if (!vma.shared || vma.inode < 0) return;
  const auto index = static_cast<std::uint32_t>(vma.inode);
  may_move_mtime(w.inodes[index]);
  vma.dirtied = true;
  if (w.inodes[index].kind != InodeKind::file) return;
  w.may_take_storage(index, offset, offset + 1);
  w.store_takes_neighbours(index);
}

}  // namespace shmcheck::model

// madvise(2): advice that changes what is seen, and the errors of every advice.
#include "model/append_only.h"
#include "model/map_limit.h"
#include "model/rules.h"
#include "model/times.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kEAGAIN = 11, kEFBIG = 27, kENOMEM = 12, kEACCES = 13, kEFAULT = 14, kEINVAL = 22;
using program::Advice;

// Why an advice cannot be given to this vma; 0 if it can. `only_writable`: MADV_REMOVE wants a mapping that
// is writable now, not one that may become so.
int refusal(const World& w, const Vma& v, std::uint64_t at, std::uint64_t high, Advice advice,
            bool only_writable) {
  bool private_anonymous = !v.shared && v.inode < 0;
  bool drops = advice == Advice::dontneed || advice == Advice::free || advice == Advice::remove ||
               advice == Advice::cold || advice == Advice::pageout;
  if (drops && v.locked) return kEINVAL;
  switch (advice) {
    case Advice::free:
    case Advice::wipeonfork:
      return private_anonymous ? 0 : kEINVAL;
    case Advice::remove: {
      if (v.inode < 0) return kEINVAL;
      if (!v.shared || !v.writable_file || !v.may_write) return kEACCES;
      if (only_writable && !(v.prot & program::kProtWrite)) return kEACCES;
      // Punching is refused at offsets that are negative to fallocate, and behind what the file system could
      // hold (fs/open.c, vfs_fallocate).
      if (static_cast<std::int64_t>(v.object_offset(std::max(v.low, at), w.page())) < 0) return kEINVAL;
      const Inode& inode = w.object_of(v);
      if (append_only_when_mapped(w, inode) == Attribute::on) return kEPERM;
      if (v.object_offset(std::min(v.high, high) - 1, w.page()) >= largest_file(w, inode)) return kEFBIG;
      return inode.seals & (program::seal::kWrite | program::seal::kFutureWrite) ? kEPERM : 0;
    }
    default:
      return 0;
  }
}

C clause_of_refusal(const World& w, const Vma* stopped_by, Advice advice, int error) {
  if (error == kEINVAL && advice != Advice::free && advice != Advice::wipeonfork)
    return C::madvise_dontneed_locked;
  if (error == kEPERM)
    return stopped_by && append_only_when_mapped(w, w.object_of(*stopped_by)) == Attribute::on
               ? C::none
               : C::seal_future_write;
  return advice == Advice::remove ? C::madvise_remove_not_shared_writable : C::madvise_free_shared;
}

C clause_of_success(const Process& p, std::uint64_t low, Advice advice) {
  const Vma* v = p.memory.find(low);
  switch (advice) {
    case Advice::dontneed:
      return !v || v->shared ? C::madvise_dontneed_shared
             : v->inode < 0  ? C::madvise_dontneed_private_anon
                             : C::madvise_dontneed_private_file;
    case Advice::remove:
      return C::madvise_remove;
    case Advice::dontfork:
    case Advice::dofork:
      return C::fork_dontfork;
    case Advice::populate_read:
      return C::madvise_populate_read;
    default:
      return C::madvise_hints_harmless;
  }
}

// Whether the advice is kept in the vma, so that a part of one is split off.
bool changes_flags(const Vma& v, Advice advice) {
  switch (advice) {
    case Advice::normal:
    case Advice::random:
    case Advice::sequential:
      return v.read_hint != static_cast<std::uint8_t>(advice);
    case Advice::dontfork:
      return !v.dont_fork;
    case Advice::dofork:
      return v.dont_fork;
    case Advice::wipeonfork:
      return !v.wipe_on_fork;
    case Advice::keeponfork:
      return v.wipe_on_fork;
    default:
      return false;
  }
}

void set_flags(Vma& v, Advice advice) {
  if (advice <= Advice::sequential) v.read_hint = static_cast<std::uint8_t>(advice);
  if (advice == Advice::dontfork || advice == Advice::dofork) v.dont_fork = advice == Advice::dontfork;
  if (advice == Advice::wipeonfork || advice == Advice::keeponfork)
    v.wipe_on_fork = advice == Advice::wipeonfork;
}

// Populated for writing, a page of a file is as if it had been stored to.
void may_be_stored_to(World& w, Vma& v) {
  if (!v.shared || v.inode < 0) return;
  may_move_mtime(w.object_of(v));
  v.dirtied = true;
}

// Advice about the bytes of pages first … last-1 of the vma's object.
void change_bytes(World& w, Step& s, Vma& v, std::uint64_t first, std::uint64_t last, Advice advice) {
  bool gives_up = advice == Advice::dontneed || advice == Advice::free || advice == Advice::cold ||
                  advice == Advice::pageout;
  if (advice == Advice::populate_write) may_be_stored_to(w, v);
  if (advice == Advice::remove && v.shared && v.inode >= 0) may_move_mtime(w.object_of(v));
  if (gives_up && !v.locked) v.resident_by = C::none;
  if (advice == Advice::pageout && v.inode >= 0) {
    w.not_resident(static_cast<std::uint32_t>(v.inode));
    w.object_of(v).touched = PageSet();
    w.may_be_reclaimed(static_cast<std::uint32_t>(v.inode), first, last);
  }
  if (advice == Advice::dontneed && !v.shared) {
    v.copies.settle(first * w.page(), last * w.page());
    v.copies.drop(first, last);
    v.discarded = true;
    w.happens(v, C::madvise_dontneed_private_file);
  } else if (advice == Advice::dontneed) {
    w.happens(v, C::madvise_dontneed_shared);
    if (Inode* object = w.memory_object(v)) object->forget_touched_by(s.op.proc);
  } else if (advice == Advice::free) {
    Doubt d;
    d.low = first * w.page();
    d.high = last * w.page();
    d.may_change = true;
    d.freedom = Freedom::freed_page;
    if (!v.copies.empty()) v.copies.doubt(std::move(d));
  } else if (advice == Advice::remove) {
    object_changes(w, s, static_cast<std::uint32_t>(v.inode), first * w.page(), (last - first) * w.page());
    w.keep_former(static_cast<std::uint32_t>(v.inode), first * w.page(), last * w.page());
    Inode& inode = w.object_of(v);
    inode.bytes.settle(first * w.page(), last * w.page());
    inode.bytes.drop(first, last);
    w.punches_storage(static_cast<std::uint32_t>(v.inode), first * w.page(), last * w.page());
    w.pages_removed(static_cast<std::uint32_t>(v.inode), C::madvise_remove);
  } else if (advice == Advice::populate_write && !v.shared) {
    for (std::uint64_t i = first; i < last; ++i) w.copy_on_write(v, i * w.page());
  }
}

// How far the walk over the range gets, and what stops it.
struct Walk {
  std::uint64_t end;
  int error = 0;
  bool hole = false;
};

Walk walk(World& w, Process& p, std::uint64_t low, std::uint64_t high, Advice advice, bool only_writable) {
  Walk result{high};
  std::uint64_t at = low;
  for (std::size_t i = p.memory.first_above(low); at < high; ++i) {
    const std::vector<Vma>& vmas = p.memory.vmas();
    if (i == vmas.size() || vmas[i].low >= high) {
      result.hole = true;
      break;
    }
    if (vmas[i].low > at) result.hole = true;
    if (int error = refusal(w, vmas[i], at, high, advice, only_writable)) {
      result.error = error;
      result.end = std::max(at, vmas[i].low);
      break;
    }
    at = std::min(vmas[i].high, high);
  }
  return result;
}

void advise(World& w, Process& p, Step& s, std::uint64_t low, std::uint64_t high, Advice advice) {
  if (low >= high) return;
  std::uint8_t who = index_of(w, p);
  for (std::size_t i = p.memory.first_above(low); i < p.memory.vmas().size() && p.memory.vmas()[i].low < high;
       ++i) {
    if (changes_flags(p.memory.vmas()[i], advice)) {
      std::uint64_t from = std::max(low, p.memory.vmas()[i].low),
                    to = std::min(high, p.memory.vmas()[i].high);
      w.change_part(who, from, to, s.when, [=](Vma& part) { set_flags(part, advice); });
      i = p.memory.first_above(from);
    }
    Vma& v = p.memory.vmas()[i];
    std::uint64_t from = std::max(low, v.low), to = std::min(high, v.high);
    std::uint64_t first = v.page_offset + (from - v.low) / w.page();
    change_bytes(w, s, v, first, first + (to - from) / w.page(), advice);
  }
}

// Populating touches every page as an access would.
void populate_errors(World& w, Process& p, Step& s, std::uint64_t low, std::uint64_t high, bool write) {
  bool inaccessible = false, not_there = false, hole = !p.memory.covers(low, high);
  for (std::size_t i = p.memory.first_above(low); i < p.memory.vmas().size(); ++i) {
    const Vma& v = p.memory.vmas()[i];
    if (v.low >= high) break;
    std::uint8_t need = write ? program::kProtWrite : program::kProtRead;
    inaccessible |= (v.prot & need) == 0;
    std::uint64_t to = std::min(v.high, high);
    for (std::uint64_t at = std::max(v.low, low); at < to && !not_there; at += w.page()) {
      const Access a = w.access(p, at, write);
      not_there = a.of_object();
      if (a.kind == Access::Kind::no_space) no_space_moves_mtime(w, v);
    }
  }
  // The first page in order that cannot be had decides; several kinds in one range are not told apart here.
  int kinds = (inaccessible ? 1 : 0) + (not_there ? 1 : 0) + (hole ? 1 : 0);
  if (kinds == 0) return;
  int error = hole ? kENOMEM : inaccessible ? kEINVAL : kEFAULT;
  s.must(error, C::madvise_populate_errors);
  if (kinds == 1) return;
  for (int other : {kENOMEM, kEINVAL, kEFAULT}) s.may(other, Freedom::which_error);
}

// Populating for write faults pages in one by one until it meets a page that it cannot have, and so copies
// private ones. It went on behind a hole until commit 631426ba1d45 (6.9, and stable releases of 6.6 and 6.8).
void populate_up_to_bad_page(World& w, Process& p, std::uint64_t low, std::uint64_t high, bool over_holes,
                             bool copies) {
  for (std::uint64_t at = low; at < high; at += w.page()) {
    if (over_holes) {
      std::size_t next = p.memory.first_above(at);
      if (next == p.memory.vmas().size()) return;
      at = std::max(at, p.memory.vmas()[next].low);
      if (at >= high) return;
    }
    Access a = w.access(p, at, true);
    if (a.kind != Access::Kind::byte) return;
    may_be_stored_to(w, *a.vma);
    if (copies && !a.vma->shared) w.copy_on_write(*a.vma, a.offset);
  }
}

bool has_read_only(const Process& p, std::uint64_t low, std::uint64_t high) {
  for (std::size_t i = p.memory.first_above(low); i < p.memory.vmas().size(); ++i) {
    const Vma& v = p.memory.vmas()[i];
    if (v.low >= high) return false;
    if (!(v.prot & program::kProtWrite)) return true;
  }
  return false;
}

}  // namespace

void rule_madvise(World& w, Process& p, Step& s) {
  std::uint64_t low = w.value(s.op.addr), length = w.value(s.op.len);
  std::uint64_t pages = w.up(length);
  auto advice = static_cast<Advice>(s.op.small);
  if (advice == Advice::unknown || low % w.page() != 0) s.must(kEINVAL, C::madvise_unaligned);
  if ((length != 0 && pages == 0) || low + pages < low) s.must(kEINVAL, kENOMEM, C::madvise_unaligned);
  if (s.must_fail() || pages == 0) {
    s.failed(C::madvise_len_zero);
    return;
  }
  if (advice == Advice::populate_read || advice == Advice::populate_write) {
    populate_errors(w, p, s, low, low + pages, advice == Advice::populate_write);
    if (s.failed(C::madvise_populate_read)) {
      if (advice != Advice::populate_write) return;
      const bool hole = !p.memory.covers(low, low + pages), copies = s.profile >= Profile::defacto;
      if (copies && hole && w.facts().release >= program::release(6, 6) &&
          w.facts().release < program::release(6, 9))
        s.lose_quietly(Freedom::documented_alternative);
      else
        populate_up_to_bad_page(w, p, low, low + pages, hole && w.facts().release < program::release(6, 6),
                                copies);
      return;
    }
    advise(w, p, s, low, low + pages, advice);
    return;
  }
  // Since 6.7, and in some stable releases before, a mapping counts that may become writable, not only one
  // that is.
  bool only_writable = false;
  if (advice == Advice::remove && w.facts().release < program::release(6, 7) &&
      has_read_only(p, low, low + pages)) {
    int pick = s.choose(2, Freedom::documented_alternative);
    if (pick < 0) return;
    only_writable = pick == 0;
  }
  Walk result = walk(w, p, low, low + pages, advice, only_writable);
  const Vma* const stopped_by = result.error ? p.memory.find(result.end) : nullptr;
  const Progress progress = change_within(w, p, low, result.end, [=](Vma& v) {
    const bool other = changes_flags(v, advice);
    set_flags(v, advice);
    return other;
  });
  result.end = progress.end;
  if (progress.limited == Limited::yes)
    s.must(kEAGAIN, kENOMEM, C::mmap_limit_map_count);
  else if (progress.limited == Limited::perhaps)
    s.may(kEAGAIN, Freedom::map_merge);
  if (progress.limited != Limited::yes && result.error)
    s.must(result.error, clause_of_refusal(w, stopped_by, advice, result.error));
  else if (progress.limited != Limited::yes && result.hole)
    s.must(kENOMEM, C::madvise_hole);
  s.failed(s.saw(kENOMEM) ? C::madvise_hole : clause_of_success(p, low, advice));
  if (!s.running() && s.report().diverged) return;
  if (perhaps_limited(s, progress, kEAGAIN)) return s.lose_quietly(Freedom::map_merge);
  if (!cut_at_start(w, p, s, progress)) return;
  advise(w, p, s, low, result.end, advice);
}

}  // namespace shmcheck::model

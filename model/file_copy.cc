// pread(2) and pwrite(2) with the process's own memory.
#include <fmt/format.h>

#include "model/memory.h"
#include "model/rlimit.h"
#include "model/times.h"
#include "model/transfer.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kEFAULT = 14, kENOSPC = 28;

bool outside_user_space(const World& w, std::uint64_t address, std::uint64_t length) {
  return address >= w.facts().top || length > w.facts().top - address;
}

// Whether bytes [low, high) of the object may show in a private mapping as they were before.
bool may_be_older(const Vma& vma, std::uint64_t low, std::uint64_t high) {
  return std::ranges::any_of(vma.older, [&](const Doubt& d) { return d.low < high && low < d.high; });
}

// Whatever the order in which bytes are copied over each other, equal ones stay.
bool all_equal(const std::vector<std::uint8_t>& bytes) {
  return std::ranges::all_of(bytes, [&](std::uint8_t byte) { return byte == bytes.front(); });
}

// Whether a transfer between a file and a piece of its own mapping copies bytes over each other.
bool onto_itself(const Transfer& t, std::uint64_t count, const Access& a, std::uint64_t part) {
  return a.vma->inode == static_cast<std::int32_t>(t.file->inode) && a.offset < t.offset + count &&
         t.offset < a.offset + part;
}

// How far a transfer can go.
struct Reach {
  std::uint64_t prefix;  // bytes before the first page that cannot be accessed
  std::uint64_t certain =
      ~std::uint64_t{0};  // of these, those before the first page that an architecture may refuse
  std::uint64_t unconditional = ~std::uint64_t{0};  // of these, those which every file system transfers
  C ended_by = C::none;  // what demands that it ends where all that was wanted does
};

// A transfer stops at the first page that cannot be accessed. Exact: all before it is transferred.
// Returns the bytes transferred, or nothing if the op is over.
std::optional<std::uint64_t> transferred(Step& s, std::uint64_t address, std::uint64_t wanted, Reach reach) {
  std::uint64_t prefix = std::min(reach.prefix, wanted);
  bool read_is_free = reach.certain < prefix;
  bool partial = reach.unconditional < prefix || (prefix < wanted && !s.exact());
  // Linux does not copy from or to the page at address 0, even where something is mapped there.
  bool page_zero = address < s.facts.page_size;
  if (page_zero) s.may(kEFAULT, Freedom::page_zero);
  if (read_is_free && reach.certain == 0) s.may(kEFAULT, Freedom::prot_implies);
  if (wanted > 0 && prefix == 0)
    s.must(kEFAULT, C::access_syscall_efault);
  else if (partial)
    s.may(kEFAULT, Freedom::partial_transfer);
  C clause = prefix < wanted || (!s.running() && s.seen().value < wanted && s.seen().kind == OutcomeKind::ok)
                 ? C::access_syscall_short
                 : reach.ended_by;
  if (s.saw(kEFAULT)) clause = C::access_syscall_efault;
  if (s.failed(clause)) return std::nullopt;
  if (read_is_free && !s.running() && s.seen().value == reach.certain && reach.certain > 0) {
    s.uses(Freedom::prot_implies);
    return reach.certain;
  }
  if (!partial) {
    std::uint64_t count = s.returns(prefix, clause);
    // What was said to be transferred is what the world goes on with.
    return s.running() ? count : std::min(s.seen().value, prefix);
  }
  std::uint64_t count = s.chosen(prefix, Freedom::partial_transfer);
  s.report().unique = false;
  s.expect(count <= prefix, clause, [&] { return fmt::format("at most {} bytes", prefix); });
  return std::min(count, prefix);
}

// tmpfs and ext4 of newer kernels: a write that copies nothing nevertheless moves the end of the file up to
// its offset (the copy is tried before the buffer is faulted in, and write_end sets the size). Seen on 6.18,
// not on 6.1. The inode in memory knows of it; that of the disk need not (ext4: i_disksize stays).
enum class EmptyWrite : std::uint8_t { keeps_size, extends, either };
EmptyWrite empty_write(const Step& s, program::FileSystem fs) {
  if (s.facts.kernel == "model") return EmptyWrite::keeps_size;
  if (s.facts.release < program::release(6, 2)) return EmptyWrite::keeps_size;
  bool seen = fs == program::FileSystem::tmpfs || fs == program::FileSystem::ext4;
  bool certain = s.exact() && seen && s.facts.release >= program::release(6, 18);
  return certain ? EmptyWrite::extends : EmptyWrite::either;
}

// Seen on 6.18: a write that has to end early ends where it must. btrfs gives up the block that it could not
// fill, and may then have written nothing (btrfs_buffered_write); nothing is known of others.
bool ends_where_it_must(program::FileSystem fs) {
  return fs != program::FileSystem::btrfs && fs != program::FileSystem::other;
}

// How much of the buffer can be read when what is written so far counts as written: a buffer that lies in a
// mapping of the same file may become accessible as the file grows.
std::uint64_t readable_prefix(World& w, Process& p, const Transfer& t, std::uint64_t address,
                              std::uint64_t length, bool extends) {
  std::uint64_t prefix = 0;
  for_pieces(w, p, address, length, false, [&](std::uint64_t, std::uint64_t part, const Access& a) {
    bool own =
        a.kind == Access::Kind::beyond_object && a.vma->inode == static_cast<std::int32_t>(t.file->inode);
    bool grown = own && (prefix > 0 || extends) && a.offset < w.up(t.offset + prefix);
    if (a.kind != Access::Kind::byte && !grown) return false;
    prefix += part;
    return true;
  });
  return prefix;
}

// The bytes before the first page that may be readable or not, as the architecture has it.
std::uint64_t readable_for_certain(World& w, Process& p, std::uint64_t address, std::uint64_t length) {
  std::uint64_t certain = 0;
  for_pieces(w, p, address, length, false, [&](std::uint64_t, std::uint64_t part, const Access& a) {
    if (a.vma && !(a.vma->prot & program::kProtRead)) return false;
    certain += part;
    return true;
  });
  return certain;
}

// Writes what lies at the address.
void write_copied(World& w, Process& p, Step& s, const Transfer& t, std::uint64_t address,
                  std::uint64_t count) {
  Inode& file = w.inodes[t.file->inode];
  std::uint64_t end_before = file.size;
  grow(w, s, t, count);
  std::vector<std::uint8_t> bytes;
  bytes.reserve(count);
  std::vector<Doubt> of_slack;
  bool uncertain = false, overlaps = false;
  for_pieces(w, p, address, count, false, [&](std::uint64_t, std::uint64_t part, const Access& a) {
    ObjectBytes& from = w.supply(*a.vma, a.offset);
    // A file system may zero the slack before the copy or, page by page, after it.
    bool own = &from == &file.bytes && t.offset > end_before;
    std::uint64_t low = std::max(a.offset, end_before), high = std::min(a.offset + part, w.up(end_before));
    if (own && low < high) {
      Doubt d;
      d.low = t.offset + bytes.size() + (low - a.offset);
      d.high = d.low + (high - low);
      d.any = true;
      d.freedom = Freedom::overlapping_copy;
      of_slack.push_back(std::move(d));
    }
    from.read(a.offset, part, w.page(), bytes);
    const bool of_object = &from != &a.vma->copies;
    uncertain |= from.doubted(a.offset, a.offset + part) ||
                 (of_object && may_be_older(*a.vma, a.offset, a.offset + part));
    overlaps |= of_object && onto_itself(t, count, a, part);
    return true;
  });
  if (!uncertain && of_slack.empty() && all_equal(bytes)) overlaps = false;
  write_file(w, s, t, bytes.data(), bytes.size());
  for (Doubt& d : of_slack) file.bytes.doubt(std::move(d));
  if (uncertain || overlaps) {
    Doubt d;
    d.low = t.offset;
    d.high = t.offset + bytes.size();
    d.any = true;
    d.freedom = overlaps ? Freedom::overlapping_copy : Freedom::copied_doubt;
    file.bytes.doubt(std::move(d));
  }
}

// Where the first page of the buffer lies that there was no space for, among those for which nobody knows:
// the outcome says so. Nowhere: `prefix`.
std::uint64_t until_space_ends(World& w, Process& p, Step& s, std::uint64_t address, std::uint64_t prefix,
                               bool write) {
  if (s.running() || (s.seen().kind != OutcomeKind::ok && !s.saw(kEFAULT))) return prefix;
  const std::uint64_t stopped = s.saw(kEFAULT) ? 0 : s.seen().value;
  std::uint64_t at = 0;
  bool there = false;
  for_pieces(w, p, address, prefix, write, [&](std::uint64_t, std::uint64_t part, const Access& a) {
    if (a.unsure) s.uses(Freedom::spare_space);
    there |= a.unsure && at == stopped;
    at += part;
    return true;
  });
  return there ? stopped : prefix;
}

// Whether to read the buffer may take some of what is left for the file: pages of tmpfs that may not be
// there.
bool takes_space(World& w, Process& p, const Transfer& t, std::uint64_t address) {
  if (!w.of_full(w.inodes[t.file->inode])) return false;
  bool takes = false;
  for_pieces(w, p, address, t.length, false, [&](std::uint64_t, std::uint64_t, const Access& a) {
    if (a.vma && a.vma->inode >= 0) takes |= w.may_take_page(w.object_of(*a.vma), a.offset / w.page());
    return a.vma != nullptr;
  });
  return takes;
}

// Whether the buffer or the file gets the last of it is not known, nor what the world is then.
void lose_contended_space(Step& s, const Transfer& t) {
  s.may(kENOSPC, Freedom::spare_space);
  s.may(kEFAULT, Freedom::spare_space);
  if (!s.failed(C::access_no_space)) {
    s.expect(s.seen().value <= t.length, C::access_syscall_short,
             [&] { return fmt::format("at most {} bytes", t.length); });
  }
  if (!s.report().diverged) s.lose_quietly(Freedom::spare_space);
}

// Which comes first, the look at the memory or at the file's seals or space, differs between releases.
void may_look_at_memory_first(World& w, Process& p, Step& s, std::uint64_t address, std::uint64_t length) {
  if (accessible_prefix(w, p, address, length, false) == 0)
    s.may(kEFAULT, Freedom::which_error);
  else if (readable_for_certain(w, p, address, length) == 0)
    s.may(kEFAULT, Freedom::prot_implies);
}

// A write ends where the file system has nothing more.
void lacks_space(World& w, Process& p, Step& s, Transfer& t, std::uint64_t address, std::uint64_t there) {
  t.length = there > 0 ? there : t.length;
  if (there > 0) return;
  s.must(kENOSPC, clause_of_full(w, w.inodes[t.file->inode]));
  may_look_at_memory_first(w, p, s, address, 1);
}

// Of a write for which there may be space the outcome says where it ended: before a block that was not to be
// had.
void settle_space(World& w, Step& s, Transfer& t, const WriteSpace& space) {
  s.uses(Freedom::spare_space);
  t.length = std::min(t.length, space.most);
  if (s.running()) return;
  if (s.saw(kENOSPC) && space.least == 0) {
    s.may(kENOSPC, Freedom::spare_space);
    return may_have_storage(w, t, 0);
  }
  const std::uint64_t ended = s.seen().kind == OutcomeKind::ok ? s.seen().value : 0;
  const std::uint64_t block = std::min<std::uint64_t>(w.facts().fs_block, w.page());
  if (ended == 0 || ended < space.least || ended >= t.length || (t.offset + ended) % block != 0) return;
  may_have_storage(w, t, ended);
  t.length = ended;
}

}  // namespace

void rule_pread_to(World& w, Process& p, Step& s) {
  std::uint64_t address = w.value(s.op.addr);
  Transfer t = check_arguments(w, p, s, false, outside_user_space(w, address, w.value(s.op.len)));
  std::uint64_t wanted = s.must_fail() ? 0 : readable_bytes(w, t);
  std::uint64_t prefix = s.must_fail() ? 0 : accessible_prefix(w, p, address, wanted, true);
  may_have_read(w, s, t);
  for_pieces(w, p, address, s.must_fail() ? 0 : t.length, true,
             [&](std::uint64_t, std::uint64_t, const Access& a) {
               // What is faulted in for writing counts, written or not.
               if (a.kind == Access::Kind::byte) may_dirty(w, *a.vma, a.offset);
               if (a.kind == Access::Kind::no_space) no_space_moves_mtime(w, *a.vma);
               return a.kind == Access::Kind::byte;
             });
  prefix = until_space_ends(w, p, s, address, prefix, true);
  std::optional<std::uint64_t> count = transferred(s, address, wanted, {prefix});
  if (!count) return;
  if (*count > 0) moves_atime(w, s, w.inodes[t.file->inode]);
  std::uint32_t source = t.file->inode;
  std::vector<std::uint8_t> bytes;
  bytes.reserve(*count);
  w.inodes[source].bytes.read(t.offset, *count, w.page(), bytes);
  bool doubted = w.inodes[source].bytes.doubted(t.offset, t.offset + *count);
  // A buffer that lies in the range it is read from changes what is read later on.
  bool overlaps = false;
  for_pieces(w, p, address, *count, true, [&](std::uint64_t, std::uint64_t part, const Access& a) {
    overlaps |= a.vma->shared && onto_itself(t, *count, a, part);
    return true;
  });
  if (!doubted && all_equal(bytes)) overlaps = false;
  const std::uint8_t* next = bytes.data();
  for_pieces(w, p, address, *count, true, [&](std::uint64_t, std::uint64_t part, const Access& a) {
    store_piece(w, s, *a.vma, a.offset, next, part);
    if (doubted || overlaps) {
      Doubt d;
      d.low = a.offset;
      d.high = a.offset + part;
      d.any = true;
      d.freedom = overlaps ? Freedom::overlapping_copy : Freedom::copied_doubt;
      w.supply(*a.vma, a.offset).doubt(std::move(d));
    }
    next += part;
    return true;
  });
}

void rule_pwrite_from(World& w, Process& p, Step& s) {
  std::uint64_t address = w.value(s.op.addr);
  Transfer t = check_arguments(w, p, s, true, outside_user_space(w, address, w.value(s.op.len)));
  if (!settle_limit(w, s, t)) return;
  if (t.dies) return dies_of_file_size(w, p, s);
  const std::uint64_t length = t.length;
  if (!s.must_fail()) {
    const WriteSpace space = space_of_write(w, t);
    if (takes_space(w, p, t, address) && !s.running()) return lose_contended_space(s, t);
    if (space.least != space.most)
      settle_space(w, s, t, space);
    else if (space.most < t.length)
      lacks_space(w, p, s, t, address, space.most);
  }
  bool refused = s.must_fail();
  std::uint64_t wanted = refused ? 0 : t.length;
  program::FileSystem fs = t.file ? w.fs_of(w.inodes[t.file->inode]) : s.facts.fs;
  EmptyWrite empty = empty_write(s, fs);
  if (s.first_error() == kEPERM) may_look_at_memory_first(w, p, s, address, t.length);
  bool beyond = !refused && wanted > 0 && t.offset > w.inodes[t.file->inode].size;
  bool moves_end = beyond && empty == EmptyWrite::extends;
  if (beyond && empty == EmptyWrite::either && accessible_prefix(w, p, address, wanted, false) == 0) {
    int pick = s.choose(2, Freedom::empty_write_extends);
    if (pick < 0) return;
    moves_end = pick == 1;
  }
  // The times are moved before anything is copied.
  if (t.file && t.file->writable && t.length > 0) may_move_mtime(w.inodes[t.file->inode]);
  std::uint64_t prefix = refused ? 0 : readable_prefix(w, p, t, address, wanted, moves_end);
  prefix = until_space_ends(w, p, s, address, prefix, false);
  if (moves_end && prefix == 0 && !s.saw(kENOSPC)) {
    object_changes(w, s, t.file->inode, w.inodes[t.file->inode].size, 0);
    extend(w, s, t.file->inode, t.offset);
    w.inodes[t.file->inode].end_in_cache = w.is_stored(w.inodes[t.file->inode]);
  }
  Reach reach{prefix, readable_for_certain(w, p, address, prefix)};
  if (t.length < length) reach.ended_by = C::access_no_space;
  if (!ends_where_it_must(fs) && accessible_prefix(w, p, address, wanted, false) < wanted)
    reach.unconditional = 0;
  if (s.saw(kENOSPC) && !s.must_fail()) {
    s.failed(clause_of_write_space(w, t));
    return;
  }
  // So may what is refused because of the page at address 0.
  const bool page_zero = address < w.page();
  if (prefix < wanted || (page_zero && wanted > 0)) may_have_storage(w, t, s.saw(kEFAULT) ? 0 : prefix);
  std::optional<std::uint64_t> count = transferred(s, address, wanted, reach);
  if (!count) {
    // What was refused although it could have been copied may have moved the end of the file all the same.
    bool unsure =
        !s.running() && !s.report().diverged && beyond && prefix > 0 && empty != EmptyWrite::keeps_size;
    if (unsure) s.lose_quietly(Freedom::empty_write_extends);
    return;
  }
  write_copied(w, p, s, t, address, *count);
}

}  // namespace shmcheck::model

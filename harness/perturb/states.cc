// Lies about what fstat and IPC_STAT say, and about what is left at the end.
#include "harness/perturb/tools.h"

namespace shmcheck::harness {
namespace {

constexpr std::uint64_t kMinusOne = ~std::uint64_t{0};

// --- fstat: size, links, mode, uid, gid
bool add_to(Draw& d, Outcome& o, std::size_t word, std::initializer_list<std::uint64_t> steps) {
  if (word >= o.words.size()) return false;
  o.words[word] += d.dice.pick(steps);
  return true;
}
bool flip(Draw& d, Outcome& o, std::size_t word, std::initializer_list<std::uint64_t> bits) {
  if (word >= o.words.size()) return false;
  o.words[word] ^= d.dice.pick(bits);
  return true;
}

bool file_size(Draw& d, Outcome& o) {
  return add_to(d, o, 0, {1, kMinusOne, d.facts().page_size, 0 - std::uint64_t{d.facts().page_size}});
}
bool file_links(Draw& d, Outcome& o) {
  return add_to(d, o, 1, {1, kMinusOne});
}
bool file_mode(Draw& d, Outcome& o) {
  return flip(d, o, 2, {0001, 0002, 0020, 0040, 0200, 0400});
}
bool file_type(Draw& d, Outcome& o) {
  return flip(d, o, 2, {0100000, 0040000, 04000, 02000, 01000});
}
bool file_uid(Draw& d, Outcome& o) {
  return add_to(d, o, 3, {1, 65533});
}
bool file_gid(Draw& d, Outcome& o) {
  return add_to(d, o, 4, {1, 65533});
}

// --- IPC_STAT, also of a segment that `end` lists

std::size_t any_row(Draw& d, const Outcome& o) {
  const std::size_t count = o.words.size() / program::kListingRowWords;
  return count == 0 ? SIZE_MAX : d.dice.below(static_cast<std::uint32_t>(count)) * program::kListingRowWords;
}

// Where the members of a segment begin; nothing if there is none.
std::size_t members(Draw& d, const Outcome& o) {
  const ResultKind result = result_of(d.op());
  if (result == ResultKind::shm || result == ResultKind::shm_at)
    return o.words.size() >= program::kShmStatWords ? 0 : SIZE_MAX;
  if (result == ResultKind::listing) {
    const std::size_t row = any_row(d, o);
    return row == SIZE_MAX ? SIZE_MAX : row + 1;
  }
  std::vector<std::size_t> listed;
  for (std::size_t at = 1; at + program::kEndSegmentWords <= o.words.size();
       at += program::kEndSegmentWords) {
    if (o.words[at + 1] == 0) listed.push_back(at + 2);
  }
  return listed.empty() ? SIZE_MAX : pick(d.dice, listed);
}

enum Member : std::size_t { key, uid, gid, cuid, cgid, mode, segsz, atime, dtime, ctime, cpid, lpid, nattch };

bool add_to_member(Draw& d, Outcome& o, Member member, std::initializer_list<std::uint64_t> steps) {
  const std::size_t at = members(d, o);
  return at != SIZE_MAX && add_to(d, o, at + member, steps);
}
bool flip_member(Draw& d, Outcome& o, Member member, std::initializer_list<std::uint64_t> bits) {
  const std::size_t at = members(d, o);
  return at != SIZE_MAX && flip(d, o, at + member, bits);
}

bool stat_key(Draw& d, Outcome& o) {
  const std::size_t at = members(d, o);
  return at != SIZE_MAX &&
         replace(d.dice, o.words[at], {std::uint64_t{0}, o.words[at] + 1, std::uint64_t{0x73686d01}});
}
// Another number, or what somebody is in a user namespace: root, or nobody there.
bool stat_id(Draw& d, Outcome& o, Member member) {
  const std::size_t at = members(d, o);
  if (at == SIZE_MAX) return false;
  std::uint64_t& id = o.words[at + member];
  return replace(d.dice, id, {id + 1, id + 65533, std::uint64_t{0}, std::uint64_t{program::kOverflowId}});
}
bool stat_uid(Draw& d, Outcome& o) {
  return stat_id(d, o, uid);
}
bool stat_gid(Draw& d, Outcome& o) {
  return stat_id(d, o, gid);
}
bool stat_cuid(Draw& d, Outcome& o) {
  return stat_id(d, o, cuid);
}
bool stat_cgid(Draw& d, Outcome& o) {
  return stat_id(d, o, cgid);
}
bool stat_mode(Draw& d, Outcome& o) {
  return flip_member(d, o, mode, {0001, 0002, 0020, 0040, 0200, 0400});
}
bool stat_dest(Draw& d, Outcome& o) {
  return flip_member(d, o, mode, {01000});
}
bool stat_locked(Draw& d, Outcome& o) {
  return flip_member(d, o, mode, {02000});
}
bool stat_mode_stray(Draw& d, Outcome& o) {
  return flip_member(d, o, mode, {04000, 0100000, std::uint64_t{1} << 32});
}
bool stat_segsz(Draw& d, Outcome& o) {
  const std::uint64_t page = d.facts().page_size;
  return add_to_member(d, o, segsz, {1, kMinusOne, page, 0 - page});
}

bool stat_time(Draw& d, Outcome& o, Member member) {
  const std::size_t at = members(d, o);
  if (at == SIZE_MAX) return false;
  std::uint64_t& time = o.words[at + member];
  const auto now = static_cast<std::uint64_t>(d.trace.steps[d.index].outcome.before);
  return replace(d.dice, time,
                 {std::uint64_t{0}, time + 1, time - 1, time + 3600, now, now + 2, o.words[at + ctime]});
}
bool stat_atime(Draw& d, Outcome& o) {
  return stat_time(d, o, atime);
}
bool stat_dtime(Draw& d, Outcome& o) {
  return stat_time(d, o, dtime);
}
bool stat_ctime(Draw& d, Outcome& o) {
  return stat_time(d, o, ctime);
}

bool stat_pid(Draw& d, Outcome& o, Member member) {
  const std::size_t at = members(d, o);
  return at != SIZE_MAX && replace(d.dice, o.words[at + member], process_ids(d.trace));
}
bool stat_cpid(Draw& d, Outcome& o) {
  return stat_pid(d, o, cpid);
}
bool stat_lpid(Draw& d, Outcome& o) {
  return stat_pid(d, o, lpid);
}
bool stat_nattch_more(Draw& d, Outcome& o) {
  return add_to_member(d, o, nattch, {1});
}
bool stat_nattch_less(Draw& d, Outcome& o) {
  return add_to_member(d, o, nattch, {kMinusOne});
}

// --- rows of /proc/sysvipc/shm
bool row_id(Draw& d, Outcome& o) {
  const std::size_t at = any_row(d, o);
  return at != SIZE_MAX && add_to(d, o, at, {1, kMinusOne, 0x8000});
}
bool row_kept(Draw& d, Outcome& o) {
  const std::size_t at = any_row(d, o);
  const std::uint64_t page = d.facts().page_size;
  return at != SIZE_MAX && add_to(d, o, at + 14 + d.dice.below(2), {1, page, 64 * page, 0 - page});
}
bool row_missing(Draw& d, Outcome& o) {
  const std::size_t at = any_row(d, o);
  if (at == SIZE_MAX) return false;
  const auto from = o.words.begin() + static_cast<std::ptrdiff_t>(at);
  o.words.erase(from, from + program::kListingRowWords);
  return true;
}
bool row_twice(Draw& d, Outcome& o) {
  const std::size_t at = any_row(d, o);
  if (at == SIZE_MAX) return false;
  const auto from = o.words.begin() + static_cast<std::ptrdiff_t>(at);
  const std::vector<std::uint64_t> copy(from, from + program::kListingRowWords);
  o.words.insert(o.words.end(), copy.begin(), copy.end());
  return true;
}

// --- end
bool end_more(Draw& d, Outcome& o) {
  return add_to(d, o, 0, {1});
}
bool end_less(Draw& d, Outcome& o) {
  return add_to(d, o, 0, {kMinusOne});
}
bool end_unknown(Draw&, Outcome& o) {
  if (o.words.empty() || o.words[0] == kMinusOne) return false;
  o.words[0] = kMinusOne;
  return true;
}
bool end_empty(Draw&, Outcome& o) {
  if (o.words.empty()) return false;
  o.words.clear();
  return true;
}

std::size_t any_listed(Draw& d, const Outcome& o) {
  if (o.words.size() <= program::kEndSegmentWords) return SIZE_MAX;
  const std::size_t count = (o.words.size() - 1) / program::kEndSegmentWords;
  return 1 + d.dice.below(static_cast<std::uint32_t>(count)) * program::kEndSegmentWords;
}
bool end_name(Draw& d, Outcome& o) {
  const std::size_t at = any_listed(d, o);
  return at != SIZE_MAX && add_to(d, o, at, {1, kMinusOne});
}
bool end_name_missing(Draw& d, Outcome& o) {
  const std::size_t at = any_listed(d, o);
  if (at == SIZE_MAX) return false;
  const auto from = o.words.begin() + static_cast<std::ptrdiff_t>(at);
  o.words.erase(from, from + program::kEndSegmentWords);
  return true;
}
bool end_name_twice(Draw& d, Outcome& o) {
  const std::size_t at = any_listed(d, o);
  if (at == SIZE_MAX) return false;
  const auto from = o.words.begin() + static_cast<std::ptrdiff_t>(at);
  const std::vector<std::uint64_t> copy(from, from + program::kEndSegmentWords);
  o.words.insert(o.words.end(), copy.begin(), copy.end());
  return true;
}
bool end_gone(Draw& d, Outcome& o) {
  const std::size_t at = any_listed(d, o);
  return at != SIZE_MAX &&
         replace(d.dice, o.words[at + 1], {std::uint64_t{0}, std::uint64_t{22}, std::uint64_t{43}});
}

constexpr std::uint16_t kFile = result_bit(ResultKind::stat), kEnd = result_bit(ResultKind::end),
                        kListing = result_bit(ResultKind::listing),
                        kShm = result_bit(ResultKind::shm) | result_bit(ResultKind::shm_at) | kListing | kEnd;

constexpr Perturbation kTable[] = {
    {"file-size", "file-size", "st_size by a byte or a page", kOk, kFile, file_size},
    {"file-links", "file-links", "st_nlink by one", kOk, kFile, file_links},
    {"file-mode", "file-mode", "a permission bit of st_mode", kOk, kFile, file_mode},
    {"file-type", "file-mode", "another bit of st_mode", kOk, kFile, file_type},
    {"file-uid", "file-owner", "st_uid", kOk, kFile, file_uid},
    {"file-gid", "file-owner", "st_gid", kOk, kFile, file_gid},
    {"key", "key", "the key of a segment", kOk, kShm, stat_key},
    {"uid", "owner", "shm_perm.uid", kOk, kShm, stat_uid},
    {"gid", "owner", "shm_perm.gid", kOk, kShm, stat_gid},
    {"cuid", "owner", "shm_perm.cuid", kOk, kShm, stat_cuid},
    {"cgid", "owner", "shm_perm.cgid", kOk, kShm, stat_cgid},
    {"mode", "mode", "a permission bit of shm_perm.mode", kOk, kShm, stat_mode},
    {"mode-dest", "mode-dest", "SHM_DEST", kOk, kShm, stat_dest},
    {"mode-locked", "mode", "SHM_LOCKED", kOk, kShm, stat_locked},
    {"mode-stray", "mode", "a bit of shm_perm.mode that means nothing", kOk, kShm, stat_mode_stray},
    {"segsz", "segsz", "shm_segsz by a byte or a page", kOk, kShm, stat_segsz},
    {"atime", "use-times", "shm_atime", kOk, kShm, stat_atime},
    {"dtime", "use-times", "shm_dtime", kOk, kShm, stat_dtime},
    {"ctime", "ctime", "shm_ctime", kOk, kShm, stat_ctime},
    {"cpid", "cpid", "shm_cpid", kOk, kShm, stat_cpid},
    {"lpid", "lpid", "shm_lpid", kOk, kShm, stat_lpid},
    {"nattch-more", "nattch", "shm_nattch plus one", kOk, kShm, stat_nattch_more},
    {"nattch-less", "nattch", "shm_nattch minus one", kOk, kShm, stat_nattch_less},
    {"listing-row-id", "listing-rows", "a row of /proc/sysvipc/shm has another id", kOk, kListing, row_id},
    {"listing-row-kept", "kept", "the bytes in memory or in swap of a row", kOk, kListing, row_kept},
    {"listing-row-missing", "listing-rows", "a row is missing", kOk, kListing, row_missing},
    {"listing-row-twice", "listing-rows", "a row comes twice", kOk, kListing, row_twice},
    {"end-more", "left", "one more segment is left", kOk, kEnd, end_more},
    {"end-less", "left", "one segment fewer is left", kOk, kEnd, end_less},
    {"end-unknown", "left", "how many segments are left is not known", kOk, kEnd, end_unknown},
    {"end-empty", "form", "nothing is said of the end", kOk, kEnd, end_empty},
    {"end-name", "names", "another segment is named", kOk, kEnd, end_name},
    {"end-name-missing", "names", "a segment is not named", kOk, kEnd, end_name_missing},
    {"end-name-twice", "names", "a segment is named twice", kOk, kEnd, end_name_twice},
    {"end-gone", "gone", "a segment is gone, is still there, or is gone with another errno", kOk, kEnd,
     end_gone},
};

}  // namespace

std::span<const Perturbation> state_perturbations() {
  return kTable;
}

}  // namespace shmcheck::harness

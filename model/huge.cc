#include "model/huge.h"

#include "model/map_limit.h"
#include "model/rlimit.h"
#include "program/withheld.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kENOMEM = 12, kEINVAL = 22, kEMFILE = 24, kENOSYS = 38, kEOVERFLOW = 75,
              kEOPNOTSUPP = 95;
using program::HugePages;

bool without(const World& w) {
  return w.facts().huge == HugePages::none;
}

// To Linux an anonymous mapping of huge pages is one of a file of theirs: what is asked of files holds for
// it, and its offset counts. The pages are reserved last.
void hidden_file_errors(const World& w, const Process& p, Step& s, const MmapRequest& r) {
  using namespace program::map;
  constexpr std::uint64_t largest = INT64_MAX;
  const bool beyond = r.pages > largest || r.offset > largest - r.pages;
  const bool unaligned = !whole_huge_pages(w, r.offset);
  const std::uint32_t unknown = s.op.flags & (kUnknown | kSync);
  if (beyond && s.exact())
    s.must(kEOVERFLOW, C::none);
  else if (beyond)
    s.may(kEOVERFLOW, Freedom::documented_alternative);
  if ((s.op.flags & (kShared | kPrivate)) == 0) s.must(kEINVAL, C::mmap_type_required);
  if (r.validate && unknown) s.must(kEOPNOTSUPP, kEINVAL, C::mmap_type_validate_unknown);
  if (r.validate && !s.exact()) s.may(kEINVAL, Freedom::documented_alternative);
  mmap_stack_errors(s, r);
  // Before the file is asked for the offset.
  if (unaligned && !fits_address_space(p, r.pages, 0)) s.must(kENOMEM, C::mmap_limit_rlimit_as);
  if (unaligned && s.exact()) s.must(kEINVAL, C::none);
  if (r.offset != 0 && !s.exact()) s.may(kEINVAL, Freedom::documented_alternative);
}

// CAP_IPC_LOCK over the machine, or the group of vm.hugetlb_shm_group (fs/hugetlbfs/inode.c,
// can_do_hugetlb_shm).
bool may_have_segments(const World& w, const Process& p) {
  if (p.cred.machine) return true;
  for (std::uint8_t user = 0; user < program::kUsers; ++user) {
    const bool named = (w.facts().huge_users >> user & 1) != 0;
    if (named && p.cred.in_group(group_id(w.facts(), user))) return true;
  }
  return false;
}

}  // namespace

std::uint64_t huge_length(const World& w, std::uint64_t length) {
  const std::uint64_t size = w.facts().huge_page;
  return without(w) || size == 0 ? w.up(length) : (length + size - 1) / size * size;
}

bool whole_huge_pages(const World& w, std::uint64_t bytes) {
  return w.facts().huge_page == 0 || bytes % w.facts().huge_page == 0;
}

void huge_mapping_errors(const World& w, const Process& p, Step& s, const MmapRequest& r) {
  constexpr C kClause = C::mmap_flag_hugetlb_priv;
  // mmap(2) has EPERM for who is not privileged (D8).
  if (!s.exact()) s.may(kEPERM, Freedom::documented_alternative);
  if (without(w) && s.exact()) return s.must(kEINVAL, kClause);
  if (without(w)) s.may(kEINVAL, Freedom::documented_alternative);
  // What is rounded up to nothing is no length; so is what any length is rounded up to elsewhere.
  if (r.length == 0)
    s.must(kEINVAL, C::mmap_create_len_zero);
  else if (r.pages == 0)
    s.must(kEINVAL, kENOMEM, C::mmap_create_len_too_big);
  mapping_limit_errors(w, p, s, kEMFILE, C::mmap_limit_map_count);
  if (r.pages >= kNoRoom) s.must(kENOMEM, kEINVAL, C::mmap_create_len_too_big);
  if (!s.must_fail()) mmap_lock_errors(w, p, s, r);
  hidden_file_errors(w, p, s, r);
  if (s.exact())
    s.must(kENOMEM, kClause);
  else
    s.may(kENOMEM, Freedom::documented_alternative);
}

void huge_segment_errors(const World& w, const Process& p, Step& s) {
  if (!(s.op.flags & program::shmget::kHuge)) return;
  const bool may = may_have_segments(w, p);
  // A kernel without huge pages does not know such sizes, and asks for no right.
  if (without(w)) {
    if (s.exact() || s.op.byte != 0)
      s.must(kEINVAL, kENOMEM, C::shmget_hugetlb);
    else
      s.may(kEINVAL, Freedom::documented_alternative), s.may(kENOMEM, Freedom::documented_alternative);
    if (!may && !s.exact()) s.may(kEPERM, Freedom::documented_alternative);
    return;
  }
  // Until 5.18 who may lock as much was let in.
  if (!may && w.facts().release >= program::release(5, 18))
    s.must(kEPERM, C::shmget_hugetlb_priv);
  else if (!may)
    s.may(kEPERM, Freedom::documented_alternative);
  // With IPC_PRIVATE the text has every other flag ignored: there ordinary pages will do.
  if (s.exact() || s.op.byte != 0)
    s.must(kENOMEM, C::shmget_hugetlb);
  else
    s.may(kENOMEM, Freedom::documented_alternative);
}

// Sealing them is refused in ERRORS, and was until 4.16 (D35).
void huge_file_errors(const World& w, Step& s) {
  if (!(s.op.flags & program::memfd::kHuge)) return;
  const bool sealed = (s.op.flags & program::memfd::kSealing) != 0;
  // Without huge pages there is no such file (hugetlb_file_setup).
  if (without(w) && s.exact())
    s.must(kENOSYS, C::memfd_hugetlb_sealing);
  else if (without(w))
    s.may(kENOSYS, Freedom::documented_alternative), s.may(kEINVAL, Freedom::documented_alternative);
  else if (sealed && w.facts().release < program::release(4, 16))
    s.must(kEINVAL, C::memfd_hugetlb_sealing);
  else if (sealed && !s.exact())
    s.may(kEINVAL, Freedom::documented_alternative);
}

bool names_huge_file(const World& w, const Process& p, const Op& op) {
  if (!program::withheld_of_huge_file(op)) return false;
  const std::int32_t file = p.files[op.object];
  return file >= 0 && w.inodes[w.open_files[static_cast<std::size_t>(file)].inode].huge;
}

}  // namespace shmcheck::model

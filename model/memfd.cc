// memfd_create(2).
#include "model/rules.h"

namespace shmcheck::model {

void rule_memfd(World& w, Process& p, Step& s) {
  using namespace program::memfd;
  constexpr int kEINVAL = 22, kENOSYS = 38;
  constexpr std::uint32_t kAllMode = 0777;
  if (s.op.flags & kUnknown) s.must(kEINVAL, C::memfd_flags);
  // Without huge pages there is no such file (hugetlb_file_setup); sealing them is refused in ERRORS, and was
  // until 4.16 (D35).
  const bool huge = (s.op.flags & kHuge) != 0, both = huge && (s.op.flags & kSealing);
  if (huge && w.facts().huge == program::HugePages::none)
    s.must(kENOSYS, kEINVAL, C::memfd_hugetlb_sealing);
  else if (both && w.facts().release < program::release(4, 16))
    s.must(kEINVAL, C::memfd_hugetlb_sealing);
  else if (both && !s.exact())
    s.may(kEINVAL, Freedom::documented_alternative);
  if (s.failed(both ? C::memfd_hugetlb_sealing : C::memfd_create)) return;
  Inode fresh;
  fresh.memfd = true;
  fresh.huge = huge;
  fresh.mode = kAllMode;
  fresh.uid = p.cred.uid;
  fresh.gid = p.cred.gid;
  fresh.seals = (s.op.flags & kSealing) ? 0 : program::seal::kSeal;
  OpenFile file;
  file.inode = w.add_inode(std::move(fresh));
  file.readable = file.writable = true;
  put_into_slot(w, p, s.op.result, file);
}

}  // namespace shmcheck::model

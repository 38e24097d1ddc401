// memfd_create(2).
#include "model/rules.h"

namespace shmcheck::model {

void rule_memfd(World& w, Process& p, Step& s) {
  using namespace program::memfd;
  constexpr int kEINVAL = 22;
  constexpr std::uint32_t kAllMode = 0777;
  if (s.op.flags & kUnknown) s.must(kEINVAL, C::memfd_flags);
  if (s.failed(C::memfd_create)) return;
  Inode fresh;
  fresh.memfd = true;
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

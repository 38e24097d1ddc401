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
  file.inode = static_cast<std::uint32_t>(w.inodes.size());
  file.readable = file.writable = true;
  make_room(w.inodes);
  w.inodes.push_back(std::move(fresh));
  p.close_on_exec.reset(s.op.result);
  p.closed_by_exec.reset(s.op.result);
  p.files[s.op.result] = static_cast<std::int32_t>(w.open_files.size());
  make_room(w.open_files);
  w.open_files.push_back(file);
}

}  // namespace shmcheck::model

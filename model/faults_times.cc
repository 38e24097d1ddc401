// Faults of file times, and of ranges taken out of files and put into them.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

using program::Allocate;

constexpr C kPrivateStore[] = {C::private_ro_file_unchanged_times};
void private_store_counts(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::store || !ok(o)) return;
  const Vma* v = vma_at(w, op);
  if (v && !v->shared && v->inode >= 0) w.object_of(*v).mtime = Moved::yes;
}
constexpr C kAccess[] = {C::times_atime};
void mapping_is_no_access(const World& was, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mmap || !ok(o)) return;
  for (std::size_t i = 0; i < was.inodes.size(); ++i) w.inodes[i].atime = was.inodes[i].atime;
}
constexpr C kShifted[] = {C::fallocate_collapse_insert};
void shifting_does_nothing(const World&, World&, const Op& op, Outcome& o) {
  constexpr int kEOPNOTSUPP = 95;
  auto how = static_cast<Allocate>(op.small);
  bool shifts = op.code == OpCode::fallocate && (how == Allocate::collapse || how == Allocate::insert);
  if (shifts && failed_with(o, kEOPNOTSUPP)) succeed(o);
}

constexpr Fault kFaults[] = {
    {"private-store-moves-mtime",
     "a store through a private mapping moves st_mtime of the file",
     kPrivateStore,
     nullptr,
     private_store_counts,
     false,
     {},
     true},
    {"mmap-keeps-atime", "mapping a file does not move its st_atime", kAccess, nullptr, mapping_is_no_access,
     true},
    {"shift-does-nothing", "tmpfs accepts that a range is taken out or put in, and does nothing", kShifted,
     nullptr, shifting_does_nothing, false},
};

}  // namespace

std::span<const Fault> time_faults() {
  return kFaults;
}

}  // namespace shmcheck::model

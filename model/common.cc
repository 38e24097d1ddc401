#include <algorithm>

#include "model/rules.h"

namespace shmcheck::model {

namespace {
bool own(const World& w, std::uint64_t low, std::uint64_t high) {
  return std::any_of(w.facts().own.begin(), w.facts().own.end(),
                     [=](const program::Range& r) { return r.overlaps(low, high); });
}
}  // namespace

bool occupied(const World& w, const Process& p, std::uint64_t low, std::uint64_t high) {
  return p.memory.overlaps(low, high) || own(w, low, high);
}

std::uint64_t free_range(const World& w, const Process& p, std::uint64_t length) {
  // The made-up target keeps the upper quarter of its address space for mappings of the kernel's choosing.
  std::uint64_t high = w.facts().top - (std::uint64_t{1} << 30);
  const std::vector<Vma>& vmas = p.memory.vmas();
  for (std::size_t i = vmas.size(); i-- > 0;) {
    if (vmas[i].low >= high) continue;
    if (vmas[i].high + length <= high) break;
    high = vmas[i].low;
  }
  return high - length;
}

bool good_choice(const World& w, const Process& p, std::uint64_t low, std::uint64_t length) {
  return low % w.page() == 0 && low != 0 && low >= w.facts().min_address && low + length > low &&
         low + length <= w.facts().top && !occupied(w, p, low, low + length);
}

bool file_access(const Inode& inode, const Credentials& cred, std::uint32_t want) {
  if (cred.capable_over(inode)) return true;
  std::uint32_t bits = cred.uid == inode.uid      ? inode.mode >> 6
                       : cred.in_group(inode.gid) ? inode.mode >> 3
                                                  : inode.mode;
  return (bits & want) == want;
}

bool ipc_owner(const KernIpcPerm& perm, const Credentials& cred) {
  return cred.uid == perm.uid || cred.uid == perm.cuid;
}

namespace {
// Whether the permissions of the group are those of the process, which does not own the segment (ipcperms).
bool ipc_member(const KernIpcPerm& perm, const Credentials& cred) {
  return cred.in_group(perm.gid) || cred.in_group(perm.cgid);
}
}  // namespace

bool ipc_access(const KernIpcPerm& perm, const Credentials& cred, std::uint32_t want) {
  if (cred.capable_over(perm.user_namespace)) return true;
  std::uint32_t granted = perm.mode;
  if (ipc_owner(perm, cred))
    granted >>= 6;
  else if (ipc_member(perm, cred))
    granted >>= 3;
  return (want & ~granted & 7) == 0;
}

bool could_attach(const World& w, const Process& p, const Vma& v) {
  const ShmidKernel& k = w.ipc.segments[static_cast<std::size_t>(v.segment)];
  return ipc_access(k.perm, p.cred, 4U | (v.may_write ? 2U : 0U));
}

C clause_of_class(const KernIpcPerm& perm, const Credentials& cred, std::uint32_t want) {
  Credentials plain = cred;
  plain.capable = false;
  const bool by_power = cred.capable_over(perm.user_namespace) && !ipc_access(perm, plain, want);
  if (by_power) return clause_of_power(cred, C::perm_cap_ipc_owner);
  if (ipc_owner(perm, cred)) return C::perm_class_user;
  return ipc_member(perm, cred) ? C::perm_class_group : C::perm_class_other;
}

C clause_of_denial(const KernIpcPerm& perm, const Credentials& cred, std::uint32_t want, C otherwise) {
  if (lacks_power(perm, cred)) return C::perm_userns;
  const bool others_may = (want & ~perm.mode & 7) == 0, owner_may = (want & ~(perm.mode >> 6) & 7) == 0;
  const bool of_group = !ipc_owner(perm, cred) && ipc_member(perm, cred);
  return of_group && (others_may || owner_may) ? C::perm_class_group : otherwise;
}

namespace {
bool zeroes_slack_on_extension(const World& w, const Inode& inode) {
  // Seen on 6.18 and not on ext4 of 6.1. Releases between get either: see extend.
  if (w.facts().release < program::release(6, 18)) return false;
  return w.fs_of(inode) == program::FileSystem::ext4 || w.fs_of(inode) == program::FileSystem::xfs;
}

bool keeps_slack(const World& w, const Inode& inode) {
  return w.fs_of(inode) == program::FileSystem::tmpfs;
}
}  // namespace

void note_slack_store(World& w, std::uint32_t index, std::uint64_t offset, std::uint64_t length) {
  Inode& inode = w.inodes[index];
  if (inode.kind != InodeKind::file || keeps_slack(w, inode)) return;
  std::uint64_t low = std::max(offset, inode.size), high = offset + length;
  if (low >= high) return;
  Doubt d;
  d.low = low;
  d.high = high;
  d.may_change = true;
  d.freedom = Freedom::slack_writeback;
  inode.bytes.doubt(std::move(d));
}

void extend(World& w, Step& s, std::uint32_t index, std::uint64_t size) {
  Inode& inode = w.inodes[index];
  std::uint64_t before = inode.size;
  w.keep_nothing(index, before, size);
  inode.size = size;
  inode.size_unwritten = true;
  inode.size_delayed = inode.end_in_cache = false;
  if (before != 0) inode.grown_from = std::min(inode.grown_from, before);
  std::uint64_t edge = w.up(before);
  if (before == edge || inode.kind != InodeKind::file) return;
  bool exact_zero = zeroes_slack_on_extension(w, inode);
  if (s.exact() && keeps_slack(w, inode)) return;
  std::uint64_t high = std::min(edge, size);
  // A private page may be one from before.
  object_changes(w, s, index, before, high - before);
  if (exact_zero) {
    // What lies behind the new end is slack as before.
    inode.bytes.fill(before, 0, high - before, w.page(), {OriginKind::extended, 0, 0, w.steps});
    return;
  }
  // A byte that could be any stays one that could be any.
  const bool any = std::ranges::any_of(inode.bytes.doubts(), [&](const Doubt& doubt) {
    return doubt.any && doubt.low < high && before < doubt.high;
  });
  // What lies behind the new end is slack as before, with what is not known of it.
  inode.bytes.settle(before, high);
  const PageRef* page = inode.bytes.find(before / w.page());
  if (!page || !page->bytes()) return;
  Doubt d;
  d.low = before;
  d.high = high;
  d.any = any;
  d.freedom = Freedom::slack_extended;
  inode.bytes.doubt(d);
  if (high < edge && !keeps_slack(w, inode)) note_slack_store(w, index, high, edge - high);
}

void object_changes(World& w, Step& s, std::uint32_t index, std::uint64_t offset, std::uint64_t length) {
  if (s.exact() || s.profile == Profile::defacto || length == 0) return;
  const Inode& inode = w.inodes[index];
  for (Process& p : w.processes) {
    if (p.life != Life::alive) continue;
    for (Vma& v : p.memory.vmas()) {
      if (v.shared || v.inode != static_cast<std::int32_t>(index)) continue;
      // What changes may reach far beyond what is mapped, to the end of all offsets.
      const std::uint64_t mapped = v.page_offset * w.page(), mapped_end = mapped + (v.high - v.low);
      const std::uint64_t end = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
      for (std::uint64_t at = std::max(w.down(offset), mapped); at < std::min(end, mapped_end);
           at += w.page()) {
        if (v.copies.find(at / w.page())) continue;
        const PageRef* page = inode.bytes.find(at / w.page());
        Doubt d;
        d.low = std::max(at, offset);
        d.high = std::min(at + w.page(), end);
        d.other = page ? *page : PageRef();
        d.may_change = true;
        d.freedom = Freedom::private_follows_file;
        v.older.push_back(std::move(d));
      }
    }
  }
}

}  // namespace shmcheck::model

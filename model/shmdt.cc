// shmdt(2): finds the attach by where its first page would lie, and removes all that is left of it.
#include "model/rules.h"

namespace shmcheck::model {
namespace {

// A piece of an attach whose first page lies, or would lie, at the address.
bool starts_at(const World& w, const Vma& v, std::uint64_t address) {
  return v.segment >= 0 && v.low >= address && (v.low - address) / w.page() == v.page_offset;
}

std::size_t find_attach(const World& w, const Process& p, std::uint64_t address) {
  const std::vector<Vma>& vmas = p.memory.vmas();
  for (std::size_t i = p.memory.first_above(address); i < vmas.size(); ++i) {
    if (starts_at(w, vmas[i], address)) return i;
  }
  return vmas.size();
}

// Whether the segment is marked for removal, or could not be attached any more.
bool no_way_in(const World& w, const Process& p, const Vma& v) {
  const KernIpcPerm& perm = w.ipc.segments[static_cast<std::size_t>(v.segment)].perm;
  return (perm.mode & kShmDest) || !could_attach(w, p, v);
}

}  // namespace

void rule_shmdt(World& w, Process& p, Step& s) {
  constexpr int kEINVAL = 22;
  std::uint64_t address = w.value(s.op.addr);
  if (address % w.page() != 0) s.must(kEINVAL, C::shmdt_unaligned);
  std::size_t first = s.must_fail() ? p.memory.vmas().size() : find_attach(w, p, address);
  bool found = first < p.memory.vmas().size();
  if (!found) s.must(kEINVAL, C::shmdt_bad_addr);
  bool headless = found && p.memory.vmas()[first].low != address;
  if (headless && !s.exact()) s.may(kEINVAL, Freedom::documented_alternative);
  C success = headless ? C::shmdt_after_partial_unmap : C::shmdt_detaches;
  if (found && !headless && no_way_in(w, p, p.memory.vmas()[first])) success = C::shmdt_no_id_needed;
  if (s.failed(success)) return;
  std::uint32_t attach = p.memory.vmas()[first].attach;
  auto segment = static_cast<std::uint32_t>(p.memory.vmas()[first].segment);
  const ShmidKernel& k = w.ipc.segments[segment];
  std::uint64_t end = address + w.up(k.segsz);
  if (k.ipc_namespace != p.ipc_namespace) w.detach_clause = C::ipcns_attach_survives_unshare;
  std::uint8_t who = index_of(w, p);
  // The first piece goes wherever it lies, further ones only within the segment's length.
  std::uint64_t low = p.memory.vmas()[first].low, high = p.memory.vmas()[first].high;
  w.happens(k.inode, C::shmdt_data_stays);
  for (;;) {
    w.close_attach(segment, who, s.when, true);
    p.memory.vmas().erase(p.memory.vmas().begin() + static_cast<std::ptrdiff_t>(p.memory.first_above(low)));
    std::size_t i = p.memory.first_above(high);
    while (i < p.memory.vmas().size() && p.memory.vmas()[i].high <= end &&
           !(starts_at(w, p.memory.vmas()[i], address) && p.memory.vmas()[i].attach == attach)) {
      ++i;
    }
    if (i >= p.memory.vmas().size() || p.memory.vmas()[i].high > end) break;
    low = p.memory.vmas()[i].low;
    high = p.memory.vmas()[i].high;
  }
}

}  // namespace shmcheck::model

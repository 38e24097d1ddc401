// The table of segments of an IPC namespace: SHM_STAT, SHM_STAT_ANY, /proc/sysvipc/shm.
#include <fmt/format.h>

#include <algorithm>

#include "model/shm_stat.h"

namespace shmcheck::model {
namespace {

constexpr int kEACCES = 13, kEINVAL = 22;

// What the executor asks with (shm_ops.cc).
std::int64_t index_of_op(const World& w, const Op& op) {
  constexpr std::uint64_t kBogusId = 0x7fff'ffff;
  if (op.object == program::kSegmentNegative) return std::int64_t{op.byte} - 1;
  const bool named = op.object < program::kSegments;
  const std::uint64_t id = named ? w.ipc.segments[*w.segment_names[op.object]].id : kBogusId;
  return static_cast<std::int64_t>(table_index(id)) + op.byte;
}

// What is documented is that some index shows a segment, not which: any segment, or none.
bool shows_any(World& w, const Process& p, Step& s) {
  if (s.running() || s.profile >= Profile::defacto) return false;
  if (!s.saw(kEINVAL) && s.seen().kind != OutcomeKind::ok) return false;
  const bool granted = s.seen().kind == OutcomeKind::ok;
  const std::int32_t shown = granted ? w.ipc.find_id(w.ipc.of(p), s.seen().value) : -1;
  if (granted && shown < 0) return false;
  s.uses(Freedom::documented_alternative);
  if (shown >= 0) match_shm_stat(w, s, static_cast<std::uint32_t>(shown), s.seen().words);
  return true;
}

}  // namespace

void rule_shm_stat(World& w, Process& p, Step& s) {
  constexpr std::uint32_t kSinceAny = program::release(4, 17);
  const bool any = (s.op.flags & program::shmstat::kAny) != 0;
  const std::int64_t index = index_of_op(w, s.op);
  const std::int32_t found =
      index < 0 ? -1 : w.ipc.find_index(w.ipc.of(p), static_cast<std::uint64_t>(index));
  if (any && w.facts().kernel == "linux" && w.facts().release < kSinceAny)
    s.must(kEINVAL, C::shmctl_shm_stat_any);
  if (!s.must_fail() && index >= 0 && shows_any(w, p, s)) return;
  if (found < 0 && index >= 0 && !all_known(w, p)) {
    // Somebody else's may be there.
    if (s.running()) s.made().kind = OutcomeKind::error, s.made().error = kEINVAL;
    return s.uses(Freedom::uncounted);
  }
  if (found < 0) s.must(kEINVAL, C::shmctl_shm_stat);
  const ShmidKernel* k = found < 0 ? nullptr : &w.ipc.segments[static_cast<std::size_t>(found)];
  const bool readable = k && ipc_access(k->perm, p.cred, 4);
  if (k) overflow_errors(*k, &p, s);
  if (k && !any && !readable)
    s.must(kEACCES, lacks_power(k->perm, p.cred) ? C::perm_userns : C::shmctl_shm_stat_permission);
  const bool by_power = k && s.saw(kEACCES) && clause_of_class(k->perm, p.cred, 4) == C::perm_userns;
  const C success = by_power           ? C::perm_userns
                    : any && !readable ? C::shmctl_shm_stat_any
                                       : C::shmctl_shm_stat;
  if (s.failed(success)) return;
  s.returns(k->id, success);
  if (s.running())
    make_shm_stat(*k, &p, s.made().words);
  else if (!s.report().diverged)
    match_shm_stat(w, s, static_cast<std::uint32_t>(found), s.seen().words);
  if (s.report().diverged) s.adopted();
}

// --- /proc/sysvipc/shm
namespace {

// What demands that a row is not there.
C clause_of_stray_row(const World& w, const Process& p, std::uint64_t id) {
  for (auto k = w.ipc.segments.rbegin(); k != w.ipc.segments.rend(); ++k) {
    if (k->id != id) continue;
    if (k->ipc_namespace != p.ipc_namespace && !k->destroyed) return C::ipcns_proc_separate;
    if (k->ipc_namespace == p.ipc_namespace) return k->destroyed_by;
  }
  return C::proc_sysvipc_listing;
}

void make_rows(const World& w, const Process& p, std::vector<std::uint64_t>& words) {
  for (std::uint32_t i : w.ipc.of(p).live) {
    const ShmidKernel& k = w.ipc.segments[i];
    words.push_back(k.id);
    make_shm_stat(k, &p, words);
    words.push_back(kept_pages(w, k).least * w.page());
    words.push_back(0);
  }
}

bool match_row(World& w, const Process& p, Step& s, std::span<const std::uint64_t> row,
               std::vector<std::uint32_t>& listed) {
  const std::int32_t found = w.ipc.find_id(w.ipc.of(p), row[0]);
  if (found < 0) {
    s.diverge(clause_of_stray_row(w, p, row[0]), fmt::format("no segment {}", row[0]), "its row");
    return false;
  }
  const auto segment = static_cast<std::uint32_t>(found);
  if (std::ranges::find(listed, segment) != listed.end()) {
    s.diverge(C::proc_sysvipc_listing, fmt::format("segment {} once", row[0]), "a second row");
    return false;
  }
  listed.push_back(segment);
  if (!match_shm_stat(w, s, segment, row.subspan(1, program::kShmStatWords))) return false;
  const ShmidKernel& k = w.ipc.segments[segment];
  if (!ipc_access(k.perm, p.cred, 4)) s.applies(C::proc_sysvipc_world_readable);
  s.applies(C::proc_sysvipc_rss_bytes);
  const PageRange kept = kept_pages(w, k);
  if (kept.least < kept.most) s.uses(Freedom::residency);
  const std::uint64_t bytes = row[14] + row[15], page = w.page();
  if (bytes % page == 0 && bytes >= kept.least * page && bytes <= kept.most * page) return true;
  s.diverge(C::proc_sysvipc_rss_bytes,
            fmt::format("segment {} with {} to {} bytes in memory and swap", row[0], kept.least * page,
                        kept.most * page),
            fmt::format("{} and {}", row[14], row[15]));
  return false;
}

void match_rows(World& w, const Process& p, Step& s, std::span<const std::uint64_t> words) {
  constexpr std::size_t kRow = program::kListingRowWords;
  std::vector<std::uint32_t> listed;
  if (w.ipc.namespaces.size() > 1) s.applies(C::ipcns_proc_separate);
  for (std::size_t at = 0; at < words.size(); at += kRow) {
    if (!match_row(w, p, s, words.subspan(at, kRow), listed)) return;
  }
  for (std::uint32_t i : w.ipc.of(p).live) {
    if (std::ranges::find(listed, i) != listed.end()) continue;
    const ShmidKernel& k = w.ipc.segments[i];
    const bool denied = !ipc_access(k.perm, p.cred, 4);
    s.diverge(denied ? C::proc_sysvipc_world_readable : C::proc_sysvipc_listing,
              fmt::format("segment {}", k.id), "no row of it");
    return;
  }
}

}  // namespace

void rule_sysvipc(World& w, Process& p, Step& s) {
  if (s.failed(C::proc_sysvipc_listing)) return;
  if (s.running()) return make_rows(w, p, s.made().words);
  match_rows(w, p, s, s.seen().words);
  if (s.report().diverged) s.adopted();  // whatever is listed, the segments are the same
}

}  // namespace shmcheck::model

// Faults of what is said of all segments of a namespace, by index or in /proc/sysvipc/shm, and of bad
// buffers.
#include "model/fault_tools.h"
#include "model/rules.h"
#include "model/shm_stat.h"

namespace shmcheck::model {
namespace {

using program::IpcInfo;
using program::ShmCommand;
using program::ShmTotal;

constexpr int kEACCES = 13, kEFAULT = 14, kEINVAL = 22;
constexpr std::size_t kRow = program::kListingRowWords;

bool info(const Op& op, const Outcome& o, IpcInfo what) {
  return ok(o) && requests(op, OpCode::ipc_info, what);
}
bool total(const Op& op, const Outcome& o, ShmTotal what) {
  return ok(o) && requests(op, OpCode::shm_info, what);
}

// --- IPC_INFO, SHM_INFO
constexpr C kInfo[] = {C::shmctl_ipc_info};
void info_of_the_start(const World& was, World&, const Op& op, Outcome& o) {
  if (info(op, o, IpcInfo::shmmax)) o.value = was.facts().shmmax;
  if (info(op, o, IpcInfo::shmall)) o.value = was.facts().shmall;
  if (info(op, o, IpcInfo::shmmni)) o.value = was.facts().shmmni;
}
void smallest_is_a_page(const World& was, World&, const Op& op, Outcome& o) {
  if (info(op, o, IpcInfo::shmmin)) o.value = was.page();
}

constexpr C kHighest[] = {C::shmctl_info_return};
void returns_the_number(const World& was, World&, const Op& op, Outcome& o) {
  if (info(op, o, IpcInfo::highest) || total(op, o, ShmTotal::highest))
    o.value = was.ipc.of(was.processes[op.proc]).in_use();
}

constexpr C kNegative[] = {C::shmctl_info_negative_id};
void negative_id_ignored(World&, Op& op) {
  if (op.code == OpCode::ipc_info) op.byte = 0;
}

constexpr C kUntouched[] = {C::shmctl_shm_info_rss, C::shmat_demand, C::shmctl_lock_no_fault_in};
constexpr C kUnattached[] = {C::shmctl_shm_info_rss, C::sysv_life_undestroyed_leak};
constexpr C kDestroyed[] = {C::shmctl_shm_info_rss, C::sysv_life_memory_returned, C::shmat_demand,
                            C::shmctl_lock_no_fault_in};
void kept_is_the_size(const World& was, World&, const Op& op, Outcome& o) {
  if (total(op, o, ShmTotal::kept)) o.value = was.ipc.pages(was.ipc.of(was.processes[op.proc]), was.page());
}
void kept_while_attached(const World& was, World&, const Op& op, Outcome& o) {
  if (!total(op, o, ShmTotal::kept)) return;
  for (std::uint32_t i : was.ipc.of(was.processes[op.proc]).live) {
    const ShmidKernel& k = was.ipc.segments[i];
    if (k.nattch == 0) o.value -= kept_pages(was, k).least;
  }
}
void kept_counts_destroyed(const World& was, World&, const Op& op, Outcome& o) {
  if (!total(op, o, ShmTotal::kept)) return;
  for (const ShmidKernel& k : was.ipc.segments) o.value += k.destroyed ? 1 : 0;
}

constexpr C kTotal[] = {C::shmctl_shm_info};
void total_rounds_down(const World& was, World&, const Op& op, Outcome& o) {
  if (!total(op, o, ShmTotal::pages)) return;
  o.value = 0;
  for (std::uint32_t i : was.ipc.of(was.processes[op.proc]).live)
    o.value += was.ipc.segments[i].segsz / was.page();
}
void total_forgets_marked(const World& was, World&, const Op& op, Outcome& o) {
  const bool pages = total(op, o, ShmTotal::pages);
  if (!pages && !total(op, o, ShmTotal::segments)) return;
  for (std::uint32_t i : was.ipc.of(was.processes[op.proc]).live) {
    const ShmidKernel& k = was.ipc.segments[i];
    if (k.perm.mode & kShmDest) o.value -= pages ? was.up(k.segsz) / was.page() : 1;
  }
}

// --- SHM_STAT
bool by_index(const Op& op) {
  return op.code == OpCode::shm_stat;
}

constexpr C kStat[] = {C::shmctl_shm_stat};
void returns_the_index(const World&, World&, const Op& op, Outcome& o) {
  if (by_index(op) && ok(o)) o.value = table_index(o.value);
}
void free_index_is_the_last(World& w, Op& op) {
  const ShmidKernel* k = by_index(op) ? bound_segment(w, op) : nullptr;
  if (k && !k->destroyed) op.byte = 0;
}

constexpr C kPermission[] = {C::shmctl_shm_stat_permission, C::perm_userns};
void always_any(World&, Op& op) {
  if (by_index(op)) op.flags |= program::shmstat::kAny;
}
constexpr C kAny[] = {C::shmctl_shm_stat_any};
void never_any(World&, Op& op) {
  if (by_index(op)) op.flags &= ~program::shmstat::kAny;
}

// --- /proc/sysvipc/shm
bool lists(const Op& op, const Outcome& o) {
  return op.code == OpCode::sysvipc && ok(o);
}

template <typename Hidden>
void hide_rows(World& w, Outcome& o, const IpcIds& ids, Hidden hidden) {
  std::vector<std::uint64_t> kept;
  for (std::size_t at = 0; at < o.words.size(); at += kRow) {
    const std::int32_t found = w.ipc.find_id(ids, o.words[at]);
    if (found >= 0 && hidden(w.ipc.segments[static_cast<std::size_t>(found)])) continue;
    const auto row = o.words.begin() + static_cast<std::ptrdiff_t>(at);
    kept.insert(kept.end(), row, row + kRow);
  }
  o.words = std::move(kept);
}

constexpr C kListing[] = {C::proc_sysvipc_listing};
void marked_not_listed(const World&, World& w, const Op& op, Outcome& o) {
  if (!lists(op, o)) return;
  hide_rows(w, o, w.ipc.of(actor(w, op)), [](const ShmidKernel& k) { return (k.perm.mode & kShmDest) != 0; });
}
constexpr C kReadable[] = {C::proc_sysvipc_world_readable};
void readable_ones_listed(const World&, World& w, const Op& op, Outcome& o) {
  if (!lists(op, o)) return;
  const Credentials cred = actor(w, op).cred;
  hide_rows(w, o, w.ipc.of(actor(w, op)), [&](const ShmidKernel& k) { return !ipc_access(k.perm, cred, 4); });
}
constexpr C kSeparate[] = {C::ipcns_proc_separate, C::proc_sysvipc_listing};
void all_namespaces_listed(const World&, World& w, const Op& op, Outcome& o) {
  if (!lists(op, o)) return;
  for (const ShmidKernel& k : w.ipc.segments) {
    if (k.destroyed || k.ipc_namespace == actor(w, op).ipc_namespace) continue;
    o.words.push_back(k.id);
    make_shm_stat(k, &actor(w, op), o.words);
    o.words.insert(o.words.end(), {kept_pages(w, k).least * w.page(), 0});
  }
}
constexpr C kBytes[] = {C::proc_sysvipc_rss_bytes};
void rows_in_pages(const World& was, World&, const Op& op, Outcome& o) {
  if (!lists(op, o)) return;
  for (std::size_t at = 0; at < o.words.size(); at += kRow) o.words[at + 14] /= was.page();
}
constexpr C kPerms[] = {C::proc_sysvipc_listing, C::shmctl_rmid_dest_flag, C::shmctl_lock_flag};
void rows_without_flags(const World&, World&, const Op& op, Outcome& o) {
  if (!lists(op, o)) return;
  for (std::size_t at = 0; at < o.words.size(); at += kRow) o.words[at + 6] &= 0777;
}

// --- buffers
bool bad_buffer(const Op& op, ShmCommand c) {
  return command(op, c) && (op.flags & program::shmctl::kBadBuffer) != 0;
}

constexpr C kStatBuffer[] = {C::shmctl_stat_efault};
void stat_fills_nothing(const World&, World&, const Op& op, Outcome& o) {
  if (bad_buffer(op, ShmCommand::stat) && failed_with(o, kEFAULT)) succeed(o);
}
constexpr C kSetBuffer[] = {C::shmctl_set_efault, C::prec_shmctl_set_efault};
void set_reads_nothing(World&, Op& op) {
  if (bad_buffer(op, ShmCommand::set)) op.flags = 0;
}
constexpr C kRmidBuffer[] = {C::shmctl_rmid_buf_ignored};
void rmid_looks_at_buffer(const World& was, World& w, const Op& op, Outcome& o) {
  if (!bad_buffer(op, ShmCommand::rmid) || !ok(o)) return;
  refuse(was, w, o, kEFAULT);
}
constexpr C kSetOrder[] = {C::prec_shmctl_set_efault};
void set_looks_for_id_first(const World&, World& w, const Op& op, Outcome& o) {
  if (!bad_buffer(op, ShmCommand::set) || !failed_with(o, kEFAULT)) return;
  const ShmidKernel* k = bound_segment(w, op);
  if (!k || k->destroyed) fail(o, kEINVAL);
}
constexpr C kStatOrder[] = {C::prec_shmctl_stat_id_first};
void stat_looks_at_buffer_first(const World&, World&, const Op& op, Outcome& o) {
  if (bad_buffer(op, ShmCommand::stat) && failed_with(o, kEINVAL)) fail(o, kEFAULT);
}
constexpr C kDenied[] = {C::shmctl_stat_permission};
void stat_fault_before_denial(const World&, World&, const Op& op, Outcome& o) {
  if (bad_buffer(op, ShmCommand::stat) && failed_with(o, kEACCES)) fail(o, kEFAULT);
}

constexpr Fault kFaults[] = {
    {"ipc-info-of-the-start",
     "IPC_INFO shows the limits of the first namespace as they were at the start",
     kInfo,
     nullptr,
     info_of_the_start,
     true,
     {},
     true},
    {"ipc-info-smallest-is-a-page", "IPC_INFO says that a page is the smallest segment", kInfo, nullptr,
     smallest_is_a_page, true},
    {"info-returns-the-number", "IPC_INFO and SHM_INFO return how many segments there are", kHighest, nullptr,
     returns_the_number, true},
    {"ipc-info-negative-id-ignored", "IPC_INFO takes a negative id", kNegative, negative_id_ignored, nullptr,
     false},
    {"shm-info-rounds-down", "SHM_INFO counts whole pages only", kTotal, nullptr, total_rounds_down, true},
    {"shm-info-forgets-marked",
     "SHM_INFO does not count segments that are marked for removal",
     kTotal,
     nullptr,
     total_forgets_marked,
     true,
     {},
     true},
    {"shm-info-kept-is-the-size", "shm_rss counts pages that nobody has touched", kUntouched, nullptr,
     kept_is_the_size, true},
    {"shm-info-kept-while-attached",
     "shm_rss falls when a segment is detached",
     kUnattached,
     nullptr,
     kept_while_attached,
     true,
     {},
     true},
    {"shm-info-kept-counts-destroyed",
     "shm_rss does not fall when a segment is destroyed",
     kDestroyed,
     nullptr,
     kept_counts_destroyed,
     true,
     {},
     true},
    {"shm-stat-returns-the-index", "SHM_STAT returns the index, not the id", kStat, nullptr,
     returns_the_index, false},
    {"shm-stat-free-index-shows-one", "SHM_STAT of an index without a segment shows one before it", kStat,
     free_index_is_the_last, nullptr, false},
    {"shm-stat-of-the-unreadable",
     "SHM_STAT needs no read permission",
     kPermission,
     always_any,
     nullptr,
     false,
     {},
     true},
    {"shm-stat-any-denied", "SHM_STAT_ANY needs read permission", kAny, never_any, nullptr, false, {}, true},
    {"sysvipc-marked-not-listed",
     "/proc/sysvipc/shm does not list segments that are marked for removal",
     kListing,
     nullptr,
     marked_not_listed,
     false,
     {},
     true},
    {"sysvipc-readable-ones-only",
     "/proc/sysvipc/shm lists only what the reader may read",
     kReadable,
     nullptr,
     readable_ones_listed,
     false,
     {},
     true},
    {"sysvipc-of-all-namespaces", "/proc/sysvipc/shm lists the segments of all IPC namespaces", kSeparate,
     nullptr, all_namespaces_listed, false},
    {"sysvipc-rss-in-pages", "/proc/sysvipc/shm shows the resident size in pages", kBytes, nullptr,
     rows_in_pages, true},
    {"sysvipc-without-flags", "/proc/sysvipc/shm shows permission bits only", kPerms, nullptr,
     rows_without_flags, false},
    {"stat-of-a-bad-buffer", "IPC_STAT into a bad buffer succeeds", kStatBuffer, nullptr, stat_fills_nothing,
     false},
    {"set-from-a-bad-buffer", "IPC_SET from a bad buffer succeeds", kSetBuffer, set_reads_nothing, nullptr,
     false},
    {"rmid-looks-at-the-buffer", "IPC_RMID with a bad buffer fails", kRmidBuffer, nullptr,
     rmid_looks_at_buffer, true},
    {"set-id-before-buffer", "IPC_SET looks for the segment before it reads the buffer", kSetOrder, nullptr,
     set_looks_for_id_first, false},
    {"stat-buffer-before-id", "IPC_STAT looks at the buffer before it looks for the segment", kStatOrder,
     nullptr, stat_looks_at_buffer_first, false},
    {"stat-buffer-before-permission",
     "IPC_STAT looks at the buffer before it looks at permissions",
     kDenied,
     nullptr,
     stat_fault_before_denial,
     false,
     {},
     true},
};

}  // namespace

std::span<const Fault> shm_table_faults() {
  return kFaults;
}

}  // namespace shmcheck::model

// shmget(2): creation and look-up in the order of ipcget and newseg.
#include <fmt/format.h>

#include <algorithm>

#include "model/huge.h"
#include "model/rules.h"

namespace shmcheck::model {
namespace {

constexpr int kENOENT = 2, kENOMEM = 12, kEACCES = 13, kEEXIST = 17, kEINVAL = 22, kENOSPC = 28;

std::uint32_t requested_access(std::uint32_t mode) {
  return (mode >> 6 | mode >> 3 | mode) & 7;
}

// Whether the machine may or may not be able to commit this much: far more than any machine has.
constexpr std::uint64_t kHopeless = std::uint64_t{1} << 46;

// Pages of segments that are marked for removal and still there.
std::uint64_t marked_pages(const World& w, const IpcIds& ids) {
  std::uint64_t sum = 0;
  for (std::uint32_t i : ids.live) {
    const ShmidKernel& k = w.ipc.segments[i];
    if (k.perm.mode & kShmDest) sum += w.up(k.segsz) / w.page();
  }
  return sum;
}

void creation_errors(World& w, const Process& p, Step& s, std::uint64_t size) {
  const IpcIds& ids = w.ipc.of(p);
  const IpcLimits& limits = ids.limits;
  const bool all_ours = w.facts().private_ipc;
  std::uint64_t pages = size / w.page() + (size % w.page() != 0), present = w.ipc.pages(ids, w.page());
  bool set = limits.set[static_cast<std::size_t>(program::Limit::shmmax)];
  const bool full = all_ours && (ids.in_use() >= limits.shmmni || pages + present > limits.shmall);
  const bool bad_size = size == 0 || size > limits.shmmax;
  if (bad_size && full) s.applies(C::prec_shmget_size_before_space);
  // Hardly above the limit, it is the limit that is not kept.
  const bool clear = size == 0 || size - limits.shmmax >= w.page();
  if (bad_size && full && clear && s.saw(kENOSPC))
    s.must(kEINVAL, C::prec_shmget_size_before_space);
  else if (size == 0)
    s.must(kEINVAL, C::shmget_size_zero_create);
  else if (size > limits.shmmax)
    s.must(kEINVAL, set ? C::limit_shmmax : C::shmget_size_max);
  if (size > UINT64_MAX - w.page() + 1)
    s.must(kENOSPC, C::limit_shmall);  // rounded up to pages it is nothing
  else if (all_ours && pages + present > limits.shmall)
    s.must(kENOSPC, pages + present - marked_pages(w, ids) > limits.shmall ? C::limit_shmall
                                                                           : C::limit_shmall_release);
  huge_segment_errors(w, p, s);
  if (static_cast<std::int64_t>(size) < 0)
    s.must(kEINVAL, kENOMEM, C::shmget_size_unbacked);
  else if (size >= kHopeless && !(s.op.flags & program::shmget::kNoReserve))
    s.must(kENOMEM, C::shmget_size_unbacked);
  else if (size >= kHopeless)
    s.may(kENOMEM, Freedom::overcommit);
  if (all_ours && ids.in_use() >= limits.shmmni) s.must(kENOSPC, C::limit_shmmni);
}

// The segment that was made last in the namespace of the process, or null.
const ShmidKernel* last_of(const World& w, const Process& p) {
  for (auto k = w.ipc.segments.rbegin(); k != w.ipc.segments.rend(); ++k) {
    if (k->ipc_namespace == p.ipc_namespace && !k->before_reboot) return &*k;
  }
  return nullptr;
}

// Whether a segment had this id that is gone. Linux counts an id's upper part up, so it comes again only when
// that has gone round (ipc/util.c, ipc_idr_alloc); all that is known of others is that it does not come at
// once.
bool used_before(const World& w, const Process& p, const Step& s, std::uint64_t id) {
  const ShmidKernel* last = last_of(w, p);
  if (!s.exact()) return last && last->destroyed && !last->id_asked_for && last->id == id;
  return std::ranges::any_of(w.ipc.segments, [&](const ShmidKernel& k) {
    return k.destroyed && k.id == id && !k.id_asked_for && k.ipc_namespace == p.ipc_namespace &&
           !k.before_reboot;
  });
}

// What demands that nobody has the key: forced removal, if that took the last who had it, or that only
// another namespace has it.
C clause_of_absence(const World& w, const Process& p, std::uint32_t key) {
  for (auto k = w.ipc.segments.rbegin(); k != w.ipc.segments.rend(); ++k) {
    if (k->perm.key != key) continue;
    if (k->ipc_namespace != p.ipc_namespace && !k->destroyed) return C::ipcns_isolation;
    if (k->ipc_namespace == p.ipc_namespace)
      return k->destroyed_by == C::shmctl_gone_id ? C::shmget_noent : k->destroyed_by;
  }
  return C::shmget_noent;
}

// Whether what refuses a segment of this size is the limit of another namespace.
bool refused_elsewhere(const World& w, const Process& p, const Step& s, std::uint64_t size) {
  const IpcIds& own = w.ipc.of(p);
  const std::uint64_t pages = w.up(size) / w.page() + w.ipc.pages(own, w.page());
  return std::ranges::any_of(w.ipc.namespaces, [&](const IpcIds& other) {
    const IpcLimits& limits = other.limits;
    if (&other == &own) return false;
    return s.saw(kEINVAL) ? size > limits.shmmax
                          : s.saw(kENOSPC) && (own.in_use() >= limits.shmmni || pages > limits.shmall);
  });
}

// What demands that a segment is made: where it just fits, and was refused for that, the limit.
C clause_of_creation(const World& w, const Process& p, const Step& s, std::uint32_t key, std::uint64_t size) {
  // Refused for what it takes to be there.
  const C absence = key == 0 ? C::shmget_noent : clause_of_absence(w, p, key);
  if (absence != C::shmget_noent && absence != C::ipcns_isolation &&
      (s.saw(kEEXIST) || s.saw(kEACCES) || s.saw(kEINVAL)))
    return absence;
  if (refused_elsewhere(w, p, s, size)) return C::ipcns_sysctl_separate;
  const IpcLimits& limits = w.ipc.of(p).limits;
  auto set = [&](program::Limit limit) { return limits.set[static_cast<std::size_t>(limit)]; };
  if (key != 0 && absence == C::ipcns_isolation) return C::ipcns_same_key;
  if (s.saw(kEINVAL) && set(program::Limit::shmmax) && size > 0) return C::limit_shmmax;
  if (s.saw(kENOSPC) && set(program::Limit::shmall)) return C::limit_shmall;
  if (s.saw(kENOSPC) && set(program::Limit::shmmni)) return C::limit_shmmni;
  if (key != 0) return C::shmget_create;
  const bool ignored = (s.op.flags & (program::shmget::kCreat | program::shmget::kExcl)) != 0;
  return ignored ? C::shmget_private_flags : C::shmget_private_creates;
}

// The id that Linux gives where one is asked for: its sequence number, and the first free index from its own
// on (ipc/util.c, ipc_idr_alloc). kNoId: there is none such.
std::uint64_t id_asked_for(const World& w, const IpcIds& ids) {
  const std::uint64_t asked = ids.limits.next_id;
  for (std::uint64_t index = table_index(asked); index < kTableIndices; ++index) {
    if (w.ipc.find_index(ids, index) < 0) return asked - table_index(asked) + index;
  }
  return kNoId;
}

std::uint64_t id_of_the_model(const World& w, const Process& p) {
  const IpcIds& ids = w.ipc.of(p);
  if (ids.limits.next_id != kNoId) return id_asked_for(w, ids);
  std::uint64_t id = kNoId;
  for (const ShmidKernel& k : w.ipc.segments) {
    if (k.ipc_namespace == p.ipc_namespace && !k.id_asked_for && !k.before_reboot) id = k.id;
  }
  do id += 1 + kTableIndices;
  while (w.ipc.find_id(ids, id) >= 0);
  return id;
}

// What a chosen id must be. Which one, and that one asked for is given, documents do not say.
void judge_id(const World& w, const Process& p, Step& s, std::uint64_t id) {
  const IpcIds& ids = w.ipc.of(p);
  const bool taken = w.ipc.find_id(ids, id) >= 0, asked = ids.limits.next_id != kNoId;
  s.expect(static_cast<std::int64_t>(id) >= 0 && id <= INT32_MAX && !taken, C::shmget_create,
           [] { return std::string("a non-negative id that no other segment has"); });
  if (s.report().diverged) return;
  if (asked && s.exact()) {
    const std::uint64_t expected = id_asked_for(w, ids);
    s.expect(id == expected || expected == kNoId, C::limit_next_id,
             [=] { return fmt::format("{}", expected); });
  } else if (!asked && s.profile >= Profile::defacto) {
    s.expect(!used_before(w, p, s, id), C::shmget_id_not_reused_soon,
             [] { return std::string("another id than that of a segment destroyed before"); });
  }
  if (id > ids.limits.shmmni) s.applies(C::limit_shmmni_is_count);
}

void create(World& w, Process& p, Step& s, std::uint32_t key, std::uint64_t size) {
  std::uint64_t id = s.chosen(id_of_the_model(w, p), Freedom::segment_id);
  if (!s.running()) judge_id(w, p, s, id);
  IpcLimits& limits = w.ipc.of(p).limits;
  const bool asked = limits.next_id != kNoId;
  limits.next_id = kNoId;
  limits.next_id_unsure = false;
  Inode object;
  object.kind = InodeKind::segment;
  object.size = size;
  set_unnamed_status(object, p);
  ShmidKernel k;
  k.perm = {key, p.cred.uid, p.cred.gid, p.cred.uid, p.cred.gid, s.op.mode};
  k.perm.user_namespace = w.ipc.of(p).user_namespace;
  k.made_by_key = key;
  k.ipc_namespace = p.ipc_namespace;
  k.inode = w.add_inode(std::move(object));
  k.id = id;
  k.id_asked_for = asked;
  k.segsz = size;
  k.atim.set({0, 0});
  k.dtim.set({0, 0});
  k.ctim.set(s.when);
  k.cprid.set(p.pid);
  k.lprid.set(0);
  k.creator = static_cast<std::int8_t>(index_of(w, p));
  w.segment_names[s.op.result] = static_cast<std::uint32_t>(w.ipc.segments.size());
  w.ipc.add(std::move(k));
}

// No segment has the key, or none is asked for.
void without_segment(World& w, Process& p, Step& s, std::uint32_t key, std::uint64_t size) {
  const bool creates = key == 0 || (s.op.flags & program::shmget::kCreat);
  const std::uint64_t shmmax = w.ipc.of(p).limits.shmmax;
  const bool bad_size = size == 0 || size > shmmax;
  if (creates) {
    creation_errors(w, p, s, size);
  } else {
    if (bad_size) s.applies(C::prec_shmget_enoent_before_einval);
    s.must(kENOENT,
           bad_size && s.saw(kEINVAL) ? C::prec_shmget_enoent_before_einval : clause_of_absence(w, p, key));
  }
  if (s.failed(clause_of_creation(w, p, s, key, size))) {
    // Whether a failed creation forgets the id that is asked for is open: kernel.rst, shm_next_id.
    IpcLimits& limits = w.ipc.of(p).limits;
    limits.next_id_unsure = creates && !s.exact() && limits.next_id != kNoId;
    return;
  }
  if (size == shmmax) s.applies(C::limit_shmmax);
  if (size == 1) s.applies(C::limit_shmmin);
  create(w, p, s, key, size);
}

// What a look-up demands, unless what was seen says that the segment was not found, or more of why it was
// refused.
C clause_of_lookup(const World& w, const Process& p, const Step& s, const ShmidKernel& k, C clause) {
  using namespace program::shmget;
  const C by = clause_of_class(k.perm, p.cred, requested_access(s.op.mode));
  if (s.saw(kEACCES) && (by == C::perm_class_group || by == C::perm_userns)) return by;
  const IpcLimits& limits = w.ipc.of(k).limits;
  const bool remade =
      limits.rmid_forced && !s.running() && s.seen().kind == OutcomeKind::ok && s.seen().value != k.id;
  const bool granted = !s.running() && s.seen().kind == OutcomeKind::ok;
  const bool excl_alone = (s.op.flags & kExcl) && !(s.op.flags & kCreat) &&
                          (s.saw(kEEXIST) || (granted && s.seen().value == k.id));
  if (remade || s.saw(kENOENT)) return w.clause_of_presence(p, k);
  if (s.saw(kEINVAL) && k.segsz > limits.shmmax) return C::limit_shmmax_not_retroactive;
  return excl_alone && clause != C::shmget_size_bigger ? C::shmget_excl_alone : clause;
}

void with_segment(World& w, Process& p, Step& s, std::uint32_t found, std::uint64_t size) {
  using namespace program::shmget;
  const ShmidKernel& k = w.ipc.segments[found];
  const std::uint32_t wanted = requested_access(s.op.mode);
  const bool bigger = size > k.segsz, denied = !ipc_access(k.perm, p.cred, wanted);
  s.applies(clause_of_class(k.perm, p.cred, wanted));
  if ((s.op.flags & kCreat) && (s.op.flags & kExcl)) {
    if (bigger || denied) s.applies(C::prec_shmget_eexist_first);
    s.must(kEEXIST, s.saw(kEINVAL) || s.saw(kEACCES) ? C::prec_shmget_eexist_first : C::shmget_excl);
  }
  if (bigger && denied) s.applies(C::prec_shmget_einval_before_eacces);
  if (bigger)
    s.must(kEINVAL, denied && s.saw(kEACCES) ? C::prec_shmget_einval_before_eacces
                                             : clause_of_lookup(w, p, s, k, C::shmget_size_bigger));
  if (denied) s.must(kEACCES, clause_of_denial(k.perm, p.cred, wanted, C::shmget_lookup_permission));
  if (w.ipc.namespaces.size() > 1) s.applies(w.clause_of_presence(p, k));
  const C plain = size == 0 ? C::shmget_size_zero_lookup : C::shmget_lookup;
  if (s.failed(clause_of_lookup(w, p, s, k, plain))) return;
  s.returns(k.id, clause_of_lookup(w, p, s, k, C::shmget_lookup));
  if (k.segsz > w.ipc.of(p).limits.shmmax) s.applies(C::limit_shmmax_not_retroactive);
  w.segment_names[s.op.result] = found;
  w.ipc.segments[found].quiet_step = w.steps;
}

}  // namespace

void rule_shmget(World& w, Process& p, Step& s) {
  const std::uint64_t size = w.value(s.op.len);
  const std::uint32_t key = key_of(s.op);
  const std::int32_t found = key == 0 ? -1 : w.ipc.find_key(w.ipc.of(p), key);
  if (found < 0)
    without_segment(w, p, s, key, size);
  else
    with_segment(w, p, s, static_cast<std::uint32_t>(found), size);
}

}  // namespace shmcheck::model

// kernel.shmmax, shmall, shmmni, shm_rmid_forced and shm_next_id of the IPC namespace: ipc/ipc_sysctl.c. What
// they do to segments is in shmget.cc and World::close_attach.
#include <algorithm>

#include "model/rules.h"

namespace shmcheck::model {
namespace {

using program::Limit;
constexpr int kEACCES = 13, kEINVAL = 22;

// IPCMNI, and what the boot option ipcmni_extend makes of it.
constexpr std::uint64_t kMostSegments = 32768, kMostExtended = std::uint64_t{1} << 24;

void range_errors(Step& s, Limit limit, std::uint64_t value) {
  if (limit == Limit::next_id && value > INT32_MAX) s.must(kEINVAL, C::limit_next_id);
  if (limit == Limit::rmid_forced && value > 1) s.must(kEINVAL, C::limit_rmid_forced_default);
  if (limit != Limit::shmmni || value <= kMostSegments) return;
  if (value > kMostExtended)
    s.must(kEINVAL, C::limit_shmmni_range);
  else
    s.may(kEINVAL, Freedom::documented_alternative);
}

// Segments that nobody is attached to; with `orphans` only those whose creator has ended.
std::vector<std::uint32_t> unused(const World& w, const Process& p, bool orphans) {
  std::vector<std::uint32_t> found;
  std::ranges::copy_if(w.ipc.of(p).live, std::back_inserter(found), [&](std::uint32_t i) {
    const ShmidKernel& k = w.ipc.segments[i];
    return k.nattch == 0 && (!orphans || k.creator < 0);
  });
  return found;
}

// Where a limit that is a number is kept; null: it is none.
std::uint64_t IpcLimits::*number_of(Limit limit) {
  switch (limit) {
    case Limit::shmmax:
      return &IpcLimits::shmmax;
    case Limit::shmall:
      return &IpcLimits::shmall;
    case Limit::shmmni:
      return &IpcLimits::shmmni;
    case Limit::next_id:
      return &IpcLimits::next_id;
    case Limit::rmid_forced:
      break;
  }
  return nullptr;
}

std::uint64_t value_of(const IpcLimits& limits, Limit limit) {
  const auto number = number_of(limit);
  return number ? limits.*number : limits.rmid_forced;
}

}  // namespace

C clause_of_limit(const World& w, const Process& p, Step& s, Limit limit, C otherwise) {
  const IpcIds& own = w.ipc.of(p);
  const bool fresh = p.ipc_namespace != 0 && !own.limits.set[static_cast<std::size_t>(limit)];
  const bool from_left = fresh && !s.running() && s.seen().value == value_of(own.left, limit);
  bool apart = false;
  for (const IpcIds& other : w.ipc.namespaces) {
    const std::uint64_t theirs = value_of(other.limits, limit);
    if (&other == &own || theirs == value_of(own.limits, limit)) continue;
    apart = true;
    if (!from_left && !s.running() && s.seen().value == theirs) return C::ipcns_sysctl_separate;
  }
  if (apart) s.applies(C::ipcns_sysctl_separate);
  if (!fresh) return otherwise;
  // The documents have a number for each limit; that a switch is off is said of the namespace alone.
  const bool numbered = number_of(limit) && limit != Limit::next_id;
  if (numbered) s.applies(C::limit_defaults);
  const bool by_default = value_of(own.limits, limit) == value_of(default_limits(), limit);
  return numbered && by_default && !from_left ? C::limit_defaults : C::ipcns_fresh_defaults;
}

void rule_limit(World& w, Process& p, Step& s) {
  auto limit = static_cast<Limit>(s.op.small);
  const std::uint64_t value = w.value(s.op.len);
  if (!p.cred.capable) s.must(kEACCES, C::limit_settable);
  range_errors(s, limit, value);
  if (s.failed(C::limit_settable)) return;
  IpcLimits& limits = w.ipc.of(p).limits;
  if (const auto number = number_of(limit)) {
    limits.*number = value;
    limits.set.set(s.op.small);
    if (limit == Limit::next_id) limits.next_id_unsure = false;
    return;
  }
  // proc(5) says that all unattached segments go, kernel.rst that those of living creators stay: D29.
  bool all = false;
  if (value == 1 && !s.exact() && unused(w, p, true).size() != unused(w, p, false).size()) {
    int choice = s.choose(2, Freedom::documented_alternative);
    if (choice < 0) return;
    all = choice == 1;
  }
  limits.set.set(s.op.small);
  limits.rmid_forced = value == 1;
  if (value == 1) {
    for (std::uint32_t i : unused(w, p, !all)) w.destroy_segment(i, C::limit_rmid_forced_switch);
  }
}

void rule_limits(World& w, Process& p, Step& s) {
  auto limit = static_cast<Limit>(s.op.small);
  IpcLimits& limits = w.ipc.of(p).limits;
  const std::uint64_t value = value_of(limits, limit);
  if (s.failed(C::limit_files)) return;
  if (limit == Limit::next_id && limits.next_id_unsure && !s.running() && s.seen().value == kNoId) {
    limits.next_id = kNoId;
    limits.next_id_unsure = false;
    return s.uses(Freedom::documented_alternative);
  }
  const C plain = limit == Limit::next_id       ? C::limit_next_id
                  : limits.set[s.op.small]      ? C::limit_settable
                  : limit == Limit::rmid_forced ? C::limit_rmid_forced_default
                                                : C::limit_files;
  s.returns(value, clause_of_limit(w, p, s, limit, plain));
  s.adopted();  // a wrong number there changes no segment
}

}  // namespace shmcheck::model

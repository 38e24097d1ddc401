#include "model/world.h"

#include <algorithm>
#include <utility>

#include "model/merging.h"
#include "model/room.h"

namespace shmcheck::model {

void Processes::name(const Op& op) {
  const program::OpSpec& spec = program::spec(op.code);
  std::size_t last = op.proc;
  if (spec.result_name == program::NameKind::process) last = std::max<std::size_t>(last, op.result);
  if (spec.object_kind == program::NameKind::process) last = std::max<std::size_t>(last, op.object);
  if (last >= named_.size()) named_.resize(last + 1);
}

const Process& Processes::nobody() {
  static const Process nobody;
  return nobody;
}

World::World(const Facts& facts, std::uint64_t root_pid) : facts_(&facts) {
  paths.fill(-1);
  objects.fill(-1);
  path_unwritten.fill(-1);
  processes.name(Op{});
  begin_process(0, root_pid);
  begin_namespaces();
}

void World::begin_process(std::uint8_t who, std::uint64_t pid) {
  Process& p = processes[who];
  p.life = Life::alive;
  p.pid = pid;
  p.born = next_vma;
  p.memlock = facts_->memlock;
  p.cred = {facts_->uid, facts_->gid, facts_->capable, facts_->capable && facts_->first_userns, {}, 0};
}

void World::begin_namespaces() {
  ipc.namespaces.assign(1, IpcIds());
  IpcLimits& limits = ipc.namespaces.front().limits;
  limits.shmmax = facts_->shmmax;
  if (facts_->shmall != 0) limits.shmall = facts_->shmall;
  if (facts_->shmmni != 0) limits.shmmni = facts_->shmmni;
}

const OpenFile* World::open_file(const Process& process, std::uint8_t slot) const {
  if (slot >= program::kFiles || process.files[slot] < 0) return nullptr;
  return &open_files[static_cast<std::size_t>(process.files[slot])];
}

OpenFile* World::open_file(const Process& process, std::uint8_t slot) {
  return const_cast<OpenFile*>(std::as_const(*this).open_file(process, slot));
}

bool World::is_open(std::uint32_t inode) const {
  return std::ranges::any_of(processes, [&](const Process& p) {
    return std::ranges::any_of(p.files, [&](std::int32_t f) {
      return f >= 0 && open_files[static_cast<std::size_t>(f)].inode == inode;
    });
  });
}

bool World::bound(const program::Quantity& q) const {
  return !q.names_mapping() || mapping_names[q.mapping()].has_value();
}

std::uint64_t World::value(const program::Quantity& q) const {
  std::uint64_t base = 0;
  switch (static_cast<program::Base>(q.base)) {
    case program::Base::zero:
      break;
    case program::Base::arena:
      base = facts_->arena;
      break;
    case program::Base::top:
      base = facts_->top;
      break;
    case program::Base::half:
      base = std::uint64_t{1} << 63;
      break;
    default:
      base = *mapping_names[q.mapping()];
      break;
  }
  return base + static_cast<std::uint64_t>(std::int64_t{q.pages} * page()) +
         static_cast<std::uint64_t>(std::int64_t{q.bytes});
}

std::uint32_t World::add_inode(Inode inode) {
  make_room(inodes);
  inodes.push_back(std::move(inode));
  return static_cast<std::uint32_t>(inodes.size() - 1);
}

// --- memory ------------------------------------------------------------------------------------------------

bool World::backed(const Vma& vma, std::uint64_t offset) const {
  if (vma.inode < 0) return true;
  // mremap may let a mapping grow to pages that have a number, while their bytes have none (pgoff_t of
  // Linux).
  const std::uint64_t numbered = ~std::uint64_t{0} / page();
  if (vma.page_offset > numbered || offset < vma.page_offset * page()) return false;
  std::uint64_t size = object_of(vma).size;
  return offset < size || (size > 0 && offset / page() <= (size - 1) / page());
}

void World::note_reached(Process& process, std::uint64_t address) {
  std::vector<Vma>& vmas = process.memory.vmas();
  const std::size_t at = process.memory.first_above(address);
  if (at == vmas.size() || !memory_object(vmas[at])) return;
  vmas[at].reached = true;
  for (std::size_t i = at; i > 0 && may_be_one(vmas[i - 1], vmas[i], page()); --i) vmas[i - 1].reached = true;
  for (std::size_t i = at + 1; i < vmas.size() && may_be_one(vmas[i - 1], vmas[i], page()); ++i)
    vmas[i].reached = true;
}

Access World::access(Process& process, std::uint64_t address, bool write) {
  Vma* vma = process.memory.find(address);
  if (!vma) return {Access::Kind::no_mapping, nullptr, 0};
  // A write-only page is readable on every architecture we know of; see access.write-implies-read.
  bool permitted = write ? (vma->prot & program::kProtWrite) != 0
                         : (vma->prot & (program::kProtRead | program::kProtWrite | program::kProtExec)) != 0;
  std::uint64_t offset = vma->object_offset(address, page());
  if (!permitted) return {Access::Kind::protection, vma, offset};
  note_reached(process, address);  // also by an access to what is not there
  if (!vma->shared && vma->copies.find(offset / page())) return {Access::Kind::byte, vma, offset};
  if (!backed(*vma, offset)) return {Access::Kind::beyond_object, vma, offset};
  const bool to_object = write && vma->shared;
  const Space space = vma->inode < 0 ? Space::there : space_for_access(*vma, offset, to_object);
  if (space == Space::none) return {Access::Kind::no_space, vma, offset};
  if (space == Space::unsure) unsure_of_space = object_of(*vma).accessed_unsure = true;
  note_accessed(*vma, offset, to_object);
  return {Access::Kind::byte, vma, offset, space == Space::unsure};
}

ObjectBytes& World::supply(Vma& vma, std::uint64_t offset) {
  if (!vma.shared && (vma.inode < 0 || vma.copies.find(offset / page()))) return vma.copies;
  return object_of(vma).bytes;
}

std::uint8_t World::load(Vma& vma, std::uint64_t offset) {
  return supply(vma, offset).at(offset, page());
}

void World::copy_on_write(Vma& vma, std::uint64_t offset) {
  std::uint64_t index = offset / page();
  if (vma.copies.find(index)) return;
  vma.touched = true;
  if (vma.inode < 0) {
    vma.copies.put(index, PageRef());
    return;
  }
  note_accessed(vma, offset, false);
  const ObjectBytes& file = object_of(vma).bytes;
  const PageRef* page_of_file = file.find(index);
  vma.copies.put(index, page_of_file ? *page_of_file : PageRef(),
                 {OriginKind::private_copy, 0, vma.id, steps});
  auto keep = [&](const std::vector<Doubt>& doubts) {
    for (const Doubt& d : doubts) {
      if (d.low >= (index + 1) * page() || d.high <= index * page()) continue;
      Doubt kept = d;
      kept.low = std::max(kept.low, index * page());
      kept.high = std::min(kept.high, (index + 1) * page());
      kept.may_change = false;
      vma.copies.doubt(std::move(kept));
    }
  };
  keep(file.doubts());
  keep(vma.older);
}

void World::populate_copies(Vma& vma, std::uint64_t low, std::uint64_t high) {
  if (vma.shared || !(vma.prot & program::kProtWrite)) return;
  if (vma.inode < 0) {
    vma.touched = true;
    return;
  }
  for (std::uint64_t at = low; at < high; at += page()) {
    std::uint64_t offset = vma.object_offset(at, page());
    if (!can_be_had(vma, offset, false)) return;
    copy_on_write(vma, offset);
  }
}

void World::store(Vma& vma, std::uint64_t offset, const std::uint8_t* bytes, std::uint64_t length,
                  std::uint8_t who) {
  Origin origin{OriginKind::store, who, vma.id, steps};
  if (vma.shared) {
    object_of(vma).stored_by_mapping = true;
    write_object(static_cast<std::uint32_t>(vma.inode), offset, bytes, length, origin);
    return;
  }
  for (std::uint64_t at = down(offset); at < offset + length; at += page()) {
    copy_on_write(vma, at);
    if (vma.inode >= 0) object_of(vma).stored_privately.add(at / page());
  }
  vma.copies.write(offset, bytes, length, page(), origin);
}

void World::write_object(std::uint32_t inode, std::uint64_t offset, const std::uint8_t* bytes,
                         std::uint64_t length, Origin origin) {
  before_write(inode, offset, length, origin);
  inodes[inode].bytes.write(offset, bytes, length, page(), origin);
}

void World::write_object(std::uint32_t inode, std::uint64_t offset, std::uint8_t byte, std::uint64_t length,
                         Origin origin) {
  before_write(inode, offset, length, origin);
  inodes[inode].bytes.write_same(offset, byte, length, page(), origin);
}

void World::before_write(std::uint32_t index, std::uint64_t offset, std::uint64_t length,
                         const Origin& origin) {
  Inode& object = inodes[index];
  object.written_to();
  object.slack_stored |= origin.kind == OriginKind::store && offset + length > object.size;
  keep_former(index, offset, offset + length);
  takes_storage(index, offset, offset + length);
}

void World::keep_former(std::uint32_t index, std::uint64_t low, std::uint64_t high) {
  Inode& inode = inodes[index];
  if (!is_stored(inode)) return;
  high = std::min({high, inode.size, inode.slack_from});
  for (std::uint64_t at = low; at < high;) {
    std::uint64_t end = std::min(high, down(at) + page());
    const PageRef* held = inode.bytes.find(at / page());
    inode.storage.former(at, end, held ? *held : PageRef(), inode.bytes.doubted(at, end));
    at = end;
  }
}

void World::keep_nothing(std::uint32_t index, std::uint64_t low, std::uint64_t high) {
  if (is_stored(inodes[index])) inodes[index].storage.former(low, high, PageRef());
}

void World::fill_object(std::uint32_t inode, std::uint64_t offset, std::uint8_t byte, std::uint64_t length) {
  inodes[inode].bytes.fill(offset, byte, length, page());
}

bool World::some_end_in_cache() const {
  return std::ranges::any_of(
      inodes, [](const Inode& i) { return i.of_directory() && i.links > 0 && i.end_in_cache; });
}

void World::resize(std::uint32_t index, std::uint64_t size) {
  Inode& inode = inodes[index];
  std::uint64_t before = inode.size;
  if (size < before) keep_former(index, size, before);
  inode.size = size;
  inode.size_unwritten = true;
  if (size != before) inode.size_delayed = inode.end_in_cache = false;
  if (size >= before) return;
  not_resident(index);
  cuts_storage(index, size);
  inode.cut_to = std::min(inode.cut_to, size);
  inode.cut_step = steps;
  inode.punched = {};
  happens(index, clauses::Clause::trunc_kept_part_intact);
  inode.bytes.cut(size, page(), {OriginKind::cut, 0, 0, steps});
  for (Process& p : processes) {
    if (p.life != Life::alive) continue;
    for (Vma& v : p.memory.vmas()) {
      if (!v.shared && v.inode == static_cast<std::int32_t>(index)) v.copies.cut(up(size), page());
    }
  }
}

void World::note_touched(const Vma& vma, std::uint64_t offset, std::uint8_t who) {
  Inode* object = memory_object(vma);
  if (!object) return;
  object->touched.add(offset / page());
  if (object->touched_by.size() <= who) object->touched_by.resize(who + 1U);
  object->touched_by[who].add(offset / page());
}

void World::not_resident(std::uint32_t index) {
  for (Process& p : processes) {
    for (Vma& v : p.memory.vmas()) {
      if (v.inode == static_cast<std::int32_t>(index))
        v.resident_by = clauses::Clause::none, v.shown_resident = false;
    }
  }
}

void World::pages_removed(std::uint32_t index, clauses::Clause clause) {
  not_resident(index);
  inodes[index].removed_by = clause;
  inodes[index].removed_step = steps;
  happens(index, clause);
}

void World::end_process(std::uint8_t who, Moment when, clauses::Clause leaves_alone) {
  for (const Vma& v : processes[who].memory.vmas()) {
    if (v.shared) happens(v, leaves_alone);
  }
  unmap(who, 0, UINT64_MAX, when);
  processes[who].files.fill(-1);
  processes[who].life = Life::dead;
  disown_segments(who);
  end_namespace(processes[who].ipc_namespace);
}

}  // namespace shmcheck::model

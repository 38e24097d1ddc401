// Faults of what is refused: execution on mounts without it, huge pages where there are none, and files that
// are append-only.
#include "model/fault_tools.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kENOMEM = 12, kEACCES = 13, kEINVAL = 22;

// --- mounts without execution

constexpr C kNoexecMap[] = {C::mmap_fd_noexec_mount};
void maps_executable(World& w, Op& op) {
  const OpenFile* file = mapped_file(w, op);
  if (file && w.noexec(w.inodes[file->inode])) op.small &= static_cast<std::uint8_t>(~program::kProtExec);
}
constexpr C kNoexecProtect[] = {C::mprotect_noexec_denied};
void gives_execution(const World&, World& w, const Op& op, Outcome& o) {
  if (op.code != OpCode::mmap || !ok(o)) return;
  if (Vma* v = actor(w, op).memory.find(o.value)) v->may_exec = true;
}

// --- huge pages

bool maps_huge_pages(const Op& op) {
  constexpr std::uint32_t kBoth = program::map::kAnonymous | program::map::kHuge;
  return op.code == OpCode::mmap && (op.flags & kBoth) == kBoth;
}

bool makes_huge_segment(const Op& op) {
  return op.code == OpCode::shmget && (op.flags & program::shmget::kHuge) != 0;
}

constexpr C kMapped[] = {C::mmap_flag_hugetlb_priv};
void mapping_needs_privilege(const World&, World& w, const Op& op, Outcome& o) {
  if (maps_huge_pages(op) && failed_with(o, kENOMEM) && !actor(w, op).cred.machine) fail(o, kEPERM);
}
// What would take some, were there any, is withheld; a stack would be refused for another reason.
constexpr std::uint32_t kTakes =
    program::map::kNoReserve | program::map::kFixed | program::map::kNoReplace | program::map::kGrowsDown;
void ordinary_mapping(World&, Op& op) {
  if (maps_huge_pages(op) && !(op.flags & kTakes) && op.off == program::Quantity{})
    op.flags &= ~program::map::kHuge;
}

constexpr C kSealed[] = {C::memfd_hugetlb_sealing};
void never_sealed(const World& was, World& w, const Op& op, Outcome& o) {
  constexpr std::uint32_t kBoth = program::memfd::kHuge | program::memfd::kSealing;
  if (op.code == OpCode::memfd && (op.flags & kBoth) == kBoth && ok(o)) refuse(was, w, o, kEINVAL);
}

constexpr C kPrivileged[] = {C::shmget_hugetlb_priv};
void segments_for_all(const World&, World&, const Op& op, Outcome& o) {
  if (makes_huge_segment(op) && failed_with(o, kEPERM)) fail(o, kENOMEM);
}

constexpr C kSegment[] = {C::shmget_hugetlb, C::shmget_hugetlb_priv};
void segments_for_nobody(const World&, World&, const Op& op, Outcome& o) {
  if (makes_huge_segment(op) && failed_with(o, kENOMEM)) fail(o, kEPERM);
}
void ordinary_segment(World&, Op& op) {
  if (makes_huge_segment(op) && !(op.flags & program::shmget::kNoReserve))
    op.flags &= ~program::shmget::kHuge;
}

// --- append-only files

constexpr C kAppendOnly[] = {C::mmap_fd_append_only_inode};

// The file that a shared mapping is made of, by a descriptor that could write, or null.
Inode* mapped_shared(World& w, const Op& op) {
  const OpenFile* file = mapped_file(w, op);
  const bool shared = (op.flags & program::map::kShared) != 0;
  return file && file->writable && shared ? &w.inodes[file->inode] : nullptr;
}

bool always(World&, const Op&) {
  return true;
}
bool to_be_read(World&, const Op& op) {
  return (op.small & program::kProtWrite) == 0;
}
bool by_append_flag(World& w, const Op& op) {
  return descriptor(w, op)->append;
}

// The mapping is made as if the file had no such attribute, which it gets back afterwards.
template <bool (*When)(World&, const Op&)>
void ignores(World& w, Op& op) {
  Inode* inode = mapped_shared(w, op);
  if (inode && When(w, op)) inode->append_only = Attribute::off;
}
void put_back(const World& was, World& w, const Op& op, Outcome&) {
  if (!mapped_shared(w, op)) return;
  const std::uint32_t index = descriptor(w, op)->inode;
  w.inodes[index].append_only = was.inodes[index].append_only;
}

void private_refused(const World& was, World& w, const Op& op, Outcome& o) {
  if (!ok(o) || (op.flags & program::map::kShared)) return;
  const OpenFile* file = mapped_file(w, op);
  if (file && file->writable && w.inodes[file->inode].append_only == Attribute::on)
    refuse(was, w, o, kEACCES);
}

constexpr Fault kFaults[] = {
    {"noexec-mmap-ignored", "a file on a mount without execution can be mapped with PROT_EXEC", kNoexecMap,
     maps_executable, nullptr, false},
    {"noexec-mprotect-ignored", "a mapping of a file on a mount without execution gets PROT_EXEC",
     kNoexecProtect, nullptr, gives_execution, false},
    {"mmap-hugetlb-needs-privilege", "MAP_HUGETLB of who is not privileged fails with EPERM", kMapped,
     nullptr, mapping_needs_privilege, false},
    {"mmap-hugetlb-ordinary", "MAP_HUGETLB gives ordinary pages where there are no huge ones", kMapped,
     ordinary_mapping, nullptr, false},
    {"memfd-hugetlb-not-sealed", "MFD_HUGETLB and MFD_ALLOW_SEALING together are refused", kSealed, nullptr,
     never_sealed, true},
    {"shmget-hugetlb-for-all", "SHM_HUGETLB needs no privilege", kPrivileged, nullptr, segments_for_all,
     false},
    {"shmget-hugetlb-for-nobody", "SHM_HUGETLB is refused to who is privileged, too", kSegment, nullptr,
     segments_for_nobody, false},
    {"shmget-hugetlb-ordinary", "SHM_HUGETLB gives ordinary pages where there are no huge ones", kSegment,
     ordinary_segment, nullptr, false},
    {"append-only-mapped-shared",
     "an append-only file is mapped shared through a descriptor that could write", kAppendOnly,
     ignores<always>, put_back, true},
    {"append-only-mapped-to-read", "it is, if the mapping is to be read only", kAppendOnly,
     ignores<to_be_read>, put_back, true},
    {"append-only-mapped-by-append", "it is, if the descriptor was opened to append", kAppendOnly,
     ignores<by_append_flag>, put_back, true},
    {"append-only-refuses-private", "an append-only file is not mapped privately either", kAppendOnly,
     nullptr, private_refused, true},
};

}  // namespace

std::span<const Fault> refusal_faults() {
  return kFaults;
}

}  // namespace shmcheck::model

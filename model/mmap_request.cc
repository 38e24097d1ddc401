// mmap(2): what is asked for, and the argument errors.
#include <algorithm>

#include "model/append_only.h"
#include "model/huge.h"
#include "model/map_limit.h"
#include "model/mmap.h"
#include "model/rlimit.h"

namespace shmcheck::model {
namespace {

constexpr int kEPERM = 1, kEBADF = 9, kEAGAIN = 11, kENOMEM = 12, kEACCES = 13, kEEXIST = 17, kENODEV = 19,
              kEINVAL = 22, kEMFILE = 24, kEOVERFLOW = 75, kEOPNOTSUPP = 95;
constexpr std::uint32_t kType = program::map::kShared | program::map::kPrivate;

void length_errors(const World& w, Step& s, const MmapRequest& r) {
  if (r.length == 0)
    s.must(kEINVAL, C::mmap_create_len_zero);
  else if (r.pages == 0)
    s.must(kENOMEM, kEINVAL, C::mmap_create_len_too_big);
  else if (r.pages >= w.facts().top || (!r.fixed && r.pages >= kNoRoom))
    s.must(kENOMEM, kEINVAL, C::mmap_create_len_too_big);
}

void placement_errors(const World& w, const Process& p, Step& s, const MmapRequest& r) {
  if (!r.fixed || r.pages == 0) return;
  bool impossible = r.pages >= w.facts().top || r.address > w.facts().top - r.pages;
  // Linux takes an address in the last page for an error number and returns it.
  constexpr std::uint64_t kErrorNumbers = ~std::uint64_t{0} - 4095;
  if (r.address > kErrorNumbers) {
    int error = static_cast<int>(-static_cast<std::int64_t>(r.address));
    if (s.exact())
      s.must(error, C::mmap_fixed_exact);
    else
      s.may(error, Freedom::documented_alternative);
  }
  if (impossible && r.pages < w.facts().top) s.must(kENOMEM, kEINVAL, C::mmap_fixed_exact);
  if (r.address % w.page() != 0) s.must(kEINVAL, C::mmap_fixed_unaligned);
  if (r.address < w.facts().min_address && !p.cred.machine) s.must(kEPERM, C::mmap_fixed_low_address_priv);
  // Reaches only ranges which are in user space whatever its exact size.
  if (r.noreplace && !impossible && occupied(w, p, r.address, r.address + r.pages)) {
    s.must(kEEXIST, C::mmap_fixed_noreplace);
  }
}

// Special files. A directory and the end of a pipe are open for reading only; the device of zeros can be
// mapped.
void special_errors(Step& s, const MmapRequest& r) {
  using program::MapSource;
  bool device = r.source == MapSource::zero || r.source == MapSource::null;
  // Their offsets are not bounded as those of files are.
  if (r.pages > UINT64_MAX - r.offset)
    s.must(kEOVERFLOW, C::mmap_create_offset_overflow);
  else if (r.offset > INT64_MAX - r.pages && !s.exact())
    s.may(kEOVERFLOW, Freedom::documented_alternative);
  if ((s.op.flags & kType) == 0) return s.must(kEINVAL, C::mmap_type_required);
  if (r.validate && (s.op.flags & (program::map::kUnknown | program::map::kSync)))
    s.must(kEOPNOTSUPP, C::mmap_type_validate_unknown);
  else if (r.validate && r.noreplace)
    s.may(kEOPNOTSUPP, Freedom::documented_alternative);
  if (r.shared && r.write && !device) s.must(kEACCES, C::mmap_fd_read_only_shared_write);
  // Pipes lie in a file system without execution since 6.17; /dev may be mounted so, which is no fact.
  bool exec = (s.op.small & program::kProtExec) != 0, pipe = r.source == MapSource::pipe;
  if (exec && pipe && s.exact() && s.facts.release >= program::release(6, 17))
    s.must(kEPERM, C::mmap_fd_noexec_mount);
  else if (exec)
    s.may(kEPERM, Freedom::documented_alternative);
  if (r.source != MapSource::zero) s.must(kENODEV, kEACCES, C::mmap_fd_unsupported_type);
}

// Whether the new pages may come to lie beside a shared mapping of the file that shows the ones before or
// behind them, be it what is left of one that they replace. Where the kernel places a mapping is not known
// yet.
bool continues_neighbour(const World& w, const Process& p, const MmapRequest& r) {
  const std::uint64_t high = r.address + r.pages;
  return std::ranges::any_of(p.memory.vmas(), [&](const Vma& v) {
    if (!v.shared || v.inode != static_cast<std::int32_t>(r.file->inode)) return false;
    const auto shows = [&](std::uint64_t address) { return v.object_offset(address, w.page()); };
    if (!r.fixed) return shows(v.high) == r.offset || r.offset + r.pages == shows(v.low);
    const bool before = v.low < r.address && r.address <= v.high && shows(r.address) == r.offset;
    const bool behind = v.low <= high && high < v.high && shows(high) == r.offset + r.pages;
    return before || behind;
  });
}

// Only a mapping that could be stored through counts as shared here, and a descriptor of a memory file can be
// written to. Read-only ones of a write-sealed file are granted since 6.7, and by some stable releases
// before, but for a time not in 6.12.
void seal_errors(const World& w, const Process& p, Step& s, MmapRequest& r) {
  using namespace program::seal;
  std::uint32_t seals = w.inodes[r.file->inode].seals;
  if (!r.shared || !r.file->writable || !(seals & (kWrite | kFutureWrite))) return;
  bool right_before = !s.must_fail();
  // Before 6.13 a mapping that continues an equal neighbour grew it, and the seals were not looked at.
  bool continues =
      w.facts().release < program::release(6, 13) && !(seals & kWrite) && continues_neighbour(w, p, r);
  if (r.write && continues) {
    s.may(kEPERM, Freedom::documented_alternative);
  } else if (r.write) {
    s.must(kEPERM, seals & kWrite ? C::seal_write : C::seal_future_write);
  } else if (seals & kWrite) {
    if (w.facts().release < program::release(6, 13) || !s.exact())
      s.may(kEPERM, Freedom::documented_alternative);
  }
  r.sealed = right_before && s.must_fail();
}

// Documents leave it open what is reported when something else is wrong as well. So do releases before 6.13
// for F_SEAL_WRITE, which their stable updates look at early or late.
void space_errors(const World& w, const Process& p, Step& s, MmapRequest& r) {
  bool replaces = r.fixed && !r.noreplace;
  // The old mappings are gathered first, and nothing is divided that cannot be.
  const bool granted = !s.must_fail();
  if (replaces && granted) division_errors(w, p, s, r.address, r.address + r.pages, C::munmap_split_limit);
  if (granted && s.must_fail()) return;
  std::uint64_t gone = replaces ? mapped_within(p, r.address, r.address + r.pages) : 0;
  if (fits_address_space(p, r.pages, gone)) return;
  r.no_space = replaces && r.pages < w.facts().top;  // a length that no address space has is refused before
  if (!s.exact() || !s.must_fail())
    s.must(kENOMEM, C::mmap_limit_rlimit_as);
  else if (r.sealed && w.facts().release < program::release(6, 13))
    s.may(kENOMEM, Freedom::which_error);
}

// The file system looks at F_SEAL_FUTURE_WRITE before 6.13 (mm/shmem.c, shmem_mmap), when the limit is past.
bool seals_come_last(const World& w, const MmapRequest& r) {
  return w.facts().release < program::release(6, 13) &&
         !(w.inodes[r.file->inode].seals & program::seal::kWrite);
}

void file_errors(World& w, const Process& p, Step& s, MmapRequest& r, const Op& op) {
  using namespace program::map;
  constexpr std::uint64_t largest = INT64_MAX;
  if (r.offset > largest || r.pages > largest - r.offset) s.must(kEOVERFLOW, C::mmap_create_offset_overflow);
  if (!r.shared && (op.flags & kType) == 0) {
    s.must(kEINVAL, C::mmap_type_required);
    return;
  }
  Inode& file = w.inodes[r.file->inode];
  bool knows_sync = w.may_know_sync(file);
  if (r.validate && (op.flags & kUnknown))
    s.must(kEOPNOTSUPP, C::mmap_type_validate_unknown);
  else if (r.validate && (op.flags & kSync) && !knows_sync)
    s.must(kEOPNOTSUPP, C::mmap_type_map_sync_needs_dax);
  else if (r.validate && (op.flags & kNoReplace)) {
    // MAP_FIXED_NOREPLACE is missing from the flags that Linux knows for MAP_SHARED_VALIDATE; no document
    // says so.
    if (s.exact())
      s.must(kEOPNOTSUPP, C::mmap_type_validate_unknown);
    else
      s.may(kEOPNOTSUPP, Freedom::documented_alternative);
  }
  if (r.shared && r.write && !r.file->writable) {
    if (w.inodes[r.file->inode].posix) s.applies(C::pshm_open_rdonly);
    s.must(kEACCES, r.file->readable ? C::mmap_fd_read_only_shared_write : C::mmap_fd_write_only);
  }
  // The manual asks for PROT_WRITE as well (D7).
  if (r.shared && r.file->writable && (r.write || s.exact()))
    append_only_errors(file, s, kEACCES, C::mmap_fd_append_only_inode);
  else if (r.shared && r.file->writable && file.append_only != Attribute::off)
    s.may(kEACCES, Freedom::documented_alternative);
  if (!r.file->readable) s.must(kEACCES, C::mmap_fd_write_only);
  if ((op.small & program::kProtExec) && w.noexec(file)) s.must(kEPERM, C::mmap_fd_noexec_mount);
  mmap_stack_errors(s, r);
  if (seals_come_last(w, r)) space_errors(w, p, s, r);
  seal_errors(w, p, s, r);
  if (!seals_come_last(w, r)) space_errors(w, p, s, r);
  // The file system's own refusal comes last.
  if ((op.flags & kSync) && knows_sync) {
    if (r.validate)
      s.must(kEOPNOTSUPP, C::mmap_type_map_sync_needs_dax);
    else if (s.exact() && w.fs_of(file) != program::FileSystem::other)
      s.must(kEOPNOTSUPP, C::mmap_type_map_sync_legacy);
    else
      s.may(kEOPNOTSUPP, Freedom::documented_alternative);
  }
}

}  // namespace

MmapRequest mmap_request(World& w, const Process& p, const Op& op) {
  using namespace program::map;
  using program::MapSource;
  MmapRequest r{};
  r.address = w.value(op.addr);
  r.length = w.value(op.len);
  r.offset = w.value(op.off);
  r.huge = (op.flags & (kAnonymous | kHuge)) == (kAnonymous | kHuge);
  r.pages = r.huge ? huge_length(w, r.length) : w.up(r.length);
  r.anonymous = (op.flags & kAnonymous) != 0;
  r.validate = (op.flags & kType) == kType;
  r.shared = (op.flags & kShared) != 0;
  r.noreplace = (op.flags & kNoReplace) != 0;
  r.fixed = (op.flags & kFixed) != 0 || r.noreplace;
  r.write = (op.small & program::kProtWrite) != 0;
  r.source = r.anonymous ? MapSource::slot : static_cast<MapSource>(op.byte);
  if (!r.anonymous && r.source == MapSource::slot) r.file = w.open_file(p, op.object);
  return r;
}

void mmap_stack_errors(Step& s, const MmapRequest& r) {
  if ((s.op.flags & program::map::kGrowsDown) && (s.op.flags & kType))
    s.must(kEINVAL, r.shared ? C::mmap_anon_growsdown_shared : C::none);
}

void mmap_lock_errors(const World& w, const Process& p, Step& s, const MmapRequest& r) {
  bool asked = (s.op.flags & program::map::kLocked) != 0;
  if (asked) may_lock_errors(p, s, C::mmap_flag_locked_limit);
  if (asked || p.lock_future)
    memlock_errors(w, p, s, r.pages, kEAGAIN, asked ? C::mmap_flag_locked_limit : C::mlockall_future);
}

void mmap_errors(World& w, const Process& p, Step& s, MmapRequest& r) {
  const Op& op = s.op;
  if (r.offset % w.page() != 0) s.must(kEINVAL, C::mmap_create_offset_unaligned);
  if (r.huge) return huge_mapping_errors(w, p, s, r);
  bool slot = r.source == program::MapSource::slot;
  if (!r.anonymous && slot && !r.file) s.must(kEBADF, C::mmap_fd_bad);
  // Only files of a file system for them have huge pages.
  if (!r.anonymous && (op.flags & program::map::kHuge)) s.must(kEINVAL, C::none);
  length_errors(w, s, r);
  mapping_limit_errors(w, p, s, kEMFILE, C::mmap_limit_map_count);
  placement_errors(w, p, s, r);
  if (!s.must_fail()) mmap_lock_errors(w, p, s, r);
  if (r.anonymous) {
    mmap_stack_errors(s, r);
    if ((op.flags & kType) == 0)
      s.must(kEINVAL, C::mmap_type_required);
    else if (r.validate)
      s.must(kEINVAL, C::mmap_type_both);
    if (r.offset != 0 && !s.exact()) s.may(kEINVAL, Freedom::documented_alternative);
    space_errors(w, p, s, r);
  } else if (!slot) {
    special_errors(s, r);
    mmap_stack_errors(s, r);
    space_errors(w, p, s, r);
  } else if (r.file) {
    file_errors(w, p, s, r, op);
  }
  if (r.validate && !r.anonymous && !s.exact()) s.may(kEINVAL, Freedom::documented_alternative);
}

}  // namespace shmcheck::model

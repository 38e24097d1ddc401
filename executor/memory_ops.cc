// Ops that change mappings.
#include <fcntl.h>
#include <sys/mman.h>

#include "executor/call.h"
#include "executor/files.h"

namespace shmcheck::executor {
namespace {

// Bits that no architecture and no kernel gives a meaning.
constexpr long kUnknownProt = 0x100000, kUnknownMapFlag = 0x400000, kUnknownSyncFlag = 8,
               kUnknownRemapFlag = 0x100, kUnknownAdvice = 77;

constexpr FlagPair kProt[] = {
    {program::kProtRead, PROT_READ},           {program::kProtWrite, PROT_WRITE},
    {program::kProtExec, PROT_EXEC},           {program::kProtUnknown, kUnknownProt},
    {program::kProtGrowsDown, PROT_GROWSDOWN}, {program::kProtGrowsUp, PROT_GROWSUP}};
// MAP_SHARED_VALIDATE is MAP_SHARED | MAP_PRIVATE, here as there.
constexpr FlagPair kMapFlags[] = {{program::map::kShared, MAP_SHARED},
                                  {program::map::kPrivate, MAP_PRIVATE},
                                  {program::map::kAnonymous, MAP_ANONYMOUS},
                                  {program::map::kFixed, MAP_FIXED},
                                  {program::map::kNoReplace, MAP_FIXED_NOREPLACE},
                                  {program::map::kPopulate, MAP_POPULATE},
                                  {program::map::kNoReserve, MAP_NORESERVE},
                                  {program::map::kStack, MAP_STACK},
                                  {program::map::kUnknown, kUnknownMapFlag},
                                  {program::map::kSync, MAP_SYNC},
                                  {program::map::kLocked, MAP_LOCKED},
                                  {program::map::kNonBlock, MAP_NONBLOCK},
                                  {program::map::kGrowsDown, MAP_GROWSDOWN},
                                  {program::map::kHuge, MAP_HUGETLB},
                                  {program::map::kLegacy, MAP_DENYWRITE | MAP_EXECUTABLE}};
constexpr FlagPair kSyncFlags[] = {{program::msync::kAsync, MS_ASYNC},
                                   {program::msync::kSync, MS_SYNC},
                                   {program::msync::kInvalidate, MS_INVALIDATE},
                                   {program::msync::kUnknown, kUnknownSyncFlag}};
constexpr FlagPair kRemapFlags[] = {{program::mremap::kMayMove, MREMAP_MAYMOVE},
                                    {program::mremap::kFixed, MREMAP_FIXED},
                                    {program::mremap::kDontUnmap, 4 /* MREMAP_DONTUNMAP */},
                                    {program::mremap::kUnknown, kUnknownRemapFlag}};
// In the order of program::Advice. Numbers, since libc headers are older than some of them.
constexpr long kAdvice[] = {0, 1, 2, 3, 4, 9, 10, 11, 8, 20, 21, 22, 23, 18, 19, kUnknownAdvice};
static_assert(std::size(kAdvice) == static_cast<std::size_t>(program::Advice::unknown) + 1);

// A descriptor of what is mapped instead of a slot, or -errno.
long open_special(program::MapSource source) {
  switch (source) {
    case program::MapSource::zero:
      return sys(SYS_openat, AT_FDCWD, "/dev/zero", O_RDWR | O_CLOEXEC, 0);
    case program::MapSource::null:
      return sys(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
    case program::MapSource::directory:
      return sys(SYS_openat, AT_FDCWD, path_of(control->directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    default:
      break;
  }
  int end[2];
  long result = sys(SYS_pipe2, end, O_CLOEXEC);
  if (failed(result)) return result;
  sys(SYS_close, end[1]);
  return end[0];
}

}  // namespace

void settle_mapping(Call& call, long address) {
  settle_value(call, address);
  if (failed(address)) return;
  control->mapping[call.op.result] = static_cast<std::uint64_t>(address);
  control->mappings_bound = static_cast<std::uint16_t>(control->mappings_bound | 1U << call.op.result);
}

void perform_mmap(Call& call) {
  const Op& op = call.op;
  auto source = static_cast<program::MapSource>(op.byte);
  bool special = source != program::MapSource::slot;
  long fd = special ? open_special(source) : descriptor(op.object);
  if (special && failed(fd)) return settle(call, fd);
  settle_mapping(call, sys(SYS_mmap, call.at.addr, call.at.len, translate(op.small, kProt),
                           translate(op.flags, kMapFlags), fd, call.at.off));
  if (special) sys(SYS_close, fd);
}

void perform_munmap(Call& call) {
  settle(call, sys(SYS_munmap, call.at.addr, call.at.len));
}

void perform_mprotect(Call& call) {
  settle(call, sys(SYS_mprotect, call.at.addr, call.at.len, translate(call.op.small, kProt)));
}

void perform_msync(Call& call) {
  settle(call, sys(SYS_msync, call.at.addr, call.at.len, translate(call.op.flags, kSyncFlags)));
}

void perform_mremap(Call& call) {
  settle_mapping(call, sys(SYS_mremap, call.at.addr, call.at.len, call.at.off,
                           translate(call.op.flags, kRemapFlags), call.at.to));
}

void perform_remap(Call& call) {
  settle(call, sys(SYS_remap_file_pages, call.at.addr, call.at.len, translate(call.op.small, kProt),
                   call.at.off / target.layout.page, translate(call.op.flags, kMapFlags)));
}

void perform_madvise(Call& call) {
  settle(call, sys(SYS_madvise, call.at.addr, call.at.len, kAdvice[call.op.small]));
}

}  // namespace shmcheck::executor

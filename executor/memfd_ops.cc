// Ops on memory files: memfd_create and file seals.
#include <fcntl.h>
#include <sys/mman.h>

#include "executor/call.h"

namespace shmcheck::executor {
namespace {

// Bits that no kernel gives a meaning.
constexpr long kUnknownMemfdFlag = 0x4000, kUnknownSeal = 0x4000;

constexpr FlagPair kMemfdFlags[] = {{program::memfd::kSealing, MFD_ALLOW_SEALING},
                                    {program::memfd::kUnknown, kUnknownMemfdFlag},
                                    {program::memfd::kHuge, MFD_HUGETLB}};
constexpr FlagPair kSeals[] = {{program::seal::kSeal, F_SEAL_SEAL},
                               {program::seal::kShrink, F_SEAL_SHRINK},
                               {program::seal::kGrow, F_SEAL_GROW},
                               {program::seal::kWrite, F_SEAL_WRITE},
                               {program::seal::kFutureWrite, 16 /* F_SEAL_FUTURE_WRITE */},
                               {program::seal::kUnknown, kUnknownSeal}};

}  // namespace

void perform_memfd(Call& call) {
  long fd = sys(SYS_memfd_create, "shmcheck", translate(call.op.flags, kMemfdFlags));
  settle(call, into_slot(fd, call.op.result));
}

void perform_seal(Call& call) {
  settle(call, sys(SYS_fcntl, descriptor(call.op.object), F_ADD_SEALS, translate(call.op.flags, kSeals)));
}

void perform_seals(Call& call) {
  settle_value(call, sys(SYS_fcntl, descriptor(call.op.object), F_GET_SEALS));
}

}  // namespace shmcheck::executor

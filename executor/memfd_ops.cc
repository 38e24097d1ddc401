// Ops on memory files: memfd_create and file seals.
#include <fcntl.h>
#include <sys/mman.h>

#include "executor/call.h"
#include "executor/runs.h"
#include "executor/text.h"

namespace shmcheck::executor {
namespace {

// Bits that no kernel gives a meaning.
constexpr long kUnknownMemfdFlag = 0x4000, kUnknownSeal = 0x4000;

constexpr FlagPair kMemfdFlags[] = {{program::memfd::kSealing, MFD_ALLOW_SEALING},
                                    {program::memfd::kUnknown, kUnknownMemfdFlag}};
constexpr FlagPair kSeals[] = {{program::seal::kSeal, F_SEAL_SEAL},
                               {program::seal::kShrink, F_SEAL_SHRINK},
                               {program::seal::kGrow, F_SEAL_GROW},
                               {program::seal::kWrite, F_SEAL_WRITE},
                               {program::seal::kFutureWrite, 16 /* F_SEAL_FUTURE_WRITE */},
                               {program::seal::kUnknown, kUnknownSeal}};

constexpr std::string_view kLinkOfMemfd = "/memfd:";

// As an argument of memfd_create.
class Name {
 public:
  explicit Name(program::MemfdName name) : bad_(name == program::MemfdName::bad) {
    std::size_t bytes = program::kMemfdLongestName + (name == program::MemfdName::longer ? 1 : 0);
    if (name == program::MemfdName::plain) text_ << program::kMemfdPlainName;
    if (name < program::MemfdName::longest) return;
    while (text_.view().size() < bytes) text_ << std::string_view(&program::kMemfdLongNameFill, 1);
  }
  std::uint64_t address() const {
    return bad_ ? target.layout.top : reinterpret_cast<std::uint64_t>(text_.c_str());
  }

 private:
  bool bad_;
  Text<program::kMemfdLongestName + 2> text_;
};

}  // namespace

void perform_memfd(Call& call) {
  const Name name(static_cast<program::MemfdName>(call.op.byte));
  long fd = sys(SYS_memfd_create, name.address(), translate(call.op.flags, kMemfdFlags));
  settle(call, into_slot(fd, call.op.result));
}

void perform_memfd_name(Call& call) {
  Text<64> path;
  path << "/proc/self/fd/" << descriptor(call.op.object);
  std::span<std::uint8_t> room = bounce_area();
  long n = sys(SYS_readlinkat, AT_FDCWD, path.c_str(), room.data(), room.size());
  if (failed(n)) return settle(call, n);
  const std::string_view link(reinterpret_cast<const char*>(room.data()), static_cast<std::size_t>(n));
  if (!link.starts_with(kLinkOfMemfd)) return settle(call, -EINVAL);
  push_byte_runs(call.words, room.first(link.size()));
}

void perform_seal(Call& call) {
  settle(call, sys(SYS_fcntl, descriptor(call.op.object), F_ADD_SEALS, translate(call.op.flags, kSeals)));
}

void perform_seals(Call& call) {
  settle_value(call, sys(SYS_fcntl, descriptor(call.op.object), F_GET_SEALS));
}

}  // namespace shmcheck::executor

// What an mremap(2) asks for, and what its range is to the kernel where it covers several of the model's
// vmas.
//
// Which neighbouring vmas the kernel has merged is not tracked, so a range that reaches beyond its vma into
// equal neighbours may be refused or not; if it is not, they were one.
#pragma once

#include "model/rules.h"

namespace shmcheck::model {

// What is not locked any more where locked memory is left behind: all that the kernel has made one with it,
// its own mapping, or the range alone, which is divided from the rest before it moves.
enum class Unlocked : std::uint8_t { merged, mapping, range };

struct Remapping {
  std::uint64_t address, old_length, new_length, to;
  std::uint64_t old_exact, new_exact;  // before rounding
  bool fixed, may_move, dont_unmap, unknown;
  Unlocked unlocked = Unlocked::merged;
  bool moves_to() const { return fixed || dont_unmap; }
  // How much of the old range has to be one mapping: what a moving call cuts off first does not.
  std::uint64_t length_in_one() const {
    return moves_to() && new_length < old_length ? new_length : old_length;
  }
};

// Whether the old range lies in vmas that may be one.
bool may_lie_in_one(const World& w, const Process& p, const Remapping& r);
// Whether the kernel may have merged the mapping at an address with a neighbour.
bool may_be_part(const World& w, const Process& p, std::uint64_t address);
// What was moved whole and is left behind empty is as if it had never been stored to, since 5.13 (commit
// 1583aa278f5f, unlink_anon_vmas).
bool is_left_new(const World& w, const Process& p, const Vma& v, const Remapping& r, std::uint64_t length);
// Whether a move of each mapping of the range by itself would number some anew that a move of the whole would
// not.
bool numbered_apart(const Process& p, const Remapping& r);
// The kernel took the vmas of the range for one, so they are.
void merge_range(World& w, Process& p, const Remapping& r);
// Takes the lock from what MREMAP_DONTUNMAP has left behind.
void unlock_rest(const World& w, Process& p, const Remapping& r);
// Where a move over several mappings stops.
std::uint64_t end_of_move(const Process& p, const Remapping& r);

}  // namespace shmcheck::model

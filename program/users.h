// The users u0, u1 and u2, and what setid asks for.
#pragma once

#include "program/facts.h"
#include "program/op.h"

namespace shmcheck::program {

// The number of a user on a target, and that of a user's group; of the one behind them -1, which is none.
inline std::uint32_t user_id(const Facts& facts, std::uint8_t user) {
  if (user == kOwnerNone) return UINT32_MAX;
  return user == 0 ? facts.uid : facts.other_uid[user - 1];
}
inline std::uint32_t group_id(const Facts& facts, std::uint8_t user) {
  return user == 0 ? facts.gid : user_id(facts, user);
}

// Of a setid that does not, nothing is done where the process is that user already.
constexpr bool asks_for_groups(const Op& setid) {
  return setid.small != 0 || setid.flags != 0;
}

}  // namespace shmcheck::program

// What the two halves of the overhead bench agree on.
#pragma once

namespace shmcheck::executor {

inline constexpr int kProgramsARound = 2000;
inline constexpr int kHandOvers = 20;
inline constexpr int kBareIn = 10, kBareOut = 11;  // where a Driver puts them

}  // namespace shmcheck::executor

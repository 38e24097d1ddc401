// Registration of conformance tests: CONFORMANCE(Suite, SentenceAsName, Clause…, need…, on…, limit…) { body }
#pragma once

#include <concepts>
#include <cstddef>
#include <vector>

#include "clauses/generated.h"
#include "conformance/framework/needs.h"

namespace shmcheck::conformance {

using clauses::Clause;

// Where the files of a test live. Tests on several places are registered once per place, as Name/tmpfs,
// Name/ext4, … The others beside tmpfs and ext4 (ext4_1k has blocks of 1 KiB) are places where a directory is
// given.
enum class Place { none, tmpfs, ext4, ext4_1k, xfs, btrfs, overlay, memfd };
inline constexpr size_t kPlaceCount = static_cast<size_t>(Place::memfd) + 1;

enum class On { once, directories, files };
namespace on {
inline constexpr On directories = On::directories;  // tmpfs, ext4, …: TempFile has a path
inline constexpr On files = On::files;              // and memfd: TempFile may have no path
}  // namespace on

// Seconds after which the test is a hang, before scaling by the target's speed.
struct Limit {
  int seconds;
};
constexpr Limit limit(int seconds) {
  return {seconds};
}

struct TestSpec {
  const char* suite;
  const char* name;
  const char* file;
  int line;
  void (*body)();
  std::vector<Clause> clauses{};
  std::vector<Need> needs{};
  On on = On::once;
  int limit_seconds = 10;
};

inline void Add(TestSpec& spec, Clause clause) {
  spec.clauses.push_back(clause);
}
inline void Add(TestSpec& spec, Need need) {
  spec.needs.push_back(need);
}
inline void Add(TestSpec& spec, On on) {
  spec.on = on;
}
inline void Add(TestSpec& spec, Limit limit) {
  spec.limit_seconds = limit.seconds;
}

bool Register(TestSpec spec);

template <typename... Traits>
bool Register(TestSpec spec, Traits... traits) {
  static_assert((std::same_as<Traits, Clause> || ...), "a conformance test names at least one clause");
  (Add(spec, traits), ...);
  return Register(static_cast<TestSpec>(spec));
}

// A function that runs in a fresh image of this binary, see Helper() in process.h. `arguments` are its words.
using HelperFunction = int (*)(const std::vector<const char*>& arguments);
bool RegisterHelper(const char* name, HelperFunction function);
HelperFunction FindHelper(const char* name);

}  // namespace shmcheck::conformance

#define CONFORMANCE(suite, name, ...)                                                                       \
  static void suite##_##name();                                                                             \
  [[maybe_unused]] static const bool suite##_##name##_registered =                                          \
      ::shmcheck::conformance::Register({#suite, #name, __FILE__, __LINE__, &suite##_##name}, __VA_ARGS__); \
  static void suite##_##name()

// HELPER(name) { return exit_code; } defines a function that Helper("name", …) runs after an execve of this
// binary.
#define HELPER(name)                                                   \
  static int helper_##name(const std::vector<const char*>& arguments); \
  [[maybe_unused]] static const bool helper_##name##_registered =      \
      ::shmcheck::conformance::RegisterHelper(#name, &helper_##name);  \
  static int helper_##name([[maybe_unused]] const std::vector<const char*>& arguments)

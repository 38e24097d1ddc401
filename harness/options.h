// What the user asked for, after parsing; every command takes the part it needs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/deadline.h"
#include "harness/expectations.h"
#include "harness/result.h"
#include "harness/target.h"
#include "model/profile.h"

namespace shmcheck::harness {

struct Options {
  TargetSpec target;
  milliseconds time{45'000};  // bounds everything, boot included
  std::uint64_t seed = 0;
  std::optional<model::Profile> profile;  // none: the target's own, see default_profile()
  Expectations expectations;
  std::vector<std::string> baseline;  // identities of known findings, sorted
  bool has_baseline = false;
  bool first = false;       // stop at the first finding that counts
  bool strict = false;      // an unexpected pass fails for an image given by path as well
  std::string json;         // path; empty: none
  std::string dir;          // where programs, traces and reproducers are written; empty: nowhere
  std::string file_prefix;  // of the names in it, so that several processes do not collide
  int processes = 1;
  std::vector<std::string> fs;     // empty: all that the target has
  std::vector<std::string> parts;  // of check; empty: all
  std::string tests;               // a filter of conformance tests; empty: all

  bool wants(Part part) const;
};

// `exact` where the target is Linux itself, `linux` for a re-implementation.
model::Profile default_profile(const TargetSpec& target);

// "45s", "2m", "500ms", "45": seconds unless it says otherwise. Empty on success, else a sentence.
std::string parse_time(std::string_view text, milliseconds& time);
// posix, linux, defacto, exact.
std::string parse_profile(std::string_view text, model::Profile& profile);

}  // namespace shmcheck::harness

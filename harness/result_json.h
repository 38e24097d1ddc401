// The result as JSON: for --json, for --baseline, and between the processes of one run.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "harness/result.h"

namespace shmcheck::harness {

// Of the form of the file; a reader refuses another one.
inline constexpr int kResultFormat = 1;

std::string to_json(const Result& result);

// What one process of several found out, for another one to add to its own result.
std::string share_to_json(const Result& result);
// Empty on success, else a sentence.
std::string add_share(std::string_view json, Result& result);

// The identities of a result's findings, sorted. Empty on success, else a sentence that begins with the path.
std::string read_baseline(const std::string& path, std::vector<std::string>& identities);

}  // namespace shmcheck::harness

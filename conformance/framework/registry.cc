#include "conformance/framework/registry.h"

#include <cstring>
#include <utility>

#include "conformance/framework/run.h"

namespace shmcheck::conformance {
namespace {

std::vector<std::pair<const char*, HelperFunction>>& Helpers() {
  static std::vector<std::pair<const char*, HelperFunction>> helpers;
  return helpers;
}

}  // namespace

std::vector<TestSpec>& Specs() {
  static std::vector<TestSpec> specs;
  return specs;
}

bool Register(TestSpec spec) {
  Specs().push_back(std::move(spec));
  return true;
}

bool RegisterHelper(const char* name, HelperFunction function) {
  Helpers().emplace_back(name, function);
  return true;
}

HelperFunction FindHelper(const char* name) {
  for (const auto& [known, function] : Helpers()) {
    if (std::strcmp(known, name) == 0) return function;
  }
  return nullptr;
}

}  // namespace shmcheck::conformance

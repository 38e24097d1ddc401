// What is known of the tests: the lies that broke them, and the ones that no lie breaks, with the reason.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shmcheck::liar {

// Lines of: test TAB clause,clause TAB lie. Empty lines and lines with # in front say nothing.
struct Broken {
  std::string clauses;
  std::string lie;
};
using BrokenBy = std::map<std::string, Broken>;
// Empty on success, else a sentence that begins with the path.
std::string read_broken(const std::string& path, BrokenBy& broken);
std::string write_broken(const std::string& path, const BrokenBy& broken);

// [[record]] tests can only write down what they see, [[survivor]] tests should fail and do not.
struct Survivor {
  bool record = false;
  std::string test;  // without its place: all places
  std::string reason;
  std::string position;  // "file:line"
};
std::string read_survivors(const std::string& path, std::vector<Survivor>& survivors);
const Survivor* find_survivor(const std::vector<Survivor>& survivors, std::string_view test);

}  // namespace shmcheck::liar

// The rooms depend on each other in one direction only. This test reads the #include lines of every source.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>  // mkdtemp

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using std::string;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Which rooms a room may include besides itself. Conformance tests and the model state the same clauses
// independently; the executor must stay small and know nothing of right and wrong.
const std::map<string, std::vector<string>> kMayInclude = {
    {"clauses", {}},
    {"program", {}},
    {"model", {"clauses", "program"}},
    {"executor", {"program"}},
    {"conformance", {"clauses"}},
    {"liar", {}},
    {"harness", {"clauses", "program", "model", "executor"}},
    {"props", {"harness", "clauses", "program", "model", "executor"}},
    {"fuzz", {"harness", "clauses", "program", "model", "executor"}},
    {"corpus", {"clauses", "program", "model"}},
    {"bench", {"harness", "clauses", "program", "model", "executor"}},
};

bool is_source(const fs::path& path) {
  static const std::vector<string> kEndings = {".h", ".cc", ".c", ".inc", ".S"};
  return std::find(kEndings.begin(), kEndings.end(), path.extension().string()) != kEndings.end();
}

// What is wrong with `room`'s including `included`; empty: nothing.
string objection(const string& room, const string& included) {
  const fs::path path(included);
  for (const fs::path& part : path) {
    if (part == "..") return "must be named from the root of the tree";
  }
  const string target = path.begin()->string();
  if (target == room || !kMayInclude.contains(target)) return "";
  const auto& allowed = kMayInclude.at(room);
  if (std::find(allowed.begin(), allowed.end(), target) != allowed.end()) return "";
  return room + " must not depend on " + target;
}

void check_file(const fs::path& file, const string& room, const fs::path& root, std::vector<string>& errors) {
  static const std::regex kInclude("^[ \t]*#[ \t]*include[ \t]*[<\"]([^>\"]+)[>\"].*");
  std::ifstream in(file);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  string line;
  for (int number = 1; std::getline(in, line); ++number) {
    std::smatch match;
    if (!std::regex_match(line, match, kInclude)) continue;
    const string why = objection(room, match[1]);
    if (why.empty()) continue;
    errors.push_back(fs::relative(file, root).string() + ":" + std::to_string(number) + ": includes " +
                     match[1].str() + ": " + why);
  }
}

struct Check {
  std::vector<string> errors;  // sorted
  std::size_t files = 0;
};

Check check_includes(const fs::path& root) {
  Check check;
  for (const auto& [room, allowed] : kMayInclude) {
    if (!fs::exists(root / room)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / room)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      check_file(entry.path(), room, root, check.errors);
      ++check.files;
    }
  }
  std::sort(check.errors.begin(), check.errors.end());
  return check;
}

// A source tree of the test's own, removed with the object.
class Tree {
 public:
  Tree() {
    string path = (fs::temp_directory_path() / "shmcheck-layering-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("cannot make " + path);
    root_ = path;
  }
  ~Tree() { fs::remove_all(root_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  void add(const string& file, const string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream out(root_ / file);
    out << text;
    out.close();
    if (!out) throw std::runtime_error("cannot write " + file);
  }
  const fs::path& root() const { return root_; }

 private:
  fs::path root_;
};

TEST(Layering, RoomsIncludeOnlyTheRoomsTheyMayDependOn) {
  const Check check = check_includes(SHMCHECK_SOURCE_DIR);
  EXPECT_THAT(check.errors, IsEmpty());
  EXPECT_GT(check.files, 0U) << "no source was looked at";
}

TEST(Layering, APlantedBadIncludeIsNamedWithFileAndLine) {
  Tree tree;
  tree.add("executor/run.cc",
           "#include <errno.h>\n#include \"program/bytes.h\"\n#include \"clauses/clauses.h\"\n");
  EXPECT_THAT(
      check_includes(tree.root()).errors,
      ElementsAre("executor/run.cc:3: includes clauses/clauses.h: executor must not depend on clauses"));
}

// Every pair of rooms, so that a row of the table cannot be wrong unnoticed.
TEST(Layering, ExactlyThesePairsAreAllowed) {
  const std::vector<string> expected = {
      "bench>clauses",       "bench>executor",   "bench>harness",  "bench>model",     "bench>program",
      "conformance>clauses", "corpus>clauses",   "corpus>model",   "corpus>program",  "executor>program",
      "fuzz>clauses",        "fuzz>executor",    "fuzz>harness",   "fuzz>model",      "fuzz>program",
      "harness>clauses",     "harness>executor", "harness>model",  "harness>program", "model>clauses",
      "model>program",       "props>clauses",    "props>executor", "props>harness",   "props>model",
      "props>program"};
  std::vector<string> allowed;
  for (const auto& [from, unused] : kMayInclude) {
    for (const auto& [to, unused2] : kMayInclude) {
      Tree tree;
      tree.add(from + "/deep/down/file.h", "#pragma once\n#include \"" + to + "/file.h\"\n");
      if (from != to && check_includes(tree.root()).errors.empty())
        allowed.push_back(string(from).append(">").append(to));
    }
  }
  EXPECT_EQ(allowed, expected);
}

TEST(Layering, NoSpellingOfAnIncludeEscapes) {
  Tree tree;
  tree.add("program/a.h", "  #  include \"model/world.h\"  // why\n");
  tree.add("program/b.cc", "#include <model/world.h>\n");
  tree.add("program/c.cc", "#include \"../model/world.h\"\n");
  tree.add("program/d.cc", "#include \"program/../model/world.h\"\n");
  EXPECT_THAT(
      check_includes(tree.root()).errors,
      ElementsAre(
          "program/a.h:1: includes model/world.h: program must not depend on model",
          "program/b.cc:1: includes model/world.h: program must not depend on model",
          "program/c.cc:1: includes ../model/world.h: must be named from the root of the tree",
          "program/d.cc:1: includes program/../model/world.h: must be named from the root of the tree"));
}

TEST(Layering, OtherLinesAndFilesAreLeftAlone) {
  Tree tree;
  tree.add("program/a.cc", "// #include \"model/world.h\"\n#include <sys/mman.h>\n#include <fmt/format.h>\n");
  tree.add("program/notes.md", "#include \"model/world.h\"\n");
  tree.add("docs/example.cc", "#include \"model/world.h\"\n");
  const Check check = check_includes(tree.root());
  EXPECT_THAT(check.errors, IsEmpty());
  EXPECT_EQ(check.files, 1U);
}

}  // namespace

#include "harness/target.h"

#include <gmock/gmock.h>

namespace shmcheck::harness {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TargetSpec parsed(std::string_view text, const std::vector<std::string>& boot_args = {}) {
  TargetSpec spec;
  EXPECT_EQ(parse_target(text, boot_args, spec), "");
  return spec;
}

std::string refusal(std::string_view text, const std::vector<std::string>& boot_args = {}) {
  TargetSpec spec;
  return parse_target(text, boot_args, spec);
}

TEST(Target, KnowsEachForm) {
  EXPECT_EQ(parsed("kernel").kind, TargetKind::kernel);
  EXPECT_EQ(parsed("model").kind, TargetKind::model);
  EXPECT_EQ(parsed("model+fork-forgets-nattch").fault, "fork-forgets-nattch");
  EXPECT_EQ(parsed("uml").image, "linux.uml");
  EXPECT_FALSE(parsed("uml").image_by_path);
  EXPECT_EQ(parsed("uml:./linux").image, "./linux");
  EXPECT_TRUE(parsed("uml:./linux").image_by_path);
  EXPECT_THAT(parsed("cmd:runsc --network=none do executor").command,
              ElementsAre("runsc", "--network=none", "do", "executor"));
}

TEST(Target, NamesItsLane) {
  EXPECT_EQ(parsed("kernel").lane(), "kernel");
  EXPECT_EQ(parsed("uml:/tmp/x").lane(), "uml");
  EXPECT_EQ(parsed("cmd:/usr/bin/runsc do executor").lane(), "runsc");
}

TEST(Target, KeepsBootArguments) {
  EXPECT_THAT(parsed("uml", {"foo=1", "bar"}).boot_args, ElementsAre("foo=1", "bar"));
  EXPECT_THAT(refusal("kernel", {"foo=1"}), HasSubstr("--boot-arg needs a target that boots"));
}

TEST(Target, SaysWhatItDoesNotKnow) {
  EXPECT_THAT(refusal("kernal"), HasSubstr("no target is named 'kernal', did you mean 'kernel'?"));
  EXPECT_THAT(refusal("model+fork-forgets-natch"), HasSubstr("did you mean 'fork-forgets-nattch'?"));
  EXPECT_THAT(refusal("uml:"), HasSubstr("needs the path"));
  EXPECT_THAT(refusal("cmd:  "), HasSubstr("needs a command line"));
}

TEST(SplitWords, FollowsTheQuotesOfAShell) {
  std::vector<std::string> words;
  EXPECT_EQ(split_words(R"(a  'b c' "d 'e'" f\ g '' h"i"j)", words), "");
  EXPECT_THAT(words, ElementsAre("a", "b c", "d 'e'", "f g", "", "hij"));
}

TEST(SplitWords, RefusesWhatDoesNotEnd) {
  std::vector<std::string> words;
  EXPECT_THAT(split_words("a 'b", words), HasSubstr("is not closed"));
  EXPECT_THAT(split_words("a \\", words), HasSubstr("a backslash ends"));
}

}  // namespace
}  // namespace shmcheck::harness

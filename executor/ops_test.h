// Every op: a success that shows its result, and at least one refusal. The tests lie in files by subject, as
// the ops do (file_ops.cc and file_ops_test.cc).
#pragma once

#include <gtest/gtest.h>

#include <string_view>

#include "executor/driver.h"

namespace shmcheck::executor {

class Ops : public ::testing::Test {
 protected:
  static void Expect(std::string_view lines) { expect_trace(shared_driver(), lines); }
};

}  // namespace shmcheck::executor

// A second process that has the memory mapped and its page tables filled before something is changed.
#pragma once

#include <functional>

#include "conformance/framework/outcome.h"
#include "conformance/framework/process.h"

namespace shmcheck::conformance {

// Both processes run `before`; the test makes the `change`; both run `after`, the test first.
inline void BeforeAndAfter(const std::function<void()>& before, const std::function<void()>& change,
                           const std::function<void()>& after) {
  Child witness([&](Channel& test) {
    before();
    test.Signal();
    test.Wait();
    after();
  });
  before();
  witness.Wait();
  change();
  after();
  witness.Signal();
  EXPECT_THAT(witness.Join(), ExitsWith(0));
}

}  // namespace shmcheck::conformance

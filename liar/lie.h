// The lies: what the kernel is made to say or do that is not so, one thing at a time.
#pragma once

#include <signal.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "liar/call.h"
#include "liar/tracee.h"

namespace shmcheck::liar {

// When a lie is told. `birth` is the first moment of a forked child, `end` the answer of any call.
enum class When { before, success, failure, answer, fault, birth };
std::string_view to_string(When when);

struct Range {
  uint64_t address;
  uint64_t size;
};

// Where a lie is told. The process is stopped.
struct Scene {
  Tracee tracee;
  uint64_t door = 0;  // a system call instruction of the process
  Event& event;
  Registers& registers;                // written back after the lie, except for births
  const std::vector<Range>& mappings;  // made by the test and still there
  std::string& kept;                   // what the lie wants to remember until it is told again
  siginfo_t* fault = nullptr;
  // Set by a lie told before a call: what the call answers whatever it did.
  std::optional<long> answer{};
};

struct Lie {
  std::string name;
  When when;
  // Whether it makes sense of such an event; the event is the first of its kind in the test.
  std::function<bool(const Event&)> fits;
  // False: it could not be told here.
  std::function<bool(Scene&)> tell;
};

// Fits every event.
inline bool any(const Event&) {
  return true;
}

// All of them, the ones that most likely show first.
const std::vector<Lie>& lies();
const Lie* find_lie(std::string_view name);

// The parts of the table, each in its own file.
void add_result_lies(std::vector<Lie>& lies);
void add_field_lies(std::vector<Lie>& lies);
void add_text_lies(std::vector<Lie>& lies);
void add_argument_lies(std::vector<Lie>& lies);
void add_fault_lies(std::vector<Lie>& lies);
void add_memory_lies(std::vector<Lie>& lies);

}  // namespace shmcheck::liar

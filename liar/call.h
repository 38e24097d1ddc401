// The system calls that a lie can be told about, and the events of a test as they are counted.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "liar/tracee.h"

namespace shmcheck::liar {

// What success answers.
enum class Answer { zero, address, count, number, descriptor };

struct CallSpec {
  long number;
  const char* name;
  Answer answer;
  bool effect;     // it does something, which can be left out
  int count_from;  // which argument asks for the count that success answers; -1: none
};

std::span<const CallSpec> call_specs();
const CallSpec* find_call(long number);

// One call, fault or birth of a process.
struct Event {
  std::string label;  // "shmctl IPC_STAT", "mmap shared file", "SIGBUS", "fork"
  const CallSpec* spec = nullptr;
  Arguments arguments{};
  long result = 0;
  bool spared = false;  // what the framework uses to talk: never lied about
  bool ok() const { return result < -4095 || result >= 0; }
};

// Names the call that a process is about to make.
Event name_call(const Tracee& tracee, const CallSpec& spec, const Arguments& arguments);

}  // namespace shmcheck::liar

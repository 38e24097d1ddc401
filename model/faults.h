// Planted bugs of the running model. A fault changes the world or the outcome around one step; the judge and
// the rules know nothing of it.
#pragma once

#include <span>
#include <string_view>

#include "clauses/clauses.h"
#include "program/trace.h"

namespace shmcheck::model {

class World;

struct Fault {
  std::string_view name;                     // fork-forgets-nattch
  std::string_view description;              // what the broken kernel does
  std::span<const clauses::Clause> clauses;  // any of these is right blame
  // Called before the rule runs; may change the op that the broken kernel executes, or the world.
  void (*before)(World&, program::Op&);
  // Called after it, with the world as it was before; may change world and outcome.
  void (*after)(const World& was, World&, const program::Op&, program::Outcome&);
  bool needs_past;               // whether `after` looks at `was`
  std::string_view source = {};  // a public report of a kernel that does so
  bool subtle = false;           // shows only in a state that three ops or more lead to
  bool on_disk = false;          // shows only on a file system with storage
};

std::span<const Fault> faults();
const Fault* find_fault(std::string_view name);

}  // namespace shmcheck::model

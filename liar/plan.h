// Which lies a test is told, and in which order: those about the subject of its clause first.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "liar/session.h"

namespace shmcheck::liar {

struct Planned {
  Choice choice;
  bool about = false;  // about what the clause is about
  std::string name;    // "munmap [last]: does nothing"
};

// A test is about the subjects of its clauses, the first parts of their ids.
std::vector<Planned> plan(const Recording& recording, const std::vector<std::string>& clauses);

// The lie of that name, for a test of which nothing is recorded; nothing when its place cannot be told
// without.
std::optional<Planned> recall_planned(const std::string& name, const std::vector<std::string>& clauses);

// The lie of that name for a test that did what was recorded; nothing when there is no such lie or event.
std::optional<Planned> find_planned(const std::string& name, const Recording& recording,
                                    const std::vector<std::string>& clauses);

}  // namespace shmcheck::liar

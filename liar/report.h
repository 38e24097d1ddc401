// What the liar found out: a table per subject for people, JSON and lines for programs.
#pragma once

#include <string>
#include <vector>

#include "liar/campaign.h"
#include "liar/known.h"

namespace shmcheck::liar {

// A survivor that has a reason on the list is explained; a test that only records is counted apart.
struct Report {
  std::vector<Judged> judged;
  std::vector<Survivor> survivors;  // the list
  bool complete = true;             // every test was asked for and judged
};

std::string table(const Report& report);
// The lines below the table: what is wrong. Empty when nothing is.
std::string complaints(const Report& report);
std::string to_json(const Report& report);
// test TAB clause,clause TAB lie
BrokenBy broken_by(const std::vector<Judged>& judged);

}  // namespace shmcheck::liar

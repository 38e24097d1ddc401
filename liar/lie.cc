#include "liar/lie.h"

namespace shmcheck::liar {

std::string_view to_string(When when) {
  switch (when) {
    case When::before:
      return "before";
    case When::success:
      return "ok";
    case When::failure:
      return "failed";
    case When::answer:
      return "after";
    case When::fault:
      return "fault";
    case When::birth:
      return "birth";
  }
  return "?";
}

const std::vector<Lie>& lies() {
  static const std::vector<Lie> all = [] {
    std::vector<Lie> table;
    for (const auto add : {add_fault_lies, add_field_lies, add_text_lies, add_result_lies, add_argument_lies,
                           add_memory_lies}) {
      add(table);
    }
    return table;
  }();
  return all;
}

const Lie* find_lie(std::string_view name) {
  for (const Lie& lie : lies()) {
    if (lie.name == name) return &lie;
  }
  return nullptr;
}

}  // namespace shmcheck::liar

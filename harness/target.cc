#include "harness/target.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/suggest.h"
#include "model/faults.h"

namespace shmcheck::harness {
namespace {

constexpr TargetHelp kForms[] = {
    {"kernel", "the running kernel, in private IPC, mount and PID namespaces (the default)"},
    {"model", "the reference model, run instead of a kernel"},
    {"model+FAULT", "the reference model with a planted bug; `list faults` names them"},
    {"uml", "Debian's User-Mode Linux, linux.uml"},
    {"uml:IMAGE", "any User-Mode Linux kernel; --boot-arg adds to its command line"},
    {"cmd:COMMAND",
     "a command that starts the executor, with frames on its standard input and output, such as "
     "`cmd:runsc do executor`; the word executor stands for the path of ours"},
};

std::string parse_model(std::string_view fault, TargetSpec& spec) {
  spec.kind = TargetKind::model;
  spec.fault = fault;
  if (model::find_fault(fault) != nullptr) return {};
  std::vector<std::string_view> names;
  for (const model::Fault& known : model::faults()) names.push_back(known.name);
  return fmt::format("no fault is named '{}'{}; `shmcheck list faults` names all", fault,
                     did_you_mean(fault, names));
}

std::string parse_command(std::string_view line, TargetSpec& spec) {
  spec.kind = TargetKind::command;
  const std::string sentence = split_words(line, spec.command);
  if (!sentence.empty()) return sentence;
  return spec.command.empty() ? "--target cmd: needs a command line, such as 'cmd:qemu-aarch64 executor'"
                              : "";
}

std::string parse_kind(std::string_view text, TargetSpec& spec) {
  const auto after = [text](std::string_view prefix) { return text.substr(prefix.size()); };
  if (text == "kernel") return {};
  if (text == "model") {
    spec.kind = TargetKind::model;
    return {};
  }
  if (text.starts_with("model+")) return parse_model(after("model+"), spec);
  if (text == "uml" || text.starts_with("uml:")) {
    spec.kind = TargetKind::uml;
    spec.image_by_path = text != "uml";
    spec.image = text == "uml" ? "linux.uml" : after("uml:");
    return spec.image.empty() ? "--target uml: needs the path of a User-Mode Linux kernel after the colon"
                              : "";
  }
  if (text.starts_with("cmd:")) return parse_command(after("cmd:"), spec);
  const std::vector<std::string_view> words = {"kernel", "model", "uml", "cmd:"};
  return fmt::format("no target is named '{}'{}; `shmcheck list targets` shows the forms", text,
                     did_you_mean(text, words));
}

}  // namespace

std::string TargetSpec::lane() const {
  switch (kind) {
    case TargetKind::kernel:
      return "kernel";
    case TargetKind::model:
      return "model";
    case TargetKind::uml:
      return "uml";
    case TargetKind::command:
      break;
  }
  const std::string& first = command.front();
  return first.substr(first.rfind('/') + 1);
}

std::string parse_target(std::string_view text, const std::vector<std::string>& boot_args, TargetSpec& spec) {
  spec = {};
  spec.text = text;
  spec.boot_args = boot_args;
  std::string sentence = parse_kind(text, spec);
  if (sentence.empty() && !boot_args.empty() && spec.kind != TargetKind::uml) {
    sentence = fmt::format("--boot-arg needs a target that boots; '{}' does not", text);
  }
  return sentence;
}

std::span<const TargetHelp> target_forms() {
  return kForms;
}

std::string split_words(std::string_view line, std::vector<std::string>& words) {
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == '\'' && c != '\'') {
      word += c;
    } else if (c == '\\') {
      if (++i == line.size()) return fmt::format("a backslash ends the command line '{}'", line);
      word += line[i];
      in_word = true;
    } else if (quote != 0 && c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
      in_word = true;
    } else if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) return fmt::format("a {} is not closed in the command line '{}'", quote, line);
  if (in_word) words.push_back(std::move(word));
  return {};
}

}  // namespace shmcheck::harness

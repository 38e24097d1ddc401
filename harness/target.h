// Targets: what `--target` names, and how each kind starts the executor.
//
//   kernel          the running kernel (the default)
//   model           the reference model, run instead of a kernel
//   model+FAULT     the same with a planted bug
//   uml             Debian's User-Mode Linux (linux.uml)
//   uml:IMAGE       any User-Mode Linux kernel
//   cmd:COMMAND     any command line that starts the executor with frames on standard input and output;
//                   the word `executor` in it stands for our executor
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shmcheck::harness {

enum class TargetKind { kernel, model, uml, command };

struct TargetSpec {
  TargetKind kind = TargetKind::kernel;
  std::string text = "kernel";                // as the user gave it
  std::string fault;                          // model only; empty: none
  std::string image;                          // uml only: a path, or a name that is looked up in PATH
  bool image_by_path = false;                 // the user gave it: unexpected passes only warn
  std::vector<std::string> command;           // command only
  std::vector<std::string> boot_args;         // uml only: appended to the command line
  std::vector<std::string> disks = {"ext4"};  // file systems that it is given beside a tmpfs

  // The stem of its file in ci/expectations: kernel, model, uml, or the first word of a command.
  std::string lane() const;
};

// Empty on success, else a sentence for the user.
std::string parse_target(std::string_view text, const std::vector<std::string>& boot_args, TargetSpec& spec);

struct TargetHelp {
  std::string_view form;
  std::string_view what;
};
std::span<const TargetHelp> target_forms();

// Splits a command line into words like a shell does for plain words, '…', "…" and backslashes; no expansion.
// Empty on success, else a sentence.
std::string split_words(std::string_view line, std::vector<std::string>& words);

}  // namespace shmcheck::harness

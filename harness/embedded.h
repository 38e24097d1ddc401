// What the command carries within itself, so that one file is all that is needed on a machine.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shmcheck::harness {

std::span<const std::uint8_t> embedded_executor();
std::span<const std::uint8_t> embedded_conformance();
std::span<const std::uint8_t> embedded_initramfs();  // both, with the executor as /init

struct CorpusFile {
  std::string_view name;  // "eof/one-byte-file"
  std::string_view text;
};
// In the order of their names.
std::vector<CorpusFile> embedded_corpus();
// The alphabets of corpus/enumerate, "segments".
std::vector<CorpusFile> embedded_alphabets();

struct ArchiveFile {
  std::string_view name;
  std::span<const std::uint8_t> content;
};
// The files of ci/expectations.
std::vector<ArchiveFile> embedded_expectations();

// liar/broken.tsv: tests with their clauses and a lie that makes each fail.
std::string_view embedded_lies();

// The regular files of an archive in cpio's `newc` form, as far as it is whole. Public for tests.
std::vector<ArchiveFile> read_cpio(std::span<const std::uint8_t> archive);

}  // namespace shmcheck::harness

#include "harness/embedded.h"

#include <algorithm>
#include <charconv>

extern "C" {
extern const std::uint8_t shmcheck_embedded_executor[], shmcheck_embedded_executor_end[];
extern const std::uint8_t shmcheck_embedded_conformance[], shmcheck_embedded_conformance_end[];
extern const std::uint8_t shmcheck_embedded_initramfs[], shmcheck_embedded_initramfs_end[];
extern const std::uint8_t shmcheck_embedded_expectations[], shmcheck_embedded_expectations_end[];
extern const std::uint8_t shmcheck_embedded_corpus[], shmcheck_embedded_corpus_end[];
}

namespace shmcheck::harness {
namespace {

// A header of the `newc` form: the magic and 13 numbers of eight hexadecimal digits.
constexpr std::size_t kHeaderBytes = 110;
constexpr std::size_t kModeField = 1, kSizeField = 6, kNameSizeField = 11;
constexpr std::uint32_t kTypeMask = 0170000, kRegular = 0100000;

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint32_t field(std::string_view header, std::size_t index) {
  const char* digits = header.data() + 6 + index * 8;
  std::uint32_t value = 0;
  std::from_chars(digits, digits + 8, value, 16);
  return value;
}

constexpr std::size_t padded(std::size_t n) {
  return (n + 3) & ~std::size_t{3};
}

}  // namespace

std::vector<ArchiveFile> read_cpio(std::span<const std::uint8_t> archive) {
  std::vector<ArchiveFile> files;
  std::size_t at = 0;
  while (archive.size() - at >= kHeaderBytes) {
    const std::string_view header = as_text(archive.subspan(at, kHeaderBytes));
    if (!header.starts_with("070701")) break;
    const std::size_t name_size = field(header, kNameSizeField), size = field(header, kSizeField);
    const std::size_t content = padded(at + kHeaderBytes + name_size);
    if (name_size == 0 || content > archive.size() || size > archive.size() - content) break;
    const std::string_view name = as_text(archive.subspan(at + kHeaderBytes, name_size - 1));
    if (name == "TRAILER!!!") break;
    if ((field(header, kModeField) & kTypeMask) == kRegular)
      files.push_back({name, archive.subspan(content, size)});
    at = padded(content + size);
    if (at > archive.size()) break;
  }
  return files;
}

std::span<const std::uint8_t> embedded_executor() {
  return {shmcheck_embedded_executor, shmcheck_embedded_executor_end};
}
std::span<const std::uint8_t> embedded_conformance() {
  return {shmcheck_embedded_conformance, shmcheck_embedded_conformance_end};
}
std::span<const std::uint8_t> embedded_initramfs() {
  return {shmcheck_embedded_initramfs, shmcheck_embedded_initramfs_end};
}

std::vector<ArchiveFile> embedded_expectations() {
  return read_cpio({shmcheck_embedded_expectations, shmcheck_embedded_expectations_end});
}

namespace {

// Files of the corpus below a folder, named without it and their ending.
std::vector<CorpusFile> files_of(std::string_view folder, std::string_view ending) {
  std::vector<CorpusFile> corpus;
  for (const ArchiveFile& file : read_cpio({shmcheck_embedded_corpus, shmcheck_embedded_corpus_end})) {
    std::string_view name = file.name;
    if (!name.starts_with(folder) || !name.ends_with(ending)) continue;
    name.remove_prefix(folder.size());
    name.remove_suffix(ending.size());
    corpus.push_back({name, as_text(file.content)});
  }
  std::sort(corpus.begin(), corpus.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return corpus;
}

}  // namespace

std::vector<CorpusFile> embedded_corpus() {
  return files_of("corpus/", ".prog");
}

std::string_view embedded_lies() {
  const std::vector<CorpusFile> files = files_of("liar/", "broken.tsv");
  return files.empty() ? std::string_view() : files.front().text;
}

std::vector<CorpusFile> embedded_alphabets() {
  return files_of("corpus/enumerate/", ".alphabet");
}

}  // namespace shmcheck::harness

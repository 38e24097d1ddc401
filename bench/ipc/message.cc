#include "bench/ipc/message.h"

#include <cstring>

namespace shmcheck::bench {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

// Of the first word; those behind it count up from there. The lowest byte alone tells neighbours apart.
std::uint64_t first_word(Way way, std::uint64_t number) {
  return (number * 2 + static_cast<std::uint64_t>(way)) * 0x9E3779B97F4A7C15 + 1;
}

}  // namespace

void write_message(std::byte* at, std::size_t size, Way way, std::uint64_t number) {
  const std::uint64_t first = first_word(way, number);
  const std::size_t words = size / kWord;
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint64_t word = first + i;
    std::memcpy(at + i * kWord, &word, kWord);
  }
  const std::uint64_t last = first + words;
  std::memcpy(at + words * kWord, &last, size % kWord);
}

bool is_message(const std::byte* at, std::size_t size, Way way, std::uint64_t number) {
  const std::uint64_t first = first_word(way, number);
  const std::size_t words = size / kWord;
  // Without a branch in it the compiler makes this as fast as a copy.
  std::uint64_t differs = 0;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t word;
    std::memcpy(&word, at + i * kWord, kWord);
    differs |= word ^ (first + i);
  }
  const std::uint64_t last = first + words;
  return differs == 0 && std::memcmp(at + words * kWord, &last, size % kWord) == 0;
}

}  // namespace shmcheck::bench

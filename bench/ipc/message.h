// What messages hold. Each byte of one follows from its number, and every one is looked at.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shmcheck::bench {

enum class Way : std::uint8_t { there, back };

void write_message(std::byte* at, std::size_t size, Way way, std::uint64_t number);
bool is_message(const std::byte* at, std::size_t size, Way way, std::uint64_t number);

}  // namespace shmcheck::bench

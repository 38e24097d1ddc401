// The canonical byte form of programs: a version byte, then one record of kRecordBytes per op.
//
// Every byte string decodes to some valid program (`decode`), so that any mutation of bytes is a program. A
// sender that must be understood exactly uses `decode_exact`, which refuses what `encode` would not write.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "program/op.h"

namespace shmcheck::program {

inline constexpr std::uint8_t kByteVersion = 1;
inline constexpr std::size_t kRecordBytes = 40;

void encode_record(const Op& op, std::uint8_t* out);
Op decode_record(const std::uint8_t* in);  // normalized

std::vector<std::uint8_t> encode(const Program& program);
Program decode(std::span<const std::uint8_t> bytes);
// Empty on success, else a sentence.
std::string decode_exact(std::span<const std::uint8_t> bytes, Program& program);

}  // namespace shmcheck::program

// The parts that a C reproducer is put together from. Internal to program/.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "program/trace.h"

namespace shmcheck::program {

// Pieces of C that an operation needs; only those are written, since an unused function is a warning.
enum Need : std::uint32_t {
  kNeedFailed = 1U << 0,
  kNeedSys = 1U << 1,
  kNeedOk = 1U << 2,
  kNeedCount = 1U << 3,
  kNeedBuffer = 1U << 4,
  kNeedOpened = 1U << 5,
  kNeedFstat = 1U << 6,
  kNeedMapped = 1U << 7,
  kNeedWhere = 1U << 8,
  kNeedFault = 1U << 9,
  kNeedAct = 1U << 10,
  kNeedLoad = 1U << 11,
  kNeedStore = 1U << 12,
  kNeedRuns = 1U << 13,
  kNeedPread = 1U << 14,
  kNeedScan = 1U << 15,
  kNeedKernelScan = 1U << 16,
  kNeedForked = 1U << 17,
  kNeedSegments = 1U << 18,
  kNeedGot = 1U << 19,
  kNeedShmStat = 1U << 20,
  kNeedShmSet = 1U << 21,
  kNeedMaps = 1U << 22,
  kNeedSetid = 1U << 23,
  kNeedFiles = 1U << 24,
  kNeedDeaths = 1U << 25,
  kNeedFilled = 1U << 26,
  kNeedBeside = 1U << 27,
  kNeedLocked = 1U << 28,
  kNeedResident = 1U << 29,
  kNeedShmTotal = 1U << 30,
  kNeedLimit = 1U << 31,
};

// The needs of an op, and what they need in turn. Only the failing op says where something was mapped.
std::uint32_t needs_of(const Op& op, bool failing);
std::uint32_t closure(std::uint32_t needs);

// True if an op of these steps works on what lies beside a mapping that the kernel placed.
bool looks_beside(std::span<const Step> steps, const Facts& facts);

// #include lines and functions for a closed set of needs.
std::string includes_for(std::uint32_t needs);
std::string functions_for(std::uint32_t needs);

// A C statement that performs the op and says its outcome.
std::string statement_of(const Op& op, const Facts& facts, bool failing);

// The C code says this much of an outcome; a message between processes is written at once.
inline constexpr std::size_t kSaidBytes = 2999;

// The outcome of a step as the C code would say it. The step is one of the trace's.
std::string said(const Trace& trace, std::size_t step);

}  // namespace shmcheck::program

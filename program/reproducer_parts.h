// The parts that a C reproducer is put together from. Internal to program/.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "program/trace.h"

namespace shmcheck::program {

// Pieces of C that an operation needs; only those are written, since an unused function is a warning.
enum Need : std::uint64_t {
  kNeedFailed = std::uint64_t{1} << 0,
  kNeedSys = std::uint64_t{1} << 1,
  kNeedOk = std::uint64_t{1} << 2,
  kNeedCount = std::uint64_t{1} << 3,
  kNeedBuffer = std::uint64_t{1} << 4,
  kNeedOpened = std::uint64_t{1} << 5,
  kNeedFstat = std::uint64_t{1} << 6,
  kNeedMapped = std::uint64_t{1} << 7,
  kNeedWhere = std::uint64_t{1} << 8,
  kNeedFault = std::uint64_t{1} << 9,
  kNeedAct = std::uint64_t{1} << 10,
  kNeedLoad = std::uint64_t{1} << 11,
  kNeedStore = std::uint64_t{1} << 12,
  kNeedRuns = std::uint64_t{1} << 13,
  kNeedPread = std::uint64_t{1} << 14,
  kNeedScan = std::uint64_t{1} << 15,
  kNeedKernelScan = std::uint64_t{1} << 16,
  kNeedForked = std::uint64_t{1} << 17,
  kNeedSegments = std::uint64_t{1} << 18,
  kNeedGot = std::uint64_t{1} << 19,
  kNeedShmStat = std::uint64_t{1} << 20,
  kNeedShmSet = std::uint64_t{1} << 21,
  kNeedMaps = std::uint64_t{1} << 22,
  kNeedSetid = std::uint64_t{1} << 23,
  kNeedFiles = std::uint64_t{1} << 24,
  kNeedDeaths = std::uint64_t{1} << 25,
  kNeedFilled = std::uint64_t{1} << 26,
  kNeedBeside = std::uint64_t{1} << 27,
  kNeedLocked = std::uint64_t{1} << 28,
  kNeedResident = std::uint64_t{1} << 29,
  kNeedShmTotal = std::uint64_t{1} << 30,
  kNeedLimit = std::uint64_t{1} << 31,
  kNeedExec = std::uint64_t{1} << 32,
  kNeedObjects = std::uint64_t{1} << 33,
  kNeedRemoved = std::uint64_t{1} << 34,
  kNeedStored = std::uint64_t{1} << 35,
  kNeedIpcInfo = std::uint64_t{1} << 36,
  kNeedListing = std::uint64_t{1} << 37,
  kNeedSayPid = std::uint64_t{1} << 38,
  kNeedLockAll = std::uint64_t{1} << 39,
  kNeedSetLimit = std::uint64_t{1} << 40,
  kNeedCall = std::uint64_t{1} << 41,
  kNeedPipeEnd = std::uint64_t{1} << 42,
  kNeedAge = std::uint64_t{1} << 43,
  kNeedTimes = std::uint64_t{1} << 44,
  kNeedJoin = std::uint64_t{1} << 45,
  kNeedBlocks = std::uint64_t{1} << 46,
  kNeedFill = std::uint64_t{1} << 47,
  kNeedCrowd = std::uint64_t{1} << 48,
  kNeedLongName = std::uint64_t{1} << 49,
  kNeedMemfdName = std::uint64_t{1} << 50,
  kNeedRemount = std::uint64_t{1} << 51,
  kNeedMapFile = std::uint64_t{1} << 52,
  kNeedDescriptors = std::uint64_t{1} << 53,
  kNeedNames = std::uint64_t{1} << 54,
  kNeedBreak = std::uint64_t{1} << 55,
  kNeedChattr = std::uint64_t{1} << 56,
  kNeedRace = std::uint64_t{1} << 57,
  kNeedRaceGet = std::uint64_t{1} << 58,
  kNeedRaceAttach = std::uint64_t{1} << 59,
  kNeedForkedFirst = std::uint64_t{1} << 60,
  kNeedNewUsers = std::uint64_t{1} << 61,
  kNeedSmaps = std::uint64_t{1} << 62,
  kNeedRss = std::uint64_t{1} << 63,
};

// The needs of an op, and what they need in turn. Only the failing op says where something was mapped.
std::uint64_t needs_of(const Op& op, bool failing);
std::uint64_t closure(std::uint64_t needs);

// Whether the name that memfd gives its file is written out by a function.
bool has_long_name(const Op& op);

// True if an op of these steps works on what lies beside a mapping that the kernel placed.
bool looks_beside(std::span<const Step> steps, const Facts& facts);

// #include lines and functions for a closed set of needs.
std::string includes_for(std::uint64_t needs);
std::string functions_for(std::uint64_t needs);

// A C statement that performs the op and says its outcome. `directory` is where n0… are: empty, or `…/`.
std::string statement_of(const Op& op, const Facts& facts, std::string_view directory, bool failing);

// The C code says this much of an outcome; a message between processes is written at once.
inline constexpr std::size_t kSaidBytes = 2999;

// The outcome of a step as the C code would say it. The step is one of the trace's.
std::string said(const Trace& trace, std::size_t step);

}  // namespace shmcheck::program

// The parts that a C reproducer is put together from. Internal to program/.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "program/trace.h"

namespace shmcheck::program {

// Pieces of C that an operation needs; only those are written, since an unused function is a warning.
class Needs {
 public:
  constexpr Needs() = default;
  explicit constexpr Needs(unsigned piece) { words_[piece / 64] = std::uint64_t{1} << piece % 64; }
  constexpr Needs& operator|=(const Needs& more) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= more.words_[i];
    return *this;
  }
  friend constexpr Needs operator|(Needs some, const Needs& more) { return some |= more; }
  // Whether any of these are among them.
  constexpr bool any(const Needs& of) const {
    bool any = false;
    for (std::size_t i = 0; i < words_.size(); ++i) any |= (words_[i] & of.words_[i]) != 0;
    return any;
  }

 private:
  std::array<std::uint64_t, 2> words_{};  // a further piece beyond 128 does not compile
};

inline constexpr Needs kNeedFailed(0);
inline constexpr Needs kNeedSys(1);
inline constexpr Needs kNeedOk(2);
inline constexpr Needs kNeedCount(3);
inline constexpr Needs kNeedBuffer(4);
inline constexpr Needs kNeedOpened(5);
inline constexpr Needs kNeedFstat(6);
inline constexpr Needs kNeedMapped(7);
inline constexpr Needs kNeedWhere(8);
inline constexpr Needs kNeedFault(9);
inline constexpr Needs kNeedAct(10);
inline constexpr Needs kNeedLoad(11);
inline constexpr Needs kNeedStore(12);
inline constexpr Needs kNeedRuns(13);
inline constexpr Needs kNeedPread(14);
inline constexpr Needs kNeedScan(15);
inline constexpr Needs kNeedKernelScan(16);
inline constexpr Needs kNeedForked(17);
inline constexpr Needs kNeedSegments(18);
inline constexpr Needs kNeedGot(19);
inline constexpr Needs kNeedShmStat(20);
inline constexpr Needs kNeedShmSet(21);
inline constexpr Needs kNeedMaps(22);
inline constexpr Needs kNeedSetid(23);
inline constexpr Needs kNeedFiles(24);
inline constexpr Needs kNeedDeaths(25);
inline constexpr Needs kNeedFilled(26);
inline constexpr Needs kNeedBeside(27);
inline constexpr Needs kNeedLocked(28);
inline constexpr Needs kNeedResident(29);
inline constexpr Needs kNeedShmTotal(30);
inline constexpr Needs kNeedLimit(31);
inline constexpr Needs kNeedExec(32);
inline constexpr Needs kNeedObjects(33);
inline constexpr Needs kNeedRemoved(34);
inline constexpr Needs kNeedStored(35);
inline constexpr Needs kNeedIpcInfo(36);
inline constexpr Needs kNeedListing(37);
inline constexpr Needs kNeedSayPid(38);
inline constexpr Needs kNeedLockAll(39);
inline constexpr Needs kNeedSetLimit(40);
inline constexpr Needs kNeedCall(41);
inline constexpr Needs kNeedPipeEnd(42);
inline constexpr Needs kNeedAge(43);
inline constexpr Needs kNeedTimes(44);
inline constexpr Needs kNeedJoin(45);
inline constexpr Needs kNeedBlocks(46);
inline constexpr Needs kNeedFill(47);
inline constexpr Needs kNeedCrowd(48);
inline constexpr Needs kNeedLongName(49);
inline constexpr Needs kNeedMemfdName(50);
inline constexpr Needs kNeedRemount(51);
inline constexpr Needs kNeedMapFile(52);
inline constexpr Needs kNeedDescriptors(53);
inline constexpr Needs kNeedNames(54);
inline constexpr Needs kNeedBreak(55);
inline constexpr Needs kNeedChattr(56);
inline constexpr Needs kNeedRace(57);
inline constexpr Needs kNeedRaceGet(58);
inline constexpr Needs kNeedRaceAttach(59);
inline constexpr Needs kNeedForkedFirst(60);
inline constexpr Needs kNeedNewUsers(61);
inline constexpr Needs kNeedSmaps(62);
inline constexpr Needs kNeedRss(63);

// The needs of an op, and what they need in turn. Only the failing op says where something was mapped.
Needs needs_of(const Op& op, bool failing);
Needs closure(Needs needs);

// Whether the name that memfd gives its file is written out by a function.
bool has_long_name(const Op& op);

// True if an op of these steps works on what lies beside a mapping that the kernel placed.
bool looks_beside(std::span<const Step> steps, const Facts& facts);

// #include lines and functions for a closed set of needs.
std::string includes_for(const Needs& needs);
std::string functions_for(const Needs& needs);

// A C statement that performs the op and says its outcome. `directory` is where n0… are: empty, or `…/`.
std::string statement_of(const Op& op, const Facts& facts, std::string_view directory, bool failing);

// The C code says this much of an outcome; a message between processes is written at once.
inline constexpr std::size_t kSaidBytes = 2999;

// The outcome of a step as the C code would say it. The step is one of the trace's.
std::string said(const Trace& trace, std::size_t step);

}  // namespace shmcheck::program

// Frames: what the host and an executor say to each other over a byte stream.
//
// A frame is a header of kFrameHeaderBytes and a payload, all little-endian:
//
//   u32 magic   u16 type   u16 protocol   u32 sequence   u32 length of the payload
//   u64 FNV-1a-64 of the 16 bytes before it and of the payload
//
//   hello   executor to host, once, unasked. u32 protocol, then text, one line each:
//             `facts KEY=VALUE …`   one for each usable file system; `run` names it by its place, from 0
//             `absent THING: EVIDENCE`   what this executor cannot offer and why
//   run     u8 file system, then a program in its canonical byte form (program/bytes.h)
//   result  the outcomes of a run, `end` last; its absence says that the run was cut short by a timeout.
//             u32 number of records, u64 process id of p0, then for each record
//               u8 tag: OutcomeKind in bits 0-2, and what follows, in this order, in bits 3-7
//               kTagClock   i64 before, i64 after; without it both are the `after` of the record before
//               kTagValue   u64 value
//               kTagSignal  u8 signal, u8 si_code, u64 si_addr
//               kTagError   u16 errno
//               kTagWords   u32 count, u64 each
//             What does not follow is zero. An `ok` without a result is one byte.
//   command u32 time limit in ms (0: none), then argv, each string closed by a NUL. Runs another binary
//           of the target; answered by any number of `output` frames (its stdout and stderr as they come)
//           and one
//   exited  u8 End, u8 exit status or signal
//   error   text: the request of this sequence number could not be run, and why. After a damaged frame,
//           or one of another protocol, it is the last frame: the channel cannot be trusted any more.
//   quit    the executor ends, as it does when the channel closes
//   reboot  executor to host, in the place of a result: the outcomes of the steps before the next, which is
//             one that starts the machine anew. The disks are unmounted, or left as they are for a crash; the
//             host ends the machine, starts one with the same disks, and sends it
//   resume  u8 file system, the payload of the reboot frame behind its length (u32), then what the names are
//             bound to: u16 bits of m0…, u64 address each, u8 bits of s0…, i32 id each; then the program
//   more    executor to host, on a terminal only: u64 bytes taken from the channel so far; the frame that has
//           begun needs more of them. A host that may not send more than a few bytes in advance waits for it.
//
// Requests may be pipelined. Answers come in order and carry the sequence number of their request.
// The host's half (class FrameReader and below) allocates; what stands before it does not.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "program/trace.h"

namespace shmcheck::program {

inline constexpr std::uint32_t kFrameMagic = 0x4b43'4853;  // "SHCK"
inline constexpr std::uint16_t kProtocol = 1;
inline constexpr std::size_t kFrameHeaderBytes = 24;
inline constexpr std::uint32_t kMaxPayload = 16U << 20;

enum class FrameType : std::uint16_t {
  hello = 1,
  run,
  result,
  command,
  output,
  exited,
  error,
  quit,
  more,
  reboot,
  resume
};

struct FrameHeader {
  std::uint32_t magic = kFrameMagic;
  FrameType type = FrameType::hello;
  std::uint16_t protocol = kProtocol;
  std::uint32_t sequence = 0;
  std::uint32_t length = 0;
  std::uint64_t checksum = 0;
};

enum class FrameFault : std::uint8_t { none, magic, protocol, type, length, checksum };

constexpr std::string_view sentence(FrameFault fault) {
  switch (fault) {
    case FrameFault::none:
      return "";
    case FrameFault::magic:
      return "the channel does not carry frames: no magic number where a frame should begin";
    case FrameFault::protocol:
      return "the frame is of another protocol version";
    case FrameFault::type:
      return "the frame has a type that this side does not know";
    case FrameFault::length:
      return "the frame is longer than any frame may be";
    case FrameFault::checksum:
      return "the frame was damaged on its way: its checksum does not fit";
  }
  return "unknown fault";
}

// --- little-endian numbers, without allocation -----------------------------------------------------------

template <typename T>
constexpr void put_little(std::uint8_t* out, T v) {
  for (std::size_t i = 0; i < sizeof v; ++i) {
    out[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(v) >> (8 * i));
  }
}
template <typename T>
constexpr T get_little(const std::uint8_t* in) {
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) v |= std::uint64_t{in[i]} << (8 * i);
  return static_cast<T>(v);
}

constexpr std::uint64_t fnv1a(std::span<const std::uint8_t> bytes,
                              std::uint64_t state = 0xcbf2'9ce4'8422'2325) {
  for (std::uint8_t b : bytes) state = (state ^ b) * 0x100'0000'01b3;
  return state;
}

// --- headers ---------------------------------------------------------------------------------------------

// Fills in length and checksum and writes kFrameHeaderBytes.
constexpr void encode_header(FrameHeader header, std::span<const std::uint8_t> payload, std::uint8_t* out) {
  put_little(out, header.magic);
  put_little(out + 4, static_cast<std::uint16_t>(header.type));
  put_little(out + 6, header.protocol);
  put_little(out + 8, header.sequence);
  put_little(out + 12, static_cast<std::uint32_t>(payload.size()));
  put_little(out + 16, fnv1a(payload, fnv1a({out, 16})));
}

// Judges everything that can be judged without the payload.
constexpr FrameFault decode_header(const std::uint8_t* in, FrameHeader& header) {
  header.magic = get_little<std::uint32_t>(in);
  header.type = static_cast<FrameType>(get_little<std::uint16_t>(in + 4));
  header.protocol = get_little<std::uint16_t>(in + 6);
  header.sequence = get_little<std::uint32_t>(in + 8);
  header.length = get_little<std::uint32_t>(in + 12);
  header.checksum = get_little<std::uint64_t>(in + 16);
  if (header.magic != kFrameMagic) return FrameFault::magic;
  if (header.protocol != kProtocol) return FrameFault::protocol;
  if (header.type < FrameType::hello || header.type > FrameType::resume) return FrameFault::type;
  if (header.length > kMaxPayload) return FrameFault::length;
  return FrameFault::none;
}

constexpr FrameFault check_payload(const std::uint8_t* header, std::span<const std::uint8_t> payload) {
  bool fits = fnv1a(payload, fnv1a({header, 16})) == get_little<std::uint64_t>(header + 16);
  return fits ? FrameFault::none : FrameFault::checksum;
}

// --- results ---------------------------------------------------------------------------------------------

inline constexpr std::uint8_t kTagKind = 7, kTagClock = 8, kTagValue = 16, kTagSignal = 32, kTagError = 64,
                              kTagWords = 128;
inline constexpr std::size_t kResultHeadBytes = 12;
inline constexpr std::size_t kRecordHeadBytes = 1 + 16 + 8 + 10 + 2 + 4;  // the longest record without words

// The fixed part of an outcome, as the executor holds it.
struct OutcomeHead {
  OutcomeKind kind = OutcomeKind::ok;
  std::uint8_t signal = 0, code = 0;
  std::uint16_t error = 0;
  std::uint64_t value = 0, address = 0;
  std::int64_t before = 0, after = 0;
};

// Where the next record goes. Kept in memory that several processes share; a record counts only once
// append_record has returned true, so a writer that dies leaves a valid result behind.
struct ResultCursor {
  std::uint32_t used = kResultHeadBytes;
  std::uint32_t records = 0;
  std::int64_t clock = 0;  // `after` of the last record
};

// False if the record does not fit in `out`.
constexpr bool append_record(std::span<std::uint8_t> out, ResultCursor& cursor, const OutcomeHead& head,
                             std::span<const std::uint64_t> words) {
  std::size_t most = kRecordHeadBytes + words.size() * sizeof(std::uint64_t);
  if (cursor.used > out.size() || out.size() - cursor.used < most) return false;
  std::uint8_t* tag = out.data() + cursor.used;
  std::uint8_t* at = tag + 1;
  auto put = [&at](auto v) {
    put_little(at, v);
    at += sizeof v;
  };
  std::uint8_t bits = static_cast<std::uint8_t>(head.kind);
  if (cursor.records == 0 || head.before != cursor.clock || head.after != cursor.clock) {
    bits |= kTagClock;
    put(head.before);
    put(head.after);
  }
  if (head.value != 0) {
    bits |= kTagValue;
    put(head.value);
  }
  if (head.signal != 0) {
    bits |= kTagSignal;
    put(head.signal);
    put(head.code);
    put(head.address);
  }
  if (head.error != 0) {
    bits |= kTagError;
    put(head.error);
  }
  if (!words.empty()) {
    bits |= kTagWords;
    put(static_cast<std::uint32_t>(words.size()));
    for (std::uint64_t w : words) put(w);
  }
  *tag = bits;
  cursor = {static_cast<std::uint32_t>(at - out.data()), cursor.records + 1, head.after};
  put_little(out.data(), cursor.records);
  return true;
}

// What the names of a program are bound to, for a machine that goes on with it.
struct Bindings {
  std::uint16_t mappings_bound = 0;
  std::uint8_t segments_bound = 0;
  std::uint64_t mapping[kMappings] = {};
  std::int32_t segment[kSegments] = {};
};
inline constexpr std::size_t kBindingsBytes = 2 + 8 * kMappings + 1 + 4 * kSegments;

constexpr void encode_bindings(const Bindings& bindings, std::uint8_t* out) {
  put_little(out, bindings.mappings_bound);
  for (unsigned i = 0; i < kMappings; ++i) put_little(out + 2 + 8 * i, bindings.mapping[i]);
  out += 2 + 8 * kMappings;
  put_little(out, bindings.segments_bound);
  for (unsigned i = 0; i < kSegments; ++i) put_little(out + 1 + 4 * i, bindings.segment[i]);
}

// A resume frame's payload in its parts, without allocation. False if it is too short for them.
struct Resume {
  std::uint8_t file_system = 0;
  std::span<const std::uint8_t> result;  // of the steps before
  Bindings bindings;
  std::span<const std::uint8_t> program;
};
constexpr bool decode_resume(std::span<const std::uint8_t> in, Resume& resume) {
  constexpr std::size_t kHead = 1 + 4;
  if (in.size() < kHead) return false;
  resume.file_system = in[0];
  const auto length = get_little<std::uint32_t>(in.data() + 1);
  in = in.subspan(kHead);
  if (length < kResultHeadBytes || in.size() < length || in.size() - length < kBindingsBytes) return false;
  resume.result = in.first(length);
  const std::uint8_t* at = in.data() + length;
  resume.bindings.mappings_bound = get_little<std::uint16_t>(at);
  for (unsigned i = 0; i < kMappings; ++i)
    resume.bindings.mapping[i] = get_little<std::uint64_t>(at + 2 + 8 * i);
  at += 2 + 8 * kMappings;
  resume.bindings.segments_bound = *at;
  for (unsigned i = 0; i < kSegments; ++i)
    resume.bindings.segment[i] = static_cast<std::int32_t>(get_little<std::uint32_t>(at + 1 + 4 * i));
  resume.program = in.subspan(length + kBindingsBytes);
  return true;
}

enum class End : std::uint8_t { status, signal, time_limit };

// --- the host's half -------------------------------------------------------------------------------------

struct Frame {
  FrameType type = FrameType::hello;
  std::uint32_t sequence = 0;
  std::vector<std::uint8_t> payload;
  bool operator==(const Frame&) const = default;
};

std::vector<std::uint8_t> encode_frame(const Frame& frame);
Frame run_frame(std::uint32_t sequence, std::uint8_t file_system, const Program& program);
Frame resume_frame(std::uint32_t sequence, std::uint8_t file_system, std::span<const std::uint8_t> result,
                   const Bindings& bindings, const Program& program);
Frame command_frame(std::uint32_t sequence, std::uint32_t limit_ms, std::span<const std::string> argv);
Frame quit_frame(std::uint32_t sequence);

// Cuts a byte stream, fed in pieces of any size, into frames.
class FrameReader {
 public:
  void feed(std::span<const std::uint8_t> bytes);
  // True if a whole frame was there. False if more bytes are needed, or, with fault() set, for ever.
  bool next(Frame& frame);
  FrameFault fault() const { return fault_; }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t at_ = 0;
  FrameFault fault_ = FrameFault::none;
};

struct Hello {
  std::uint32_t protocol = 0;
  std::vector<std::string> facts;   // for from_text(…, Facts&); their place is what `run` names
  std::vector<std::string> absent;  // `THING: EVIDENCE`
};
// What a run came to.
struct Result {
  std::uint64_t root_pid = 0;  // process id of p0
  std::vector<Outcome> outcomes;
  bool operator==(const Result&) const = default;
};
struct Exited {
  End how = End::status;
  std::uint8_t number = 0;  // exit status or signal
};

// Empty on success, else a sentence.
std::string decode_hello(std::span<const std::uint8_t> payload, Hello& hello);
std::string decode_result(std::span<const std::uint8_t> payload, Result& result);
// What the names are bound to after these outcomes of the program.
Bindings bindings_of(const Program& program, std::span<const Outcome> outcomes);
std::string decode_exited(std::span<const std::uint8_t> payload, Exited& exited);

// The inverse of decode_result, for hosts that play the executor (tests, the target `model`).
std::vector<std::uint8_t> encode_result(const Result& result);

}  // namespace shmcheck::program

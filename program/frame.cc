#include "program/frame.h"

#include <algorithm>
#include <optional>

#include "program/bytes.h"

namespace shmcheck::program {
namespace {

// Takes numbers off the front of a payload; `short_of` is set once one was missing.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  template <typename T>
  T get() {
    if (bytes_.size() < sizeof(T)) {
      short_ = true;
      bytes_ = {};
      return T{};
    }
    T v = get_little<T>(bytes_.data());
    bytes_ = bytes_.subspan(sizeof(T));
    return v;
  }
  bool is_short() const { return short_; }
  std::span<const std::uint8_t> rest() const { return bytes_; }

 private:
  std::span<const std::uint8_t> bytes_;
  bool short_ = false;
};

std::string record_sentence(std::size_t index, std::string_view what) {
  return "record " + std::to_string(index) + " of the result " + std::string(what);
}

// `clock` is the `after` of the record before and becomes that of this one.
std::string decode_outcome(Reader& in, std::size_t index, std::int64_t& clock, Outcome& o) {
  auto tag = in.get<std::uint8_t>();
  o.kind = static_cast<OutcomeKind>(tag & kTagKind);
  if (o.kind > OutcomeKind::timeout) return record_sentence(index, "has an unknown kind of outcome");
  o.before = o.after = clock;
  if ((tag & kTagClock) != 0) {
    o.before = in.get<std::int64_t>();
    clock = o.after = in.get<std::int64_t>();
  }
  if ((tag & kTagValue) != 0) o.value = in.get<std::uint64_t>();
  if ((tag & kTagSignal) != 0) {
    o.signal = in.get<std::uint8_t>();
    o.code = in.get<std::uint8_t>();
    o.address = in.get<std::uint64_t>();
  }
  if ((tag & kTagError) != 0) o.error = in.get<std::uint16_t>();
  if ((tag & kTagWords) != 0) {
    auto count = in.get<std::uint32_t>();
    if (count > in.rest().size() / sizeof(std::uint64_t)) {
      return record_sentence(index, "has more words than the frame holds");
    }
    o.words.resize(count);
    for (std::uint64_t& w : o.words) w = in.get<std::uint64_t>();
  }
  if (in.is_short()) return record_sentence(index, "ends in its middle");
  return "";
}

}  // namespace

std::vector<std::uint8_t> encode_frame(const Frame& frame) {
  std::vector<std::uint8_t> out(kFrameHeaderBytes + frame.payload.size());
  FrameHeader header;
  header.type = frame.type;
  header.sequence = frame.sequence;
  encode_header(header, frame.payload, out.data());
  std::copy(frame.payload.begin(), frame.payload.end(), out.begin() + kFrameHeaderBytes);
  return out;
}

Frame run_frame(std::uint32_t sequence, std::uint8_t file_system, const Program& program) {
  Frame frame{FrameType::run, sequence, encode(program)};
  frame.payload.insert(frame.payload.begin(), file_system);
  return frame;
}

Frame resume_frame(std::uint32_t sequence, std::uint8_t file_system, std::span<const std::uint8_t> result,
                   const Bindings& bindings, const Program& program) {
  const std::vector<std::uint8_t> ops = encode(program);
  Frame frame{FrameType::resume, sequence, {}};
  frame.payload.resize(kResumeHeadBytes + result.size() + kBindingsBytes);
  frame.payload[0] = file_system;
  put_little(frame.payload.data() + 1, static_cast<std::uint32_t>(result.size()));
  std::ranges::copy(result, frame.payload.begin() + kResumeHeadBytes);
  encode_bindings(bindings, frame.payload.data() + kResumeHeadBytes + result.size());
  frame.payload.insert(frame.payload.end(), ops.begin(), ops.end());
  return frame;
}

namespace {

// The id that the name of a segment is bound to: of a race the first that anybody got, or nothing.
std::optional<std::uint64_t> id_of(const Op& op, const Outcome& o) {
  if (spec(op.code).result != ResultKind::racers) return o.value;
  for (std::size_t i = 0; i + kRacerWords <= o.words.size(); i += kRacerWords) {
    const Racer r = unpack_racer(std::span(o.words).subspan(i, kRacerWords));
    if (r.kind == OutcomeKind::ok) return r.value;
  }
  return std::nullopt;
}

}  // namespace

Bindings bindings_of(const Program& program, std::span<const Outcome> outcomes) {
  Bindings bindings;
  for (std::size_t i = 0; i < std::min(outcomes.size(), program.ops.size()); ++i) {
    const Op& op = program.ops[i];
    if (outcomes[i].kind != OutcomeKind::ok) continue;
    if (spec(op.code).result_name == NameKind::mapping) {
      bindings.mappings_bound |= static_cast<std::uint16_t>(1U << op.result);
      bindings.mapping[op.result] = outcomes[i].value;
    } else if (spec(op.code).result_name == NameKind::segment) {
      const std::optional<std::uint64_t> id = id_of(op, outcomes[i]);
      if (!id) continue;
      bindings.segments_bound |= static_cast<std::uint8_t>(1U << op.result);
      bindings.segment[op.result] = static_cast<std::int32_t>(*id);
    }
  }
  return bindings;
}

Frame command_frame(std::uint32_t sequence, std::uint32_t limit_ms, std::span<const std::string> argv) {
  Frame frame{FrameType::command, sequence, std::vector<std::uint8_t>(sizeof limit_ms)};
  put_little(frame.payload.data(), limit_ms);
  for (const std::string& word : argv) {
    frame.payload.insert(frame.payload.end(), word.begin(), word.end());
    frame.payload.push_back(0);
  }
  return frame;
}

Frame quit_frame(std::uint32_t sequence) {
  return {FrameType::quit, sequence, {}};
}

void FrameReader::feed(std::span<const std::uint8_t> bytes) {
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(at_));
  at_ = 0;
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

bool FrameReader::next(Frame& frame) {
  std::span<const std::uint8_t> rest = std::span(bytes_).subspan(at_);
  if (fault_ != FrameFault::none || rest.size() < kFrameHeaderBytes) return false;
  FrameHeader header;
  fault_ = decode_header(rest.data(), header);
  if (fault_ != FrameFault::none || rest.size() - kFrameHeaderBytes < header.length) return false;
  std::span<const std::uint8_t> payload = rest.subspan(kFrameHeaderBytes, header.length);
  fault_ = check_payload(rest.data(), payload);
  if (fault_ != FrameFault::none) return false;
  frame = {header.type, header.sequence, {payload.begin(), payload.end()}};
  at_ += kFrameHeaderBytes + header.length;
  return true;
}

std::string decode_hello(std::span<const std::uint8_t> payload, Hello& hello) {
  Reader in(payload);
  hello = {};
  hello.protocol = in.get<std::uint32_t>();
  if (in.is_short()) return "the hello has no protocol version";
  if (hello.protocol != kProtocol) {
    return "the executor speaks protocol " + std::to_string(hello.protocol) + ", this host speaks " +
           std::to_string(kProtocol);
  }
  std::string_view text(reinterpret_cast<const char*>(in.rest().data()), in.rest().size());
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.starts_with("facts ")) {
      hello.facts.emplace_back(line.substr(6));
    } else if (line.starts_with("absent ")) {
      hello.absent.emplace_back(line.substr(7));
    } else {
      return "the hello has a line that is neither `facts` nor `absent`: " + std::string(line);
    }
  }
  return "";
}

std::string decode_result(std::span<const std::uint8_t> payload, Result& result) {
  Reader in(payload);
  auto count = in.get<std::uint32_t>();
  result.root_pid = in.get<std::uint64_t>();
  if (in.is_short()) return "the result has no number of records and process id";
  if (count > in.rest().size()) return "the result announces more records than it has bytes";
  result.outcomes.assign(count, Outcome{});
  std::int64_t clock = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::string wrong = decode_outcome(in, i, clock, result.outcomes[i]);
    if (!wrong.empty()) return wrong;
  }
  if (!in.rest().empty()) return "the result goes on after its last record";
  return "";
}

std::string decode_exited(std::span<const std::uint8_t> payload, Exited& exited) {
  if (payload.size() != 2 || payload[0] > static_cast<std::uint8_t>(End::time_limit)) {
    return "the `exited` frame does not say how the command ended";
  }
  exited = {static_cast<End>(payload[0]), payload[1]};
  return "";
}

std::vector<std::uint8_t> encode_result(const Result& result) {
  std::size_t most = kResultHeadBytes;
  for (const Outcome& o : result.outcomes) most += kRecordHeadBytes + o.words.size() * sizeof(std::uint64_t);
  std::vector<std::uint8_t> out(most);
  put_little(out.data() + 4, result.root_pid);
  ResultCursor cursor;
  for (const Outcome& o : result.outcomes) {
    append_record(out, cursor, {o.kind, o.signal, o.code, o.error, o.value, o.address, o.before, o.after},
                  o.words);
  }
  out.resize(cursor.used);
  return out;
}

}  // namespace shmcheck::program

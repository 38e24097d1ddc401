#include "program/outcome_words.h"

#include <array>
#include <functional>
#include <span>

#include "program/outcome_text.h"
#include "program/scan.h"

namespace shmcheck::program {

std::string smaps_flags_text(std::uint64_t flags) {
  std::string out;
  for (unsigned i = 0; i < std::size(kSmapsFlags); ++i) {
    if ((flags >> i & 1U) != 0) (out += ' ') += kSmapsFlags[i];
  }
  return out;
}

namespace {

// --- named fields
// -------------------------------------------------------------------------------------------

enum class Radix : std::uint8_t { decimal, octal, octal0, hex };
struct Field {
  std::string_view name;
  Radix radix;
};
constexpr Field kStatFields[] = {{"size", Radix::decimal},
                                 {"links", Radix::decimal},
                                 {"mode", Radix::octal},
                                 {"uid", Radix::decimal},
                                 {"gid", Radix::decimal}};
constexpr Field kShmFields[] = {
    {"key", Radix::hex},       {"uid", Radix::decimal},   {"gid", Radix::decimal},
    {"cuid", Radix::decimal},  {"cgid", Radix::decimal},  {"mode", Radix::octal0},
    {"segsz", Radix::decimal}, {"atime", Radix::decimal}, {"dtime", Radix::decimal},
    {"ctime", Radix::decimal}, {"cpid", Radix::decimal},  {"lpid", Radix::decimal},
    {"nattch", Radix::decimal}};
static_assert(std::size(kStatFields) == kFileStatWords && std::size(kShmFields) == kShmStatWords);

std::string field_text(std::uint64_t v, Radix radix) {
  switch (radix) {
    case Radix::decimal:
      return std::to_string(v);
    case Radix::octal:
      return octal(v);
    case Radix::octal0:
      return '0' + octal(v);
    case Radix::hex:
      break;
  }
  return hex(v);
}

// What /proc/sysvipc/shm says of a segment, after its id.
constexpr Field kUseFields[] = {{"rss", Radix::decimal}, {"swap", Radix::decimal}};

std::string fields_text(std::span<const std::uint64_t> words, std::span<const Field> fields) {
  if (words.size() != fields.size()) return "";
  std::string out = "{";
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i != 0) out += ' ';
    out += std::string(fields[i].name) + '=' + field_text(words[i], fields[i].radix);
  }
  return out + '}';
}

bool parse_field(Scanner& in, Radix radix, std::uint64_t& out) {
  switch (radix) {
    case Radix::decimal:
      return in.decimal(out, UINT64_MAX);
    case Radix::octal:
    case Radix::octal0:
      return in.octal(out);
    case Radix::hex:
      break;
  }
  return in.hexadecimal(out, UINT64_MAX);
}

bool parse_fields(Scanner& in, std::span<const Field> fields, std::vector<std::uint64_t>& words) {
  std::string_view before = "{";
  for (const Field& f : fields) {
    std::uint64_t v = 0;
    if (!in.literal(before) || !in.literal(f.name) || !in.literal("=") || !parse_field(in, f.radix, v)) {
      return false;
    }
    words.push_back(v);
    before = " ";
  }
  return in.literal("}");
}

// --- runs
// ---------------------------------------------------------------------------------------------------

std::string run_text(const Run& r) {
  std::string out = std::to_string(r.length) + '*';
  switch (r.kind) {
    case RunKind::bytes:
      return out + hex_byte(r.value);
    case RunKind::signal:
      return out + fault_text(r.value, r.code);
    case RunKind::error:
      break;
  }
  return out + errno_text(r.value);
}

std::string runs_text(const std::vector<std::uint64_t>& words) {
  std::string out = "{";
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i != 0) out += ' ';
    out += run_text(unpack_run(words[i]));
  }
  return out + '}';
}

bool parse_run(Scanner& in, Run& r) {
  constexpr std::uint64_t kMaxLength = 0xFF'FFFF'FFFF;
  if (!in.decimal(r.length, kMaxLength) || !in.literal("*")) return false;
  unsigned value = 0, code = 0;
  std::string_view digits;
  if (in.fault(value, code)) {
    r.kind = RunKind::signal;
  } else if (in.error(value)) {
    r.kind = RunKind::error;
  } else if (in.hex_digits(digits) && digits.size() == 2) {
    r.kind = RunKind::bytes;
    value = static_cast<unsigned>(*number(digits, 16));
  } else {
    return false;
  }
  if (value > 255) return false;
  r.value = static_cast<std::uint8_t>(value);
  r.code = static_cast<std::uint8_t>(code);
  return true;
}

bool parse_runs(Scanner& in, std::vector<std::uint64_t>& words) {
  if (!in.literal("{")) return false;
  while (!in.peek("}")) {
    Run r;
    if ((!words.empty() && !in.literal(" ")) || !parse_run(in, r)) return false;
    words.push_back(pack(r));
  }
  return in.literal("}");
}

// --- maps
// ---------------------------------------------------------------------------------------------------

constexpr std::string_view kMapObjects[] = {"anon", "shared_anon", "file", "segment", "other", "memfd"};
constexpr std::string_view kProtections = "rwx";
constexpr std::uint64_t kPathUnknown = 255;

std::string offset_text(std::uint64_t offset, const Facts& facts) {
  bool pages = facts.page_size != 0 && offset % facts.page_size == 0;
  return pages ? std::to_string(offset / facts.page_size) + 'p' : hex(offset);
}

std::string map_object_text(MapObject object, std::uint64_t id) {
  auto index = static_cast<std::size_t>(object);
  std::string out(index < std::size(kMapObjects) ? kMapObjects[index] : "?");
  if (object == MapObject::file) {
    if (id == kPathUnknown) return out + " unknown";
    if (id >= kNames && id < kNames + kObjects) return out + " o" + std::to_string(id - kNames);
    return out + (id < kNames ? " n" : " ") + std::to_string(id);
  }
  return id == 0 && object != MapObject::segment ? out : out + ' ' + std::to_string(id);
}

std::string map_row_text(std::span<const std::uint64_t> row, const Facts& facts) {
  std::string out = address_text(row[0], facts) + ".." + address_text(row[1], facts) + ' ';
  for (unsigned i = 0; i < kProtections.size(); ++i) {
    out += (row[2] & 1U << i) != 0 ? kProtections[i] : '-';
  }
  out += (row[2] & kMapShared) != 0 ? "s" : "p";
  out += " off=" + offset_text(row[3], facts) + ' ';
  out += map_object_text(static_cast<MapObject>(static_cast<std::uint8_t>(row[2] >> 8)), row[4]);
  if ((row[2] & kMapDeleted) != 0) out += " deleted";
  return out;
}

std::string maps_text(const std::vector<std::uint64_t>& words, const Facts& facts) {
  if (words.size() % kMapRowWords != 0) return "";
  std::string out = "{";
  for (std::size_t i = 0; i < words.size(); i += kMapRowWords) {
    if (i != 0) out += "; ";
    out += map_row_text(std::span(words).subspan(i, kMapRowWords), facts);
  }
  return out + '}';
}

bool parse_map_bits(Scanner& in, std::uint64_t& bits) {
  for (unsigned i = 0; i < kProtections.size(); ++i) {
    if (in.accept(kProtections.substr(i, 1))) {
      bits |= 1U << i;
    } else if (!in.accept("-")) {
      return false;
    }
  }
  if (in.accept("s")) {
    bits |= kMapShared;
    return true;
  }
  return in.accept("p");
}

bool parse_map_object(Scanner& in, std::uint64_t& bits, std::uint64_t& id) {
  // No name is the beginning of another, so the order does not matter.
  std::size_t object = 0;
  while (object < std::size(kMapObjects) && !in.accept(kMapObjects[object])) ++object;
  if (object == std::size(kMapObjects)) return false;
  bits |= std::uint64_t{object} << 8;
  bool file = static_cast<MapObject>(object) == MapObject::file;
  if (file && in.accept(" unknown")) {
    id = kPathUnknown;
    return true;
  }
  if (file && in.accept(" n")) return in.decimal(id, kNames - 1);
  if (file && in.accept(" o")) {
    if (!in.decimal(id, kObjects - 1)) return false;
    id += kNames;
    return true;
  }
  Scanner ahead = in;
  if (!ahead.accept(" ") || !ahead.decimal(id, UINT64_MAX)) return !file;
  in = ahead;
  return true;
}

bool parse_map_row(Scanner& in, const Facts& facts, std::vector<std::uint64_t>& words) {
  std::uint64_t low = 0, high = 0, bits = 0, offset = 0, id = 0;
  if (!in.address(facts, low) || !in.literal("..") || !in.address(facts, high) || !in.literal(" "))
    return false;
  if (!parse_map_bits(in, bits) || !in.literal(" off=") || !in.offset(facts, offset)) return false;
  if (!in.literal(" ") || !parse_map_object(in, bits, id)) return false;
  if (in.accept(" deleted")) bits |= kMapDeleted;
  words.insert(words.end(), {low, high, bits, offset, id});
  return true;
}

bool parse_maps(Scanner& in, const Facts& facts, std::vector<std::uint64_t>& words) {
  if (!in.literal("{")) return false;
  while (!in.peek("}")) {
    if ((!words.empty() && !in.literal("; ")) || !parse_map_row(in, facts, words)) return false;
  }
  return in.literal("}");
}

// --- an entry of smaps
// ---------------------------------------------------------------------------------------------------

std::string smaps_text(std::span<const std::uint64_t> words, const Facts& facts) {
  if (words.size() != kSmapsWords) return "";
  std::string out = '{' + address_text(words[0], facts) + ".." + address_text(words[1], facts) +
                    " shared=" + std::to_string(words[2]) + " private=" + std::to_string(words[3]);
  return out + smaps_flags_text(words[4]) + '}';
}

bool parse_smaps(Scanner& in, const Facts& facts, std::vector<std::uint64_t>& words) {
  std::uint64_t low = 0, high = 0, shared = 0, exclusive = 0, flags = 0;
  if (!in.literal("{") || !in.address(facts, low) || !in.literal("..") || !in.address(facts, high))
    return false;
  if (!in.literal(" shared=") || !in.decimal(shared, UINT64_MAX)) return false;
  if (!in.literal(" private=") || !in.decimal(exclusive, UINT64_MAX)) return false;
  for (unsigned i = 0; i < std::size(kSmapsFlags); ++i) {
    if (in.accept(' ' + std::string(kSmapsFlags[i]))) flags |= 1U << i;
  }
  words = {low, high, shared, exclusive, flags};
  return in.literal("}");
}

// --- the listing
// ---------------------------------------------------------------------------------------------------

std::string listing_text(const std::vector<std::uint64_t>& words) {
  if (words.size() % kListingRowWords != 0) return "";
  std::string out = "{";
  for (std::size_t i = 0; i < words.size(); i += kListingRowWords) {
    const std::span<const std::uint64_t> row = std::span(words).subspan(i, kListingRowWords);
    if (i != 0) out += "; ";
    out += std::to_string(row[0]) + ' ' + fields_text(row.subspan(1, kShmStatWords), kShmFields) + ' ' +
           fields_text(row.subspan(1 + kShmStatWords), kUseFields);
  }
  return out + '}';
}

bool parse_listing(Scanner& in, std::vector<std::uint64_t>& words) {
  if (!in.literal("{")) return false;
  while (!in.peek("}")) {
    std::uint64_t id = 0;
    if ((!words.empty() && !in.literal("; ")) || !in.decimal(id, UINT64_MAX) || !in.literal(" "))
      return false;
    words.push_back(id);
    if (!parse_fields(in, kShmFields, words) || !in.literal(" ") || !parse_fields(in, kUseFields, words))
      return false;
  }
  return in.literal("}");
}

// --- the end
// ------------------------------------------------------------------------------------------------

std::string end_text(const std::vector<std::uint64_t>& words) {
  if (words.empty() || (words.size() - 1) % kEndSegmentWords != 0) return "";
  std::string out = "{used=" + (words[0] == UINT64_MAX ? "unknown" : std::to_string(words[0]));
  for (std::size_t i = 1; i < words.size(); i += kEndSegmentWords) {
    out += "; s" + std::to_string(words[i]) + '=';
    std::uint64_t error = words[i + 1];
    out += error != 0 ? errno_text(static_cast<unsigned>(error))
                      : fields_text(std::span(words).subspan(i + 2, kShmStatWords), kShmFields);
  }
  return out + '}';
}

bool parse_end(Scanner& in, std::vector<std::uint64_t>& words) {
  std::uint64_t used = UINT64_MAX;
  if (!in.literal("{used=")) return false;
  if (!in.accept("unknown") && !in.decimal(used, UINT64_MAX - 1)) return false;
  words.push_back(used);
  while (in.accept("; s")) {
    std::uint64_t index = 0;
    unsigned error = 0;
    if (!in.decimal(index, UINT64_MAX) || !in.literal("=")) return false;
    bool failed = in.error(error);
    words.insert(words.end(), {index, error});
    if (failed) {
      words.resize(words.size() + kShmStatWords);
    } else if (!parse_fields(in, kShmFields, words)) {
      return false;
    }
  }
  return in.literal("}");
}

// --- who raced
// ---------------------------------------------------------------------------------------------------

std::string racer_text(const Racer& r, const Op& op, std::size_t row) {
  if (r.pid == 0) return "-";
  std::string out = std::to_string(r.pid) + '=';
  if (r.kind == OutcomeKind::error) return out + errno_text(r.error);
  if (r.kind == OutcomeKind::signal) return out + fault_text(r.error, r.code);
  if (is_remover(op, row)) return out + "ok";
  return out +
         (op.code == OpCode::race_shmget ? std::to_string(r.value) : memory_order(r.value, kRacerBytes));
}

std::string racers_text(const std::vector<std::uint64_t>& words, const Op& op) {
  if (words.size() % kRacerWords != 0) return "";
  std::string out = "{";
  for (std::size_t i = 0; i < words.size(); i += kRacerWords) {
    if (i != 0) out += ' ';
    out += racer_text(unpack_racer(std::span(words).subspan(i, kRacerWords)), op, i / kRacerWords);
  }
  return out + '}';
}

bool parse_value(Scanner& in, unsigned bytes, std::uint64_t& out) {
  std::string_view digits;
  if (!in.literal("0x") || !in.hex_digits(digits) || digits.size() != 2 * std::size_t{bytes}) return false;
  out = *from_memory_order(digits);
  return true;
}

bool parse_how(Scanner& in, const Op& op, std::size_t row, Racer& r) {
  unsigned number = 0, code = 0;
  const bool failed = in.error(number);
  if (failed || in.fault(number, code)) {
    r.kind = failed ? OutcomeKind::error : OutcomeKind::signal;
    r.error = static_cast<std::uint16_t>(number);
    r.code = static_cast<std::uint8_t>(code);
    return true;
  }
  if (is_remover(op, row)) return in.literal("ok");
  return op.code == OpCode::race_shmget ? in.decimal(r.value, UINT64_MAX)
                                        : parse_value(in, kRacerBytes, r.value);
}

bool parse_racers(Scanner& in, const Op& op, std::vector<std::uint64_t>& words) {
  if (!in.literal("{")) return false;
  while (!in.peek("}")) {
    if (!words.empty() && !in.literal(" ")) return false;
    Racer r;
    if (!in.accept("-")) {
      if (!in.decimal(r.pid, UINT64_MAX) || !in.literal("=")) return false;
      if (!parse_how(in, op, words.size() / kRacerWords, r)) return false;
    }
    words.insert(words.end(), {r.pid, pack_how(r), r.value});
  }
  return in.literal("}");
}

}  // namespace

std::string success_text(const Outcome& o, const Op& op, const Facts& facts) {
  switch (spec(op.code).result) {
    case ResultKind::nothing:
      break;
    case ResultKind::address:
      return address_text(o.value, facts);
    case ResultKind::id:
    case ResultKind::count:
    case ResultKind::pid:
      return std::to_string(o.value);
    case ResultKind::value:
      return memory_order(o.value, 1U << op.small);
    case ResultKind::runs:
      return runs_text(o.words);
    case ResultKind::stat:
      return fields_text(o.words, kStatFields);
    case ResultKind::shm:
      return o.words.empty() ? "ok" : fields_text(o.words, kShmFields);
    case ResultKind::shm_at:
      return std::to_string(o.value) + ' ' + fields_text(o.words, kShmFields);
    case ResultKind::listing:
      return listing_text(o.words);
    case ResultKind::maps:
      return maps_text(o.words, facts);
    case ResultKind::smaps:
      return smaps_text(o.words, facts);
    case ResultKind::end:
      return end_text(o.words);
    case ResultKind::racers:
      return racers_text(o.words, op);
  }
  return "ok";
}

bool parse_success(Scanner& in, const Op& op, const Facts& facts, Outcome& o) {
  o.kind = OutcomeKind::ok;
  switch (spec(op.code).result) {
    case ResultKind::nothing:
      break;
    case ResultKind::address:
      return in.address(facts, o.value);
    case ResultKind::id:
    case ResultKind::count:
    case ResultKind::pid:
      return in.decimal(o.value, UINT64_MAX);
    case ResultKind::value:
      return parse_value(in, 1U << op.small, o.value);
    case ResultKind::runs:
      return parse_runs(in, o.words);
    case ResultKind::stat:
      return parse_fields(in, kStatFields, o.words);
    case ResultKind::shm:
      return in.accept("ok") || parse_fields(in, kShmFields, o.words);
    case ResultKind::shm_at:
      return in.decimal(o.value, UINT64_MAX) && in.literal(" ") && parse_fields(in, kShmFields, o.words);
    case ResultKind::listing:
      return parse_listing(in, o.words);
    case ResultKind::maps:
      return parse_maps(in, facts, o.words);
    case ResultKind::smaps:
      return parse_smaps(in, facts, o.words);
    case ResultKind::end:
      return parse_end(in, o.words);
    case ResultKind::racers:
      return parse_racers(in, op, o.words);
  }
  return in.literal("ok");
}

std::string success_description(const Op& op) {
  switch (spec(op.code).result) {
    case ResultKind::nothing:
      break;
    case ResultKind::address:
      return "an address like a+3p or 0x7f0000000000";
    case ResultKind::id:
      return "a segment id";
    case ResultKind::count:
      return "a number of bytes";
    case ResultKind::pid:
      return "a process id";
    case ResultKind::value:
      return "a value in memory order like " + memory_order(0x41, 1U << op.small);
    case ResultKind::runs:
      return "runs like {1*41 4095*00}";
    case ResultKind::stat:
      return "a stat like {size=1 links=1 mode=100600 uid=0 gid=0}";
    case ResultKind::shm:
      return "ok or a segment's {key=… … nattch=…}";
    case ResultKind::shm_at:
      return "an id and its segment's {key=… … nattch=…}";
    case ResultKind::listing:
      return "rows like {0 {key=… … nattch=…} {rss=4096 swap=0}}";
    case ResultKind::maps:
      return "rows like {a+0p..a+3p rw-s off=0p file n0}";
    case ResultKind::smaps:
      return "an entry like {a+0p..a+3p shared=4096 private=8192 sh lo}";
    case ResultKind::end:
      return "{used=1; s0=…}";
    case ResultKind::racers:
      return "processes like {4711=32768 4712=EEXIST}";
  }
  return "ok";
}

}  // namespace shmcheck::program

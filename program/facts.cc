#include "program/facts.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

#include "program/scan.h"

namespace shmcheck::program {
namespace {

constexpr std::string_view kFileSystems[] = {"tmpfs", "ext4", "xfs", "btrfs", "overlay", "other"};
constexpr std::string_view kExt4OfSmallBlocks = "ext4_1k";
constexpr std::string_view kPlaces[] = {"tmpfs",   "ext4", kExt4OfSmallBlocks, "xfs", "btrfs",
                                        "overlay", "other"};

// --- values: one print and one parse function per kind
// ------------------------------------------------------

template <typename T>
bool parse_unsigned(std::string_view text, T& out) {
  auto n = text.starts_with("0x") ? hex_number(text) : number(text);
  if (!n || *n > std::numeric_limits<T>::max()) return false;
  out = static_cast<T>(*n);
  return true;
}

std::string release_text(std::uint32_t r) {
  return std::to_string(r >> 16) + '.' + std::to_string(r >> 8 & 255) + '.' + std::to_string(r & 255);
}

bool parse_release(std::string_view text, std::uint32_t& out) {
  constexpr std::uint64_t kLimits[] = {65535, 255, 255};
  out = 0;
  for (unsigned i = 0; i < 3; ++i) {
    std::string_view part = text.substr(0, text.find('.'));
    auto n = number(part);
    if (!n || *n > kLimits[i]) return false;
    out |= static_cast<std::uint32_t>(*n) << (16 - 8 * i);
    bool last = part.size() == text.size();
    if (last != (i == 2)) return false;
    if (!last) text.remove_prefix(part.size() + 1);
  }
  return true;
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == '+';
}

// Names come from uname: anything else than plain characters is written as %xx.
std::string name_text(const std::string& name) {
  std::string out;
  for (char c : name) {
    if (is_plain(c)) {
      out += c;
    } else {
      out += '%' + hex_byte(static_cast<std::uint8_t>(c));
    }
  }
  return out;
}

bool parse_name(std::string_view text, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      if (!is_plain(text[i])) return false;
      out += text[i];
      continue;
    }
    auto byte = i + 2 < text.size() ? number(text.substr(i + 1, 2), 16) : std::nullopt;
    if (!byte) return false;
    out += static_cast<char>(*byte);
    i += 2;
  }
  return true;
}

std::string ranges_text(const std::vector<Range>& ranges) {
  std::string out;
  for (const Range& r : ranges) {
    if (!out.empty()) out += ',';
    out += hex(r.low) + '-' + hex(r.high);
  }
  return out;
}

bool parse_ranges(std::string_view text, std::vector<Range>& out) {
  out.clear();
  while (!text.empty()) {
    std::string_view part = text.substr(0, text.find(','));
    std::size_t dash = part.find('-');
    if (dash == std::string_view::npos) return false;
    auto low = hex_number(part.substr(0, dash));
    auto high = hex_number(part.substr(dash + 1));
    if (!low || !high) return false;
    out.push_back({*low, *high});
    if (part.size() == text.size()) return true;
    text.remove_prefix(part.size() + 1);
    if (text.empty()) return false;
  }
  return true;
}

bool parse_pair(std::string_view text, std::uint32_t (&out)[2]) {
  std::size_t comma = text.find(',');
  return comma != std::string_view::npos && parse_unsigned(text.substr(0, comma), out[0]) &&
         parse_unsigned(text.substr(comma + 1), out[1]);
}

bool parse_choice(std::string_view text, std::span<const std::string_view> names, std::size_t& out) {
  out = static_cast<std::size_t>(std::find(names.begin(), names.end(), text) - names.begin());
  return out < names.size();
}

// --- the table of keys ------------------------------------------------------------------------------------

struct Key {
  std::string_view name;
  bool required;
  std::string_view expected;
  std::string (*print)(const Facts&);
  bool (*parse)(std::string_view, Facts&);
};

template <auto Member>
constexpr Key unsigned_key(std::string_view name, bool required = false) {
  return {name, required, "a number", [](const Facts& f) { return std::to_string(f.*Member); },
          [](std::string_view v, Facts& f) { return parse_unsigned(v, f.*Member); }};
}

template <auto Member>
constexpr Key power_key(std::string_view name, bool required) {
  return {name, required, "a power of two", [](const Facts& f) { return std::to_string(f.*Member); },
          [](std::string_view v, Facts& f) {
            return parse_unsigned(v, f.*Member) && std::has_single_bit(f.*Member);
          }};
}

template <auto Member>
constexpr Key address_key(std::string_view name) {
  return {name, false, "an address", [](const Facts& f) { return hex(f.*Member); },
          [](std::string_view v, Facts& f) { return parse_unsigned(v, f.*Member); }};
}

template <auto Member>
constexpr Key name_key(std::string_view name) {
  return {name, false, "a name", [](const Facts& f) { return name_text(f.*Member); },
          [](std::string_view v, Facts& f) { return parse_name(v, f.*Member); }};
}

template <auto Member>
constexpr Key yes_no_key(std::string_view name) {
  return {name, false, "yes or no", [](const Facts& f) { return std::string(f.*Member ? "yes" : "no"); },
          [](std::string_view v, Facts& f) {
            f.*Member = v == "yes";
            return v == "yes" || v == "no";
          }};
}

bool parse_endian(std::string_view v, Facts& f) {
  f.little_endian = v == "little";
  return v == "little" || v == "big";
}

bool parse_fs(std::string_view v, Facts& f) {
  std::size_t index = 0;
  if (!parse_choice(v, kFileSystems, index)) return false;
  f.fs = static_cast<FileSystem>(index);
  return true;
}

template <auto Member, const auto& Names>
constexpr Key choice_key(std::string_view name, std::string_view expected) {
  return {name, false, expected,
          [](const Facts& f) { return std::string(Names[static_cast<std::size_t>(f.*Member)]); },
          [](std::string_view v, Facts& f) {
            std::size_t index = 0;
            if (!parse_choice(v, Names, index)) return false;
            f.*Member = static_cast<std::remove_reference_t<decltype(f.*Member)>>(index);
            return true;
          }};
}

constexpr Key kTable[] = {
    unsigned_key<&Facts::protocol>("protocol", true),
    name_key<&Facts::kernel>("kernel"),
    {"release", false, "a version like 6.18.44", [](const Facts& f) { return release_text(f.release); },
     [](std::string_view v, Facts& f) { return parse_release(v, f.release); }},
    name_key<&Facts::arch>("arch"),
    {"endian", false, "little or big",
     [](const Facts& f) { return std::string(f.little_endian ? "little" : "big"); }, parse_endian},
    power_key<&Facts::page_size>("page", true),
    power_key<&Facts::shmlba>("shmlba", false),
    {"fs", false, "tmpfs, ext4, xfs, btrfs, overlay or other",
     [](const Facts& f) { return std::string(to_string(f.fs)); }, parse_fs},
    unsigned_key<&Facts::fs_block>("fs_block"),
    address_key<&Facts::arena>("arena"),
    unsigned_key<&Facts::arena_pages>("arena_pages"),
    address_key<&Facts::top>("top"),
    address_key<&Facts::min_address>("min_address"),
    {"own", false, "ranges like 0x1000-0x2000,0x4000-0x5000",
     [](const Facts& f) { return ranges_text(f.own); },
     [](std::string_view v, Facts& f) { return parse_ranges(v, f.own); }},
    unsigned_key<&Facts::uid>("uid"),
    unsigned_key<&Facts::gid>("gid"),
    {"other_uid", false, "two user ids like 1001,1002",
     [](const Facts& f) { return std::to_string(f.other_uid[0]) + ',' + std::to_string(f.other_uid[1]); },
     [](std::string_view v, Facts& f) { return parse_pair(v, f.other_uid); }},
    yes_no_key<&Facts::capable>("capable"),
    yes_no_key<&Facts::first_userns>("first_userns"),
    yes_no_key<&Facts::private_ipc>("private_ipc"),
    unsigned_key<&Facts::shmmax>("shmmax"),
    unsigned_key<&Facts::shmall>("shmall"),
    unsigned_key<&Facts::shmmni>("shmmni"),
    unsigned_key<&Facts::memlock>("memlock"),
    yes_no_key<&Facts::set_limits>("set_limits"),
    yes_no_key<&Facts::exec>("exec"),
    yes_no_key<&Facts::fork>("fork"),
    yes_no_key<&Facts::stored>("stored"),
    yes_no_key<&Facts::shm_objects>("shm_objects"),
    yes_no_key<&Facts::protected_hardlinks>("protected_hardlinks"),
    yes_no_key<&Facts::protected_regular>("protected_regular"),
    yes_no_key<&Facts::ipc_namespaces>("ipc_namespaces"),
    yes_no_key<&Facts::next_id>("next_id"),
    yes_no_key<&Facts::reboot>("reboot"),
    yes_no_key<&Facts::shmem_huge>("shmem_huge"),
    yes_no_key<&Facts::nx>("nx"),
    yes_no_key<&Facts::fill>("fill"),
    unsigned_key<&Facts::max_map_count>("max_map_count"),
    yes_no_key<&Facts::noexec>("noexec"),
    yes_no_key<&Facts::objects_noexec>("objects_noexec"),
    yes_no_key<&Facts::remounts>("remounts"),
    choice_key<&Facts::huge, kHugePagesNames>("huge", "unknown, none, empty or some"),
    unsigned_key<&Facts::huge_page>("huge_page"),
    unsigned_key<&Facts::huge_users>("huge_users"),
    choice_key<&Facts::append, kAppendNames>("append", "none, fixed or settable"),
    yes_no_key<&Facts::map_files>("map_files"),
    yes_no_key<&Facts::names>("names"),
    yes_no_key<&Facts::pid_namespaces>("pid_namespaces"),
    yes_no_key<&Facts::user_namespaces>("user_namespaces"),
    yes_no_key<&Facts::smaps>("smaps"),
    yes_no_key<&Facts::rss>("rss"),
    yes_no_key<&Facts::overcommits>("overcommits"),
};

}  // namespace

std::string_view to_string(FileSystem fs) {
  return kFileSystems[std::min(static_cast<std::size_t>(fs), std::size(kFileSystems) - 1)];
}

std::span<const std::string_view> place_names() {
  return kPlaces;
}

std::string_view place_name(const Facts& facts) {
  return facts.fs == FileSystem::ext4 && facts.fs_block == 1024 ? kExt4OfSmallBlocks : to_string(facts.fs);
}

std::string to_text(const Facts& facts) {
  std::string out;
  for (const Key& key : kTable) {
    if (!out.empty()) out += ' ';
    out += std::string(key.name) + '=' + key.print(facts);
  }
  return out;
}

std::string from_text(std::string_view text, Facts& facts, std::size_t* where) {
  std::size_t ignored = 0;
  std::size_t& at = where != nullptr ? *where : ignored;
  Facts parsed;
  bool given[std::size(kTable)] = {};
  for (const Word& w : split_words(text)) {
    at = w.at;
    std::size_t equals = w.text.find('=');
    if (equals == std::string_view::npos) return "expected key=value, found " + quote(w.text);
    std::string_view name = w.text.substr(0, equals);
    const Key* key = std::find_if(std::begin(kTable), std::end(kTable),
                                  [name](const Key& known) { return known.name == name; });
    if (key == std::end(kTable)) return "a target has no fact " + quote(name);
    if (given[key - kTable]) return std::string(name) + "= is given twice";
    given[key - kTable] = true;
    if (!key->parse(w.text.substr(equals + 1), parsed)) {
      return "expected " + std::string(key->expected) + " for " + std::string(name) + "=, found " +
             quote(w.text);
    }
  }
  at = text.size();
  for (const Key& key : kTable) {
    if (key.required && !given[&key - kTable]) return "the fact " + std::string(key.name) + "= is missing";
  }
  facts = std::move(parsed);
  return "";
}

}  // namespace shmcheck::program

#include "executor/options.h"

namespace shmcheck::executor {

bool parse_number(std::string_view text, std::uint32_t& out) {
  std::uint64_t v = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    v = v * 10 + static_cast<unsigned>(c - '0');
    if (v > UINT32_MAX) return false;
  }
  out = static_cast<std::uint32_t>(v);
  return !text.empty();
}

namespace {

bool parse_descriptor(const char* value, int& out) {
  std::uint32_t n = 0;
  if (!parse_number(value, n) || n > INT32_MAX) return false;
  out = static_cast<int>(n);
  return true;
}

bool set_in(const char* v, Options& o) {
  return parse_descriptor(v, o.in);
}
bool set_out(const char* v, Options& o) {
  return parse_descriptor(v, o.out);
}
bool set_cpu(const char* v, Options& o) {
  return parse_descriptor(v, o.cpu);
}
bool set_timeout(const char* v, Options& o) {
  return parse_number(v, o.op_timeout_ms) && o.op_timeout_ms > 0;
}
bool set_no_clone_parent(const char*, Options& o) {
  o.clone_parent = false;
  return true;
}
bool set_no_namespaces(const char*, Options& o) {
  o.namespaces = false;
  return true;
}

// What follows `NAME=`; null if `text` begins with something else, or nothing follows.
const char* value_of(const char* text, std::string_view name) {
  if (!std::string_view(text).starts_with(name) || text[name.size()] != '=') return nullptr;
  const char* value = text + name.size() + 1;
  return *value == '\0' ? nullptr : value;
}

template <const char* Disk::*kField>
bool set_disk_field(const char* v, Options& o) {
  for (Disk& disk : o.disks) {
    const char* value = value_of(v, disk.name);
    if (value == nullptr) continue;
    disk.*kField = value;
    return true;
  }
  return false;
}

bool set_directory(const char* v, Options& o) {
  const char* tmpfs = value_of(v, "tmpfs");
  if (tmpfs != nullptr) o.tmpfs_directory = tmpfs;
  return tmpfs != nullptr || set_disk_field<&Disk::directory>(v, o);
}

bool set_uids(const char* v, Options& o) {
  std::string_view value = v;
  std::size_t comma = value.find(',');
  return comma != std::string_view::npos && parse_number(value.substr(0, comma), o.other_uid[0]) &&
         parse_number(value.substr(comma + 1), o.other_uid[1]);
}

struct Option {
  std::string_view name;
  bool takes_value;
  const char* expected;
  bool (*set)(const char* value, Options&);
};

constexpr Option kOptions[] = {
    {"--in", true, "a descriptor number", set_in},
    {"--out", true, "a descriptor number", set_out},
    {"--dir", true, "tmpfs=PATH or FS=PATH", set_directory},
    {"--disk", true, "FS=FILE, where FS is ext4, ext4_1k, xfs, btrfs or overlay", set_disk},
    {"--uids", true, "two user ids A,B", set_uids},
    {"--cpu", true, "a CPU number", set_cpu},
    {"--op-timeout-ms", true, "a number of milliseconds", set_timeout},
    {"--no-namespaces", false, "", set_no_namespaces},
    {"--no-clone-parent", false, "", set_no_clone_parent},
};

const Option* find_option(std::string_view name) {
  for (const Option& known : kOptions) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

}  // namespace

bool set_disk(const char* value, Options& options) {
  return set_disk_field<&Disk::source>(value, options);
}

bool parse_options(int argc, char** argv, Options& options, Sentence& wrong) {
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    std::size_t equals = word.find('=');
    std::string_view name = word.substr(0, equals);
    const Option* option = find_option(name);
    bool has_value = equals != std::string_view::npos;
    if (option == nullptr || (has_value && !option->takes_value)) {
      wrong << "unknown option " << word;
      return false;
    }
    const char* value = "";
    if (has_value) {
      value = argv[i] + equals + 1;
    } else if (option->takes_value && i + 1 < argc) {
      value = argv[++i];
    }
    if (!option->set(value, options)) {
      wrong << name << " expects " << option->expected << ", found '" << value << "'";
      return false;
    }
  }
  return true;
}

}  // namespace shmcheck::executor

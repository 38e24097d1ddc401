// Lies in the text of /proc files.

#include <cctype>

#include "liar/lie.h"

namespace shmcheck::liar {
namespace {

bool is_proc(const Event& event) {
  return event.label.starts_with("read /proc/") || event.label.starts_with("read /sys/");
}
bool is_file(const Event& event, std::string_view name) {
  return is_proc(event) && event.label.ends_with(name);
}

// Changes the text that was read, without changing its length; false when nothing was changed.
template <typename Change>
bool rewrite(Scene& scene, Change change) {
  if (scene.event.result <= 0) return false;
  std::string text(static_cast<size_t>(scene.event.result), '\0');
  if (!scene.tracee.read(scene.event.arguments[1], text.data(), text.size())) return false;
  const std::string before = text;
  change(text);
  return text != before && scene.tracee.write(scene.event.arguments[1], text.data(), text.size());
}

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
void next_digit(char& digit) {
  digit = digit == '9' ? '8' : static_cast<char>(digit + 1);
}

// The words of each line, as [begin, end).
template <typename Use>
void each_word(std::string& text, Use use) {
  size_t line = 0, word = 0;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '\n')
      ++line, word = 0, ++at;
    else if (text[at] == ' ' || text[at] == '\t')
      ++at;
    else {
      const size_t end = std::min(text.find_first_of(" \t\n", at), text.size());
      use(line, word, at, end);
      ++word;
      at = end;
    }
  }
}

void change_numbers(std::string& text) {
  each_word(text, [&](size_t, size_t, size_t begin, size_t end) {
    if (text.substr(begin, end - begin).find_first_not_of("0123456789") == std::string::npos)
      next_digit(text[end - 1]);
  });
}

void change_column(std::string& text, size_t column) {
  each_word(text, [&](size_t line, size_t word, size_t, size_t end) {
    if (line > 0 && word == column && is_digit(text[end - 1])) next_digit(text[end - 1]);
  });
}

// The word behind the addresses: "rw-s".
void change_perms(std::string& text, size_t at, char to, char otherwise) {
  each_word(text, [&](size_t, size_t word, size_t begin, size_t end) {
    if (word == 1 && end - begin == 4) text[begin + at] = text[begin + at] == to ? otherwise : to;
  });
}

// Rows of what is mapped become one that ends nowhere near.
void move_rows(std::string& text) {
  each_word(text, [&](size_t, size_t word, size_t begin, size_t end) {
    const size_t dash = text.find('-', begin);
    if (word != 0 || dash >= end || dash - begin < 11) return;
    for (const size_t from : {begin, dash + 1}) text[from] = text[from] == '1' ? '2' : '1';
  });
}

void change_names(std::string& text) {
  each_word(text, [&](size_t, size_t word, size_t begin, size_t) {
    if (word == 5) text[begin] = text[begin] == '/' ? '[' : '/';
  });
}

void change_flags(std::string& text) {
  for (size_t at = text.find(" sh"); at != std::string::npos; at = text.find(" sh", at + 1))
    text[at + 1] = 'x';
}

// Nothing moves: every look shows what the first one showed.
bool repeat(Scene& scene) {
  if (scene.event.result <= 0) return false;
  std::string text(static_cast<size_t>(scene.event.result), '\0');
  if (!scene.tracee.read(scene.event.arguments[1], text.data(), text.size())) return false;
  if (scene.kept.empty()) scene.kept = text;
  if (scene.kept == text || scene.kept.size() > scene.event.arguments[2]) return false;
  scene.registers.rax = scene.kept.size();
  return scene.tracee.write(scene.event.arguments[1], scene.kept.data(), scene.kept.size());
}

constexpr const char* kColumns[] = {"key", "shmid", "perms", "size",  "cpid",  "lpid",  "nattch", "uid",
                                    "gid", "cuid",  "cgid",  "atime", "dtime", "ctime", "rss",    "swap"};

}  // namespace

void add_text_lies(std::vector<Lie>& lies) {
  const auto add = [&](std::string name, const char* file, auto change) {
    lies.push_back({std::move(name), When::success, [=](const Event& e) { return is_file(e, file); },
                    [=](Scene& scene) { return rewrite(scene, change); }});
  };
  add("perms shared as private", "maps", [](std::string& t) { change_perms(t, 3, 'p', 's'); });
  add("perms writable as not", "maps", [](std::string& t) { change_perms(t, 1, '-', 'w'); });
  add("perms readable as not", "maps", [](std::string& t) { change_perms(t, 0, '-', 'r'); });
  add("rows moved", "maps", move_rows);
  add("names changed", "maps", change_names);
  add("flags changed", "smaps", change_flags);
  for (size_t column = 0; column < std::size(kColumns); ++column) {
    add(std::string("column ") + kColumns[column], "/sysvipc/shm",
        [column](std::string& t) { change_column(t, column); });
  }
  lies.push_back({"the text of the first time", When::success, is_proc, repeat});
  add("numbers changed", "", change_numbers);
  add("first digit changed", "", [](std::string& t) {
    for (char& c : t) {
      if (is_digit(c)) return next_digit(c);
    }
  });
}

}  // namespace shmcheck::liar

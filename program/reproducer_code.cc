// What every operation of a reproducer says its outcome by, and which pieces of code a program needs.
#include "program/reproducer_code.h"

#include <array>
#include <string>

#include "program/reproducer_parts.h"
#include "program/scan.h"

namespace shmcheck::program {
namespace {

constexpr Piece kPieces[] = {
    {kNeedFailed,
     {},
     "errno.h",
     R"c(static int failed(long r) { return r == -1 ? S.kind = 'e', say("errno %d", errno), 1 : 0; }
)c"},
    {kNeedSys,
     {},
     "sys/syscall.h",
     R"c(#define sys(name, ...) call(SYS_##name, (const long[6]){__VA_ARGS__})
static long call(long n, const long *a) { return syscall(n, a[0], a[1], a[2], a[3], a[4], a[5]); }
)c"},
    {kNeedOk, kNeedFailed, "", R"c(static void ok(long r) { if (!failed(r)) say("ok"); }
)c"},
    {kNeedCount, kNeedFailed, "", R"c(static void count(long r) { if (!failed(r)) say("%ld", r); }
)c"},
    {kNeedBuffer, {}, "", R"c(static unsigned char buffer[65 << 16];
)c"},
    {kNeedFilled, kNeedBuffer, "",
     R"c(static long filled(int c, size_t n) { return (long)memset(buffer, c, n); }
)c"},
    {kNeedFault, {}, "setjmp.h signal.h", R"c(static sigjmp_buf back; static siginfo_t info;
#define FAULT info.si_signo == SIGBUS ? "SIGBUS" : "SIGSEGV", info.si_code & 255
static void fault(int sig, siginfo_t *i, void *c) { (void)sig, (void)c, info = *i; siglongjmp(back, 1); }
static const struct sigaction caught = {.sa_flags = SA_SIGINFO, .sa_sigaction = fault};
)c"},
    {kNeedRuns, {}, "", R"c(static void run(const char *what, size_t n) { /* an empty one ends the list */
  static char last[24];
  static size_t length;
  if (strcmp(what, last)) {
    if (length) say("%lu*%s ", (unsigned long)length, last);
    length = 0, snprintf(last, sizeof last, "%s", what);
  }
  length += n;
}
static void bytes(const volatile unsigned char *p, size_t n) {
  char two[3];
  for (size_t i = 0, k; i < n; i = k) {
    unsigned char c = p[i];
    for (k = i + 1; k < n && p[k] == c; k++) {}
    snprintf(two, sizeof two, "%02x", c), run(two, k - i);
  }
}
)c"},
};

const auto& tables() {
  static const std::array all = {common_code(), file_code(), memory_code(), process_code(), race_code()};
  return all;
}

constexpr std::string_view kAlwaysIncluded[] = {"errno.h",    "signal.h",   "stdio.h", "string.h",
                                                "sys/mman.h", "sys/wait.h", "unistd.h"};

}  // namespace

std::span<const Piece> common_code() {
  return kPieces;
}

Needs closure(Needs needs) {
  for (auto table = tables().rbegin(); table != tables().rend(); ++table) {
    for (auto p = table->rbegin(); p != table->rend(); ++p) {
      if (needs.any(p->needs)) needs |= p->uses;
    }
  }
  return needs;
}

std::string includes_for(const Needs& needs) {
  std::string out;
  for (std::string_view file : kAlwaysIncluded) out += "#include <" + std::string(file) + ">\n";
  for (std::span<const Piece> table : tables()) {
    for (const Piece& p : table) {
      if (!needs.any(p.needs)) continue;
      for (const Word& file : split_words(p.includes)) {
        std::string line = "#include <" + std::string(file.text) + ">\n";
        if (out.find(line) == std::string::npos) out += line;
      }
    }
  }
  return out;
}

std::string functions_for(const Needs& needs) {
  std::string out;
  for (std::span<const Piece> table : tables()) {
    for (const Piece& p : table) {
      if (needs.any(p.needs)) out += p.code;
    }
  }
  return out;
}

}  // namespace shmcheck::program

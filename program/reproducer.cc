#include "program/reproducer.h"

#include <algorithm>
#include <set>

#include "program/op_text.h"
#include "program/reproducer_parts.h"
#include "program/scan.h"
#include "program/text.h"

namespace shmcheck::program {
namespace {

constexpr std::string_view kHead =
    R"c(#define say(...) snprintf(S.text + strlen(S.text), sizeof S.text - strlen(S.text), __VA_ARGS__)
static struct state { int step, kind, s[N], pid[N]; size_t m[16]; char text[3000]; } S; /* the names */
static int in[N][2], out[2];
)c";

constexpr std::string_view kServe =
    R"c(static void tell(int fd, const struct state *s) { if (write(fd, s, sizeof *s) != sizeof *s) _exit(2); }
static void serve(int me) { /* a process: gets the names, does a step, gives them back */
  for (int k = 0; k < N; k++) close(in[k][1]);
  while (read(in[me][0], &S, sizeof S) == sizeof S) step(), tell(out[1], &S);
  _exit(0);
}
static void expired(int sig) { (void)sig; } /* the read of `turn` fails */
)c";

constexpr std::string_view kTurn =
    R"c(static int turn(const int *s) { /* 0 if the step went as in the trace */
  S.step = s[0], S.kind = 'o', S.text[0] = 0, tell(in[s[1]][1], &S);
  if (read(out[0], &S, sizeof S) != sizeof S) S.kind = 't', strcpy(S.text, "timeout");
  return S.kind != s[2];
}
)c";

// For programs whose processes die: the parent of the dead one says so, and a kill has two answers.
constexpr std::string_view kTurnWithDeaths =
    R"c(static void ended(int sig) { /* a child is gone: that is the outcome of its step */
  static struct state dead = {.kind = 'd'};
  int status, e = errno;
  for (; waitpid(-1, &status, WNOHANG) > 0; tell(out[1], &dead))
    if (WIFEXITED(status)) sprintf(dead.text, "died exit=%d", WEXITSTATUS(status));
    else sprintf(dead.text, "died signal %d", WTERMSIG(status));
  (void)sig, errno = e;
}
static int turn(const int *s) { /* 0 if the step went as in the trace */
  struct state r;
  S.step = s[0], S.kind = 'o', S.text[0] = 0, tell(in[s[1]][1], &S);
  for (int left = s[2] == 'k' ? 2 : 1; left > 0; left = strchr("et", r.kind) ? 0 : left - 1) {
    if (read(out[0], &r, sizeof r) != sizeof r) r = S, r.kind = 't', strcpy(r.text, "timeout");
    if (r.kind != 'd') S = r;
    else if (s[2] != 'k') S.kind = 'd', strcpy(S.text, r.text); /* else it is the death of the killed */
  }
  return S.kind != (s[2] == 'k' ? 'o' : s[2]);
}
)c";

// As a comment: no end of it, no trigraph, and no line longer than people like.
std::string comment(std::string_view text, std::string_view indent = "") {
  constexpr std::size_t kWidth = 108;
  std::string out, line;
  auto flush = [&] {
    if (!line.empty()) out += "   " + line + '\n';
    line.clear();
  };
  std::string flat(text);
  std::replace(flat.begin(), flat.end(), '\n', ' ');
  for (const Word& w : split_words(flat)) {
    if (!line.empty() && line.size() + w.text.size() > kWidth) flush();
    line += line.empty() ? (out.empty() ? "" : std::string(indent)) : " ";
    for (char c : w.text) {
      bool splits = !line.empty() && ((line.back() == '*' && c == '/') || (line.back() == '/' && c == '*') ||
                                      (line.back() == '?' && c == '?'));
      if (splits) line += ' ';
      line += c;
    }
  }
  flush();
  return out;
}

std::string literal(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\' || c == '?') out += '\\';
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      out += '\\';
      for (int shift = 6; shift >= 0; shift -= 3) out += static_cast<char>('0' + (byte >> shift & 7));
    }
  }
  return out + '"';
}

bool is_run(const Step& step) {
  return step.outcome.kind != OutcomeKind::unbound && step.outcome.kind != OutcomeKind::withheld;
}

// What `turn` waits for: a `kill` that works also tells of the one who died.
char kind_of(const Step& step) {
  switch (step.outcome.kind) {
    case OutcomeKind::error:
      return 'e';
    case OutcomeKind::signal:
      return 's';
    case OutcomeKind::died:
      return 'd';
    case OutcomeKind::timeout:
      return 't';
    default:
      break;
  }
  return step.op.code == OpCode::kill ? 'k' : 'o';
}

// The last process that an op names.
unsigned last_process(const Op& op) {
  unsigned last = op.proc;
  if (spec(op.code).result_name == NameKind::process) last = std::max<unsigned>(last, op.result);
  if (spec(op.code).object_kind == NameKind::process) last = std::max<unsigned>(last, op.object);
  return last;
}

class Writer {
 public:
  Writer(const Trace& trace, std::size_t step, const ReproducerNotes& notes)
      : trace_(trace), step_(step), notes_(notes), at_end_(failing().op.code == OpCode::end) {
    for (std::size_t i = 0; i <= step_; ++i) {
      const Step& s = trace_.steps[i];
      if (is_run(s)) needs_ |= needs_of(s.op, i == step_);
      if (is_run(s) && (kind_of(s) == 'k' || kind_of(s) == 'd')) needs_ |= kNeedDeaths;
      if (is_run(s) && spec(s.op.code).result_name == NameKind::segment) segments_.insert(s.op.result);
    }
    if (at_end_ && !segments_.empty()) needs_ |= kNeedShmStat;
    if (counts_segments()) needs_ |= kNeedSys | kNeedSegments;
    if (looks_beside(trace_.steps, trace_.facts)) needs_ |= kNeedBeside;
    needs_ = closure(needs_);
  }

  std::string file() const {
    std::string out =
        header() + "#define _GNU_SOURCE\n" + includes_for(needs_) + names() + std::string(kHead);
    if (needs(kNeedNames)) out += "#define FILES \"./" + std::string(directory()) + "\"\n";
    out += declares_arena() ? "static size_t A, E, P; /* the arena, its end, the page size */\n"
                            : "static size_t P; /* page size */\n";
    out += functions_for(needs_) + (needs(kNeedExec) ? exec_code() : "") + steps() + std::string(kServe);
    out += needs(kNeedDeaths) ? kTurnWithDeaths : kTurn;
    return out + main_function();
  }

 private:
  const Step& failing() const { return trace_.steps[step_]; }
  // How many names of a kind the reproducer keeps.
  std::string names() const {
    unsigned count = std::max(kSegments, kUsualProcesses);
    for (std::size_t i = 0; i <= step_; ++i) count = std::max(count, last_process(trace_.steps[i].op) + 1U);
    return "enum { N = " + std::to_string(count) + " }; /* names of a kind */\n";
  }
  bool counts_segments() const {
    const std::vector<std::uint64_t>& words = failing().outcome.words;
    return at_end_ && !words.empty() && words[0] != UINT64_MAX;
  }
  bool needs(const Needs& n) const { return needs_.any(n); }

  std::string failing_text() const { return at_end_ ? "end" : to_text(failing().op); }

  std::string header() const {
    const Facts& f = trace_.facts;
    std::string out = comment('[' + notes_.clause + "] " + notes_.statement);
    out += comment("Step " + std::to_string(step_ + 1) + ": " + failing_text());
    out += comment("allowed: " + notes_.allowed, "  ");
    out += comment("seen: " + notes_.seen, "  ");
    out += comment(
        "on " + f.kernel + ' ' + f.arch + ", files on " + std::string(place_name(f)) +
        ". Build with cc -static, run with [DIRECTORY]. Exit 1: seen again, 0: not seen, 2: not reached.");
    return "/*" + out.substr(2, out.size() - 3) + " */\n";
  }

  // An image begins anew: what the old one knows goes through a pipe.
  std::string exec_code() const {
    std::string put, get;
    for (std::string_view variable : {"S", "in", "out", "P", "A", "E", "scratch", "own", "others"}) {
      bool arena = variable == "A" || variable == "E", scan = variable == "scratch", own = variable == "own";
      if ((arena && !declares_arena()) || (scan && !needs(kNeedKernelScan))) continue;
      if ((own && !needs(kNeedDescriptors)) || (variable == "others" && !needs(kNeedNames))) continue;
      put += " PUT(" + std::string(variable) + ")";
      get += " GET(" + std::string(variable) + ")";
    }
    return "static void serve(int me), tell(int fd, const struct state *s);\n"
           "static int kept; /* a pipe: what the old image knew */\n"
           "#define PUT(v) if (write(kept, &v, sizeof v) != sizeof v) _exit(2);\n"
           "#define GET(v) if (read(kept, &v, sizeof v) != sizeof v) _exit(2);\n"
           "static void execed(int me) {\n"
           "  int p[2];\n"
           "  char a[12], b[12];\n"
           "  if (failed(pipe(p))) return;\n"
           "  kept = p[1];\n " +
           put +
           "\n"
           "  close(kept), snprintf(a, sizeof a, \"%d\", me), snprintf(b, sizeof b, \"%d\", p[0]);\n"
           "  execl(\"/proc/self/exe\", \"\", \"--exec\", a, b, NULL), failed(-1);\n"
           "}\n"
           "static void came_back(int me, int fd) {\n"
           "  kept = fd;\n " +
           get +
           "\n"
           "  close(fd), say(\"ok\"), tell(out[1], &S);\n" +
           (needs(kNeedBreak) ? "  free(malloc(9999)), start = syscall(SYS_brk, 0);\n" : "") +
           "  serve(me);\n"
           "}\n";
  }

  std::string steps() const {
    std::string out = "\nstatic void step(void) {\n  switch (S.step) {\n";
    for (std::size_t i = 0; i <= step_; ++i) {
      const Step& s = trace_.steps[i];
      if (!is_run(s) || s.op.code == OpCode::end) continue;
      out += "  case " + std::to_string(i + 1) + ": " +
             statement_of(s.op, trace_.facts, directory(), i == step_) +
             (s.op.code == OpCode::exit ? "" : " break;") + " /* " + to_text(s.op) + " */\n";
    }
    return out + "  }\n}\n";
  }

  // Where its files are. What is unmounted lies in a directory of its own, and processes stay outside.
  std::string_view directory() const { return needs(kNeedRemount) ? "m/" : ""; }

  // {step, process, kind} of each step that is played.
  std::string script() const {
    std::string out;
    for (std::size_t i = 0; i <= step_; ++i) {
      const Step& s = trace_.steps[i];
      if (!is_run(s) || s.op.code == OpCode::end) continue;
      out += (out.empty() ? "{" : ", {") + std::to_string(i + 1) + ", " + std::to_string(s.op.proc) + ", '" +
             kind_of(s) + "'}";
    }
    // An `end` that fails has only steps before it; a sentinel keeps the loop the same.
    if (at_end_) out += out.empty() ? "{0}" : ", {0}";
    return out;
  }

  std::string end_code() const {
    std::string out;
    if (counts_segments()) {
      out +=
          "    struct shm_info all = {0};\n"
          "    S.text[0] = 0, sys(shmctl, 0, SHM_INFO, (long)&all), say(\"used=%d\", all.used_ids);\n";
    } else {
      out += "    S.text[0] = 0, say(\"used=?\");\n";
    }
    for (unsigned s : segments_) {
      std::string k = std::to_string(s);
      out += "    if (S.s[" + k + "] != -1) say(\"; s" + k + ": \"), shm_stat(S.s[" + k + "], IPC_STAT);\n";
    }
    return out;
  }

  bool reserves_arena() const;
  bool declares_arena() const { return reserves_arena() || needs(kNeedWhere | kNeedMaps | kNeedRss); }
  std::string setup() const;
  std::string cleanup() const;
  std::string main_function() const;

  const Trace& trace_;
  std::size_t step_;
  const ReproducerNotes& notes_;
  bool at_end_;
  Needs needs_;
  std::set<unsigned> segments_;
};

bool names_arena(const Op& op) {
  constexpr auto kArena = static_cast<std::uint8_t>(Base::arena);
  return op.addr.base == kArena || op.len.base == kArena || op.off.base == kArena || op.to.base == kArena;
}

bool Writer::reserves_arena() const {
  bool named =
      std::any_of(trace_.steps.begin(), trace_.steps.end(), [](const Step& s) { return names_arena(s.op); });
  return trace_.facts.arena_pages != 0 && (named || needs(kNeedWhere | kNeedMaps | kNeedRss));
}

std::string Writer::setup() const {
  std::string arena = hex(trace_.facts.arena), pages = std::to_string(trace_.facts.arena_pages);
  std::string out = "  P = sysconf(_SC_PAGESIZE);\n";
  if (reserves_arena()) {
    out += "  A = (size_t)mmap((void *)" + arena + ", " + pages +
           " * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);\n";
    out += "  E = A + " + pages + " * P;\n";
    out += "  if (munmap((void *)A, E - A)) return perror(\"arena\"), 2;\n";
  }
  if (needs(kNeedFiles)) {
    out +=
        "  char dir[4096], name[] = \"n0\", *shm = access(\"/dev/shm\", W_OK) ? \"/tmp\" : \"/dev/shm\";\n"
        "  snprintf(dir, sizeof dir, \"%s/shmcheck-XXXXXX\", argc > 1 ? argv[1] : shm);\n"
        "  if (umask(0), !mkdtemp(dir) || chmod(dir, 0777) || chdir(dir)) return perror(dir), 2;\n";
    if (needs(kNeedFill)) out += "  if (!may_fill()) return perror(\"a file system to fill\"), 2;\n";
  }
  if (needs(kNeedRemount)) {
    out +=
        "  if (unshare(CLONE_NEWNS) || mount(\"none\", \"/\", NULL, MS_REC | MS_PRIVATE, NULL) ||\n"
        "      system(\"truncate -s 64M image && mkfs.ext4 -q image && mkdir m\") || mounted())\n"
        "    return perror(\"a file system of its own\"), 2;\n";
  }
  std::string pipes = needs(kNeedKernelScan) ? "pipe(out) || pipe(scratch)" : "pipe(out)";
  out += "  if (" + pipes + ") return perror(\"pipe\"), 2;\n";
  out += "  for (i = 0; i < N; i++) if (S.s[i] = -1, pipe(in[i])) return perror(\"pipe\"), 2;\n";
  if (needs(kNeedNames)) out += "  others = names();\n";
  if (needs(kNeedBreak))
    out += "  free(malloc(9999)), start = syscall(SYS_brk, 0); /* stdio has its own */\n";
  if (needs(kNeedDescriptors)) out += "  own = descriptors() - N; /* serve closes those */\n";
  if (needs(kNeedDeaths)) {
    out +=
        "  sigaction(SIGCHLD, &(struct sigaction){.sa_handler = ended, .sa_flags = SA_RESTART}, NULL);\n"
        "  prctl(PR_SET_CHILD_SUBREAPER, 1);\n";
  }
  out += "  sigaction(SIGALRM, &(struct sigaction){.sa_handler = expired}, NULL), alarm(20);\n";
  if (needs(kNeedBeside)) out += "  clear();\n";
  if (needs(kNeedCrowd)) out += "  own_rows = rows();\n";
  if (needs(kNeedFault)) out += "  sigaction(SIGSEGV, &caught, NULL), sigaction(SIGBUS, &caught, NULL);\n";
  if (counts_segments() || needs(kNeedLimit)) {
    out += "  if (unshare(CLONE_NEWIPC)) return perror(\"a private IPC namespace\"), 2;\n";
  } else if (needs(kNeedSegments)) {
    out += "  unshare(CLONE_NEWIPC); /* where it is refused, among everybody's segments */\n";
  }
  return out;
}

std::string Writer::cleanup() const {
  std::string out =
      "  alarm(20), signal(SIGCHLD, SIG_DFL);\n"
      "  for (int k = 0; k < N; k++) close(in[k][1]), S.kind == 't' && S.pid[k] > 0 && kill(S.pid[k], "
      "SIGKILL);\n"
      "  while (wait(NULL) > 0) {}\n";
  if (needs(kNeedObjects))
    out += "  for (int k = 0; k < 4; k++) unlink((char *)object(k, k == 3 ? 255 : 0));\n";
  if (needs(kNeedRemount)) out += "  if (umount(\"m\") || unlink(\"image\") || rmdir(\"m\")) perror(dir);\n";
  if (needs(kNeedFiles)) {
    const std::string remove = "rmdir(strrchr(dir, '/') + 1)";
    out += "  for (; name[1] < '8'; name[1]++) " +
           std::string(needs(kNeedChattr) ? "set_append_only(name, 1), " : "") +
           "unlink(name);\n"
           "  if (chdir(\"..\") || " +
           (needs(kNeedFill) ? "(umount2(strrchr(dir, '/') + 1, MNT_DETACH), " + remove + ")" : remove) +
           ") perror(dir);\n";
  }
  if (at_end_) out += "  if (i == last) {\n" + end_code() + "  }\n";
  if (!segments_.empty()) {
    out += "  for (int k = 0; k < N; k++) if (S.s[k] != -1) shmctl(S.s[k], IPC_RMID, NULL);\n";
  }
  return out;
}

std::string Writer::main_function() const {
  std::string out =
      needs(kNeedFiles | kNeedExec) ? "\nint main(int argc, char **argv) {\n" : "\nint main(void) {\n";
  out += "  static const int script[][3] = {" + script() + "}; /* step, process, outcome */\n";
  out += "  int i, last = sizeof script / sizeof *script - 1;\n";
  if (needs(kNeedExec)) {
    std::string again = needs(kNeedBeside) ? "clear(), " : "";
    if (needs(kNeedCrowd)) again += "own_rows = rows(), ";
    if (needs(kNeedFault)) again += "sigaction(SIGSEGV, &caught, NULL), sigaction(SIGBUS, &caught, NULL), ";
    out += "  if (argc == 4 && !strcmp(argv[1], \"--exec\"))\n    " + again +
           "came_back(atoi(argv[2]), atoi(argv[3]));\n";
  }
  out += setup();
  out += "  if (!(S.pid[0] = fork())) serve(0);\n";
  out += at_end_ ? "  for (i = 0; i < last && !turn(script[i]); i++) {}\n"
                 : "  for (i = 0; !turn(script[i]) && i < last; i++) {}\n";
  out += cleanup();
  out += "  if (i < last) return printf(\"step %d went differently: %s\\n\", script[i][0], S.text), 2;\n";
  out += "  int same = !strcmp(S.text, " + literal(said(trace_, step_)) + ");\n";
  std::string title = '[' + notes_.clause + "] step " + std::to_string(step_ + 1) + ": " + failing_text();
  out += "  puts(" + literal(title) + ");\n";
  out += "  printf(\"allowed: %s\\nhere:    %s, %s\\n\", " + literal(notes_.allowed) + ", S.text, same ? " +
         literal("WRONG, as seen before: " + notes_.seen) + " : \"not what was seen before\");\n";
  return out + "  return same;\n}\n";
}

// Nothing to play: the step was not run, or is none of the trace's.
std::string nothing_to_play(const ReproducerNotes& notes, std::string_view why) {
  return "/*" + comment('[' + notes.clause + "] " + notes.statement).substr(2) +
         " */\n#include <stdio.h>\nint main(void) { return puts(" + literal(why) + "), 2; }\n";
}

bool has(const Trace& played, OpCode code) {
  return std::ranges::any_of(played.steps, [=](const Step& s) { return is_run(s) && s.op.code == code; });
}

}  // namespace

std::string c_reproducer(const Program& program, const Trace& trace, std::size_t step,
                         const ReproducerNotes& notes) {
  Trace played{trace.facts, trace.root_pid, {}};
  for (std::size_t i = 0; i <= step && i < trace.steps.size(); ++i) {
    played.steps.push_back(trace.steps[i]);
    if (i < program.ops.size()) played.steps.back().op = program.ops[i];
  }
  if (step >= played.steps.size()) return nothing_to_play(notes, "the trace ends before this step");
  if (!is_run(played.steps[step])) return nothing_to_play(notes, "the executor did not run this step");
  if (has(played, OpCode::reboot))
    return nothing_to_play(notes, "the machine was started anew, which no program of it outlives");
  // Who has opened what fills it up must close it when another process gives it back, or it stays mounted.
  if (has(played, OpCode::fill) && has(played, OpCode::remount))
    return nothing_to_play(notes,
                           "the file system is filled up and unmounted, which takes more than one file");
  return Writer(played, step, notes).file();
}

}  // namespace shmcheck::program

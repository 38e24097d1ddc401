// The executor: runs programs on the target and writes down what happened. docs/executor.md
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include <cstring>

#include "executor/command.h"
#include "executor/crowd.h"
#include "executor/descriptors.h"
#include "executor/fill.h"
#include "executor/hello.h"
#include "executor/huge.h"
#include "executor/init.h"
#include "executor/limits.h"
#include "executor/namespaces.h"
#include "executor/objects.h"
#include "executor/own_ranges.h"
#include "executor/process.h"
#include "executor/rejoin.h"
#include "executor/residency.h"
#include "executor/segments.h"
#include "executor/supervisor.h"
#include "executor/users.h"
#include "executor/vdso.h"

namespace shmcheck::executor {
namespace {

using program::FrameType;

struct Server {
  Channel channel;
  std::size_t place_count = 0;
  Place places[kMaxPlaces];
  int current = -1;  // place whose directory is current
};

// All processes of a program share a core: a hand-over across two costs many times as much.
void pin(const Options& options) {
  sched_getaffinity(0, sizeof target.cpus, &target.cpus);
  cpu_set_t one;
  CPU_ZERO(&one);
  unsigned cpu = static_cast<unsigned>(options.cpu);
  if (options.cpu < 0 && failed(sys(SYS_getcpu, &cpu, nullptr, nullptr))) cpu = 0;
  CPU_SET(cpu % CPU_SETSIZE, &one);
  long result = sys(SYS_sched_setaffinity, 0, sizeof one, &one);
  if (failed(result)) say_absent("one CPU", "sched_setaffinity", result);
}

// Everything that must be true before the hello. False with a sentence.
bool prepare(const Options& options, Server& server, Sentence& wrong) {
  signal(SIGPIPE, SIG_IGN);
  sys(SYS_umask, 0);
  pin(options);
  find_users(options);
  server.place_count = prepare_places(options, server.places);
  if (server.place_count == 0) {
    wrong << "no directory for files of programs: " << hello_payload({}).substr(4);
    return false;
  }
  prepare_vdso();
  long result = prepare_supervisor(options);
  if (failed(result)) {
    wrong << "the supervisor could not be prepared: " << error_name(result);
    return false;
  }
  if (!target.private_ipc) target.foreign_keys = find_foreign_keys();
  find_limits();
  prepare_objects();
  find_map_limit();
  find_ipc_namespaces();
  find_further_namespaces();
  find_huge_pages();
  find_huge_users();
  find_views();
  find_residency();
  if (!target.reboots) say_absent("reboot", "nobody would start this machine again with its disk");
  if (!find_own_ranges(wrong)) return false;
  prepare_rejoin();
  return true;
}

// Makes the directory of a file system current. Empty, or what is wrong.
std::string_view enter_place(Server& server, std::uint8_t place) {
  if (place >= server.place_count) return "the frame names no file system of the hello";
  if (server.current == place) return {};
  if (failed(sys(SYS_fchdir, server.places[place].directory)))
    return "the directory for files cannot be entered";
  server.current = place;
  control->files = server.places[place].device;
  control->reads_storage = server.places[place].reads_storage;
  control->has_attributes = server.places[place].append != program::AppendAttribute::none;
  choose_fill(server.places[place]);
  control->directory = server.places[place].path;
  control->disk = server.places[place].disk;
  return {};
}

// False when the executor is to end.
bool after(Server& server, std::uint32_t sequence, Ran ran) {
  if (ran == Ran::crashing) return send_steps_before_reboot(server.channel, sequence);
  if (ran != Ran::ending) return ran == Ran::answered;
  const long result = unmount_places({server.places, server.place_count});
  Sentence wrong;
  wrong << "a disk could not be unmounted: " << error_name(result);
  if (failed(result))
    server.channel.send(FrameType::error, sequence, wrong.view());
  else
    send_steps_before_reboot(server.channel, sequence);
  return false;
}

bool answer_run(Server& server, std::uint32_t sequence, std::span<const std::uint8_t> payload) {
  const std::string_view wrong = enter_place(server, payload.empty() ? UINT8_MAX : payload[0]);
  if (!wrong.empty()) return server.channel.send(FrameType::error, sequence, wrong);
  if (failed(clear_place(server.places[payload[0]])))
    return server.channel.send(FrameType::error, sequence, "files of a program before this one stay");
  return after(server, sequence, run_program(server.channel, sequence, payload.subspan(1)));
}

bool answer_resume(Server& server, std::uint32_t sequence, std::span<const std::uint8_t> payload) {
  program::Resume resume;
  std::string_view wrong = target.reboots && program::decode_resume(payload, resume)
                               ? enter_place(server, resume.file_system)
                               : "no program can go on with this frame";
  if (!wrong.empty()) return server.channel.send(FrameType::error, sequence, wrong);
  server.places[resume.file_system].used_before = false;  // and what is left of it goes with it
  return after(server, sequence, resume_program(server.channel, sequence, resume));
}

// False when the executor is to end.
bool answer(Server& server, const program::FrameHeader& header, std::span<const std::uint8_t> payload) {
  switch (header.type) {
    case FrameType::run:
      return answer_run(server, header.sequence, payload);
    case FrameType::resume:
      return answer_resume(server, header.sequence, payload);
    case FrameType::command:
      return run_command(server.channel, header.sequence, payload, target.cpus);
    case FrameType::quit:
      return false;
    default:
      return server.channel.send(FrameType::error, header.sequence,
                                 "a host has no business to send such frames");
  }
}

void serve(Server& server) {
  for (;;) {
    program::FrameHeader header;
    std::span<const std::uint8_t> payload;
    program::FrameFault fault;
    switch (server.channel.receive(header, payload, fault)) {
      case Channel::Got::closed:
        return;
      case Channel::Got::damaged:
        server.channel.send(FrameType::error, header.sequence, sentence(fault));
        return;
      case Channel::Got::frame:
        if (!answer(server, header, payload)) return;
    }
  }
}

// False if it never came to the hello.
bool run(const Options& options) {
  find_page_size();
  Sentence wrong;
  Server server{Channel(options.in, options.out), 0, {}, -1};
  target.op_timeout_ms = options.op_timeout_ms;
  long result = map_control();
  bool ready = result == 0;
  if (!ready) wrong << "the control region cannot be mapped: " << error_name(result);
  ready = ready && prepare(options, server, wrong);
  if (ready) {
    server.channel.send(FrameType::hello, 0, hello_payload({server.places, server.place_count}));
    serve(server);
  } else {
    server.channel.send(FrameType::error, 0, wrong.view());
  }
  forget_objects();
  remove_places();
  return ready;
}

int usage(std::string_view wrong) {
  Sentence text;
  text
      << "executor: " << wrong
      << "\nusage: executor --in=FD --out=FD [--dir tmpfs=PATH] [--dir FS=PATH | --disk FS=FILE]…\n"
         "                [--uids=A,B] [--no-namespaces] [--no-clone-parent] [--cpu=N] [--op-timeout-ms=N]\n";
  sys(SYS_write, 2, text.c_str(), text.view().size());
  return 2;
}

}  // namespace
}  // namespace shmcheck::executor

int main(int argc, char** argv) {
  using namespace shmcheck::executor;
  if (argc == 2 && std::string_view(argv[1]).starts_with(kRejoin)) rejoin(argv[1] + kRejoin.size());
  settle_layout(argv);
  Options options;
  Sentence wrong;
  if (!parse_options(argc, argv, options, wrong)) return usage(wrong.view());
  bool has_channel = options.in >= 0 && options.out >= 0;
  if (!has_channel && sys(SYS_getpid) == 1) {
    const bool ready = become_init(options, wrong);
    find_huge_group();
    if (ready) run(options);
    power_off(wrong.view());
  }
  if (!has_channel) return usage("--in and --out are needed");
  find_huge_group();
  long result = enter_namespaces(options);
  if (failed(result)) return usage(error_name(result));
  return run(options) ? 0 : 1;
}

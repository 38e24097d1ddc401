// Lies about what a call answers.

#include <errno.h>
#include <sys/syscall.h>

#include "liar/lie.h"

namespace shmcheck::liar {
namespace {

bool answers_address(const Event& e) {
  return e.spec->answer == Answer::address;
}
// Never a descriptor: another one may be the binary itself, or the report.
bool answers_count(const Event& e) {
  return e.spec->answer == Answer::count || e.spec->answer == Answer::number;
}

// A refusal says nothing new of calls that only look: what they would have shown is another lie.
bool acts(const Event& e) {
  for (const char* look : {"read", "stat", "lseek", "access"}) {
    if (e.label.starts_with(look)) return false;
  }
  return true;
}

void set_result(Scene& scene, long result) {
  scene.registers.rax = static_cast<uint64_t>(result);
}

// An id, descriptor or address that nothing has.
constexpr long kNoSuchNumber = 0x7ffff000;
constexpr long kNoSuchAddress = 0x7f0000000000 - 0x100000;

// What success would have answered.
long plausible(const Event& e) {
  switch (e.spec->answer) {
    case Answer::zero:
      return 0;
    case Answer::address:
      return kNoSuchAddress;
    case Answer::count:
      return e.spec->count_from < 0 ? 1
                                    : static_cast<long>(e.arguments[static_cast<size_t>(e.spec->count_from)]);
    case Answer::number:
    case Answer::descriptor:
      return kNoSuchNumber;
  }
  return 0;
}

bool refuse(Scene& scene, int error) {
  if (scene.event.result == -error) return false;
  set_result(scene, -error);
  return true;
}

bool shift(Scene& scene, long by) {
  set_result(scene, scene.event.result + by);
  return true;
}

// What success without the effect answers: an address stays where it is.
bool drop(Scene& scene) {
  scene.answer = scene.event.spec->answer == Answer::address ? static_cast<long>(scene.event.arguments[0])
                                                             : plausible(scene.event);
  if (scene.event.spec->number == SYS_fcntl) scene.answer = 0;
  return true;
}

}  // namespace

void add_result_lies(std::vector<Lie>& lies) {
  const auto add = [&](const char* name, When when, bool (*fits)(const Event&), auto tell) {
    lies.push_back({name, when, fits, tell});
  };
  add("succeeds", When::failure, any, [](Scene& s) {
    set_result(s, plausible(s.event));
    return true;
  });
  add("another errno", When::failure, any,
      [](Scene& s) { return refuse(s, s.event.result == -EINVAL ? ENOMEM : EINVAL); });
  add("errno of nothing documented", When::failure, any, [](Scene& s) { return refuse(s, ENOTBLK); });
  add(
      "does nothing", When::before, [](const Event& e) { return e.spec->effect; }, drop);
  add("done, but EINVAL", When::success, acts, [](Scene& s) { return refuse(s, EINVAL); });
  add("done, but ENOTBLK", When::success, acts, [](Scene& s) { return refuse(s, ENOTBLK); });
  add("answers a page more", When::success, answers_address, [](Scene& s) { return shift(s, kPage); });
  add("answers one more", When::success, answers_count, [](Scene& s) { return shift(s, 1); });
  add("answers one less", When::success, answers_count,
      [](Scene& s) { return s.event.result > 0 && shift(s, -1); });
  add(
      "answers 1", When::success, [](const Event& e) { return e.spec->answer == Answer::zero; },
      [](Scene& s) { return shift(s, 1); });
}

}  // namespace shmcheck::liar

// Scenarios of machines that are started anew: what is on the disk, and what was in memory only.
#include "harness/generator/play.h"

namespace shmcheck::harness {
namespace {

using program::Ending;
using program::map::kPrivate;
using program::map::kShared;

Op open_again(std::uint8_t p, std::uint8_t file, std::uint8_t path) {
  Op op = make_op(OpCode::open, p);
  op.result = file;
  op.object = path;
  op.small = static_cast<std::uint8_t>(program::Access::read_write);
  return op;
}

// Looks at a file from every side.
void look_at(Play& p, std::uint8_t who, std::uint8_t file, std::uint8_t path) {
  p.step(open_again(who, file, path));
  if (p.dice.chance(50)) p.size(who, file);
  if (p.dice.chance(60)) p.read(who, file, 3);
  Quantity m = p.map(who, file, pages(3), p.shared_or_private());
  p.peek(who, m, 3);
}

// Some of what was stored is written for certain, and some is stored later.
void a_file_on_a_disk(Play& p) {
  std::uint8_t a = p.someone(), path = p.s.path(), f = p.s.fresh_file(a);
  Op open = open_again(a, f, path);
  open.flags = program::openflag::kCreat;
  open.mode = 0666;
  p.step(open);
  p.truncate(a, f, p.dice.chance(50) ? pages(3) : p.ragged(2));
  const Ending how = p.dice.pick({Ending::orderly, Ending::crash});
  // Of a new file it is not certain by all documents that a crash leaves it.
  if (how == Ending::crash && p.dice.chance(15)) {
    a = p.reboot(a, Ending::orderly);
    p.step(open_again(a, f, path));
  }
  Quantity shared = p.map(a, f, pages(3), kShared);
  p.fill(a, shared, 2);
  if (p.dice.chance(40)) p.store(a, p.map(a, f, pages(2), kPrivate));
  p.dice.chance(50) ? p.sync(a, shared, pages(static_cast<int>(p.dice.between(1, 3)))) : p.flush(a, f);
  if (p.dice.chance(60)) {
    const int bytes = p.dice.pick({0, 8, 200});
    p.store(a, plus(shared, static_cast<int>(p.dice.below(2)), bytes));
  }
  // Behind the end, of most files.
  if (p.dice.chance(40)) {
    Op store = make_op(OpCode::store, a);
    store.addr = p.dice.chance(50) ? plus(shared, 1, 4088) : plus(shared, 2, 2100);
    store.value = p.s.fill();
    p.step(store);
  }
  a = p.reboot(a, how);
  look_at(p, a, f, path);
  if (p.dice.chance(30)) p.resize(a, f, p.dice.pick({pages(2), pages(3), p.ragged(2)}));
  if (p.dice.chance(30)) p.read(a, f, 3);
}

void what_is_in_memory(Play& p) {
  std::uint8_t a = p.someone(), s = 0, object = p.s.object();
  const bool segment = p.dice.chance(60);
  const std::uint8_t key = p.some_key();
  Op open = make_op(OpCode::shm_open, a);
  open.object = object;
  open.small = static_cast<std::uint8_t>(program::Access::read_write);
  open.flags = program::openflag::kCreat;
  open.mode = 0666;
  open.result = p.s.fresh_file(a);
  if (segment) {
    s = p.segment(a, p.nearly(2), key, 0666);
    p.store(a, p.attach(a, s));
  } else {
    p.step(open);
    p.truncate(a, open.result, pages(1));
  }
  a = p.reboot(a, p.dice.pick({Ending::orderly, Ending::crash}));
  if (segment) {
    if (p.dice.chance(50)) p.stat(a, s);
    const std::uint32_t flags = p.dice.pick({0U, program::shmget::kCreat});
    p.segment(a, pages(p.dice.pick({0, 1})), key, 0600, flags);
    p.s.look_at_segments();
    return;
  }
  open.proc = a;
  if (p.dice.chance(60)) open.flags = 0;
  p.step(open);
  p.size(a, open.result);
}

constexpr Scenario kScenarios[] = {a_file_on_a_disk, a_file_on_a_disk, a_file_on_a_disk, what_is_in_memory};

}  // namespace

std::span<const Scenario> reboot_scenarios() {
  return kScenarios;
}

}  // namespace shmcheck::harness

#include "program/random_test.h"

#include <string>
#include <type_traits>
#include <utility>

namespace shmcheck::program {
namespace {

std::uint64_t random_address(Dice& dice, const Facts& facts) {
  if (dice.one_in(3)) return dice.odd_number();
  std::uint64_t page = dice.below(facts.arena_pages + std::uint64_t{1}) * facts.page_size;
  return facts.arena + page + (dice.one_in(2) ? 0 : dice.below(facts.page_size));
}

Run random_run(Dice& dice) {
  Run r;
  r.kind = static_cast<RunKind>(dice.below(3));
  r.value = static_cast<std::uint8_t>(r.kind == RunKind::signal ? dice.below(70) : dice.any());
  r.code = static_cast<std::uint8_t>(r.kind == RunKind::signal ? dice.odd_number() : 0);
  r.length = dice.odd_number() & 0xFF'FFFF'FFFF;
  return r;
}

void random_map_row(Dice& dice, const Facts& facts, std::vector<std::uint64_t>& words) {
  auto object = static_cast<MapObject>(dice.below(5));
  std::uint64_t bits = dice.below(16);
  if (dice.one_in(3)) bits |= kMapDeleted;
  std::uint64_t id = dice.one_in(2) ? 0 : dice.odd_number();
  if (object == MapObject::file && dice.one_in(3)) id = 255;
  words.insert(words.end(), {random_address(dice, facts), random_address(dice, facts),
                             bits | std::uint64_t{static_cast<std::uint8_t>(object)} << 8,
                             dice.one_in(2) ? dice.odd_number() : dice.below(9) * facts.page_size, id});
}

void random_end(Dice& dice, std::vector<std::uint64_t>& words) {
  words.push_back(dice.one_in(3) ? UINT64_MAX : dice.odd_number());
  for (std::uint64_t s = 0; s < kSegments; ++s) {
    if (dice.one_in(2)) continue;
    std::uint64_t error = dice.one_in(2) ? 0 : dice.below(200);
    words.insert(words.end(), {s, error});
    for (unsigned i = 0; i < kShmStatWords; ++i) words.push_back(error != 0 ? 0 : dice.odd_number());
  }
}

void random_racer(Dice& dice, const Op& op, std::vector<std::uint64_t>& words) {
  Racer r;
  if (!dice.one_in(5)) {
    r.pid = dice.odd_number() | 1;
    r.kind = static_cast<OutcomeKind>(dice.below(3));
    if (r.kind == OutcomeKind::ok && !is_remover(op, words.size() / kRacerWords)) r.value = dice.any();
    if (r.kind != OutcomeKind::ok) r.error = static_cast<std::uint16_t>(1 + dice.below(199));
    if (r.kind == OutcomeKind::signal) r.code = static_cast<std::uint8_t>(dice.odd_number());
  }
  words.insert(words.end(), {r.pid, pack_how(r), r.value});
}

void random_success(Dice& dice, const Op& op, const Facts& facts, Outcome& o) {
  auto fill = [&](std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) o.words.push_back(dice.odd_number());
  };
  switch (spec(op.code).result) {
    case ResultKind::nothing:
      break;
    case ResultKind::address:
      o.value = random_address(dice, facts);
      break;
    case ResultKind::id:
    case ResultKind::count:
    case ResultKind::pid:
      o.value = dice.odd_number();
      break;
    case ResultKind::value:
      o.value = dice.any() >> (64 - (8U << op.small));
      break;
    case ResultKind::runs:
      for (std::uint64_t n = dice.below(6); n != 0; --n) o.words.push_back(pack(random_run(dice)));
      break;
    case ResultKind::stat:
      fill(kFileStatWords);
      break;
    case ResultKind::shm:
      fill(dice.one_in(2) ? kShmStatWords : 0);
      break;
    case ResultKind::shm_at:
      o.value = dice.odd_number();
      fill(kShmStatWords);
      break;
    case ResultKind::listing:
      fill(dice.below(3) * kListingRowWords);
      break;
    case ResultKind::smaps:
      o.words = {random_address(dice, facts), random_address(dice, facts), dice.odd_number(),
                 dice.odd_number(), dice.below(1U << std::size(kSmapsFlags))};
      break;
    case ResultKind::maps:
      for (std::uint64_t n = dice.below(4); n != 0; --n) random_map_row(dice, facts, o.words);
      break;
    case ResultKind::end:
      random_end(dice, o.words);
      break;
    case ResultKind::racers:
      for (unsigned n = racers(op); n != 0; --n) random_racer(dice, op, o.words);
      break;
  }
}

// What any member of Facts can be initialized by.
struct Draw {
  Dice* dice;

  template <typename Fact>
  operator Fact() const {  // NOLINT(google-explicit-constructor)
    if constexpr (std::is_same_v<Fact, bool>) {
      return dice->one_in(2);
    } else if constexpr (std::is_unsigned_v<Fact>) {
      return static_cast<Fact>(dice->odd_number());
    } else if constexpr (std::is_same_v<Fact, std::string>) {
      constexpr std::string_view kNames[] = {"linux", "gvisor", "", "SunOS 5", "100%#"};
      return std::string(kNames[dice->below(std::size(kNames))]);
    } else if constexpr (std::is_same_v<Fact, FileSystem>) {
      return static_cast<FileSystem>(dice->below(static_cast<std::uint64_t>(FileSystem::other) + 1));
    } else if constexpr (std::is_same_v<Fact, HugePages>) {
      return static_cast<HugePages>(dice->below(static_cast<std::uint64_t>(HugePages::some) + 1));
    } else if constexpr (std::is_same_v<Fact, AppendAttribute>) {
      return static_cast<AppendAttribute>(
          dice->below(static_cast<std::uint64_t>(AppendAttribute::settable) + 1));
    } else {
      static_assert(std::is_same_v<Fact, std::vector<Range>>, "a fact of a new type");
      Fact ranges(dice->below(4));
      for (Range& range : ranges) range = {dice->any(), dice->odd_number()};
      return ranges;
    }
  }
};

template <std::size_t... I>
constexpr bool are_initializers(std::index_sequence<I...>) {
  return requires {
    Facts{(static_cast<void>(I), Draw{})...};
  };
}

// As many as Facts takes, so that a new fact is drawn as its type has it.
template <std::size_t N = 1>
constexpr std::size_t initializers() {
  if constexpr (!are_initializers(std::make_index_sequence<N + 1>())) {
    return N;
  } else {
    return initializers<N + 1>();
  }
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-braces"  // of the array among them
template <std::size_t... I>
Facts drawn_facts(Dice& dice, std::index_sequence<I...>) {
  return {(static_cast<void>(I), Draw{&dice})...};
}
#pragma GCC diagnostic pop

}  // namespace

Facts random_facts(Dice& dice) {
  Facts f = drawn_facts(dice, std::make_index_sequence<initializers()>());
  f.page_size = 4096U << dice.below(5);
  f.shmlba = f.page_size;
  f.arena = dice.one_in(4) ? 0 : 0x100000000000;
  f.arena_pages = static_cast<std::uint32_t>(dice.one_in(4) ? dice.any() : dice.below(65));
  return f;
}

Outcome random_outcome(Dice& dice, const Op& op, const Facts& facts) {
  Outcome o;
  o.kind = static_cast<OutcomeKind>(dice.one_in(2) ? 0 : dice.below(7));
  o.before = static_cast<std::int64_t>(dice.one_in(9) ? dice.any() : dice.below(3));
  o.after = dice.one_in(2) ? o.before : static_cast<std::int64_t>(dice.odd_number());
  switch (o.kind) {
    case OutcomeKind::ok:
      random_success(dice, op, facts, o);
      break;
    case OutcomeKind::error:
      o.error = static_cast<std::uint16_t>(dice.odd_number());
      break;
    case OutcomeKind::signal:
      o.signal = static_cast<std::uint8_t>(dice.any());
      o.code = static_cast<std::uint8_t>(dice.odd_number());
      o.address = random_address(dice, facts);
      break;
    case OutcomeKind::died:
      o.signal = static_cast<std::uint8_t>(dice.below(70));
      if (o.signal == 0) o.value = dice.odd_number();
      break;
    case OutcomeKind::unbound:
    case OutcomeKind::withheld:
    case OutcomeKind::timeout:
      break;
  }
  return o;
}

Outcome broken_outcome(Dice& dice) {
  Outcome o;
  o.kind = static_cast<OutcomeKind>(dice.below(7));
  o.signal = static_cast<std::uint8_t>(dice.odd_number());
  o.code = static_cast<std::uint8_t>(dice.odd_number());
  o.error = static_cast<std::uint16_t>(dice.one_in(2) ? 0 : dice.any());
  o.value = dice.odd_number();
  o.address = dice.odd_number();
  for (std::uint64_t n = dice.below(20); n != 0; --n) o.words.push_back(dice.odd_number());
  return o;
}

Trace random_trace(Dice& dice) {
  Trace trace;
  trace.facts = random_facts(dice);
  trace.root_pid = dice.odd_number();
  for (const Op& op : decode(dice.bytes(8 * kRecordBytes)).ops) {
    trace.steps.push_back(
        {op, dice.one_in(8) ? broken_outcome(dice) : random_outcome(dice, op, trace.facts)});
  }
  if (dice.one_in(2)) {
    Op end;
    end.code = OpCode::end;
    trace.steps.push_back({end, random_outcome(dice, end, trace.facts)});
  }
  return trace;
}

}  // namespace shmcheck::program

// The steps that scenarios are written in. Each performs one op or a few; any may be preceded by a random
// one.
#pragma once

#include <optional>

#include "harness/generator/scene.h"

namespace shmcheck::harness {

// play.cc, play_files.cc, play_memory.cc, play_sysv.cc
class Play {
 public:
  explicit Play(Scene& scene) : s(scene), dice(scene.dice) {}
  Scene& s;
  Entropy& dice;

  void step(const Op& op);
  std::uint8_t someone() { return s.any_alive(); }
  // A child, or another process if there can be no more.
  std::optional<std::uint8_t> child(std::uint8_t parent, program::ForkInto into = program::ForkInto::same);
  std::optional<std::uint8_t> partner(std::uint8_t of);  // an existing process or a child
  void leave(std::uint8_t p);                            // exits or is killed
  void exec(std::uint8_t p);
  void become(std::uint8_t p, std::uint8_t user);
  // With the other user's group, as a supplementary one or as its own.
  void join_group(std::uint8_t p, std::uint8_t user, std::uint8_t other);
  void rlimit(std::uint8_t p, program::Resource what, Quantity value);
  void crowd(std::uint8_t p, unsigned left);
  // The process that the machine then begins with.
  std::uint8_t reboot(std::uint8_t p, program::Ending how);

  // --- arguments
  std::uint32_t shared_or_private() {
    return dice.chance(50) ? program::map::kShared : program::map::kPrivate;
  }
  std::uint8_t some_key() { return static_cast<std::uint8_t>(dice.between(1, s.swarm.keys)); }
  // Of n pages, but never that many bytes.
  Quantity ragged(int n) { return plus(pages(n), 0, dice.pick({1, -1, 100, -100, 17, 2000, -8})); }
  // n pages, or some bytes more or less.
  Quantity nearly(int n) { return pages(n, dice.pick({0, 0, 1, -1, 100, -100})); }

  // --- files
  std::uint8_t file(std::uint8_t p, Quantity size, program::Access access = program::Access::read_write);
  std::uint8_t memory_file(std::uint8_t p, std::uint32_t flags = program::memfd::kSealing);
  void resize(std::uint8_t p, std::uint8_t file, Quantity size);  // by one of four calls, if it grows
  void truncate(std::uint8_t p, std::uint8_t file, Quantity size);
  void write(std::uint8_t p, std::uint8_t file, Quantity offset, Quantity length);
  void allocate(std::uint8_t p, std::uint8_t file, Quantity offset, Quantity length, program::Allocate how);
  void seal(std::uint8_t p, std::uint8_t file, std::uint32_t seals);
  void read(std::uint8_t p, std::uint8_t file, int n);
  void size(std::uint8_t p, std::uint8_t file);
  void age(std::uint8_t p, std::uint8_t file);
  void times(std::uint8_t p, std::uint8_t file);
  void flush(std::uint8_t p, std::uint8_t file, bool data_only = false);
  std::uint8_t path_of(std::uint8_t p, std::uint8_t file) const;
  void unlink(std::uint8_t p, std::uint8_t path);
  void close(std::uint8_t p, std::uint8_t file);
  void fill_up(std::uint8_t p, program::Room left);
  void remount(std::uint8_t p, program::Remount how);

  // --- memory; the result is the mapping's name
  Quantity map(std::uint8_t p, std::uint8_t file, Quantity length, std::uint32_t flags, std::uint8_t prot = 3,
               Quantity offset = {});
  Quantity anonymous(std::uint8_t p, int n, std::uint32_t flags, std::uint8_t prot = 3);
  // At a given address.
  Quantity map_at(std::uint8_t p, std::uint8_t file, Quantity where, Quantity length, std::uint32_t flags);
  Quantity arena(int n);  // an arena address with n pages of the window behind it
  void unmap(std::uint8_t p, Quantity where, Quantity length);
  // Unmaps one page of three; a page that is left. What holds for the whole holds for what is left.
  Quantity piece(std::uint8_t p, Quantity three);
  void protect(std::uint8_t p, Quantity where, Quantity length, std::uint8_t prot);
  void advise(std::uint8_t p, Quantity where, Quantity length, program::Advice advice);
  void sync(std::uint8_t p, Quantity where, Quantity length);
  void lock(std::uint8_t p, Quantity where, Quantity length, std::uint32_t flags = 0);
  void unlock(std::uint8_t p, Quantity where, Quantity length);
  void lock_all(std::uint8_t p, std::uint32_t flags);
  void unlock_all(std::uint8_t p);
  void remap(std::uint8_t p, Quantity where, Quantity length, Quantity offset);
  void put_return(std::uint8_t p, Quantity where);  // code that `call` runs
  void call(std::uint8_t p, Quantity where);
  void count_locked(std::uint8_t p);
  void entry(std::uint8_t p, Quantity where);  // of smaps
  void count_set(std::uint8_t p, program::ResidentSet which);
  void count_resident(std::uint8_t p, Quantity where, int n);
  Quantity move(std::uint8_t p, Quantity where, Quantity old_length, Quantity new_length, std::uint32_t flags,
                Quantity to = {});
  void store(std::uint8_t p, Quantity where);
  void load(std::uint8_t p, Quantity where);
  void peek(std::uint8_t p, Quantity where, int n);
  void fill(std::uint8_t p, Quantity where, int n);  // a store into each of n pages

  // --- segments and their namespaces
  std::uint8_t segment(std::uint8_t p, Quantity size, std::uint8_t key, std::uint16_t mode = 0600,
                       std::uint32_t flags = program::shmget::kCreat);
  Quantity attach(std::uint8_t p, std::uint8_t segment, std::uint32_t flags = 0);
  Quantity attach_at(std::uint8_t p, std::uint8_t segment, Quantity where, std::uint32_t flags);
  void detach(std::uint8_t p, Quantity where);
  void control(std::uint8_t p, std::uint8_t segment, program::ShmCommand command, std::uint8_t owner = 0,
               std::uint16_t mode = 0, std::uint32_t flags = 0);
  void by_index(std::uint8_t p, std::uint8_t segment, bool any);
  void stat(std::uint8_t p, std::uint8_t segment) { control(p, segment, program::ShmCommand::stat); }
  void unshare(std::uint8_t p, program::Unshare what = program::Unshare::ipc);
  void look_at(std::uint8_t p, std::uint8_t segment);  // in one of the ways that show its members
  // By several at once.
  std::uint8_t race_for_segment(std::uint8_t p, Quantity size, std::uint8_t key, std::uint32_t flags);
  void race_for_attach(std::uint8_t p, std::uint8_t segment, program::Against against);
  void join(std::uint8_t p, std::uint8_t other);
  void limit(std::uint8_t p, program::Limit which, Quantity value);
};

using Scenario = void (*)(Play&);
// Each of the scenarios_*.cc of that name.
std::span<const Scenario> file_scenarios();
std::span<const Scenario> memory_scenarios();
std::span<const Scenario> sysv_scenarios();
std::span<const Scenario> name_scenarios();
std::span<const Scenario> peer_scenarios();
std::span<const Scenario> ipcns_scenarios();
std::span<const Scenario> standing_scenarios();
std::span<const Scenario> limit_scenarios();
std::span<const Scenario> reboot_scenarios();
std::span<const Scenario> space_scenarios();
std::span<const Scenario> storage_scenarios();
std::span<const Scenario> refusal_scenarios();
std::span<const Scenario> race_scenarios();
std::span<const Scenario> residency_scenarios();
std::span<const Scenario> crowd_scenarios();
std::span<const Scenario> short_sysv_scenarios();
std::span<const Scenario> short_memory_scenarios();

}  // namespace shmcheck::harness

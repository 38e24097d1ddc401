// The program being written, and the world that it leads to.
//
// A scene performs ops on the model and offers picks: who acts, on which mapping, file or segment, at which
// edge. Whatever it picks is expressed by names and pages, so the program means the same on every target.
#pragma once

#include <cstdint>
#include <optional>

#include "harness/entropy.h"
#include "harness/generator/generator.h"
#include "harness/generator/swarm.h"
#include "model/machine.h"
#include "model/world.h"
#include "program/op.h"

namespace shmcheck::harness {

using program::Op;
using program::OpCode;
using program::Quantity;

inline Op make_op(OpCode code, std::uint8_t proc, std::uint8_t object = 0) {
  Op op;
  op.code = code;
  op.proc = proc;
  op.object = object;
  return op;
}
inline Quantity pages(int n, int bytes = 0) {
  return {0, static_cast<std::int16_t>(n), static_cast<std::int16_t>(bytes)};
}
inline Quantity from(program::Base base, int n = 0, int bytes = 0) {
  return {static_cast<std::uint8_t>(base), static_cast<std::int16_t>(n), static_cast<std::int16_t>(bytes)};
}
inline Quantity at_mapping(unsigned mapping, int n = 0, int bytes = 0) {
  return {static_cast<std::uint8_t>(static_cast<unsigned>(program::Base::mapping) + mapping),
          static_cast<std::int16_t>(n), static_cast<std::int16_t>(bytes)};
}
inline Quantity plus(Quantity q, int n, int bytes = 0) {
  q.pages = static_cast<std::int16_t>(q.pages + n);
  q.bytes = static_cast<std::int16_t>(q.bytes + bytes);
  return q;
}

// A return instruction of x86-64, which is all that `call` runs.
inline constexpr std::uint8_t kReturnCode = 0xc3;

// Addresses [addr, addr + len).
struct Stretch {
  Quantity addr, len;
};

class Scene {
 public:
  Scene(Entropy& entropy, const Swarm& swarm, const GeneratorOptions& options, const program::Facts& facts);

  Entropy& dice;
  const Swarm& swarm;
  const GeneratorOptions& options;
  const model::World& world() const { return machine_.world(); }
  std::uint64_t page() const { return world().page(); }

  // --- performing
  // Runs the op on the model and appends it; null if the op is not allowed, known to diverge, or too large.
  const program::Outcome* perform(Op op);
  // The same for an op of the program proper: it may be spoilt before, is counted, and looked at afterwards.
  void act(Op op);
  // The same, never spoilt.
  void act_exactly(Op op);
  void plan(unsigned ops) { planned_ = ops; }
  bool finished() const;
  program::Program take() { return std::move(program_); }

  // --- observing (observe.cc)
  void look(std::uint8_t proc, std::uint64_t low, std::uint64_t high);
  void look_at_files();
  void look_at_segments();
  void look_at_memory(std::uint8_t proc);
  void finale();

  // --- picks
  std::uint8_t actor();      // who acts: mostly who acted last, rarely a process that is not there
  std::uint8_t any_alive();  // p0 if nobody is
  std::optional<std::uint8_t> other_alive(std::uint8_t than);
  unsigned alive() const;
  const model::Process& process(std::uint8_t p) const { return world().processes[p]; }

  const model::Vma* vma(std::uint8_t proc);  // often the one where the last op worked, or the next behind it
  const model::Vma* attach_vma(std::uint8_t proc);
  std::uint64_t spot(const model::Vma& vma);          // an address in it or at its edge, often at end of file
  std::optional<Stretch> stretch(std::uint8_t proc);  // pages of one or several mappings, or of none
  Quantity address(std::uint8_t proc);                // any
  Quantity place();                                   // a page of the arena
  // How to say this address; nothing if no name is near.
  std::optional<Quantity> say(std::uint64_t address);
  Quantity say_bytes(std::uint64_t bytes) const;

  Quantity size(unsigned max_pages);     // of a file, segment or mapping; rarely 0
  Quantity length(unsigned n);           // rounds up to n pages
  std::uint8_t file(std::uint8_t proc);  // an open descriptor slot, if there is one
  bool has_file(std::uint8_t proc) const;
  const model::Inode* inode(std::uint8_t proc, std::uint8_t file) const;  // null: the slot is closed
  std::optional<std::uint8_t> memfd(std::uint8_t proc) const;  // an open descriptor slot of a memory file
  std::uint8_t path();
  std::uint8_t object();   // a name of a POSIX object
  std::uint8_t segment();  // a bound segment name, if there is one
  bool has_segment() const;
  std::uint8_t key();
  bool key_in_use(std::uint8_t key) const;
  std::uint8_t fresh_mapping();
  std::uint8_t fresh_file(std::uint8_t proc);
  std::uint8_t fresh_segment();
  std::optional<std::uint8_t> fresh_process() const;
  std::uint8_t fill();  // a byte that differs from those stored lately

 private:
  bool tame(const Op& op) const;
  bool walks_mappings(const Op& op) const;
  void watch(const Op& op, bool failed);
  void look_around(const Op& op);
  void remember(const Op& op);

  model::Machine machine_;
  program::Program program_;
  program::Outcome outcome_;
  std::uint8_t last_actor_ = 0;
  std::optional<std::uint64_t> last_place_;  // where the last op of the program proper worked
  std::optional<Stretch> last_stretch_;      // the range it was given
  std::uint8_t fill_ = 0x40;
  unsigned planned_ = 0, acted_ = 0;
  unsigned walks_ = 0;  // ops that looked through the mappings of a process with very many
};

// Builds a sensible op of this kind, or one that provides what it would need (a mapping, a file, a segment).
Op build_op(Scene& scene, OpCode code);
// Changes one argument so that the op probably fails, or succeeds in an unusual way.
void spoil(Scene& scene, Op& op);
// Acts an op of the swarm's mixture.
void random_step(Scene& scene);
// Performs a short sequence that is known to reach interesting states, at random.
void play_scenario(Scene& scene);

}  // namespace shmcheck::harness

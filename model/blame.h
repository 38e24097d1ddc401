// Which clause decides what a byte reads as, or which fault an access takes: from where the byte came from,
// who put it there and through which mapping. A rule names it when the byte is right (the clause was
// decisive) and when it is wrong (the clause is broken). Nothing here decides what is allowed.
#pragma once

#include <optional>

#include "clauses/clauses.h"
#include "model/rules.h"

namespace shmcheck::model {

using C = clauses::Clause;

// --- what private mappings hold, or held (blame_private.cc)
// Whether a private mapping of the inode, other than `but`, holds `seen` in a copy of its own.
bool held_privately(const World& w, std::int32_t inode, std::uint64_t offset, std::uint8_t seen,
                    const Vma* but = nullptr);
// Whether a private mapping, which may have gone, ever stored to the page: what nobody else put there is its.
bool stored_privately(const World& w, std::int32_t inode, std::uint64_t offset);
// Whether one did and nobody holds the page privately since one was unmapped.
bool discarded(const World& w, std::int32_t inode, std::uint64_t offset);
// Such a byte, which none holds now: of one that has gone, if one has since the right byte came there.
C clause_of_leak(const World& w, std::int32_t inode, std::uint64_t offset);

// A load by process `who` from the vma, at an offset of its object that can be accessed.
C clause_of_load(World& w, std::uint8_t who, Vma& vma, std::uint64_t offset);
// What has happened since the byte came there and must have left it alone; none: nothing.
C event_behind_load(World& w, Vma& vma, std::uint64_t offset);
// The same as clause_of_load when `seen` was read and is not allowed: a byte that another private mapping
// holds has leaked.
C blame_of_load(World& w, std::uint8_t who, Vma& vma, std::uint64_t offset, std::uint8_t seen);

// All that a load of a byte which is right depends on.
void note_load(World& w, Step& s, Vma& vma, std::uint64_t offset);

// --- what an access that works depends on beside its byte (blame_situation.cc); none: nothing of the kind
void note_situation(World& w, Step& s, Vma& vma, std::uint64_t offset);
// An attach that the process could not make any more.
C clause_of_kept_attach(const World& w, std::uint8_t who, const Vma& vma);
// A relative has the same mapping with another protection, or has it no more.
C clause_of_local_protection(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t address);
// A relative's protection of the same mapping would let the access through.
bool relative_allows(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t address, bool write);
// A memory file that nobody can cut any more, neither by lifting the seal.
C clause_of_sealed_size(const World& w, const Vma& vma, std::uint64_t offset);
// A page of a file in which a hole was punched.
bool in_hole(const World& w, const Vma& vma, std::uint64_t offset);
// How far the object's pages reach, where that is what lets the offset be accessed.
C clause_of_extent(const World& w, const Vma& vma, std::uint64_t offset);
// What demands that the object's pages end where they do, for a mapping that may reach beyond.
C clause_of_end(const World& w, const Vma& vma);
// Nothing was ever put there, and another object has a byte at the same offset: `seen`, if that is given.
C clause_of_distinct(const World& w, const Vma& vma, std::uint64_t offset, std::optional<std::uint8_t> seen);

// read(2) of an inode's byte.
C clause_of_read(const World& w, std::uint32_t inode, std::uint64_t offset);
C blame_of_read(const World& w, std::uint32_t inode, std::uint64_t offset, std::uint8_t seen);

// Before the rule of an op: the addresses that it is about.
LayoutEvent layout_event(World& w, const Op& op);
// After it: keeps the event for what is blamed later, if the op changes mappings.
void note_layout(World& w, const Op& op, LayoutEvent event, const Outcome& outcome);
// An address of a mapping that seems not to be there any more, or with less protection: by the last call that
// was about it, else about a page beside it, else any. None: nothing says by what.
C blame_of_lost(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t address, bool protection);
// Whether the last call about the address that is remembered set its protection.
bool protected_by_call(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t address);
// What set the offset with which a mapping begins.
C clause_of_begin(const World& w, std::uint8_t who, const Vma& vma);

// What removed the mapping of an address last; none: no call of the last few.
C clause_of_removed(const World& w, std::uint8_t who, std::uint64_t address);
// The same of a range, any part of which may be what was removed.
C clause_of_removed(const World& w, std::uint8_t who, std::uint64_t low, std::uint64_t high);
// Why an address cannot be accessed. The access is not of kind `byte`.
C clause_of_refusal(const World& w, std::uint8_t who, const Access& a, std::uint64_t address, bool write);
// The same for one that was refused, in another way than it must be.
C plain_clause_of_refusal(const Access& a, bool write);
// A page that can be accessed, and was reported not to be.
struct SeenFault {
  std::uint8_t signal = 0, code = 0;  // code 0: not known, the process died
};
C blame_of_fault(const World& w, std::uint8_t who, const Vma& vma, std::uint64_t offset,
                 const SeenFault& seen, bool write);
// The kernel has chosen a range where mappings are: the first of them seems to have been lost. `otherwise` if
// nothing says by what.
C blame_of_choice(const World& w, std::uint8_t who, std::uint64_t low, std::uint64_t length, C otherwise);

}  // namespace shmcheck::model

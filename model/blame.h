// Which clause decides what a byte reads as, or which fault an access takes: from where the byte came from,
// who put it there and through which mapping. A rule names it when the byte is right (the clause was
// decisive) and when it is wrong (the clause is broken). Nothing here decides what is allowed.
#pragma once

#include "clauses/clauses.h"
#include "model/world.h"

namespace shmcheck::model {

using C = clauses::Clause;

// A load by process `who` from the vma, at an offset of its object that can be accessed.
C clause_of_load(World& w, std::uint8_t who, Vma& vma, std::uint64_t offset);
// The same when `seen` was read and is not allowed: a byte that another private mapping holds has leaked.
C blame_of_load(World& w, std::uint8_t who, Vma& vma, std::uint64_t offset, std::uint8_t seen);

// read(2) of an inode's byte.
C clause_of_read(const World& w, std::uint32_t inode, std::uint64_t offset);
C blame_of_read(const World& w, std::uint32_t inode, std::uint64_t offset, std::uint8_t seen);

// Why an address cannot be accessed. The access is not of kind `byte`.
C clause_of_refusal(const World& w, std::uint8_t who, const Access& a, std::uint64_t address, bool write);
// A page that can be accessed, and was reported not to be: `bus` tells SIGBUS from SIGSEGV.
C blame_of_fault(const World& w, const Vma& vma, std::uint64_t offset, bool bus, bool write);

}  // namespace shmcheck::model

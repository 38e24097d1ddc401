// What pread(2) and pwrite(2) share, whichever memory the bytes come from or go to.
#pragma once

#include "model/rules.h"

namespace shmcheck::model {

struct Transfer {
  std::uint64_t offset = 0, length = 0;
  OpenFile* file = nullptr;
  bool sealed = false;   // `length` is what F_SEAL_GROW leaves of it
  bool limited = false;  // or what RLIMIT_FSIZE does
  bool dies = false;     // by SIGXFSZ
  bool unsure = false;   // whether the limit holds for what is written within the file, no document says
};

// The argument errors that all four calls share, in Linux's order. `bad_memory`: access_ok fails.
Transfer check_arguments(World& w, Process& p, Step& s, bool write, bool bad_memory);

// Takes one of the two for a write within the file. False: this world has yet to be told which.
bool settle_limit(World& w, Step& s, Transfer& t);

// A read that transfers nothing may count as an access.
void may_have_read(World& w, const Step& s, const Transfer& t);

// How many bytes of a write find storage: for certain, and perhaps.
struct WriteSpace {
  std::uint64_t least, most;
};
WriteSpace space_of_write(World& w, const Transfer& t);
// The write ended early, when it had reached as many bytes.
void may_have_storage(World& w, const Transfer& t, std::uint64_t reached);
// What demands that a full file system takes the write's first byte, which has storage.
C clause_of_write_space(const World& w, const Transfer& t);

// Bytes that a read at this offset returns.
std::uint64_t readable_bytes(const World& w, const Transfer& t);

// A write that begins behind the end shows the slack between; one that begins before it covers what it shows.
void grow(World& w, Step& s, const Transfer& t, std::uint64_t length);

// Writes these bytes, or one byte that many times, and all that comes with it.
void write_file(World& w, Step& s, const Transfer& t, const std::uint8_t* bytes, std::uint64_t length);
void write_file(World& w, Step& s, const Transfer& t, std::uint8_t byte, std::uint64_t length);

}  // namespace shmcheck::model

// Writes random programs of 20 operations in their byte form, one file each, for bench/fuzz_rate.
//
//   fuzz_corpus DIRECTORY [FORKS]
//
// None has more forks than FORKS.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "bench/programs.h"
#include "model/machine.h"
#include "program/bytes.h"

int main(int argc, char** argv) {
  using namespace shmcheck;
  constexpr std::size_t kOps = 20, kPrograms = 500;
  if (argc != 2 && argc != 3) {
    std::fputs("usage: fuzz_corpus DIRECTORY [FORKS]\n", stderr);
    return 2;
  }
  const std::size_t most_forks = argc == 3 ? std::strtoul(argv[2], nullptr, 10) : kOps;
  const auto forks = [](const program::Op& op) { return op.code == program::OpCode::fork; };
  const program::Facts facts = model::model_facts();
  std::size_t written = 0;
  for (std::uint64_t i = 0; written < kPrograms; ++i) {
    program::Program program = bench::random_program(facts, i, kOps, 2 * kOps);
    if (program.ops.size() < kOps) continue;
    program.ops.resize(kOps);
    if (static_cast<std::size_t>(std::ranges::count_if(program.ops, forks)) > most_forks) continue;
    const std::vector<std::uint8_t> bytes = program::encode(program);
    const std::string path = std::string(argv[1]).append("/").append(std::to_string(written));
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) {
      std::fprintf(stderr, "fuzz_corpus: cannot write %s\n", path.c_str());
      return 1;
    }
    ++written;
  }
  return 0;
}

#include "executor/vdso.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include <string_view>

#include "executor/maps.h"
#include "executor/sys.h"

namespace shmcheck::executor {
namespace {

constexpr std::uint64_t kVdsoAddress = 0x12'0000'0000;

using ClockGettime = int (*)(clockid_t, timespec*);
ClockGettime vdso_clock = nullptr;

std::uint64_t vdso_address = 0;

struct Piece {
  std::uint64_t low, high;
};

// vvar and vdso are separate mappings whose distances matter, since the code reaches its data relative to
// itself.
void move_pieces() {
  Piece pieces[8];
  std::size_t count = 0;
  MapsReader maps;
  MapLine line;
  while (maps.next(line)) {
    bool wanted = line.path.starts_with("[vvar") || line.path == "[vdso]";
    if (wanted && count < 8) pieces[count++] = {line.low, line.high};
  }
  if (count == 0 || vdso_address < pieces[0].low || vdso_address >= pieces[count - 1].high) return;
  std::uint64_t shift = kVdsoAddress - pieces[0].low;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t length = pieces[i].high - pieces[i].low;
    long to =
        sys(SYS_mremap, pieces[i].low, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, pieces[i].low + shift);
    if (!failed(to)) continue;
    while (i-- > 0) {
      length = pieces[i].high - pieces[i].low;
      sys(SYS_mremap, pieces[i].low + shift, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, pieces[i].low);
    }
    return;
  }
  vdso_address += shift;
}

// The symbol table of a vdso ends where its strings begin.
ClockGettime find_clock(std::uint64_t base) {
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(base);
  const auto* segment = reinterpret_cast<const ElfW(Phdr)*>(base + header->e_phoff);
  const ElfW(Dyn)* dynamic = nullptr;
  std::uint64_t bias = base;
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    if (segment[i].p_type == PT_LOAD) bias = base + segment[i].p_offset - segment[i].p_vaddr;
    if (segment[i].p_type == PT_DYNAMIC) {
      dynamic = reinterpret_cast<const ElfW(Dyn)*>(base + segment[i].p_offset);
    }
  }
  if (dynamic == nullptr) return nullptr;
  std::uint64_t symbols = 0, strings = 0;
  for (; dynamic->d_tag != DT_NULL; ++dynamic) {
    if (dynamic->d_tag == DT_SYMTAB) symbols = bias + dynamic->d_un.d_ptr;
    if (dynamic->d_tag == DT_STRTAB) strings = bias + dynamic->d_un.d_ptr;
  }
  if (symbols == 0 || strings <= symbols || strings - symbols > 65536) return nullptr;
  const auto* symbol = reinterpret_cast<const ElfW(Sym)*>(symbols);
  const auto* end = symbol + (strings - symbols) / sizeof *symbol;
  for (; symbol != end; ++symbol) {
    std::string_view name = reinterpret_cast<const char*>(strings + symbol->st_name);
    if (symbol->st_value != 0 && (name == "__vdso_clock_gettime" || name == "__kernel_clock_gettime")) {
      return reinterpret_cast<ClockGettime>(bias + symbol->st_value);
    }
  }
  return nullptr;
}

}  // namespace

void prepare_vdso() {
  vdso_address = getauxval(AT_SYSINFO_EHDR);
  if (vdso_address == 0) return;
  move_pieces();
  vdso_clock = find_clock(vdso_address);
}

std::int64_t clock_seconds() {
  timespec now = {};
  if (vdso_clock == nullptr || vdso_clock(CLOCK_REALTIME_COARSE, &now) != 0) {
    sys(SYS_clock_gettime, CLOCK_REALTIME_COARSE, &now);
  }
  return now.tv_sec;
}

}  // namespace shmcheck::executor

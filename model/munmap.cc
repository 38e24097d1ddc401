// munmap(2).
#include "model/map_limit.h"

namespace shmcheck::model {

void rule_munmap(World& w, Process& p, Step& s) {
  constexpr int kENOMEM = 12, kEINVAL = 22;
  std::uint64_t low = w.value(s.op.addr), length = w.value(s.op.len);
  std::uint64_t pages = w.up(length);
  if (low % w.page() != 0) s.must(kEINVAL, C::munmap_unaligned);
  if (low > w.facts().top || length > w.facts().top - low) s.must(kEINVAL, C::munmap_out_of_range);
  if (length == 0 || pages == 0) s.must(kEINVAL, C::munmap_len_zero);
  if (!s.must_fail()) division_errors(w, p, s, low, low + pages, C::munmap_split_limit);
  bool mapped = p.memory.overlaps(low, low + pages);
  C success = p.other_mappings && s.saw(kENOMEM) ? C::munmap_split_limit
              : !mapped                          ? C::munmap_not_mapped
              : length != pages                  ? C::munmap_len_rounded
                                                 : C::munmap_return;
  if (s.failed(success)) return;
  w.unmap(index_of(w, p), low, low + pages, s.when);
}

}  // namespace shmcheck::model

// munmap(2).
#include "model/rules.h"

namespace shmcheck::model {

void rule_munmap(World& w, Process& p, Step& s) {
  constexpr int kEINVAL = 22;
  std::uint64_t low = w.value(s.op.addr), length = w.value(s.op.len);
  std::uint64_t pages = (length + w.page() - 1) & ~std::uint64_t{w.page() - 1};
  if (low % w.page() != 0) s.must(kEINVAL, C::munmap_unaligned);
  if (low > w.facts().top || length > w.facts().top - low) s.must(kEINVAL, C::munmap_out_of_range);
  if (length == 0 || pages == 0) s.must(kEINVAL, C::munmap_len_zero);
  bool mapped = p.memory.overlaps(low, low + pages);
  C success = !mapped ? C::munmap_not_mapped : length != pages ? C::munmap_len_rounded : C::munmap_return;
  if (s.failed(success)) return;
  w.unmap(index_of(w, p), low, low + pages, s.when);
}

}  // namespace shmcheck::model

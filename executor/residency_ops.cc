// The ops `smaps` and `rss`.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>

#include <algorithm>

#include "executor/call.h"
#include "executor/hello.h"
#include "executor/lines.h"
#include "executor/maps.h"
#include "executor/rejoin.h"
#include "executor/residency.h"
#include "executor/small_file.h"

namespace shmcheck::executor {
namespace {

constexpr std::string_view kSmaps = "/proc/self/smaps";
constexpr std::uint64_t kKilobyte = 1024;

bool take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

struct Entry {
  Range range;
  std::uint64_t resident = 0, anonymous = 0, shared = 0, exclusive = 0;  // bytes
  std::uint64_t flags = 0;
  bool has_path = false;  // that begins with a slash
  bool in_shared_memory = false;
};

// A line as /proc/self/maps has it begins an entry.
bool begins(std::string_view text, Entry& entry) {
  if (text.find('-') >= text.find(' ')) return false;
  const MapLine line = parse_map_line(text);
  entry = Entry{{line.low, line.high}};
  entry.has_path = line.path.starts_with('/');
  entry.in_shared_memory = line.path.starts_with("/dev/zero") || line.path.starts_with("/memfd:");
  return true;
}

// Takes it off the front; "" at the end.
std::string_view next_word(std::string_view& words) {
  words.remove_prefix(std::min(words.find_first_not_of(' '), words.size()));
  const std::string_view word = words.substr(0, words.find(' '));
  words.remove_prefix(word.size());
  return word;
}

std::uint64_t flags_of(std::string_view words) {
  std::uint64_t flags = 0;
  for (std::string_view word = next_word(words); !word.empty(); word = next_word(words)) {
    const auto* const named = std::ranges::find(program::kSmapsFlags, word);
    if (named != std::end(program::kSmapsFlags)) flags |= 1U << (named - program::kSmapsFlags);
  }
  return flags;
}

// Clean pages and dirty ones are added up. True: it was the last line.
bool add_line(std::string_view line, Entry& entry) {
  struct Field {
    std::string_view key;
    std::uint64_t Entry::*sum;
  };
  constexpr Field kFields[] = {{"Rss:", &Entry::resident},
                               {"Anonymous:", &Entry::anonymous},
                               {"Shared_Clean:", &Entry::shared},
                               {"Shared_Dirty:", &Entry::shared},
                               {"Private_Clean:", &Entry::exclusive},
                               {"Private_Dirty:", &Entry::exclusive}};
  std::uint64_t kilobytes = 0;
  for (const Field& f : kFields) {
    if (take(line, f.key) && take_number(line, kilobytes)) entry.*f.sum += kilobytes * kKilobyte;
  }
  if (!take(line, "VmFlags:")) return false;
  entry.flags = flags_of(line);
  return true;
}

// Calls `each` for every entry, until it returns true. 0 or -errno.
template <typename Each>
long for_entries(Each each) {
  LineReader lines(kSmaps.data());
  Entry entry;
  for (std::string_view line; lines.next(line);) {
    if (!begins(line, entry) && add_line(line, entry) && each(entry)) return 0;
  }
  return lines.error();
}

bool is_own(const Entry& e) {
  return target.layout.own_overlaps(e.range.low, e.range.high - e.range.low);
}

// --- counters

using Counters = std::uint64_t[3];  // bytes, in the order of ResidentSet
constexpr std::string_view kCounters[] = {"\nRssAnon:", "\nRssFile:", "\nRssShmem:"};

std::uint64_t& of(Counters& counters, program::ResidentSet set) {
  return counters[static_cast<std::size_t>(set)];
}

// What the executor has itself. Where the pages of its image count was found out at the start.
long add_own(Counters& own) {
  using program::ResidentSet;
  return for_entries([&](const Entry& e) {
    if (!is_own(e)) return false;
    const bool shared_memory = e.in_shared_memory || (e.has_path && target.image_in_tmpfs);
    of(own, ResidentSet::anonymous) += e.anonymous;
    of(own, shared_memory ? ResidentSet::shared_memory : ResidentSet::file) += e.resident - e.anonymous;
    return false;
  });
}

// Before 6.2 a process puts aside what it has to add to its counters, up to 64 faults of each of its threads
// (mm/memory.c, SPLIT_RSS_COUNTING), and adds it when it gives up a page (zap_pte_range, sync_mm_rss).
void settle_counters() {
  alignas(65536) static volatile char page[65536];
  page[0] = 1;
  sys(SYS_madvise, reinterpret_cast<std::uint64_t>(&page), target.layout.page, MADV_DONTNEED);
}

// 0 or -errno.
long read_counters(Counters& all) {
  std::span<std::uint8_t> bounce = bounce_area();
  std::string_view text;
  const long result =
      read_small_file("/proc/self/status", {reinterpret_cast<char*>(bounce.data()), bounce.size()}, text);
  if (failed(result)) return result;
  for (std::size_t i = 0; i < std::size(kCounters); ++i) {
    if (!number_behind(text, kCounters[i], all[i])) return -ENODATA;
    all[i] *= kKilobyte;
  }
  return 0;
}

// The first round brings in whatever pages of the executor's it takes to look.
long count_foreign(Counters& all, Counters& own) {
  long result = 0;
  for (int round = 0; round < 2 && !failed(result); ++round) {
    std::fill(std::begin(own), std::end(own), 0);
    result = add_own(own);
    settle_counters();
    if (!failed(result)) result = read_counters(all);
  }
  return result;
}

}  // namespace

// Of an image on another file system it is not known whether its pages are those of a tmpfs beneath.
void find_residency() {
  const long found = is_emulated() ? -ENOSYS : sys(SYS_faccessat, AT_FDCWD, kSmaps.data(), R_OK);
  target.smaps = !failed(found);
  if (failed(found)) say_absent("smaps", kSmaps, found);
  struct statfs image = {};
  Counters all;
  long known = target.smaps ? sys(SYS_statfs, "/proc/self/exe", &image) : found;
  if (!failed(known) && image.f_type == OVERLAYFS_SUPER_MAGIC) known = -EXDEV;
  if (!failed(known)) known = read_counters(all);
  target.image_in_tmpfs = image.f_type == TMPFS_MAGIC;
  target.rss = !failed(known);
  if (failed(known)) say_absent("rss", "what the executor has in memory itself", known);
}

void perform_smaps(Call& call) {
  bool found = false;
  const long result = for_entries([&](const Entry& e) {
    if (call.at.addr < e.range.low || call.at.addr >= e.range.high) return false;
    for (std::uint64_t w : {e.range.low, e.range.high, e.shared, e.exclusive, e.flags}) call.words.push(w);
    return found = true;
  });
  settle(call, failed(result) || found ? result : -ENODATA);
}

void perform_rss(Call& call) {
  Counters all = {}, own = {};
  const long result = count_foreign(all, own);
  const auto bytes = static_cast<std::int64_t>(all[call.op.small] - own[call.op.small]);
  settle_value(call, failed(result)
                         ? result
                         : std::max<std::int64_t>(bytes, 0) / static_cast<std::int64_t>(target.layout.page));
}

}  // namespace shmcheck::executor

// memfd_create(2), and what /proc/self/fd shows of its name.
#include <algorithm>

#include "model/huge.h"
#include "model/rules.h"
#include "model/runs.h"

namespace shmcheck::model {

namespace {

constexpr int kENOENT = 2, kEFAULT = 14, kEINVAL = 22;
using program::MemfdName;

std::string link_of(MemfdName name) {
  std::string text = "/memfd:";
  if (name == MemfdName::plain) text += program::kMemfdPlainName;
  if (name == MemfdName::longest) text.append(program::kMemfdLongestName, program::kMemfdLongNameFill);
  return text + " (deleted)";
}

std::string shown_of(const std::vector<std::uint64_t>& words) {
  std::string text;
  for (std::uint64_t word : words) {
    const program::Run run = program::unpack_run(word);
    // No name is as long as that.
    if (run.kind != program::RunKind::bytes || run.length > 4096) return "what is no name";
    text.append(run.length, static_cast<char>(run.value));
  }
  return text;
}

}  // namespace

void rule_memfd(World& w, Process& p, Step& s) {
  using namespace program::memfd;
  constexpr std::uint32_t kAllMode = 0777;
  const auto name = static_cast<MemfdName>(s.op.byte);
  if (s.op.flags & kUnknown) s.must(kEINVAL, C::memfd_flags);
  if (name == MemfdName::bad) s.must(kEFAULT, C::memfd_name_limit);
  if (name == MemfdName::longer) s.must(kEINVAL, C::memfd_name_limit);
  huge_file_errors(w, s);
  const bool huge = (s.op.flags & kHuge) != 0;
  const C success = name == MemfdName::longest             ? C::memfd_name_limit
                    : huge && (s.op.flags & kSealing) != 0 ? C::memfd_hugetlb_sealing
                                                           : C::memfd_create;
  if (s.failed(success)) return;
  // What it is made of where there are no huge pages no document says.
  if (huge && w.facts().huge == program::HugePages::none) s.lose_quietly(Freedom::documented_alternative);
  Inode fresh;
  fresh.memfd = true;
  fresh.memfd_name = name;
  const bool taken =
      std::ranges::any_of(w.inodes, [=](const Inode& i) { return i.memfd && i.memfd_name == name; });
  fresh.size_clause = taken ? C::memfd_name : C::memfd_create;
  fresh.huge = huge;
  fresh.mode = kAllMode;
  fresh.uid = p.cred.uid;
  fresh.gid = p.cred.gid;
  fresh.seals = (s.op.flags & kSealing) ? 0 : program::seal::kSeal;
  OpenFile file;
  file.inode = w.add_inode(std::move(fresh));
  file.readable = file.writable = true;
  put_into_slot(w, p, s.op.result, file);
}

void rule_memfd_name(World& w, Process& p, Step& s) {
  const OpenFile* file = w.open_file(p, s.op.object);
  if (!file)
    s.must(kENOENT, clause_of_closed(p, s.op.object));
  else if (!w.inodes[file->inode].memfd)
    s.must(kEINVAL, C::none);
  if (s.failed(C::memfd_name)) return;
  const std::string link = link_of(w.inodes[file->inode].memfd_name);
  if (s.running()) {
    RunWriter(s.made().words).bytes(reinterpret_cast<const std::uint8_t*>(link.data()), link.size());
    return;
  }
  const std::string shown = shown_of(s.seen().words);
  s.applies(C::memfd_name);
  if (shown != link) s.diverge(C::memfd_name, link, shown);
  if (s.report().diverged) s.adopted();  // what is shown of it changes no file
}

}  // namespace shmcheck::model

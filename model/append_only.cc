#include "model/append_only.h"

namespace shmcheck::model {

namespace {
void learn(Inode& inode, Step& s, int error) {
  if (s.failures() > 0) return s.may(error, Freedom::not_yet_stored);
  s.uses(Freedom::not_yet_stored);
  if (s.running() || s.seen().kind == OutcomeKind::ok) inode.append_only = Attribute::off;
  if (s.saw(error)) inode.append_only = Attribute::on;
}
}  // namespace

void append_only_errors(Inode& inode, Step& s, int error, C clause) {
  if (inode.append_only == Attribute::perhaps) learn(inode, s, error);
  if (inode.append_only == Attribute::on) s.must(error, clause);
}

Attribute append_only_when_mapped(const World& w, const Inode& inode) {
  return w.fs_of(inode) == program::FileSystem::overlay ? Attribute::off : inode.append_only;
}

void append_only_outlives(Inode& inode, bool crashed) {
  if (crashed && inode.append_only_changed) inode.append_only = Attribute::perhaps;
  inode.append_only_changed = false;
}

// It opens the file for reading. Only its owner is asked further, and only a change needs CAP_LINUX_IMMUTABLE
// (fs/file_attr.c, vfs_fileattr_set and fileattr_set_prepare), over the machine.
void rule_chattr(World& w, Process& p, Step& s) {
  constexpr int kEPERM = 1, kENOENT = 2, kEACCES = 13;
  const bool on = static_cast<program::AppendOnly>(s.op.small) == program::AppendOnly::on;
  const std::int32_t found = w.paths[s.op.object];
  if (found < 0) {
    s.must(kENOENT, C::none);
  } else {
    const Inode& inode = w.inodes[static_cast<std::size_t>(found)];
    const bool owner = inode.uid == p.cred.uid || p.cred.capable;
    const bool may = p.cred.machine && w.facts().append == program::AppendAttribute::settable;
    if (!file_access(inode, p.cred, 4)) s.must(kEACCES, C::perm_file_at_open);
    if (!owner || (!may && inode.append_only == (on ? Attribute::off : Attribute::on)))
      s.must(kEPERM, C::none);
    else if (!may && inode.append_only == Attribute::perhaps)
      s.may(kEPERM, Freedom::not_yet_stored);
  }
  if (s.failed(C::none)) return;
  Inode& inode = w.inodes[static_cast<std::size_t>(found)];
  inode.append_only = on ? Attribute::on : Attribute::off;
  inode.append_only_changed = true;
}

}  // namespace shmcheck::model

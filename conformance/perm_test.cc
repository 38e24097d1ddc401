// Which permission bits apply to whom, and what capabilities change.

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

constexpr uid_t kOwner = 3100;
constexpr gid_t kOwnerGroup = 3101;
constexpr uid_t kCreator = 3200;
constexpr gid_t kCreatorGroup = 3201;
constexpr uid_t kStranger = 3300;
constexpr gid_t kStrangerGroup = 3301;

void SetMode(int id, unsigned mode, uid_t owner = kOwner, gid_t group = kOwnerGroup) {
  shmid_ds wanted{};
  wanted.shm_perm.uid = owner;
  wanted.shm_perm.gid = group;
  wanted.shm_perm.mode = static_cast<unsigned short>(mode);
  EXPECT_THAT(Returned(shmctl(id, IPC_SET, &wanted)), Succeeds());
}

// Segments of kCreator, owned by kOwner, one for each mode, with keys from `first_key` on.
std::vector<int> MakeSegments(key_t first_key, const std::vector<unsigned>& modes) {
  const Mapping shared = MapSharedAnonymous(modes.size() * sizeof(int));
  auto* const ids = reinterpret_cast<int*>(shared.at());
  RunAs({kCreator, kCreatorGroup}, [&] {
    for (size_t i = 0; i < modes.size(); ++i)
      ids[i] = shmget(first_key + static_cast<key_t>(i), page(), IPC_CREAT | IPC_EXCL | 0600);
  });
  for (size_t i = 0; i < modes.size(); ++i) SetMode(ids[i], modes[i]);
  return {ids, ids + modes.size()};
}

struct Class {
  const char* name;
  Identity who;
  unsigned shift;  // of the bits that apply to it
};
std::vector<Class> Classes() {
  return {
      {"owner", {kOwner, kStrangerGroup, {}}, 6},
      {"creator", {kCreator, kStrangerGroup, {}}, 6},
      {"owner in the groups", {kOwner, kOwnerGroup, {kCreatorGroup}}, 6},
      {"group of the owner", {kStranger, kOwnerGroup, {}}, 3},
      {"group of the creator", {kStranger, kCreatorGroup, {}}, 3},
      {"supplementary group of the owner", {kStranger, kStrangerGroup, {1, kOwnerGroup, 2}}, 3},
      {"supplementary group of the creator", {kStranger, kStrangerGroup, {kCreatorGroup}}, 3},
      {"other", {kStranger, kStrangerGroup, {}}, 0},
      {"other in many groups", {kStranger, kStrangerGroup, {1, 2, 3, kOwner, kCreator}}, 0},
  };
}

// A request and the permission that it needs.
struct Request {
  const char* name;
  unsigned needs;
  Outcome (*call)(int id, key_t key);
};
Outcome AttachAndDetach(int id, int flags) {
  const Outcome at = Attached(id, nullptr, flags);
  return at.ok() ? Returned(shmdt(at.address())) : at;
}
Outcome Lookup(int id, key_t key, int flags) {
  const Outcome found = Create(key, 0, flags);
  return found.ok() && found.value == id ? Returned(0) : found;
}
constexpr Request kRequests[] = {
    {"shmat SHM_RDONLY", 4, [](int id, key_t) { return AttachAndDetach(id, SHM_RDONLY); }},
    {"shmat", 6, [](int id, key_t) { return AttachAndDetach(id, 0); }},
    {"IPC_STAT", 4,
     [](int id, key_t) {
       shmid_ds status;
       return Returned(shmctl(id, IPC_STAT, &status));
     }},
    {"shmget 0", 0, [](int id, key_t key) { return Lookup(id, key, 0); }},
    {"shmget 0400", 4, [](int id, key_t key) { return Lookup(id, key, 0400); }},
    {"shmget 0020", 2, [](int id, key_t key) { return Lookup(id, key, 0020); }},
    {"shmget 0001", 1, [](int id, key_t key) { return Lookup(id, key, 0001); }},
    {"shmget 0006", 6, [](int id, key_t key) { return Lookup(id, key, 0006); }},
};

std::string Text(const Class& c, unsigned mode, const Request& request) {
  char mode_text[16];
  snprintf(mode_text, sizeof mode_text, "0%03o", mode);
  return std::string(c.name) + ", mode " + mode_text + ", " + request.name;
}

// Each value of the bits that apply, once with all other bits clear and once with all other bits set.
CONFORMANCE(Perm, ExactlyTheBitsOfTheCallersClassApply, Clause::perm_class_user, Clause::perm_class_group,
            Clause::perm_class_other, need::ipc_namespace, need::second_uid, need::root) {
  for (const unsigned shift : {6U, 3U, 0U}) {
    std::vector<unsigned> modes;
    for (unsigned bits = 0; bits < 8; ++bits) {
      modes.push_back(bits << shift);
      modes.push_back((0777U & ~(7U << shift)) | bits << shift);
    }
    const key_t first_key = static_cast<key_t>(0x1000 * (shift + 1));
    const std::vector<int> ids = MakeSegments(first_key, modes);
    for (const Class& c : Classes()) {
      if (c.shift != shift) continue;
      RunAs(c.who, [&] {
        for (size_t i = 0; i < modes.size(); ++i) {
          const unsigned has = modes[i] >> shift & 7U;
          for (const Request& request : kRequests) {
            const Outcome outcome = request.call(ids[i], first_key + static_cast<key_t>(i));
            EXPECT_THAT(outcome, (has & request.needs) == request.needs ? Succeeds() : FailsWith(EACCES))
                << Text(c, modes[i], request);
          }
        }
      });
    }
  }
}

CONFORMANCE(Perm, EffectiveIdsCount, Clause::perm_effective_ids, need::ipc_namespace, need::second_uid,
            need::root) {
  const std::vector<int> ids = MakeSegments(0x10, {0600, 0060});
  struct Case {
    const char* name;
    uid_t real, effective, saved;
    bool allowed;
  };
  for (const Case& c : {Case{"real uid", kOwner, kStranger, kStranger, false},
                        {"saved uid", kStranger, kStranger, kOwner, false},
                        {"effective uid", kStranger, kOwner, kStranger, true}}) {
    InChild([&] {
      ASSERT_EQ(setresgid(kStrangerGroup, kStrangerGroup, kStrangerGroup), 0);
      ASSERT_EQ(setresuid(c.real, c.effective, c.saved), 0);
      EXPECT_THAT(AttachAndDetach(ids[0], 0), c.allowed ? Succeeds() : FailsWith(EACCES)) << c.name;
      EXPECT_THAT(Lookup(ids[0], 0x10, 0600), c.allowed ? Succeeds() : FailsWith(EACCES)) << c.name;
      shmid_ds same{};
      same.shm_perm.uid = kOwner;
      same.shm_perm.gid = kOwnerGroup;
      same.shm_perm.mode = 0600;
      EXPECT_THAT(Returned(shmctl(ids[0], IPC_SET, &same)), c.allowed ? Succeeds() : FailsWith(EPERM))
          << c.name;
    });
    InChild([&] {
      ASSERT_EQ(setresgid(c.real == kOwner ? kOwnerGroup : kStrangerGroup,
                          c.effective == kOwner ? kOwnerGroup : kStrangerGroup,
                          c.saved == kOwner ? kOwnerGroup : kStrangerGroup),
                0);
      ASSERT_EQ(setresuid(kStranger, kStranger, kStranger), 0);
      EXPECT_THAT(AttachAndDetach(ids[1], 0), c.allowed ? Succeeds() : FailsWith(EACCES))
          << "group, " << c.name;
    });
  }
}

CONFORMANCE(Perm, ExecuteBitsGrantNothingElse, Clause::perm_execute_bits, need::ipc_namespace,
            need::second_uid, need::root) {
  const std::vector<int> without = MakeSegments(0x20, {0600, 0060, 0006, 0400, 0000});
  const std::vector<int> with = MakeSegments(0x30, {0711, 0171, 0117, 0511, 0111});
  for (const Class& c : Classes()) {
    RunAs(c.who, [&] {
      for (size_t i = 0; i < with.size(); ++i) {
        for (const Request& request : kRequests) {
          if (request.needs == 1) continue;
          EXPECT_EQ(request.call(with[i], 0x30 + static_cast<key_t>(i)).error,
                    request.call(without[i], 0x20 + static_cast<key_t>(i)).error)
              << c.name << ", " << request.name << ", pair " << i;
        }
      }
    });
  }
}

CONFORMANCE(Perm, CapIpcOwnerBypassesPermissionAndUidZeroAloneDoesNot, Clause::perm_cap_ipc_owner,
            need::ipc_namespace, need::second_uid, need::root) {
  const std::vector<int> ids = MakeSegments(0x40, {0000, 0700, 0770});
  struct Case {
    const char* name;
    std::vector<int> kept;
    bool allowed;
  };
  const std::vector<Case> cases = {{"CAP_IPC_OWNER alone", {kCapIpcOwner}, true},
                                   {"none", {}, false},
                                   {"CAP_SYS_ADMIN, CAP_IPC_LOCK and CAP_DAC_OVERRIDE",
                                    {kCapSysAdmin, kCapIpcLock, kCapDacOverride},
                                    false}};
  for (const Case& c : cases) {
    InChild([&] {
      KeepCapabilities(c.kept);
      for (size_t i = 0; i < ids.size(); ++i) {
        for (const Request& request : kRequests) {
          EXPECT_THAT(request.call(ids[i], 0x40 + static_cast<key_t>(i)),
                      c.allowed || request.needs == 0 ? Succeeds() : FailsWith(EACCES))
              << c.name << ", " << request.name << ", segment " << i;
        }
        EXPECT_THAT(AttachAndDetach(ids[i], SHM_EXEC), c.allowed ? Succeeds() : FailsWith(EACCES)) << c.name;
      }
    });
  }
}

CONFORMANCE(Perm, CapSysAdminControlsAnySegmentAndCapIpcOwnerDoesNot, Clause::perm_cap_sys_admin,
            need::ipc_namespace, need::second_uid, need::root) {
  const std::vector<int> ids = MakeSegments(0x50, {0777, 0777});
  const SegmentState before = StateOf(ids[0]);
  shmid_ds wanted{};
  wanted.shm_perm.uid = kStranger;
  wanted.shm_perm.mode = 0707;
  InChild([&] {
    KeepCapabilities({kCapIpcOwner, kCapIpcLock, kCapDacOverride});
    EXPECT_THAT(Returned(shmctl(ids[0], IPC_SET, &wanted)), FailsWith(EPERM));
    EXPECT_THAT(Returned(shmctl(ids[0], IPC_RMID, nullptr)), FailsWith(EPERM));
  });
  EXPECT_EQ(StateOf(ids[0]), before);
  InChild([&] {
    KeepCapabilities({kCapSysAdmin});
    EXPECT_THAT(Returned(shmctl(ids[0], IPC_SET, &wanted)), Succeeds());
    EXPECT_THAT(Returned(shmctl(ids[1], IPC_RMID, nullptr)), Succeeds());
  });
  EXPECT_EQ(StateOf(ids[0]).uid, kStranger);
  EXPECT_EQ(StateOf(ids[0]).mode, 0707U);
  EXPECT_EQ(ReadTable().size(), 1U);
}

CONFORMANCE(Perm, AttachOutlivesTheRightToMakeIt, Clause::perm_checked_at_attach, Clause::perm_fork_bypass,
            need::second_uid, need::root) {
  const Segment segment(2 * page(), 0600);
  uint8_t* const at = segment.Attach();
  RunAs({kSecondUid, kSecondUid}, [&] {
    EXPECT_THAT(Attached(segment.id()), FailsWith(EACCES));
    EXPECT_THAT(Attached(segment.id(), nullptr, SHM_RDONLY), FailsWith(EACCES));
    EXPECT_THAT(Store(at, 0x51), Works());
    EXPECT_THAT(Store(at + page(), 0x52), Works());
    InChild([&] { EXPECT_THAT(Load(at), Reads(0x51)); });
  });
  EXPECT_THAT(Load(at), Reads(0x51));
  EXPECT_THAT(Load(at + page()), Reads(0x52));
  SetMode(segment.id(), 0);
  InChild([&] {
    DropCapabilities({kCapIpcOwner});
    EXPECT_THAT(Attached(segment.id()), FailsWith(EACCES)) << "each shmat is checked";
    EXPECT_THAT(Store(at, 0x53), Works());
  });
  EXPECT_THAT(Load(at), Reads(0x53));
}

CONFORMANCE(Perm, FileModeIsCheckedAtOpenOnly, Clause::perm_file_at_open, on::directories, need::second_uid,
            need::root, need::proc) {
  TempFile file(page());
  ASSERT_EQ(fchmod(file.fd(), 0606), 0);
  // By descriptor: another user may be unable to walk the path.
  const std::string path = "/proc/self/fd/" + std::to_string(file.fd());
  Child user([&](Channel& test) {
    Become({kSecondUid, kSecondUid});
    const Fd writable = Open(path, O_RDWR);
    const Fd readable = Open(path, O_RDONLY);
    const Mapping early = MapShared(writable.get(), page());
    test.Signal();
    test.Wait();
    EXPECT_THAT(Returned(open(path.c_str(), O_RDWR | O_CLOEXEC)), FailsWith(EACCES));
    EXPECT_THAT(Returned(open(path.c_str(), O_RDONLY | O_CLOEXEC)), FailsWith(EACCES));
    const Mapping late = MapShared(writable.get(), page());
    EXPECT_THAT(Store(late.at(), 0x21), Works());
    EXPECT_THAT(Load(early.at()), Reads(0x21));
    EXPECT_THAT(Returned(mprotect(early.at(), page(), PROT_READ)), Succeeds());
    EXPECT_THAT(Returned(mprotect(early.at(), page(), PROT_READ | PROT_WRITE)), Succeeds());
    EXPECT_THAT(Store(early.at(), 0x22), Works());
    const Mapping reading = Map(readable.get(), page(), PROT_READ, MAP_SHARED);
    EXPECT_THAT(Load(reading.at()), Reads(0x22));
    EXPECT_THAT(Returned(mprotect(reading.at(), page(), PROT_READ | PROT_WRITE)), FailsWith(EACCES));
  });
  user.Wait();
  ASSERT_EQ(fchmod(file.fd(), 0), 0);
  ASSERT_EQ(fchown(file.fd(), kOwner, kOwnerGroup), 0);
  user.Signal();
  EXPECT_THAT(user.Join(), ExitsWith(0));
}

CONFORMANCE(Perm, RootOfAUserNamespaceHasNoPowerOutside, Clause::perm_userns, need::ipc_namespace,
            need::user_namespace, need::second_uid, need::root) {
  const std::vector<int> ids = MakeSegments(0x60, {0600, 0604});
  const auto before = ReadTable();
  InChild([&] {
    ASSERT_THAT(Returned(unshare(CLONE_NEWUSER)), Succeeds());
    EXPECT_THAT(Attached(ids[0]), FailsWith(EACCES));
    EXPECT_THAT(Attached(ids[0], nullptr, SHM_RDONLY), FailsWith(EACCES));
    EXPECT_THAT(Attached(ids[1], nullptr, SHM_RDONLY), Succeeds()) << "as any other user";
    EXPECT_THAT(Create(0x60, 0, 0600), FailsWith(EACCES));
    shmid_ds buffer{};
    EXPECT_THAT(Returned(shmctl(ids[0], IPC_STAT, &buffer)), FailsWith(EACCES));
    EXPECT_THAT(Returned(shmctl(ids[0], IPC_RMID, nullptr)), FailsWith(EPERM));
    EXPECT_THAT(Returned(shmctl(ids[0], SHM_LOCK, nullptr)), FailsWith(EPERM));
    // An IPC namespace of its own is another matter.
    ASSERT_THAT(Returned(unshare(CLONE_NEWIPC)), Succeeds());
    const Segment own(page(), 0);
    EXPECT_THAT(Attached(own.id()), Succeeds());
  });
  auto after = ReadTable();
  after.at(ids[1]).atime = before.at(ids[1]).atime;
  after.at(ids[1]).dtime = before.at(ids[1]).dtime;
  after.at(ids[1]).lpid = before.at(ids[1]).lpid;
  EXPECT_EQ(after, before);
}

void WriteWhole(const std::string& path, const std::string& text) {
  const Fd fd = Open(path, O_WRONLY);
  ASSERT_THAT(Returned(write(fd.get(), text.data(), text.size())), Returns(static_cast<long>(text.size())))
      << path;
}

CONFORMANCE(Perm, IdsAreShownInTheCallersUserNamespace, Clause::perm_id_translation, need::ipc_namespace,
            need::user_namespace, need::second_uid, need::root, need::proc) {
  const std::vector<int> ids = MakeSegments(0x70, {0604});
  const unsigned overflow_uid = static_cast<unsigned>(Sysctl("overflowuid"));
  const unsigned overflow_gid = static_cast<unsigned>(Sysctl("overflowgid"));
  Child child([&](Channel& test) {
    ASSERT_THAT(Returned(unshare(CLONE_NEWUSER)), Succeeds());
    test.Signal();
    test.Wait();
    shmid_ds status{};
    const Outcome outcome = Returned(shmctl(ids[0], IPC_STAT, &status));
    if (!outcome.ok()) {
      EXPECT_THAT(outcome, FailsWith(EOVERFLOW));
      return;
    }
    EXPECT_EQ(status.shm_perm.uid, 10U);
    EXPECT_EQ(status.shm_perm.gid, 20U);
    EXPECT_EQ(status.shm_perm.cuid, overflow_uid);
    EXPECT_EQ(status.shm_perm.cgid, overflow_gid);
  });
  child.Wait();
  const std::string base = "/proc/" + std::to_string(child.pid());
  WriteWhole(base + "/uid_map", "0 0 1\n10 " + std::to_string(kOwner) + " 1\n");
  WriteWhole(base + "/gid_map", "0 0 1\n20 " + std::to_string(kOwnerGroup) + " 1\n");
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

}  // namespace
}  // namespace shmcheck::conformance

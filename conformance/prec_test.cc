// Which error is reported when several conditions hold.

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"
#include "conformance/framework/identity.h"
#include "conformance/framework/sysv.h"

namespace shmcheck::conformance {
namespace {

CONFORMANCE(Prec, EexistComesFirst, Clause::prec_shmget_eexist_first, need::ipc_namespace, need::second_uid,
            need::root, need::proc) {
  const Segment segment = Segment::Adopt(shmget(0xa1, page(), IPC_CREAT | 0600));
  const NamespaceView before = ReadView();
  const auto attempt = [] {
    for (const size_t size : {size_t{0}, page(), 2 * page(), SIZE_MAX}) {
      for (const int mode : {0, 0600, 0666, 0777})
        EXPECT_THAT(Create(0xa1, size, IPC_CREAT | IPC_EXCL | mode), FailsWith(EEXIST))
            << size << " " << mode;
    }
  };
  attempt();
  RunAs({kSecondUid, kSecondUid}, attempt);
  SetSysctl("shmmni", 1);
  SetSysctl("shmmax", 1);
  RunAs({kSecondUid, kSecondUid}, attempt);
  EXPECT_EQ(ReadView(), before);
}

CONFORMANCE(Prec, TooBigALookupWithoutPermission, Clause::prec_shmget_einval_before_eacces,
            need::ipc_namespace, need::second_uid, need::root) {
  const Segment segment = Segment::Adopt(shmget(0xa2, page(), IPC_CREAT | 0600));
  RunAs({kSecondUid, kSecondUid}, [] {
    for (const size_t size : {page() + 1, SIZE_MAX}) {
      for (const int flags : {0600, 0004, IPC_CREAT | 0666})
        EXPECT_THAT(Create(0xa2, size, flags), FailsWithAnyOf({EINVAL, EACCES})) << size << " " << flags;
      EXPECT_THAT(Create(0xa2, size, 0), FailsWith(EINVAL)) << "no permission is asked for";
    }
    EXPECT_THAT(Create(0xa2, page(), 0600), FailsWith(EACCES));
  });
}

CONFORMANCE(Prec, BadSizeInAFullNamespace, Clause::prec_shmget_size_before_space, need::ipc_namespace,
            need::root, need::proc) {
  for (const char* limit : {"shmmni", "shmall"}) {
    InChild([&] {
      ASSERT_EQ(unshare(CLONE_NEWIPC), 0);
      const Segment segment(page());
      SetSysctl("shmmax", 4 * page());
      SetSysctl(limit, 1);
      const NamespaceView before = ReadView();
      EXPECT_THAT(Create(IPC_PRIVATE, page(), IPC_CREAT | 0600), FailsWith(ENOSPC)) << limit;
      for (const size_t size : {size_t{0}, 4 * page() + 1, SIZE_MAX}) {
        EXPECT_THAT(Create(IPC_PRIVATE, size, IPC_CREAT | 0600), FailsWithAnyOf({EINVAL, ENOSPC}))
            << limit << size;
        EXPECT_THAT(Create(0xa3, size, IPC_CREAT | 0600), FailsWithAnyOf({EINVAL, ENOSPC})) << limit << size;
      }
      EXPECT_EQ(ReadView(), before);
    });
  }
}

CONFORMANCE(Prec, MissingKeyIsEnoentWhateverTheSize, Clause::prec_shmget_enoent_before_einval,
            need::ipc_namespace, need::proc) {
  for (const size_t size : {size_t{0}, size_t{1}, page(), size_t{1} << 40, SIZE_MAX}) {
    for (const int flags : {0, 0600, IPC_EXCL})
      EXPECT_THAT(Create(0xa4, size, flags), FailsWith(ENOENT)) << size;
  }
  EXPECT_EQ(ReadView(), NamespaceView{});
}

CONFORMANCE(Prec, AttachWithSeveralFaultsFails, Clause::prec_shmat_id_args, need::second_uid, need::root) {
  const Segment segment(page(), 0600);
  int removed = -1;
  {
    const Segment gone(page());
    removed = gone.id();
  }
  const Mapping occupied = Reserve(page());
  RunAs({kSecondUid, kSecondUid}, [&] {
    for (const int id : {-1, removed, segment.id()}) {
      for (const void* address :
           {static_cast<const void*>(occupied.at()), static_cast<const void*>(occupied.at(1))})
        EXPECT_THAT(Attached(id, address), FailsWithAnyOf({EINVAL, EACCES, EIDRM})) << id;
      EXPECT_THAT(Attached(id, nullptr, SHM_REMAP), FailsWithAnyOf({EINVAL, EACCES, EIDRM})) << id;
    }
  });
  EXPECT_EQ(StateOf(segment.id()).nattch, 0U);
}

CONFORMANCE(Prec, BadBufferAndBadId, Clause::prec_shmctl_set_efault, Clause::prec_shmctl_stat_id_first) {
  int removed = -1;
  {
    const Segment gone(page());
    removed = gone.id();
  }
  auto* const bad = reinterpret_cast<shmid_ds*>(8);
  for (const int id : {-1, removed, INT32_MAX}) {
    for (const int command : {IPC_SET, IPC_STAT})
      EXPECT_THAT(Returned(shmctl(id, command, bad)), FailsWithAnyOf({EINVAL, EFAULT}))
          << id << " " << command;
  }
}

CONFORMANCE(Prec, UnknownCommandComesBeforePermission, Clause::prec_shmctl_cmd_before_perm, need::second_uid,
            need::root) {
  const Segment segment(page(), 0600);
  RunAs({kSecondUid, kSecondUid}, [&] {
    for (const int command : {-1, 4, 10, 77}) {
      shmid_ds buffer{};
      EXPECT_THAT(Returned(shmctl(segment.id(), command, &buffer)), FailsWith(EINVAL)) << command;
      EXPECT_THAT(Returned(shmctl(segment.id(), command, nullptr)), FailsWith(EINVAL)) << command;
    }
  });
}

// Every combination of faults in one mmap call.
CONFORMANCE(Prec, MmapWithSeveralFaultsFailsWithOneOfThem, Clause::prec_mmap_multi, on::files, need::proc) {
  const TempFile file(page());
  const Fd readable = file.Reopen(O_RDONLY);
  const Fd writable = file.Reopen(O_WRONLY);
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const auto mapped = [] {
    std::vector<MapsRow> rows = ReadMaps();
    std::erase_if(rows, [](const MapsRow& row) { return row.path == "[heap]"; });
    return rows;
  };
  mapped();
  const auto before = mapped();
  int faulty = 0;
  for (const int fd : {file.fd(), readable.get(), writable.get(), pipe_ends[0], -1}) {
    for (const int type : {MAP_SHARED, MAP_PRIVATE, 0}) {
      for (const size_t len : {page(), size_t{0}, SIZE_MAX}) {
        for (const long offset : {0L, 1L}) {
          for (const int prot : {PROT_READ, PROT_READ | PROT_WRITE}) {
            const bool access =
                fd == writable.get() || (fd == readable.get() && type == MAP_SHARED && prot != PROT_READ);
            const int faults = (fd == -1 || fd == pipe_ends[0] ? 1 : 0) + (access ? 1 : 0) +
                               (type == 0 ? 1 : 0) + (len != page() ? 1 : 0) + (offset != 0 ? 1 : 0);
            if (faults < 2) continue;
            ++faulty;
            EXPECT_THAT(Returned(RawMmap(nullptr, len, prot, type, fd, offset)),
                        FailsWithAnyOf({EBADF, EACCES, EINVAL, ENODEV, ENOMEM, EOVERFLOW}))
                << "fd " << fd << " type " << type << " len " << len << " offset " << offset << " prot "
                << prot;
          }
        }
      }
    }
  }
  EXPECT_GT(faulty, 100);
  EXPECT_EQ(mapped(), before);
}

CONFORMANCE(Prec, RefusedFixedMappingKeepsWhatWasThere, Clause::prec_mmap_failed_fixed, on::files,
            need::proc) {
  const TempFile file(page());
  const Mapping map = MapPrivateAnonymous(3 * page());
  ASSERT_THAT(FillPattern(map.at(), 0, 3 * page()), Works());
  const auto before = MapsOf(map.at(), 3 * page());
  struct Case {
    const char* name;
    int error;
    void* address;
    size_t len;
    int flags;
    int fd;
    off_t offset;
  };
  for (const Case& c :
       {Case{"bad descriptor", EBADF, map.at(), 3 * page(), MAP_SHARED | MAP_FIXED, -1, 0},
        {"bad descriptor, private", EBADF, map.at(), page(), MAP_PRIVATE | MAP_FIXED, 1 << 20, 0},
        {"no length", EINVAL, map.at(), 0, MAP_SHARED | MAP_FIXED, file.fd(), 0},
        {"unaligned address", EINVAL, map.at(1), page(), MAP_SHARED | MAP_FIXED, file.fd(), 0},
        {"unaligned offset", EINVAL, map.at(), page(), MAP_SHARED | MAP_FIXED, file.fd(), 1},
        {"no type", EINVAL, map.at(), 3 * page(), MAP_FIXED, file.fd(), 0}}) {
    EXPECT_THAT(Returned(RawMmap(c.address, c.len, PROT_READ, c.flags, c.fd, c.offset)), FailsWith(c.error))
        << c.name;
    EXPECT_THAT(Memory(map.at(), 3 * page()), HoldsPattern(0, 3 * page())) << c.name;
    EXPECT_EQ(MapsOf(map.at(), 3 * page()), before) << c.name;
  }
}

CONFORMANCE(Prec, BadMsyncArgumentsComeBeforeUnmappedPages, Clause::prec_msync_einval_before_enomem) {
  const Hole hole(2 * page());
  for (const int flags : {MS_SYNC | MS_ASYNC, MS_SYNC | MS_ASYNC | MS_INVALIDATE, 0x100, MS_SYNC | 0x1000})
    EXPECT_THAT(Returned(msync(hole.at(), page(), flags)), FailsWith(EINVAL)) << flags;
  for (const size_t offset : {size_t{1}, page() / 2, page() - 1})
    EXPECT_THAT(Returned(msync(hole.at(offset), page(), MS_SYNC)), FailsWith(EINVAL)) << offset;
  EXPECT_THAT(Returned(msync(hole.at(), page(), MS_SYNC)), FailsWith(ENOMEM));
}

CONFORMANCE(Prec, BadMunmapArgumentsRemoveNothing, Clause::prec_munmap_args_first, on::files, need::proc) {
  TempFile file(3 * page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 3 * page());
  const auto before = MapsOf(map.at(), 3 * page());
  struct Case {
    void* address;
    size_t len;
  };
  for (const Case& c : {Case{map.at(), 0},
                        {map.at(page()), 0},
                        {map.at(1), page()},
                        {map.at(1), 0},
                        {map.at(page() - 1), 2 * page()},
                        {map.at(), SIZE_MAX},
                        {map.at(), SIZE_MAX - page() + 1}}) {
    EXPECT_THAT(Returned(munmap(c.address, c.len)), FailsWith(EINVAL)) << c.address << " " << c.len;
    EXPECT_EQ(MapsOf(map.at(), 3 * page()), before);
    EXPECT_THAT(Memory(map.at(), 3 * page()), HoldsPattern(0, 3 * page()));
  }
}

}  // namespace
}  // namespace shmcheck::conformance

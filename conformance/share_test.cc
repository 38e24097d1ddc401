// Shared mappings: one object, whatever process, descriptor or address it is reached through.

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "conformance/framework/conformance.h"

namespace shmcheck::conformance {
namespace {

off_t Pages(size_t count) {
  return static_cast<off_t>(count * page());
}

// A process that has nothing in common with the test but the path of a file. It maps the file and answers
// (kStore, offset, value) and (kLoad, offset) until it gets kQuit.
constexpr uint64_t kQuit = 0;
constexpr uint64_t kStore = 1;
constexpr uint64_t kLoad = 2;

HELPER(file_peer) {
  const Fd fd = Open(arguments[0], O_RDWR);
  const Mapping map = MapShared(fd.get(), strtoul(arguments[1], nullptr, 10));
  Channel& test = HelperChannel();
  for (;;) {
    const uint64_t what = test.Receive();
    if (what == kQuit) return 0;
    uint8_t* const address = map.at(test.Receive());
    if (what == kStore) {
      EXPECT_THAT(Store(address, static_cast<uint8_t>(test.Receive())), Works());
      test.Signal();
    } else {
      test.Send(Load(address).value);
    }
  }
}

void PeerStores(Helper& peer, size_t offset, uint8_t value) {
  for (const uint64_t word : {kStore, uint64_t{offset}, uint64_t{value}}) peer.Send(word);
  peer.Wait();
}

uint64_t PeerLoads(Helper& peer, size_t offset) {
  peer.Send(kLoad);
  peer.Send(offset);
  return peer.Receive();
}

CONFORMANCE(Share, UnrelatedProcessesSeeEachOthersStores, Clause::share_unrelated, on::directories) {
  TempFile file(3 * page());
  file.FillPattern();
  const std::vector<std::string> arguments = {file.path(), std::to_string(3 * page())};
  Helper one("file_peer", arguments);
  Helper two("file_peer", arguments);
  for (const size_t at : {size_t{0}, page() - 1, page(), 3 * page() - 1}) {
    EXPECT_EQ(PeerLoads(one, at), PatternByte(at));
    PeerStores(one, at, 0x15);
    EXPECT_EQ(PeerLoads(two, at), 0x15U) << at;
    PeerStores(two, at, 0x16);
    EXPECT_EQ(PeerLoads(one, at), 0x16U) << at;
    EXPECT_THAT(Contents(file.fd(), static_cast<off_t>(at), 1), AllBytesAre(0x16));
  }
  for (Helper* peer : {&one, &two}) {
    peer->Send(kQuit);
    EXPECT_THAT(peer->Join(), ExitsWith(0));
  }
}

CONFORMANCE(Share, MappingsOfOnePageAliasTheSameMemory, Clause::share_aliases, on::files) {
  TempFile file(4 * page());
  file.FillPattern();
  const Mapping all = MapShared(file.fd(), 4 * page());
  const Mapping again = MapShared(file.fd(), 4 * page());
  const Mapping tail = Map(file.fd(), 3 * page(), kReadWrite, MAP_SHARED, Pages(1));
  const Mapping last = Map(file.fd(), page(), kReadWrite, MAP_SHARED, Pages(3));
  for (const size_t at : {3 * page(), 4 * page() - 1}) {
    const std::vector<uint8_t*> aliases = {all.at(at), again.at(at), tail.at(at - page()),
                                           last.at(at - 3 * page())};
    for (size_t writer = 0; writer < aliases.size(); ++writer) {
      const auto value = static_cast<uint8_t>(0x80 + writer);
      EXPECT_THAT(Store(aliases[writer], value), Works());
      for (uint8_t* const alias : aliases) EXPECT_THAT(Load(alias), Reads(value)) << "writer " << writer;
    }
  }
  EXPECT_THAT(Memory(tail.at(), page()), HoldsPattern(page(), page()));
}

// Ways to write bytes into a file.
struct Writer {
  const char* name;
  ssize_t (*write)(int fd, const void* data, size_t size, off_t offset);
};
constexpr Writer kWriters[] = {
    {"pwrite",
     [](int fd, const void* data, size_t size, off_t offset) { return pwrite(fd, data, size, offset); }},
    {"write",
     [](int fd, const void* data, size_t size, off_t offset) {
       lseek(fd, offset, SEEK_SET);
       return write(fd, data, size);
     }},
    {"pwritev",
     [](int fd, const void* data, size_t size, off_t offset) {
       auto* const bytes = static_cast<uint8_t*>(const_cast<void*>(data));
       const iovec parts[] = {{bytes, size / 3}, {bytes + size / 3, size - size / 3}};
       return pwritev(fd, parts, 2, offset);
     }},
};

CONFORMANCE(Share, WrittenDataIsInEveryMappingAtOnce, Clause::share_write_to_mapping, on::files) {
  const TempFile file(4 * page());
  const Mapping map = MapShared(file.fd(), 4 * page());
  const Mapping readable = Map(file.fd(), 3 * page(), PROT_READ, MAP_SHARED, Pages(1));
  ASSERT_THAT(Memory(map.at(), 4 * page()), AllBytesAre(0));
  const size_t size = page() + 100;
  const size_t offset = page() + 50;
  unsigned seed = 1;
  for (const Writer& writer : kWriters) {
    SCOPED_TRACE(writer.name);
    const auto bytes = Pattern(0, size, seed);
    EXPECT_THAT(Returned(writer.write(file.fd(), bytes.data(), size, static_cast<off_t>(offset))),
                Returns(static_cast<long>(size)));
    EXPECT_THAT(Memory(map.at(offset), size), BytesAre(bytes));
    EXPECT_THAT(Memory(readable.at(offset - page()), size), BytesAre(bytes));
    Child other([&](Channel&) { EXPECT_THAT(Memory(map.at(offset), size), BytesAre(bytes)); });
    EXPECT_THAT(other.Join(), ExitsWith(0));
    ++seed;
  }
  EXPECT_THAT(Memory(map.at(), offset), AllBytesAre(0));
  EXPECT_THAT(Memory(map.at(offset + size), 4 * page() - offset - size), AllBytesAre(0));
}

CONFORMANCE(Share, StoredDataIsReadWithoutMsync, Clause::share_mapping_to_read, on::files) {
  const TempFile file(3 * page());
  const Mapping map = MapShared(file.fd(), 3 * page());
  for (unsigned seed = 1; seed < 4; ++seed) {
    ASSERT_THAT(FillPattern(map.at(), 0, 3 * page(), seed), Works());
    EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 3 * page(), seed));
    Child other([&](Channel&) {
      EXPECT_THAT(WholeFile(file.fd()), HoldsPattern(0, 3 * page(), seed));
      EXPECT_THAT(Contents(file.fd(), Pages(1) + 1, page()), HoldsPattern(page() + 1, page(), seed));
    });
    EXPECT_THAT(other.Join(), ExitsWith(0));
  }
}

CONFORMANCE(Share, AnonymousMemoryIsOneObjectAfterFork, Clause::share_fork_anon) {
  const Mapping map = MapSharedAnonymous(3 * page());
  ASSERT_THAT(Store(map.at(page()), 0x01), Works());  // page 0 and 2 are untouched at fork
  Child child([&](Channel& test) {
    EXPECT_THAT(Load(map.at(page())), Reads(0x01));
    EXPECT_THAT(Store(map.at(0), 0x02), Works());
    EXPECT_THAT(Store(map.at(page()), 0x03), Works());
    test.Signal();
    test.Wait();
    EXPECT_THAT(Load(map.at(2 * page())), Reads(0x04));
    EXPECT_THAT(Load(map.at(page())), Reads(0x05));
  });
  child.Wait();
  EXPECT_THAT(Load(map.at(0)), Reads(0x02));
  EXPECT_THAT(Load(map.at(page())), Reads(0x03));
  EXPECT_THAT(Store(map.at(2 * page()), 0x04), Works());
  EXPECT_THAT(Store(map.at(page()), 0x05), Works());
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Share, OffsetsCorrespondAtDifferentAddresses, Clause::share_different_addresses, on::files) {
  TempFile file(4 * page());
  const Mapping map = MapShared(file.fd(), 4 * page());
  // A list of offsets: each element gives the place of the next, wherever the object is mapped.
  const size_t kPlaces[] = {0, 3 * page() + 8, page() + 16, 2 * page() + 24, 8};
  for (size_t i = 0; i + 1 < std::size(kPlaces); ++i) {
    ASSERT_THAT(StoreWord(map.at(kPlaces[i]), kPlaces[i + 1]), Works());
  }
  Child child([&](Channel&) {
    const Mapping elsewhere = MapShared(file.fd(), 4 * page());
    ASSERT_NE(elsewhere.at(), map.at());
    size_t place = 0;
    for (size_t i = 1; i < std::size(kPlaces); ++i) {
      place = LoadWord(elsewhere.at(place)).value;
      ASSERT_EQ(place, kPlaces[i]);
    }
    EXPECT_THAT(StoreWord(elsewhere.at(place), 0x1122334455667788), Works());
  });
  EXPECT_THAT(child.Join(), ExitsWith(0));
  EXPECT_THAT(LoadWord(map.at(8)), Reads(0x1122334455667788));
}

CONFORMANCE(Share, ReadOnlyMappingSeesStoresOfAWritableOne, Clause::share_ro_sees_rw, on::files) {
  const TempFile file(2 * page());
  const Mapping readable = Map(file.fd(), 2 * page(), PROT_READ, MAP_SHARED);
  const Mapping writable = MapShared(file.fd(), 2 * page());
  EXPECT_THAT(Memory(readable.at(), 2 * page()), AllBytesAre(0));
  for (unsigned seed = 0; seed < 3; ++seed) {
    EXPECT_THAT(FillPattern(writable.at(), 0, 2 * page(), seed), Works());
    EXPECT_THAT(Memory(readable.at(), 2 * page()), HoldsPattern(0, 2 * page(), seed));
  }
  EXPECT_THAT(Store(readable.at(), 1), FaultsWith(SIGSEGV, SEGV_ACCERR, readable.at()));
}

CONFORMANCE(Share, ReadOnlyDescriptorSeesStoresOfAWritableOne, Clause::share_ro_sees_rw, on::directories) {
  const TempFile file(page());
  const Fd fd = file.Reopen(O_RDONLY);
  const Mapping readable = Map(fd.get(), page(), PROT_READ, MAP_SHARED);
  EXPECT_THAT(Load(readable.at(5)), Reads(0));
  const Mapping writable = MapShared(file.fd(), page());
  EXPECT_THAT(Store(writable.at(5), 0x77), Works());
  EXPECT_THAT(Load(readable.at(5)), Reads(0x77));
}

CONFORMANCE(Share, ProtectionOfOneProcessIsItsOwn, Clause::share_protection_is_local, on::files) {
  TempFile file(3 * page());
  file.FillPattern();
  const Mapping map = MapShared(file.fd(), 3 * page());
  ASSERT_THAT(Memory(map.at(), 3 * page()), HoldsPattern(0, 3 * page()));
  Child child([&](Channel& test) {
    EXPECT_THAT(Returned(mprotect(map.at(), page(), PROT_NONE)), Succeeds());
    EXPECT_THAT(Returned(mprotect(map.at(page()), page(), PROT_READ)), Succeeds());
    EXPECT_THAT(Returned(munmap(map.at(2 * page()), page())), Succeeds());
    test.Signal();
    test.Wait();  // the other process has changed its own protection
    EXPECT_THAT(Load(map.at(0)), FaultsWith(SIGSEGV, SEGV_ACCERR, map.at(0)));
    EXPECT_THAT(Load(map.at(page())), Reads(0x21));
    EXPECT_THAT(Load(map.at(2 * page())), FaultsWith(SIGSEGV, SEGV_MAPERR, map.at(2 * page())));
  });
  child.Wait();
  for (const size_t at : {size_t{0}, page(), 2 * page()}) {
    EXPECT_THAT(Load(map.at(at)), Reads(PatternByte(at)));
    EXPECT_THAT(Store(map.at(at), 0x21), Works());
  }
  EXPECT_THAT(Returned(munmap(map.at(page()), page())), Succeeds());
  child.Signal();
  EXPECT_THAT(child.Join(), ExitsWith(0));
}

CONFORMANCE(Share, StoresAffectOnlyTheMappedObject, Clause::share_not_in_other_object, on::files) {
  TempFile before(2 * page() + 10);
  TempFile file(2 * page() + 10);
  TempFile after(2 * page() + 10);
  before.FillPattern(1);
  after.FillPattern(2);
  const Segment segment(2 * page());
  uint8_t* const attached = segment.Attach();
  const Mapping anonymous = MapSharedAnonymous(2 * page());
  {
    const Mapping map = MapShared(file.fd(), 4 * page());
    EXPECT_THAT(Fill(map.at(), 0xff, 3 * page()), Works());  // all of it, slack included
    EXPECT_THAT(Store(map.at(3 * page()), 0xff), FaultsWith(SIGBUS, BUS_ADRERR, map.at(3 * page())));
  }
  EXPECT_THAT(WholeFile(file.fd()), AllBytesAre(0xff));
  EXPECT_THAT(WholeFile(before.fd()), HoldsPattern(0, 2 * page() + 10, 1));
  EXPECT_THAT(WholeFile(after.fd()), HoldsPattern(0, 2 * page() + 10, 2));
  EXPECT_THAT(Memory(attached, 2 * page()), AllBytesAre(0));
  EXPECT_THAT(Memory(anonymous.at(), 2 * page()), AllBytesAre(0));
  EXPECT_THAT(Fill(attached, 0xfe, 2 * page()), Works());
  EXPECT_THAT(WholeFile(file.fd()), AllBytesAre(0xff));
  EXPECT_THAT(Memory(anonymous.at(), 2 * page()), AllBytesAre(0));
}

}  // namespace
}  // namespace shmcheck::conformance

// Room for the first few elements of a vector at once: growing to four one by one allocates three times,
// which is much of what a short program costs under a sanitizer.
#pragma once

#include <cstddef>
#include <vector>

namespace shmcheck::model {

template <typename T>
void make_room(std::vector<T>& v, std::size_t count = 4) {
  if (v.capacity() == 0) v.reserve(count);
}

}  // namespace shmcheck::model

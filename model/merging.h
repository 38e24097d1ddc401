// Which neighbouring vmas the kernel may have made one.
//
// Pieces of an attach are one only where the world has them so; of others it is not tracked.
#pragma once

#include "model/address_space.h"

namespace shmcheck::model {

bool may_be_one(const Vma& a, const Vma& b, std::uint32_t page);

}  // namespace shmcheck::model

// What the executor says about the target, and what it says it cannot offer.
#pragma once

#include "executor/mounts.h"
#include "executor/text.h"

namespace shmcheck::executor {

// Adds `absent THING: EVIDENCE` to the hello.
void say_absent(std::string_view thing, std::string_view evidence);
void say_absent(std::string_view thing, std::string_view call, long error);

// The payload of the hello frame; valid until the next call.
std::string_view hello_payload(std::span<const Place> places);

}  // namespace shmcheck::executor

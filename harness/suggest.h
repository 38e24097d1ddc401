// "did you mean" for words that users mistype.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace shmcheck::harness {

// ", did you mean 'uml'?" or empty if nothing known is close.
std::string did_you_mean(std::string_view wrong, std::span<const std::string_view> known);

}  // namespace shmcheck::harness

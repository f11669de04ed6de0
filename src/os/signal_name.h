#pragma once

#include <string.h>

#include <string>

namespace penstock {

// "SIGSEGV"; "signal 99" for one without a name.
[[nodiscard]] inline std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(number);
}

}  // namespace penstock

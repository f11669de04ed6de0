// CHECK states a law that no input may break; it stays on in release builds and ends the process.
// Input from outside is validated before any CHECK can see it.
#pragma once

#include <string_view>

namespace penstock {

// Prints "penstock: fatal: <what>: <why>" and, when there is one, "  hint: <hint>" to standard
// error and aborts.
[[noreturn]] void fatal(std::string_view what, std::string_view why, std::string_view hint = {});

[[noreturn]] void check_failed(const char* law, const char* file, int line);

// Called in place of printing, before the abort; it may throw instead of returning. For the
// simulator, in which a process dies many times. One for the whole process; null takes it away.
using FatalHandler = void (*)(std::string_view what, std::string_view why);
void set_fatal_handler(FatalHandler handler);

}  // namespace penstock

#define CHECK(law)                             \
  (__builtin_expect(static_cast<bool>(law), 1) \
       ? void()                                \
       : ::penstock::check_failed(#law, __FILE__, __LINE__))

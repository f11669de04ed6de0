#include "base/check.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace penstock {

namespace {
FatalHandler fatal_handler = nullptr;
}

void set_fatal_handler(FatalHandler handler) {
  fatal_handler = handler;
}

void fatal(std::string_view what, std::string_view why, std::string_view hint) {
  if (fatal_handler != nullptr) fatal_handler(what, why);
  std::fprintf(stderr, "penstock: fatal: %.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(why.size()), why.data());
  if (!hint.empty())
    std::fprintf(stderr, "  hint: %.*s\n", static_cast<int>(hint.size()), hint.data());
  std::abort();
}

void check_failed(const char* law, const char* file, int line) {
  fatal(std::string(file) + ":" + std::to_string(line),
        "the law does not hold: " + std::string(law));
}

}  // namespace penstock

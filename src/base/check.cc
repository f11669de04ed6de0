#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace penstock {

void fatal(std::string_view what, std::string_view why) {
  std::fprintf(stderr, "penstock: fatal: %.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(why.size()), why.data());
  std::abort();
}

void check_failed(const char* law, const char* file, int line) {
  std::fprintf(stderr, "penstock: fatal: %s:%d: the law does not hold: %s\n", file, line, law);
  std::abort();
}

}  // namespace penstock

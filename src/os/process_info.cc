#include "os/process_info.h"

#include <malloc.h>
#include <unistd.h>

#include <array>

#include "base/text.h"
#include "os/file.h"

namespace penstock {

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

std::uint32_t process_number() {
  return static_cast<std::uint32_t>(::getpid());
}

std::uint64_t resident_bytes() {
  const auto pages = read_small_file("/proc/self/statm", 256);
  if (!pages) return 0;
  const auto from = pages->find(' ') + 1;  // the first number is all of its address space
  const auto count =
      parse_u64(std::string_view(*pages).substr(from, pages->find(' ', from) - from));
  return count.value_or(0) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void give_back_free_memory() {
  ::malloc_trim(0);
}

}  // namespace penstock

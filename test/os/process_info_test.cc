#include "os/process_info.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace penstock {
namespace {

TEST(ProcessInfo, NamesTheMachineAndTheProcess) {
  EXPECT_FALSE(host_name().empty());
  EXPECT_EQ(process_number(), static_cast<std::uint32_t>(::getpid()));
}

TEST(ProcessInfo, CountsMemoryThatIsTouched) {
  constexpr std::size_t kBytes = 64u << 20;
  const auto before = resident_bytes();
  EXPECT_GT(before, 0u);
  void* memory =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::memset(memory, 1, kBytes);
  const auto after = resident_bytes();
  ::munmap(memory, kBytes);
  // The kernel counts in steps.
  EXPECT_GE(after, before + kBytes / 2);
  EXPECT_LE(after, before + kBytes * 2);
}

}  // namespace
}  // namespace penstock

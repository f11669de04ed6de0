// What this process is to others: on which machine, under which number, how large.
#pragma once

#include <cstdint>
#include <string>

namespace penstock {

[[nodiscard]] std::string host_name();
[[nodiscard]] std::uint32_t process_number();
// Its memory that is resident now; 0 where the kernel does not tell.
[[nodiscard]] std::uint64_t resident_bytes();
// What was freed and the allocator keeps goes back to the kernel. Takes milliseconds where it is
// much, and other threads that allocate wait for it.
void give_back_free_memory();

}  // namespace penstock

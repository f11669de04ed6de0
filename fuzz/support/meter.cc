#include "fuzz/support/meter.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/check.h"

namespace penstock::fuzz {
namespace {

// Of this thread: no target has more than one.
struct Counts {
  std::uint64_t live = 0;
  std::uint64_t peak = 0;
  std::uint64_t allocated = 0;
  std::uint64_t work = 0;
};
thread_local Counts counts;

void* take(std::size_t bytes, std::size_t alignment) {
  void* memory =
      alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__
          ? std::malloc(bytes)
          : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) fatal("operator new", "no memory is left");
  // What was asked for: an allocator's rounding is not the decoder's doing.
  counts.live += malloc_usable_size(memory);
  counts.allocated += bytes;
  counts.peak = std::max(counts.peak, counts.live);
  return memory;
}

void give_back(void* memory) {
  if (memory == nullptr) return;
  counts.live -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

// Called by the hooks below, which the linker finds by name.
void count_work(std::size_t bytes);
void count_work(std::size_t bytes) {
  counts.work += bytes;
}

Meter::Meter()
    : live_(counts.live),
      outer_peak_(counts.peak),
      allocated_(counts.allocated),
      work_(counts.work) {
  counts.peak = counts.live;
}
Meter::~Meter() {
  counts.peak = std::max(counts.peak, outer_peak_);
}
std::uint64_t Meter::peak_bytes() const {
  return counts.peak - std::min(live_, counts.peak);
}
std::uint64_t Meter::allocated_bytes() const {
  return counts.allocated - allocated_;
}
std::uint64_t Meter::work() const {
  return counts.work - work_;
}
void Meter::check_memory(std::uint64_t received, std::uint64_t factor,
                         std::uint64_t constant) const {
  CHECK(peak_bytes() <= factor * received + constant);
}
void Work::check(std::uint64_t received, std::uint64_t each_byte, std::uint64_t each_call) const {
  CHECK(work_ <= each_byte * received + each_call * calls_);
}

}  // namespace penstock::fuzz

// All forms, because a sanitizer's runtime would bring those that are missing.
#define PENSTOCK_NEW(form)                                                   \
  void* operator form(std::size_t bytes) {                                   \
    return penstock::fuzz::take(bytes, 1);                                   \
  }                                                                          \
  void* operator form(std::size_t bytes, const std::nothrow_t&) noexcept {   \
    return penstock::fuzz::take(bytes, 1);                                   \
  }                                                                          \
  void* operator form(std::size_t bytes, std::align_val_t alignment) {       \
    return penstock::fuzz::take(bytes, static_cast<std::size_t>(alignment)); \
  }
#define PENSTOCK_DELETE(form)                                                \
  void operator form(void* memory) noexcept {                                \
    penstock::fuzz::give_back(memory);                                       \
  }                                                                          \
  void operator form(void* memory, std::size_t) noexcept {                   \
    penstock::fuzz::give_back(memory);                                       \
  }                                                                          \
  void operator form(void* memory, const std::nothrow_t&) noexcept {         \
    penstock::fuzz::give_back(memory);                                       \
  }                                                                          \
  void operator form(void* memory, std::align_val_t) noexcept {              \
    penstock::fuzz::give_back(memory);                                       \
  }                                                                          \
  void operator form(void* memory, std::size_t, std::align_val_t) noexcept { \
    penstock::fuzz::give_back(memory);                                       \
  }
PENSTOCK_NEW(new)
PENSTOCK_NEW(new[])
PENSTOCK_DELETE(delete)
PENSTOCK_DELETE(delete[])

// The linker sends our code's calls here (--wrap); the real ones have __real_ in front.
extern "C" {
void* __real_memchr(const void* in, int byte, std::size_t count);
void* __wrap_memchr(const void* in, int byte, std::size_t count) {
  void* found = __real_memchr(in, byte, count);
  penstock::fuzz::count_work(
      found == nullptr
          ? count
          : static_cast<std::size_t>(static_cast<char*>(found) - static_cast<const char*>(in)));
  return found;
}
#define PENSTOCK_COUNTED(type, name, pointer)                           \
  type __real_##name(pointer to, const void* from, std::size_t count);  \
  type __wrap_##name(pointer to, const void* from, std::size_t count) { \
    penstock::fuzz::count_work(count);                                  \
    return __real_##name(to, from, count);                              \
  }
PENSTOCK_COUNTED(void*, memcpy, void*)
PENSTOCK_COUNTED(void*, memmove, void*)
PENSTOCK_COUNTED(int, memcmp, const void*)
#ifdef PENSTOCK_FUZZ
PENSTOCK_COUNTED(void*, __asan_memcpy, void*)
PENSTOCK_COUNTED(void*, __asan_memmove, void*)
// Called for each load of instrumented code (-fsanitize-coverage=trace-loads).
#define PENSTOCK_LOAD(bytes)                                                         \
  __attribute__((no_sanitize("coverage"))) void __sanitizer_cov_load##bytes(void*) { \
    penstock::fuzz::count_work(1);                                                   \
  }
PENSTOCK_LOAD(1) PENSTOCK_LOAD(2) PENSTOCK_LOAD(4) PENSTOCK_LOAD(8) PENSTOCK_LOAD(16)
#endif
}

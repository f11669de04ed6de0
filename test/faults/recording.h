// The memory that the shim inside the server and the test outside share: what the test has to
// know after the process died. A file, mapped by both, so it survives a SIGKILL.
//
// It counts the calls, and holds every change of the data directory with the moments at which it
// began and was done: enough to tell what a power cut could have taken back.
#pragma once

#include <atomic>
#include <cstdint>

#include "test/faults/points.h"

namespace penstock::faults {

// Where the shim finds the file, the directory it acts on, and what it is to do there.
inline constexpr const char* kRecordingVariable = "PENSTOCK_FAULTS_RECORDING";
inline constexpr const char* kDirectoryVariable = "PENSTOCK_FAULTS_DIRECTORY";
inline constexpr const char* kPlanVariable = "PENSTOCK_FAULTS";

inline constexpr std::uint64_t kRecordingMagic = 0x3153'544c'5541'4650;
inline constexpr std::uint64_t kRecordingBytes = 1ull << 30;  // a hole, but for what is used

// One change. Behind it lie the names ("from\0to\0") or the bytes written, padded to 8 bytes.
struct Event {
  std::uint32_t total_bytes;
  Call call;
  bool failed;
  std::uint16_t reserved;
  std::uint64_t began, done;  // moments; done == 0: the process ended before it was
  std::uint64_t inode;        // of the file that was created, written, synced
  std::uint64_t offset;
  std::uint64_t length;  // of what was written; the new size for fallocate and ftruncate
};
static_assert(sizeof(Event) == 48);

struct Recording {
  std::uint64_t magic;
  std::atomic<std::uint32_t> keeps_changes;  // set by the test: whether events are wanted
  std::atomic<std::uint32_t> disk_full;      // set by the test: nothing may grow, but into
  std::atomic<std::uint32_t> struck;         // how often the planned fault came to pass
  std::atomic<std::uint32_t> overflowed;     // more happened than there is room for
  std::atomic<std::int64_t> freed_bytes;     // what was freed since; the test sets it back
  std::atomic<std::uint64_t> planned_calls;  // of the plan's kind so far; the test sets it back
  std::atomic<std::uint64_t> moment;
  std::atomic<std::uint64_t> used_bytes;  // of events
  std::atomic<std::uint64_t> calls[kCalls];
  std::atomic<std::uint64_t> reached[kPointCount];

  [[nodiscard]] std::byte* events() { return reinterpret_cast<std::byte*>(this) + kEventsAt; }
  static constexpr std::uint64_t kEventsAt = 4096;
};
static_assert(sizeof(Recording) <= Recording::kEventsAt);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace penstock::faults

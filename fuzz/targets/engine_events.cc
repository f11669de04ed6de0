// Records of the journal becoming events again: each head by itself, and a row of them as a log.
//
// Input: records, each as its kind and its head.
#include <algorithm>

#include "base/check.h"
#include "engine/state.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"

namespace penstock::fuzz {
namespace {

using namespace engine;

// What was understood is written so that it is understood in the same way.
template <class Event>
void check_event(ByteView head) {
  IdList ids;
  Event event{};
  const Meter meter;
  const bool good = decode(head, event, ids);
  meter.check_memory(head.size(), 32, 8192);
  if (!good) return;
  Bytes written;
  encode(written, event);
  IdList other_ids;
  Event other{};
  CHECK(decode(written, other, other_ids));
  Bytes rewritten;
  encode(rewritten, other);
  CHECK(rewritten == written);
}

void check_all(ByteView head) {
  check_event<GenesisEvent>(head);
  check_event<QueueSetEvent>(head);
  check_event<QueueGoneEvent>(head);
  check_event<PolicyEvent>(head);
  check_event<PublishEvent>(head);
  check_event<LeaseEvent>(head);
  check_event<ExtendEvent>(head);
  check_event<GiveBackEvent>(head);
  check_event<SettleEvent>(head);
  check_event<FinishEvent>(head);
  check_event<MoveEvent>(head);
  check_event<PurgeEvent>(head);
  check_event<CancelEvent>(head);
  check_event<HistoryEvent>(head);
}

}  // namespace

void fuzz_one(ByteView input) {
  Choices choices(input);
  State state(time_from_micros(1'700'000'000'000'000), {.max_results = 16});
  std::uint64_t position = 4096;
  const Meter meter;
  while (!choices.empty()) {
    const auto kind = static_cast<std::uint8_t>(choices.below(17));
    const auto body_bytes = choices.below(4096);
    const auto head = choices.piece();
    check_all(head);
    const auto done = state.replay(kind, head, LogPosition(position), body_bytes);
    if (!done) {
      check_line(done.error().message);
      break;
    }
    position += 64 + head.size() + body_bytes;
  }
  state.check();
  // A slab grows by pages; a table of numbers may be as long as the largest number of 16 bits.
  meter.check_memory(input.size(), 1024, 16u << 20);
  Bytes written;
  state.encode_checkpoint(written);
}

}  // namespace penstock::fuzz

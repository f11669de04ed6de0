// What a worker and a process of its tasks say to each other. The process may write anything.
#include <tuple>

#include "base/check.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "task/isolate/frames.h"

namespace penstock::fuzz {
namespace {

using namespace detail;

// Headers may be empty, and so cost more where they were decoded; a vector of them grows twofold.
constexpr std::uint64_t kHeadersBytes = 3 * kFrameHeadersMax * sizeof(Headers::value_type);

// All that a task may say of what it enqueues: what is left behind on the way shows here.
auto fields(const EnqueueFrame& frame) {
  const auto& o = frame.options;
  const auto unique = o.unique.value_or(Unique{});
  const auto debounce = o.debounce.value_or(Debounce{});
  const auto throttle = o.throttle.value_or(Throttle{});
  return std::tuple(frame.name, frame.payload, frame.task.queue, frame.task.max_attempts,
                    frame.task.lease, frame.task.result_ttl, frame.task.priority,
                    frame.task.backoff.has_value(), o.queue, o.delay, o.at, o.key, o.group,
                    o.priority, o.expires, o.headers, o.patience, o.timeout, o.hard_timeout,
                    std::tuple(unique.key, unique.until, unique.time, unique.on_conflict),
                    std::tuple(debounce.key, debounce.delay, debounce.max_wait),
                    std::tuple(throttle.key, throttle.most, throttle.period, throttle.on_conflict));
}

// A workflow in a task's place: its nodes and its tasks are small on the way, and few. Its lists of
// children grow twofold, and of payloads a text begins with more than it may be long.
constexpr std::uint64_t kFlowBytes = kHeadersBytes + 2 * kFrameNodesMax * sizeof(FlowNode) +
                                     2 * kFrameTasksMax * sizeof(TaskDefinition);
template <class Part>
constexpr std::uint64_t kFactor = 4;
template <>
constexpr std::uint64_t kFactor<ReplacedFrame> = 8;

// What was accepted is written, and reads back as the same.
template <class... Parts>
void check_payload(ByteView payload) {
  std::tuple<Parts...> told;
  const auto read = [](ByteView in, std::tuple<Parts...>& out) {
    return std::apply([in](auto&... parts) { return decode(in, parts...); }, out);
  };
  const auto write = [](const std::tuple<Parts...>& parts) {
    Bytes out;
    std::apply([&out](const auto&... each) { encode(out, each...); }, parts);
    return out;
  };
  const Meter meter;
  const bool good = read(payload, told);
  Work work;
  work.add(meter);
  work.check(payload.size(), 64, 8192);
  meter.check_memory(payload.size(), (kFactor<Parts> + ...) / sizeof...(Parts), 8192 + kFlowBytes);
  if (!good) return;
  const Bytes once = write(told);
  std::tuple<Parts...> again;
  CHECK(read(once, again));
  CHECK(as_text(write(again)) == as_text(once));
  if constexpr (std::is_same_v<std::tuple<Parts...>, std::tuple<EnqueueFrame>>)
    CHECK(fields(std::get<0>(again)) == fields(std::get<0>(told)));
}

void check_frame(const Frame& frame) {
  switch (frame.kind) {
    case FrameKind::run:
      return check_payload<RunFrame>(frame.payload);
    case FrameKind::stop:
      return check_payload<StopReason>(frame.payload);
    case FrameKind::extended:
      return check_payload<Extension, std::string>(frame.payload);
    case FrameKind::enqueued:
      return check_payload<EnqueuedFrame>(frame.payload);
    case FrameKind::progress:
      return check_payload<engine::Progress>(frame.payload);
    case FrameKind::extend:
      return check_payload<Duration>(frame.payload);
    case FrameKind::enqueue:
      return check_payload<EnqueueFrame>(frame.payload);
    case FrameKind::done:
      return check_payload<DoneFrame>(frame.payload);
    case FrameKind::replaced:
      return check_payload<ReplacedFrame>(frame.payload);
    case FrameKind::failed:
      return check_payload<FailedFrame>(frame.payload);
    case FrameKind::log:
      return check_payload<Attempt::LastWords>(frame.payload);
  }
}

// As a worker hears it; with `look`, what is in the frames is read, too.
Digest run(ByteView input, Cuts* cuts, bool look) {
  Digest digest;
  FrameReader reader;
  const Meter meter;
  for (std::size_t received = 0; received < input.size();) {
    const auto size = cuts == nullptr ? input.size() : cuts->next(input.size() - received);
    reader.add(input.subspan(received, size));
    received += size;
    while (true) {
      const auto frame = reader.next();
      if (!frame) return digest.add(frame.error().message);
      if (!*frame) break;
      digest.add(static_cast<std::uint64_t>((*frame)->kind)).add(as_text((*frame)->payload));
      if (look)
        check_frame(**frame);
      else
        meter.check_memory(received, 4, 4096);
    }
  }
  return digest;
}

}  // namespace

void fuzz_one(ByteView input) {
  const auto whole = run(input, nullptr, true);
  for (std::uint64_t salt = 0; salt < 2; ++salt) {
    Cuts cuts(input, salt);
    CHECK(run(input, &cuts, false) == whole);
  }
}

}  // namespace penstock::fuzz

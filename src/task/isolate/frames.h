// What a worker and one of its task processes say to each other.
//
//   u8 kind, u32 length (little-endian), `length` bytes
//
//   worker                 process
//   run        ──▶                      a task: which one, its message, its limits
//   stop       ──▶                      its stop token
//                     ◀──  progress, log
//                     ◀──  extend       answered by `extended`
//                     ◀──  enqueue      answered by `enqueued`
//                     ◀──  done, failed, replaced: the task's end; the next `run` may come
//
// The process runs the user's code and may write anything: every length is checked before memory
// is taken for it, every field before it is used.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "penstock/options.hpp"
#include "penstock/workflow.hpp"
#include "task/attempt.h"
#include "task/failure.h"

namespace penstock::detail {

enum class FrameKind : std::uint8_t {
  run = 1,
  stop,
  extended,
  enqueued,
  progress,
  extend,
  enqueue,
  done,
  failed,
  log,
  replaced
};

// Larger bodies and results do not go through isolation.
inline constexpr std::size_t kFrameBytesMax = 64u << 20;
inline constexpr std::size_t kFrameHeadBytes = 5;
// Of what a task enqueues: an empty one is two bytes there, and sixty-four where it was decoded.
inline constexpr std::size_t kFrameHeadersMax = 10'000;
// Of a workflow in the place of a task; a map is one. One takes some bytes there, and half a
// kilobyte where it was decoded.
inline constexpr std::size_t kFrameNodesMax = 10'000;
inline constexpr std::size_t kFrameTasksMax = 1'000;

struct Frame {
  FrameKind kind = FrameKind::run;
  Bytes payload;
};

// Takes a stream of bytes apart.
class FrameReader {
 public:
  void add(ByteView bytes);
  // Nothing: more bytes are needed. Error::corrupt: no process of ours said that.
  [[nodiscard]] Result<std::optional<Frame>> next();

 private:
  Bytes buffer_;
  std::size_t at_ = 0;  // of what was not taken yet
};

// One attempt, as a process needs it. Views live as long as what was decoded.
struct RunFrame {
  std::uint32_t task = 0;  // which of those that were known when the process was made
  broker::Delivery delivery;
  std::uint64_t memory_bytes = 0;  // 0 = no limit
  Duration cpu_time{0};
};
struct EnqueueFrame {
  std::string name;
  TaskOptions task;
  EnqueueOptions options;
  std::string payload;
};
struct EnqueuedFrame {
  std::uint64_t id = 0;
  ErrorCode code = ErrorCode::invalid;  // of `error`
  std::string error;                    // empty when it came in
};
struct DoneFrame {
  std::string result;
  std::uint64_t resident_bytes = 0;
};
struct ReplacedFrame {
  FlowPart part;
  std::uint64_t resident_bytes = 0;
};
struct FailedFrame {
  AttemptFailure failure;
  std::uint64_t resident_bytes = 0;
};

void encode(Bytes& out, const RunFrame& run);
void encode(Bytes& out, StopReason reason);
void encode(Bytes& out, const Extension& extension, std::string_view error);
void encode(Bytes& out, const EnqueueFrame& enqueue);
void encode(Bytes& out, const EnqueuedFrame& enqueued);
void encode(Bytes& out, const engine::Progress& progress);
void encode(Bytes& out, Duration extend);
void encode(Bytes& out, const DoneFrame& done);
// Throws InvalidInput where there is more than the bounds above.
void encode(Bytes& out, const ReplacedFrame& replaced);
void encode(Bytes& out, const FailedFrame& failed);
void encode(Bytes& out, const Attempt::LastWords& log);

[[nodiscard]] bool decode(ByteView in, RunFrame& run);
[[nodiscard]] bool decode(ByteView in, StopReason& reason);
[[nodiscard]] bool decode(ByteView in, Extension& extension, std::string& error);
[[nodiscard]] bool decode(ByteView in, EnqueueFrame& enqueue);
[[nodiscard]] bool decode(ByteView in, EnqueuedFrame& enqueued);
[[nodiscard]] bool decode(ByteView in, engine::Progress& progress);
[[nodiscard]] bool decode(ByteView in, Duration& extend);
[[nodiscard]] bool decode(ByteView in, DoneFrame& done);
[[nodiscard]] bool decode(ByteView in, ReplacedFrame& replaced);
[[nodiscard]] bool decode(ByteView in, FailedFrame& failed);
[[nodiscard]] bool decode(ByteView in, Attempt::LastWords& log);

// A frame's bytes: its head, and what `fill` appends.
template <class... Parts>
[[nodiscard]] Bytes make_frame(FrameKind kind, const Parts&... parts) {
  Bytes out(kFrameHeadBytes);
  encode(out, parts...);
  const auto length = static_cast<std::uint32_t>(out.size() - kFrameHeadBytes);
  out[0] = static_cast<std::byte>(kind);
  for (unsigned n = 0; n < 4; ++n) out[1 + n] = static_cast<std::byte>(length >> (8 * n));
  return out;
}

}  // namespace penstock::detail

// The gateway's limits and its counters.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace penstock::gateway {

struct Options {
  // One more is accepted and closed at once, so that its client need not wait to learn it.
  std::uint32_t max_connections = 10'240;
  // Input received and not yet taken in, of all connections together. Beyond it, reading pauses.
  std::uint64_t input_budget_bytes = 256ull << 20;
  // Output that peers have not taken yet, of all connections together. Beyond it, the connections
  // that have not been read from for longest are given up.
  std::uint64_t output_budget_bytes = 256ull << 20;
  // Of the input, for one connection: the largest message with its framing (wire/resp's command
  // limit).
  std::uint64_t max_input_bytes = 33ull << 20;
  // From accept until the first bytes told which protocol it is; in all, not for each byte.
  Duration sniff_timeout = std::chrono::seconds(10);
  // For a whole message, beside the time that its bytes take at kInputBytesPerSecondMin.
  Duration input_timeout = std::chrono::seconds(30);
  // How long a connection waits for a share of the budget before the messages that have been under
  // way for longest are given up, and that they are left alone so long in any case.
  Duration starve_timeout = std::chrono::seconds(2);
  // For a peer to take its output, beside the time that its bytes take at kOutputBytesPerSecondMin.
  Duration write_timeout = std::chrono::seconds(60);
  // After our side ended, how long a peer may take to end its own; without the wait, a close with
  // unread input would reset the connection and could take the last reply with it.
  Duration linger = std::chrono::seconds(2);
  Duration linger_draining = std::chrono::milliseconds(100);
};

// What is read from one socket at a time, into one buffer that all connections share.
inline constexpr std::size_t kReadBytes = 64u << 10;
// After so many reads in a row the others come first.
inline constexpr int kReadsPerTurn = 4;
inline constexpr std::uint64_t kInputBytesPerSecondMin = 4096;
inline constexpr std::uint64_t kOutputBytesPerSecondMin = 4096;
// When a peer must have taken its output that has not gone out at once since `since`, of which it
// took so much: a little now and then is not enough, for the rest waits in memory.
[[nodiscard]] inline Time output_due(const Options& options, Time since, std::uint64_t taken) {
  return since + options.write_timeout +
         std::chrono::seconds(static_cast<std::int64_t>(taken / kOutputBytesPerSecondMin));
}
// Dropped unread from a peer that goes on sending after its connection ended.
inline constexpr std::uint64_t kMaxDiscardedBytes = 4ull << 20;
static_assert(Options{}.input_budget_bytes > Options{}.max_input_bytes + kReadBytes);

// Every "no" and every wait of the gateway, counted since the start.
struct Statistics {
  std::uint64_t accepted = 0;
  std::uint64_t refused_full = 0;      // max_connections were there
  std::uint64_t unknown_protocol = 0;  // the first bytes belong to no protocol of ours
  std::uint64_t sniff_timeouts = 0;
  std::uint64_t input_timeouts = 0;  // half a message, and then nothing
  std::uint64_t write_timeouts = 0;
  std::uint64_t input_overflows = 0;   // a message larger than max_input_bytes
  std::uint64_t broken = 0;            // reset, or gone without an end
  std::uint64_t input_pauses = 0;      // a conversation could not take more: reading stopped
  std::uint64_t output_pauses = 0;     // the peer does not read: writing waits
  std::uint64_t budget_pauses = 0;     // the input budget was used up
  std::uint64_t output_evictions = 0;  // a peer that did not read, given up for its output's memory
  std::uint64_t input_evictions =
      0;                            // half a message given up, because others waited for its memory
  std::uint64_t accept_pauses = 0;  // no descriptor was left
  std::uint64_t tls_handshakes = 0;  // done
  std::uint64_t tls_failures = 0;    // broken off, by either side
  std::uint64_t tls_refused = 0;     // a client spoke TLS where no certificate is set
  std::uint64_t received_bytes = 0;
  std::uint64_t sent_bytes = 0;
};

}  // namespace penstock::gateway

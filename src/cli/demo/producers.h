// Clients that bring events over HTTP, faster than they can be worked off, and come back when told.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "cli/demo/events.h"

namespace penstock::cli {

struct ProducerOptions {
  std::string url;        // http://host:port/v1/queues/events/messages
  double rate = 0;        // events per second, of all clients together
  unsigned clients = 16;  // each a thread with a connection of its own
};

// Each client has every n-th event. An event that is refused is brought again when its Retry-After
// is over, and one whose answer never came as well, under the same Idempotency-Key: so it comes in
// once. Threads:  made, read and joined by one; statistics from any. Lifetime: `events` and `clock`
// outlive it. The destructor stops the clients.
class Producers {
 public:
  Producers(std::span<const Event> events, ProducerOptions options, Clock& clock);
  ~Producers();

  // Bring nothing new; what was refused is given up.
  void stop();
  [[nodiscard]] bool finished() const { return running_ == 0; }
  // After finished(): the events that the server said 202 to.
  [[nodiscard]] std::vector<std::string> accepted_ids() const;

  struct Statistics {
    std::uint64_t tried = 0, accepted = 0, refused = 0, unanswered = 0;
    std::uint64_t rejected = 0;                        // with a 4xx: the event itself is wrong
    Duration retry_after_mean{0}, retry_after_max{0};  // as the refusals said
  };
  [[nodiscard]] Statistics statistics() const;

 private:
  struct Client;
  void run(Client& client, const std::stop_token& stop);

  std::span<const Event> events_;
  const ProducerOptions options_;
  Clock& clock_;
  const Time began_;
  std::atomic<unsigned> running_;
  std::atomic<std::uint64_t> tried_ = 0, accepted_ = 0, refused_ = 0, unanswered_ = 0;
  std::atomic<std::uint64_t> rejected_ = 0;
  std::atomic<std::int64_t> retry_sum_us_ = 0, retry_max_us_ = 0;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace penstock::cli

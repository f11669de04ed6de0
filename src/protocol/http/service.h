// What all HTTP connections of a server share.
//
// Threads:  the broker's.
// Lifetime: broker and settings outlive the service; the service outlives its conversations.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "broker/broker.h"
#include "protocol/conversation.h"
#include "protocol/http/event_hub.h"
#include "protocol/http/routes.h"
#include "protocol/http/session.h"
#include "protocol/http/settings.h"

namespace penstock::protocol::http {

// What HTTP itself counts; the rest of /metrics comes from the broker.
struct HttpCounters {
  std::array<std::uint64_t, kRoutesMax> requests{};  // by place among the routes
  std::array<std::uint64_t, 6> responses{};          // by the status's first digit
  std::uint64_t connections = 0;                     // open now
  std::uint64_t malformed = 0;                       // requests refused by the parser
  std::uint64_t foreign = 0;                         // refused for their Host or Origin
  std::uint64_t unauthorized = 0;                    // without a right user and password
  std::uint64_t timeouts = 0;                        // requests that took too long to arrive
  std::uint64_t events_lost = 0;                     // dropped for watchers that read too slowly
};

class Service {
 public:
  Service(broker::Broker& broker, Settings settings);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Begins a conversation on a new connection; `host` outlives it.
  [[nodiscard]] std::unique_ptr<Conversation> converse(Host& host);

  // From now on /readyz says 503, so that balancers send work elsewhere.
  void stop_accepting() { stopping_ = true; }
  [[nodiscard]] bool stopping() const { return stopping_; }

  [[nodiscard]] broker::Broker& broker() { return broker_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] EventHub& hub() { return *hub_; }
  [[nodiscard]] HttpCounters& counters() { return counters_; }
  [[nodiscard]] Time started() const { return started_; }
  // The value of the field Date; made once a second.
  [[nodiscard]] std::string_view date();

 private:
  broker::Broker& broker_;
  const Settings settings_;
  // Shared with the watcher that the broker keeps and cannot be made to forget.
  std::shared_ptr<EventHub> hub_;
  HttpCounters counters_;
  Time started_;
  std::int64_t date_second_ = -1;
  std::string date_;
  bool stopping_ = false;
};

}  // namespace penstock::protocol::http

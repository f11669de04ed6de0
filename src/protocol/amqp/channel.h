// What one channel of a connection is in the middle of.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/reply.h"
#include "engine/command.h"
#include "protocol/amqp/arguments.h"

namespace penstock::protocol::amqp {

inline constexpr std::int64_t kUnlimitedCredit = 1ll << 40;

// A publish whose content is still coming, or that waits to be offered again.
struct Incoming {
  enum class Stage : std::uint8_t { none, header, body, complete };
  Stage stage = Stage::none;
  std::string exchange, routing_key;
  bool mandatory = false;
  std::string raw_properties;
  std::uint64_t body_bytes = 0;  // announced
  Bytes body;                    // so far
};

// A delivery that its consumer has not settled.
struct Unacked {
  engine::LeaseToken lease;
  std::uint64_t consumer = 0;  // whose credit it is; 0: of a get
  enum class State : std::uint8_t { open, held, settled };
  State state = State::open;  // held: settled in a transaction that is not committed
};

// The answer to one method, in the order of the methods.
struct Call {
  using OnReply = std::function<std::optional<Fault>(const broker::Reply&, std::string& out)>;
  std::uint64_t id = 0;
  OnReply on_reply;
  bool answered = false;
  std::string bytes;
};

struct Consumer {
  std::string tag;
  std::string queue;         // scoped
  std::uint64_t number = 0;  // the broker's tag for it
  std::uint16_t prefetch = 0;
  bool exclusive = false;
  bool no_ack = false;
  bool counts_deliveries = false;     // tells them in x-delivery-count
  std::int64_t bytes_on_the_way = 0;  // in the output; given back as credit when that is sent
};

// What a transaction holds until it is committed.
struct HeldPublish {
  std::string exchange;  // scoped
  std::vector<std::string> keys;
  Bytes headers, body;
  engine::MessageInput message;  // without its views
  std::string key;
};
struct Transaction {
  struct Settled {
    engine::Outcome outcome;
    std::vector<std::uint64_t> tags;
  };
  std::vector<HeldPublish> publishes;
  std::vector<Settled> settles;
  std::string returns;  // frames to be sent with the commit
  std::uint64_t bytes = 0;
};

struct Channel {
  enum class State : std::uint8_t {
    open,
    failing,  // a fault is on its way out: nothing more is taken
    closing,  // told to close; waits for close-ok
    ending,   // the client closed it; the answer is on its way
  };

  std::uint16_t number = 0;
  std::uint64_t instance = 0;  // of those that had this number
  State state = State::open;

  Incoming incoming;
  bool confirms = false;
  std::uint64_t published = 0;        // numbers the confirms
  std::uint64_t confirmed = 0;        // those, and nacks, that were sent
  std::deque<std::uint64_t> refused;  // of those, still to be said
  std::optional<Transaction> transaction;

  std::string last_queue;  // what an empty queue name means
  std::deque<Call> calls;

  std::uint16_t prefetch = 0;   // of consumers to come; 0 = no limit
  std::int64_t pool_limit = 0;  // of all consumers together; 0 = no limit
  std::uint64_t delivered = 0;  // numbers the deliveries
  std::deque<Unacked> unacked;  // the last one has the number `delivered`
  std::map<std::string, Consumer, std::less<>> consumers;
  std::uint64_t direct_replies = 0;  // 1: consumes them
  std::string direct_tag, direct_name;

  [[nodiscard]] std::uint64_t first_unacked() const { return delivered - unacked.size() + 1; }
  [[nodiscard]] Unacked* at(std::uint64_t tag) {
    if (tag < first_unacked() || tag > delivered) return nullptr;
    return &unacked[static_cast<std::size_t>(tag - first_unacked())];
  }
  // One that its client may still settle.
  [[nodiscard]] Unacked* find_unacked(std::uint64_t tag) {
    Unacked* entry = at(tag);
    return entry != nullptr && entry->state == Unacked::State::open ? entry : nullptr;
  }
};

}  // namespace penstock::protocol::amqp

// A client's end of a session: keeps the replies until somebody looks, and owns what they say.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/broker.h"

namespace penstock::sim {

struct Message {
  MessageId id;
  engine::LeaseToken lease;
  std::string body, queue, group, state;
  std::string due;  // of what a schedule published
  std::uint32_t attempts = 0;
  std::uint8_t priority = 0;
  bool task = false;
  Time deadline{}, expires_at{};
};

struct Answer {
  enum class Kind : std::uint8_t {
    published,
    refused,
    error,
    delivered,
    settled,
    browsed,
    task,
    tasks,
    queues,
    done
  } kind = Kind::error;
  std::uint64_t order = 0;  // among all answers that came
  std::vector<MessageId> ids;
  std::uint64_t count = 0;       // settled, or done
  std::uint32_t duplicates = 0;  // of a publish
  std::uint32_t lost = 0;        // of a settle
  std::string reason;            // of a refusal; the text of an error
  ErrorCode code{};
  MessageId id{};  // of an error
  Duration retry_after{0};
  std::vector<Message> messages;
  engine::TaskState task = engine::TaskState::unknown;
  std::string result;
  std::vector<engine::QueueStatistics> queues;
  std::vector<std::string> names;  // of tasks, as `ids`
};

class Inbox final : public broker::ReplySink {
 public:
  // Inboxes that count in one place know the order of what came to any of them.
  explicit Inbox(std::uint64_t* arrivals = nullptr)
      : arrivals_(arrivals == nullptr ? &own_arrivals_ : arrivals) {}
  void on_reply(broker::Tag tag, const broker::Reply& reply) override;
  // Removes and returns the reply to `tag`, if it came.
  [[nodiscard]] std::optional<Answer> take(broker::Tag tag);
  std::map<broker::Tag, Answer> answers;
  // A tag that was answered twice; 0 is none.
  broker::Tag answered_twice = 0;

 private:
  std::uint64_t own_arrivals_ = 0;
  std::uint64_t* arrivals_;
};

}  // namespace penstock::sim

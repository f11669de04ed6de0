// Tasks to be submitted, as JSON: {"args","kwargs","options"}, one, or one a line.
//
// What it is: the messages, and all that their views point into, until the publish has copied them.
// Lifetime: the text and what the constructor was given outlive it; it does not move.
// Damage:   one bad line is an error of the whole batch, which names the line.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "protocol/http/values.h"

namespace penstock::protocol::http {

inline constexpr std::string_view kDefaultQueue = "default";

class TaskInputs {
 public:
  // `defaults` hold for tasks that don't say otherwise; all get the same headers.
  TaskInputs(const MessageFields& defaults, Time now, ByteView headers)
      : defaults_(defaults), now_(now), headers_(headers) {}
  TaskInputs(const TaskInputs&) = delete;
  TaskInputs& operator=(const TaskInputs&) = delete;

  // Goes to `queue`, unless its options name another.
  [[nodiscard]] Result<void> read_one(std::string_view text, std::string_view queue);
  // All go to `queue`. A key among the defaults becomes "<key>/<index>".
  [[nodiscard]] Result<void> read_lines(std::string_view text, std::uint32_t lines_max,
                                        std::string_view queue);
  [[nodiscard]] std::string_view queue() const { return queue_; }
  [[nodiscard]] std::span<const engine::MessageInput> messages() const { return messages_; }

 private:
  [[nodiscard]] Result<void> read(std::string_view text, MessageFields fields, bool names_queue);
  [[nodiscard]] Result<void> read_options(std::string_view text, MessageFields& fields,
                                          engine::Policy& policy, bool names_queue);

  const MessageFields& defaults_;
  const Time now_;
  const ByteView headers_;
  std::string_view queue_;
  std::vector<engine::MessageInput> messages_;  // at most lines_max
  // What views point into; deques, because their elements stay where they are.
  std::deque<std::string> texts_;
  std::deque<boost::json::value> values_;
};

}  // namespace penstock::protocol::http

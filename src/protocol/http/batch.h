// A batch of messages as `application/x-ndjson`: one JSON object a line.
//
// What it is: the messages, and all that their views point into, until the publish has copied them.
// Lifetime: the text and `defaults` outlive the batch; the batch does not move.
// Memory:   a text body without escapes is used where it lies; some hundred bytes a message beside.
// Damage:   one bad line is an error of the whole batch, which names the line.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "protocol/http/values.h"

namespace penstock::protocol::http {

// Empty lines don't count; the first that is not good is named by its number.
[[nodiscard]] Result<void> for_each_line(
    std::string_view text, std::uint32_t lines_max,
    const std::function<Result<void>(std::string_view)>& read_line);

void on_batch_published(Exchange& exchange, const broker::Published& published);

class Batch {
 public:
  // `defaults` hold for lines that don't say otherwise; a key among them becomes "<key>/<index>"
  // for each line, so that repeating the batch repeats each of its messages.
  // `trace` is headers of every line that names no trace itself. Both outlive the batch.
  Batch(const MessageFields& defaults, Time now, ByteView trace)
      : defaults_(defaults), now_(now), trace_(trace) {}
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Reads all lines; empty ones don't count.
  [[nodiscard]] Result<void> read(std::string_view text, std::uint32_t lines_max);
  [[nodiscard]] std::span<const engine::MessageInput> messages() const { return messages_; }

 private:
  [[nodiscard]] Result<void> read_line(std::string_view line);
  [[nodiscard]] Result<std::string_view> read_body(std::string_view text, std::string_view base64);
  // The value of a JSON string.
  [[nodiscard]] Result<std::string_view> read_string(std::string_view json);
  [[nodiscard]] Result<void> read_headers(const boost::json::object& headers,
                                          engine::MessageInput& message);
  [[nodiscard]] std::string_view keep(std::string text) {
    return texts_.emplace_back(std::move(text));
  }

  const MessageFields& defaults_;
  const Time now_;
  const ByteView trace_;
  std::vector<engine::MessageInput> messages_;  // at most lines_max
  // What views point into; deques, because their elements stay where they are.
  std::deque<std::string> texts_;
  std::deque<boost::json::value> values_;
  std::deque<HeaderWriter> headers_;
};

}  // namespace penstock::protocol::http

// The options that every publishing command takes: SEND, SENDMANY, TASK.SUBMIT, TASK.SUBMITMANY.
#pragma once

#include "base/headers.h"
#include "engine/command.h"
#include "protocol/resp/options.h"

namespace penstock::protocol::resp {

struct PublishOptions {
  explicit PublishOptions(Session& session)
      : scratch(session.scratch()), now(session.broker().now()) {}

  Session::Scratch& scratch;
  Time now;
  engine::MessageInput message{};  // all but body and headers; those are in the scratch memory
  Duration wait{0};                // how long a full queue may hold the publish back
  std::string_view queue{};        // of a task
  std::string_view kwargs{};       // of a task
  std::uint64_t key_from = 0;      // the number of the first of many keys
};

[[nodiscard]] Result<void> set_delay(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_at(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_priority(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_key(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_key_from(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_group(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_expires(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_header(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_publish_wait(PublishOptions& into, Args values);
// One of the three; what says more about it goes behind it.
[[nodiscard]] Result<void> set_unique(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_debounce(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_throttle(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_on_conflict(PublishOptions& into, Args values);
[[nodiscard]] Result<void> set_max_wait(PublishOptions& into, Args values);

// Gives each of `messages` a key of its own, "<key>/<number>", so that a repeat of the batch
// repeats each of its messages. Keys live in the scratch memory.
void number_keys(PublishOptions& options, std::span<engine::MessageInput> messages);

// Publishes `messages` to `queue`, all with the options' header, and owes the answer.
void publish(Session& session, Encode encode, const PublishOptions& options, std::string_view queue,
             std::span<const engine::MessageInput> messages);

// ---- of taking, for RECEIVE and TASK.TAKE
[[nodiscard]] Result<void> take(Session& session, Args args, Encode encode);

}  // namespace penstock::protocol::resp

// What clients declare things with: x-arguments, as Penstock's options and back as JSON.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/command.h"
#include "engine/options.h"
#include "engine/topology.h"
#include "wire/amqp/methods.h"
#include "wire/amqp/reply_code.h"
#include "wire/amqp/table.h"

namespace penstock::protocol::amqp {

// Why something is refused; the code says whether it ends the channel or the connection.
struct Fault {
  wire::amqp::ReplyCode code = wire::amqp::ReplyCode::internal_error;
  std::string text;
};

using OptionList = std::vector<std::pair<std::string, std::string>>;

// The options of a queue that is declared so, all that differ from Penstock's own defaults.
[[nodiscard]] std::expected<OptionList, Fault> queue_options(
    const wire::amqp::QueueDeclare& declare, std::string_view vhost);

// Views into it live as long as it does.
struct ExchangeArguments {
  engine::ExchangeType type = engine::ExchangeType::direct;
  bool delayed = false;
  std::string alternate, hash_on, json;
};
[[nodiscard]] std::expected<ExchangeArguments, Fault> exchange_arguments(
    std::string_view type, const wire::amqp::TableView& arguments, std::string_view vhost);

struct BindingArguments {
  engine::HeaderMatch match = engine::HeaderMatch::none;
  std::vector<engine::MatchField> fields;
  std::string json;
};
[[nodiscard]] std::expected<BindingArguments, Fault> binding_arguments(
    engine::ExchangeType type, std::string_view key, const wire::amqp::TableView& arguments);

// Where x-stream-offset says that reading begins; an interval ("1h") is a time before the epoch, by
// so much. Nothing for what is none of these.
[[nodiscard]] std::optional<engine::StreamStart> stream_start(
    const wire::amqp::TableView& arguments);

// Equal for values that RabbitMQ's headers exchange holds to be equal.
[[nodiscard]] std::string match_text(const wire::amqp::Value& value);

// The fields in the order of their names, so that the same arguments are the same text.
[[nodiscard]] std::string canonical_json(const wire::amqp::TableView& arguments);

}  // namespace penstock::protocol::amqp

// A message's properties: as AMQP has them, and as Penstock keeps them.
//
// What AMQP publishes is kept as it came (kPropertiesHeader: flags and properties, as on the wire;
// kRouteHeader: exchange and keys), so that it is delivered without being taken apart. What came by
// another protocol has plain names and texts; those become properties where AMQP has one of the
// name, else fields of the headers table.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/reply.h"
#include "protocol/amqp/arguments.h"
#include "wire/amqp/properties.h"

namespace penstock::protocol::amqp {

inline constexpr std::string_view kDirectReplyTo = "amq.rabbitmq.reply-to";

// What a publish means beyond what it carries.
struct Meaning {
  std::vector<std::string_view> keys;  // the routing key, then those of CC, then those of BCC
  std::size_t shown_keys = 1;          // those before BCC's
  std::optional<std::string_view> deduplication;
  std::optional<std::int64_t> delay_ms;
};
// False when CC or BCC is no array of texts.
[[nodiscard]] bool read_meaning(std::string_view routing_key,
                                const wire::amqp::Properties& properties, Meaning& meaning);

// The same, and what it decides for how the message is kept: key, delay, expiry, priority. `into`
// has views into `properties`.
[[nodiscard]] std::optional<Fault> read_message(std::string_view routing_key,
                                                const wire::amqp::Properties& properties, Time now,
                                                Meaning& meaning, engine::MessageInput& into);

// Appends the headers under which a message is kept. `raw` are its properties as they came; they
// are written anew where something is not to be seen by others (BCC) or is said in another way
// (`reply_to`).
void write_headers(Bytes& out, std::string_view exchange, const Meaning& meaning,
                   const wire::amqp::Properties& properties, ByteView raw,
                   std::optional<std::string_view> reply_to);

// A message as AMQP delivers it. Views point into the delivery or into `scratch`.
struct Content {
  std::string_view exchange, routing_key;
  ByteView raw_properties;
};
// `delivery_count`: the number of deliveries before this one, told in a header; 0 = not told. A
// stream's message tells its offset.
[[nodiscard]] Content content_of(const broker::Delivery& delivery, std::uint32_t delivery_count,
                                 std::string& scratch);

}  // namespace penstock::protocol::amqp

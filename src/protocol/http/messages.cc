// Publishing, one message or a batch, and looking at messages without taking them.
#include "base/text.h"
#include "protocol/http/batch.h"
#include "protocol/http/handlers.h"
#include "protocol/http/json_text.h"
#include "protocol/http/message_json.h"
#include "protocol/http/values.h"

namespace penstock::protocol::http {
namespace {

constexpr std::uint32_t kBrowseDefault = 50;
constexpr std::uint32_t kBrowseMax = 1000;

void on_published(Exchange& exchange, const broker::Published& published) {
  JsonText json(exchange.text());
  json.begin_object().key("id").id(published.ids.front());
  if (published.duplicates > 0) json.key("duplicate").boolean(true);
  json.end_object();
  exchange.answer_json(202);
}

void post_batch(Exchange& exchange, const PublishFields& fields) {
  HeaderWriter trace;
  read_trace(exchange.fields(), trace);
  Batch batch(fields.message, exchange.now(), trace.view());
  const auto lines_max = exchange.service().settings().batch_max;
  if (const auto good = batch.read(exchange.body(), lines_max); !good) {
    return exchange.answer_error(good.error());
  }
  publish<on_batch_published>(exchange, exchange.parameter(), batch.messages(), fields.wait);
}

void on_browsed(Exchange& exchange, const broker::Browsed& browsed) {
  JsonText json(exchange.text());
  json.begin_object().key("messages").begin_array();
  for (const auto& [message, state, not_before, history] : browsed.messages) {
    json.begin_object();
    write_message_fields(json, message);
    json.key("state").string(state);
    if (not_before != Time{}) json.key("not_before").time(not_before);
    json.key("history").raw(history.empty() ? "[]" : history);
    json.end_object();
  }
  json.end_array().end_object();
  exchange.answer_json(200);
}

}  // namespace

void post_messages(Exchange& exchange) {
  if (auto valid = valid_name(exchange.parameter(), "queue name"); !valid) {
    return exchange.answer_error(valid.error());
  }
  exchange.headers.clear();
  PublishFields fields;
  if (auto read = read_publish_fields(exchange.fields(), fields, exchange.headers); !read) {
    return exchange.answer_error(read.error());
  }
  if (is_batch(exchange.fields().value("Content-Type"))) return post_batch(exchange, fields);
  read_trace(exchange.fields(), exchange.headers);
  engine::MessageInput message;
  message.body = as_bytes(exchange.body());
  message.headers = exchange.headers.view();
  if (auto good = fields.message.apply(exchange.now(), message); !good) {
    return exchange.answer_error(good.error());
  }
  publish<on_published>(exchange, exchange.parameter(), {&message, 1}, fields.wait);
}

void browse_messages(Exchange& exchange) {
  const auto limit = count_in_query(exchange, "limit", kBrowseDefault, kBrowseMax);
  if (!limit) return exchange.answer_error(limit.error());
  const auto tag = exchange.expect<on_browsed>();
  exchange.broker().browse(exchange.session().id(), tag, exchange.parameter(), *limit);
}

}  // namespace penstock::protocol::http

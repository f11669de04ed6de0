// Taking messages, and settling what was taken.
#include <fmt/format.h>

#include "base/text.h"
#include "protocol/http/handlers.h"
#include "protocol/http/json_text.h"
#include "protocol/http/message_json.h"
#include "protocol/http/raw_json.h"
#include "protocol/http/values.h"
#include "protocol/workflow_spec.h"

namespace penstock::protocol::http {
namespace {

constexpr Duration kLeaseMin = std::chrono::milliseconds(1);
constexpr double kProgressMax = 1e18;

void on_delivered(Exchange& exchange, const broker::Delivered& delivered) {
  const auto bytes_max = exchange.service().settings().answer_bytes_max;
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  JsonText json(exchange.text());
  json.begin_object().key("messages").begin_array();
  for (const auto& message : delivered.messages) {
    bytes += message.body.size() + message.headers.size();
    if (count > 0 && bytes > bytes_max) break;
    ++count;
    json.begin_object();
    json.key("lease").string(broker::Broker::to_text(message.lease));
    json.key("deadline").time(message.deadline);
    write_message_fields(json, message);
    json.end_object();
  }
  json.end_array().end_object();
  exchange.answer_json(200);
  exchange.session().give_back(delivered, count);
}

// The token in the path; answers with an error and gives nothing when it is none.
std::optional<engine::LeaseToken> lease_of(Exchange& exchange) {
  const auto token = broker::Broker::parse_lease(exchange.parameter());
  if (token) return *token;
  exchange.answer_error(400, "invalid", token.error().message,
                        "use the \"lease\" of a message that POST /v1/queues/{q}/lease gave");
  return std::nullopt;
}

// True when it answered that the lease is lost.
bool answer_lost(Exchange& exchange, const broker::Settled& settled) {
  if (settled.lost == 0) return false;
  exchange.answer_error(410, "lease_lost",
                        "the lease ran out, was settled already, or was never given",
                        "the message belongs to someone else now; extend leases in time");
  return true;
}

void on_settled(Exchange& exchange, const broker::Settled& settled) {
  if (answer_lost(exchange, settled)) return;
  JsonText(exchange.text()).begin_object().key("settled").integer(settled.settled).end_object();
  exchange.answer_json(200);
}

void on_extended(Exchange& exchange, const broker::Settled& settled) {
  if (answer_lost(exchange, settled)) return;
  JsonText json(exchange.text());
  json.begin_object().key("deadline").time(settled.deadline);
  json.key("cancelled").boolean(settled.cancelled).end_object();
  exchange.answer_json(200);
}

void settle(Exchange& exchange, engine::Settle& settle, const engine::LeaseToken& lease) {
  settle.leases = {&lease, 1};
  const auto tag = exchange.expect<on_settled>();
  exchange.broker().settle(exchange.session().id(), tag, settle);
}

// nack and reject: {"error", "cause"}, and {"delay"} where it may be tried again.
void settle_failed(Exchange& exchange, engine::Outcome outcome) {
  const auto lease = lease_of(exchange);
  if (!lease) return;
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  wire::json::ObjectReader in(*body);
  engine::Settle command;
  command.outcome = outcome;
  if (outcome == engine::Outcome::nack) command.delay = in.duration("delay");
  if (const auto cause = in.text("cause")) {
    const auto known = engine::cause_named(*cause);
    if (!known) in.refuse("cause", fmt::format("be one of {}", engine::kCauseNames));
    command.cause = known.value_or(engine::Cause::none);
  }
  command.error = in.text("error").value_or(std::string_view{});
  if (command.error.size() > kErrorTextBytesMax) in.refuse("error", "have at most 16 KiB");
  if (const auto good = in.finish(); !good) return exchange.answer_error(good.error());
  settle(exchange, command, *lease);
}

}  // namespace

void lease_messages(Exchange& exchange) {
  if (auto valid = valid_name(exchange.parameter(), "queue name"); !valid) {
    return exchange.answer_error(valid.error());
  }
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  const auto& settings = exchange.service().settings();
  wire::json::ObjectReader in(*body);
  engine::Take take;
  take.max = static_cast<std::uint32_t>(in.integer("max", 1, settings.take_max, 1));
  const auto wait = std::min(in.duration("wait").value_or(Duration(0)), settings.wait_max);
  take.lease = in.duration("lease", kLeaseMin).value_or(Duration(0));
  if (const auto good = in.finish(); !good) return exchange.answer_error(good.error());
  take.queues.emplace_back(exchange.parameter());
  take.connection_bound = false;
  if (wait > Duration(0)) {
    take.wait_until = exchange.now() + wait;
    exchange.wait_long([](Exchange& waiting) { waiting.session().cancel_take(); });
  }
  const auto tag = exchange.expect<on_delivered>();
  exchange.broker().take(exchange.session().id(), tag, take);
}

void ack_lease(Exchange& exchange) {
  const auto lease = lease_of(exchange);
  if (!lease) return;
  constexpr std::string_view known[] = {"result"};
  const auto body = RawObject::read(exchange.body(), known);
  if (!body) return exchange.answer_error(body.error());
  engine::Settle command;
  command.result = as_bytes(body->find("result").value_or(std::string_view{}));
  settle(exchange, command, *lease);
}

void replace_lease(Exchange& exchange) {
  const auto lease = lease_of(exchange);
  if (!lease) return;
  WorkflowSpec spec;
  if (auto read = spec.read(exchange.body(), exchange.now()); !read)
    return exchange.answer_error(read.error());
  engine::Settle command;
  command.replacement = &spec.input();
  settle(exchange, command, *lease);
}

void nack_lease(Exchange& exchange) {
  settle_failed(exchange, engine::Outcome::nack);
}
void reject_lease(Exchange& exchange) {
  settle_failed(exchange, engine::Outcome::reject);
}

void decline_lease(Exchange& exchange) {
  settle_failed(exchange, engine::Outcome::decline);
}

void log_lease(Exchange& exchange) {
  const auto lease = lease_of(exchange);
  if (!lease) return;
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  wire::json::ObjectReader in(*body);
  std::vector<std::string_view> lines;
  if (const auto* array = in.array("lines"))
    for (const auto& item : *array) {
      if (const auto* text = item.if_string())
        lines.emplace_back(text->data(), text->size());
      else
        in.refuse("lines", "hold texts");
    }
  if (const auto good = in.finish(); !good) return exchange.answer_error(good.error());
  const auto tag = exchange.expect<on_extended>();
  exchange.broker().log_task(exchange.session().id(), tag, *lease, lines);
}

void give_back_lease(Exchange& exchange) {
  const auto lease = lease_of(exchange);
  if (!lease) return;
  engine::Settle command;
  command.outcome = engine::Outcome::give_back;
  settle(exchange, command, *lease);
}

void extend_lease(Exchange& exchange) {
  const auto lease = lease_of(exchange);
  if (!lease) return;
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  wire::json::ObjectReader in(*body);
  // Without one, it is the message's or the queue's own.
  const auto duration = in.duration("lease", kLeaseMin).value_or(Duration(0));
  if (const auto good = in.finish(); !good) return exchange.answer_error(good.error());
  const auto tag = exchange.expect<on_extended>();
  exchange.broker().extend(exchange.session().id(), tag, {&*lease, 1}, duration);
}

void progress_lease(Exchange& exchange) {
  const auto lease = lease_of(exchange);
  if (!lease) return;
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  wire::json::ObjectReader in(*body);
  engine::Progress progress;
  progress.value = in.number("value", 0, kProgressMax).value_or(0);
  progress.total = in.number("total", 0, kProgressMax).value_or(0);
  progress.text = in.text("text").value_or(std::string_view{});
  if (progress.text.size() > kErrorTextBytesMax) in.refuse("text", "have at most 16 KiB");
  if (const auto good = in.finish(); !good) return exchange.answer_error(good.error());
  const auto tag = exchange.expect<on_extended>();
  exchange.broker().progress(exchange.session().id(), tag, *lease, progress);
}

}  // namespace penstock::protocol::http

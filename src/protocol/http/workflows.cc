// Workflows: submitted, watched, cancelled, resumed.
#include "protocol/http/handlers.h"
#include "protocol/http/json_text.h"
#include "protocol/http/values.h"
#include "protocol/workflow_spec.h"

namespace penstock::protocol::http {
namespace {

constexpr std::uint32_t kListDefault = 100;
constexpr std::uint32_t kListMax = 1000;

void on_submitted(Exchange& exchange, const broker::Published& published) {
  const auto id = published.ids.front();
  exchange.add_field("Location", "/v1/workflows/" + std::to_string(id.value));
  JsonText json(exchange.text());
  json.begin_object().key("id").id(id);
  if (published.duplicates > 0) json.key("duplicate").boolean(true);
  json.end_object();
  exchange.answer_json(202);
}

void answer_unknown(Exchange& exchange, MessageId id) {
  exchange.answer_error(404, "not_found", "there is no workflow " + std::to_string(id.value),
                        "it never was, or it ended and its time to live is over");
}

void write_workflow(JsonText& json, const broker::TaskStatus& status) {
  json.begin_object().key("id").id(status.id).key("name").string(status.name);
  json.key("submitted_at").time(status.enqueued_at).key("ended_at").time(status.finished_at);
  json.key("error");
  status.error.empty() ? json.null() : json.string(status.error);
  json.key("result").raw(status.result.empty() ? "null" : status.result);
  json.key("workflow").raw(status.workflow).end_object();
}

void on_status(Exchange& exchange, const broker::TaskStatus& status) {
  if (status.workflow.empty()) return answer_unknown(exchange, MessageId(exchange.number));
  JsonText json(exchange.text());
  write_workflow(json, status);
  exchange.answer_json(200);
}

void on_list(Exchange& exchange, const broker::Tasks& tasks) {
  JsonText json(exchange.text());
  json.begin_object().key("workflows").begin_array();
  for (const auto& status : tasks.tasks) write_workflow(json, status);
  json.end_array().end_object();
  exchange.answer_json(200);
}

void on_done(Exchange& exchange, const broker::Done&) {
  JsonText json(exchange.text());
  json.begin_object().key("id").id(MessageId(exchange.number)).end_object();
  exchange.answer_json(200);
}

void ask_status(Exchange& exchange, Time wait_until) {
  const auto tag = exchange.expect<on_status>();
  exchange.broker().task(exchange.session().id(), tag, MessageId(exchange.number), wait_until);
}

// The id in the path; answers with an error when it is none.
bool read_workflow_id(Exchange& exchange) {
  const auto id = read_id(exchange.parameter());
  if (!id) {
    exchange.answer_error(id.error());
    return false;
  }
  exchange.number = id->value;
  return true;
}

}  // namespace

void post_workflow(Exchange& exchange) {
  WorkflowSpec spec;
  const auto given = exchange.fields().find("idempotency-key");
  if (given && given->empty())
    return exchange.answer_error(
        {ErrorCode::invalid, "Idempotency-Key is empty", "leave it out, or give it some text"});
  const auto key = given.value_or("");
  if (auto read = spec.read(exchange.body(), exchange.now(), key); !read)
    return exchange.answer_error(read.error());
  const auto tag = exchange.expect<on_submitted>();
  exchange.broker().submit(exchange.session().id(), tag, spec.input());
}

void get_workflow(Exchange& exchange) {
  if (!read_workflow_id(exchange)) return;
  const auto wait = wait_in_query(exchange);
  if (!wait) return exchange.answer_error(wait.error());
  if (*wait == Duration(0)) return ask_status(exchange, Time{});
  exchange.wait_long([](Exchange& waiting) { ask_status(waiting, Time{}); });
  ask_status(exchange, exchange.now() + *wait);
}

void get_workflows(Exchange& exchange) {
  const auto limit = count_in_query(exchange, "limit", kListDefault, kListMax);
  if (!limit) return exchange.answer_error(limit.error());
  MessageId after;
  if (const auto text = exchange.query("after")) {
    const auto id = read_id(*text);
    if (!id) return exchange.answer_error(id.error());
    after = *id;
  }
  const auto tag = exchange.expect<on_list>();
  exchange.broker().workflows(exchange.session().id(), tag, after, *limit);
}

void delete_workflow(Exchange& exchange) {
  if (!read_workflow_id(exchange)) return;
  const auto tag = exchange.expect<on_done>();
  exchange.broker().cancel_task(exchange.session().id(), tag, MessageId(exchange.number));
}

void resume_workflow(Exchange& exchange) {
  if (!read_workflow_id(exchange)) return;
  const auto tag = exchange.expect<on_done>();
  exchange.broker().resume_workflow(exchange.session().id(), tag, MessageId(exchange.number));
}

}  // namespace penstock::protocol::http

// Tasks: submitted, watched, cancelled. Workers take them as messages, by leases.cc.
#include "base/text.h"
#include "protocol/http/batch.h"
#include "protocol/http/handlers.h"
#include "protocol/http/json_text.h"
#include "protocol/http/task_inputs.h"
#include "protocol/http/values.h"

namespace penstock::protocol::http {
namespace {

void on_submitted(Exchange& exchange, const broker::Published& published) {
  const auto id = published.ids.front();
  exchange.add_field("Location", "/v1/tasks/" + std::to_string(id.value));
  JsonText json(exchange.text());
  json.begin_object().key("id").id(id);
  if (published.duplicates > 0) json.key("duplicate").boolean(true);
  json.end_object();
  exchange.answer_json(202);
}

void answer_unknown(Exchange& exchange, MessageId id) {
  exchange.answer_error(404, "not_found", "there is no task " + std::to_string(id.value),
                        "it never was, or its result's time to live is over");
}

void write_progress(JsonText& json, const engine::Progress& progress) {
  json.begin_object().key("value").number(progress.value).key("total").number(progress.total);
  json.key("text").string(progress.text).end_object();
}

void on_status(Exchange& exchange, const broker::TaskStatus& status) {
  if (status.state == engine::TaskState::unknown) {
    return answer_unknown(exchange, MessageId(exchange.number));
  }
  JsonText json(exchange.text());
  json.begin_object().key("id").id(status.id);
  json.key("state").string(engine::name_of(status.state));
  json.key("name").string(status.name).key("queue").string(status.queue);
  json.key("attempts").integer(status.attempts);
  json.key("enqueued_at").time(status.enqueued_at);
  json.key("started_at").time(status.started_at);
  json.key("finished_at").time(status.finished_at);
  json.key("next_attempt_at").time(status.next_attempt_at);
  json.key("result").raw(status.result.empty() ? "null" : status.result);
  json.key("error");
  status.error.empty() ? json.null() : json.string(status.error);
  json.key("history").raw(status.history.empty() ? "[]" : status.history);
  write_progress(json.key("progress"), status.progress);
  json.key("cancel_requested").boolean(status.cancel_requested);
  if (!status.declined.empty()) {
    json.key("declined").string(status.declined);
    json.key("declined_count").integer(status.declined_count);
  }
  json.end_object();
  exchange.answer_json(200);
}

void on_cancelled(Exchange& exchange, const broker::Done& done) {
  if (done.count == 0) return answer_unknown(exchange, MessageId(exchange.number));
  JsonText json(exchange.text());
  json.begin_object().key("id").id(MessageId(exchange.number));
  json.key("cancelled").boolean(true).end_object();
  exchange.answer_json(200);
}

void on_retried(Exchange& exchange, const broker::Done&) {
  JsonText(exchange.text()).begin_object().key("id").id(MessageId(exchange.number)).end_object();
  exchange.answer_json(200);
}

void on_log(Exchange& exchange, const broker::TaskLog& log) {
  JsonText json(exchange.text());
  json.begin_object().key("id").id(log.id).key("lines").begin_array();
  for (const auto& line : log.lines) {
    json.begin_object().key("number").integer(line.number).key("attempt").integer(line.attempt);
    json.key("at").time(line.at).key("text").string(line.text).end_object();
  }
  json.end_array().key("ended").boolean(log.ended).end_object();
  exchange.answer_json(200);
}

// From the line in `?after=` on.
void ask_log(Exchange& exchange, Time wait_until) {
  const auto after = parse_u64(exchange.query("after").value_or("0"));
  if (!after) return exchange.answer_error(after.error());
  const auto tag = exchange.expect<on_log>();
  exchange.broker().task_log(exchange.session().id(), tag, MessageId(exchange.number), *after,
                             wait_until);
}

// Asks for the status now, whatever was asked before.
void ask_status(Exchange& exchange, Time wait_until) {
  const auto tag = exchange.expect<on_status>();
  exchange.broker().task(exchange.session().id(), tag, MessageId(exchange.number), wait_until);
}

// The id in the path; answers with an error when it is none.
bool read_task_id(Exchange& exchange) {
  const auto id = read_id(exchange.parameter());
  if (!id) {
    exchange.answer_error(id.error());
    return false;
  }
  exchange.number = id->value;
  return true;
}

}  // namespace

void post_task(Exchange& exchange) {
  const auto name = exchange.parameter();
  if (auto valid = valid_name(name, "task name"); !valid) {
    return exchange.answer_error(valid.error());
  }
  exchange.headers.clear();
  PublishFields fields;
  if (auto read = read_publish_fields(exchange.fields(), fields, exchange.headers); !read) {
    return exchange.answer_error(read.error());
  }
  read_trace(exchange.fields(), exchange.headers);
  exchange.headers.add(kTaskHeader, name);
  TaskInputs tasks(fields.message, exchange.now(), exchange.headers.view());
  const auto queue = exchange.query("queue").value_or(std::string(kDefaultQueue));
  if (is_batch(exchange.fields().value("Content-Type"))) {
    const auto lines_max = exchange.service().settings().batch_max;
    if (auto read = tasks.read_lines(exchange.body(), lines_max, queue); !read) {
      return exchange.answer_error(read.error());
    }
    return publish<on_batch_published>(exchange, tasks.queue(), tasks.messages(), fields.wait);
  }
  if (auto read = tasks.read_one(exchange.body(), queue); !read) {
    return exchange.answer_error(read.error());
  }
  publish<on_submitted>(exchange, tasks.queue(), tasks.messages(), fields.wait);
}

void get_task(Exchange& exchange) {
  if (!read_task_id(exchange)) return;
  const auto wait = wait_in_query(exchange);
  if (!wait) return exchange.answer_error(wait.error());
  if (*wait == Duration(0)) return ask_status(exchange, Time{});
  exchange.wait_long([](Exchange& waiting) { ask_status(waiting, Time{}); });
  ask_status(exchange, exchange.now() + *wait);
}

void get_task_log(Exchange& exchange) {
  if (!read_task_id(exchange)) return;
  const auto wait = wait_in_query(exchange);
  if (!wait) return exchange.answer_error(wait.error());
  if (*wait == Duration(0)) return ask_log(exchange, Time{});
  exchange.wait_long([](Exchange& waiting) { ask_log(waiting, Time{}); });
  ask_log(exchange, exchange.now() + *wait);
}

void retry_task(Exchange& exchange) {
  if (!read_task_id(exchange)) return;
  const auto tag = exchange.expect<on_retried>();
  exchange.broker().retry_task(exchange.session().id(), tag, MessageId(exchange.number));
}

void delete_task(Exchange& exchange) {
  if (!read_task_id(exchange)) return;
  const auto tag = exchange.expect<on_cancelled>();
  exchange.broker().cancel_task(exchange.session().id(), tag, MessageId(exchange.number));
}

}  // namespace penstock::protocol::http

// Queues: declared, looked at, changed, emptied.
#include <algorithm>
#include <vector>

#include "base/text.h"
#include "protocol/http/handlers.h"
#include "protocol/http/json_text.h"
#include "protocol/http/queue_json.h"
#include "protocol/http/values.h"

namespace penstock::protocol::http {
namespace {

constexpr std::uint32_t kListDefault = 1000;
constexpr std::uint32_t kListMax = 10'000;
constexpr std::uint32_t kRedriveMax = 1'000'000;

// Answers with an error when the name is none; true then.
bool refuse_name(Exchange& exchange) {
  const auto valid = valid_name(exchange.parameter(), "queue name");
  if (valid) return false;
  exchange.answer_error(valid.error());
  return true;
}

// An option's value as engine::set_option reads it.
Result<std::string> option_text(const engine::OptionField& option,
                                const boost::json::value& value) {
  if (const auto* text = value.if_string()) return std::string(text->data(), text->size());
  if (value.is_bool()) return std::string(value.get_bool() ? "true" : "false");
  if (value.is_number()) {
    // A negative number is refused by what reads it.
    auto text = wire::json::to_text(value);
    return option.type == "duration" ? text + "ms" : text;
  }
  return fail(ErrorCode::invalid,
              "queue option " + std::string(option.name) + " must be a string, number or boolean",
              std::string(option.name) + " takes " + std::string(option.type));
}

using Patch = std::vector<std::pair<std::string, std::string>>;

Result<Patch> read_patch(const boost::json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    return fail(ErrorCode::invalid, "the body must be a JSON object of queue options",
                "for example {\"max_length\":10000,\"max_wait\":\"2s\"}");
  }
  Patch patch;
  engine::QueueOptions trial;
  for (const auto& [key, setting] : *object) {
    const std::string name(key.data(), key.size());
    std::string text;
    for (const auto& option : engine::option_fields()) {
      if (option.name != name) continue;
      auto read = option_text(option, setting);
      if (!read) return fail(std::move(read.error()));
      text = std::move(*read);
    }
    if (auto set = engine::set_option(trial, name, text); !set) return fail(std::move(set.error()));
    patch.emplace_back(name, std::move(text));
  }
  return patch;
}

void on_declared(Exchange& exchange, const broker::Done& done) {
  JsonText json(exchange.text());
  json.begin_object().key("queue").string(exchange.parameter());
  json.key("created").boolean(done.created).end_object();
  exchange.answer_json(done.created ? 201 : 200);
}

void on_queue(Exchange& exchange, const broker::Queues& queues) {
  JsonText json(exchange.text());
  write_queue(json, queues.queues.front());
  exchange.answer_json(200);
}

// The names behind exchange.note, exchange.number of them.
void on_queues(Exchange& exchange, const broker::Queues& queues) {
  std::vector<const engine::QueueStatistics*> page;
  for (const auto& queue : queues.queues) {
    if (queue.name > exchange.note) page.push_back(&queue);
  }
  std::ranges::sort(page, {}, &engine::QueueStatistics::name);
  const bool more = page.size() > exchange.number;
  if (more) page.resize(exchange.number);
  JsonText json(exchange.text());
  json.begin_object().key("queues").begin_array();
  for (const auto* queue : page) write_queue(json, *queue);
  json.end_array();
  if (more) json.key("next").string(page.back()->name);
  json.end_object();
  exchange.answer_json(200);
}

void answer_count(Exchange& exchange, std::string_view name, std::uint64_t count) {
  JsonText json(exchange.text());
  json.begin_object().key("queue").string(exchange.parameter());
  json.key(name).integer(count).end_object();
  exchange.answer_json(200);
}
void on_deleted(Exchange& exchange, const broker::Done& done) {
  answer_count(exchange, "deleted", done.count);
}
void on_purged(Exchange& exchange, const broker::Done& done) {
  answer_count(exchange, "purged", done.count);
}
void on_redriven(Exchange& exchange, const broker::Done& done) {
  answer_count(exchange, "redriven", done.count);
}

void on_some_redriven(Exchange& exchange, const engine::Redriven& redriven) {
  JsonText json(exchange.text());
  json.begin_object().key("redriven").integer(redriven.moved);
  if (redriven.next) json.key("next").id(redriven.next);
  json.end_object();
  exchange.answer_json(200);
}

void on_paused(Exchange& exchange, const broker::Done&) {
  JsonText json(exchange.text());
  json.begin_object().key("queue").string(exchange.parameter());
  json.key("paused").raw(exchange.note).end_object();
  exchange.answer_json(200);
}

void set_paused(Exchange& exchange, std::string_view paused) {
  if (refuse_name(exchange)) return;
  exchange.note = paused;
  const std::pair<std::string_view, std::string_view> patch[] = {{"paused", paused}};
  const auto tag = exchange.expect<on_paused>();
  exchange.broker().change(exchange.session().id(), tag, exchange.parameter(), patch);
}

}  // namespace

void put_queue(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  const auto patch = read_patch(*body);
  if (!patch) return exchange.answer_error(patch.error());
  const std::vector<std::pair<std::string_view, std::string_view>> views(patch->begin(),
                                                                         patch->end());
  const auto tag = exchange.expect<on_declared>();
  exchange.broker().declare(exchange.session().id(), tag, exchange.parameter(), views);
}

void get_queue(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto tag = exchange.expect<on_queue>();
  exchange.broker().queue(exchange.session().id(), tag, exchange.parameter());
}

void delete_queue(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto tag = exchange.expect<on_deleted>();
  exchange.broker().remove(exchange.session().id(), tag, exchange.parameter());
}

void get_queues(Exchange& exchange) {
  const auto limit = count_in_query(exchange, "limit", kListDefault, kListMax);
  if (!limit) return exchange.answer_error(limit.error());
  exchange.number = *limit;
  exchange.note = exchange.query("after").value_or("");
  const auto tag = exchange.expect<on_queues>();
  exchange.broker().queues(exchange.session().id(), tag);
}

void pause_queue(Exchange& exchange) {
  set_paused(exchange, "true");
}
void resume_queue(Exchange& exchange) {
  set_paused(exchange, "false");
}

void purge_queue(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto tag = exchange.expect<on_purged>();
  exchange.broker().purge(exchange.session().id(), tag, exchange.parameter());
}

void redrive_queue(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  wire::json::ObjectReader in(*body);
  const auto max = in.integer("max", 1, kRedriveMax, kRedriveMax);
  engine::Redrive which{.max = static_cast<std::uint32_t>(max)};
  which.error = in.text("error").value_or("");
  which.task = in.text("task").value_or("");
  const auto after = in.text("after");
  if (const auto good = in.finish(); !good) return exchange.answer_error(good.error());
  if (after || !which.error.empty() || !which.task.empty()) {
    const auto id = read_id(after.value_or("1"));
    if (!id) return exchange.answer_error(id.error());
    if (after) which.after = *id;
    const auto some = exchange.expect<on_some_redriven>();
    return exchange.broker().redrive_some(exchange.session().id(), some, exchange.parameter(),
                                          which);
  }
  const auto tag = exchange.expect<on_redriven>();
  exchange.broker().redrive(exchange.session().id(), tag, exchange.parameter(),
                            static_cast<std::uint32_t>(max));
}

}  // namespace penstock::protocol::http

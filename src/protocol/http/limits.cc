// Unique, debounced and throttled messages, and settings of groups.
#include <fmt/format.h>

#include "base/text.h"
#include "protocol/http/handlers.h"
#include "protocol/http/json_text.h"
#include "protocol/http/values.h"

namespace penstock::protocol::http {
namespace {

// Begins one of the three anew, if it is there.
std::optional<wire::json::ObjectReader> begin(wire::json::ObjectReader& in, std::string_view name,
                                              LimitFields& into, bool& given) {
  const auto* value = in.any(name);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (!given) into = {};
  given = true;
  return wire::json::ObjectReader(*value, std::string(name) + ": ");
}

void end(wire::json::ObjectReader& in, LimitFields& into) {
  if (auto good = in.finish(); !good && !into.error) into.error = std::move(good.error());
}

Result<void> check_strays(const LimitFields& fields) {
  if (fields.unique.has_value() + fields.debounce.has_value() + fields.throttle.has_value() > 1)
    return fail(ErrorCode::invalid, "a message is unique, debounced or throttled",
                "give one of the three");
  if (fields.until && !fields.unique)
    return fail(ErrorCode::invalid, "until is of a unique message, and no unique key is given");
  if (fields.delay.has_value() != fields.debounce.has_value() ||
      (fields.max_wait && !fields.debounce))
    return fail(ErrorCode::invalid,
                "a debounce has a key and a delay, and a longest wait if wanted");
  if (fields.rate.has_value() != fields.throttle.has_value())
    return fail(ErrorCode::invalid, "a throttle has a key and a rate, such as 10/1m");
  if (fields.on_conflict && !fields.unique && !fields.throttle)
    return fail(ErrorCode::invalid, "on_conflict is of a unique or throttled message");
  return {};
}

// Answers with an error when the name is none; true then.
bool refuse_name(Exchange& exchange) {
  const auto valid = valid_name(exchange.parameter(), "queue name");
  if (valid) return false;
  exchange.answer_error(valid.error());
  return true;
}

using Patch = std::vector<std::pair<std::string, std::string>>;

// {"name","weight","rate","limit"}; null takes a setting back.
Result<Patch> read_group(const boost::json::value& value, std::string& name) {
  const auto* object = value.if_object();
  if (object == nullptr)
    return fail(ErrorCode::invalid, "the body must be a JSON object",
                "for example {\"name\":\"customer-3\",\"weight\":3}");
  Patch patch;
  name.clear();
  for (const auto& [key, setting] : *object) {
    const auto* text = setting.if_string();
    if (key == "name") {
      if (text == nullptr) return fail(ErrorCode::invalid, "field \"name\" must be a string");
      name.assign(text->data(), text->size());
    } else if (setting.is_null()) {
      patch.emplace_back(std::string(key.data(), key.size()), "default");
    } else if (setting.is_number()) {
      const double number = setting.to_number<double>();
      patch.emplace_back(std::string(key.data(), key.size()), setting.is_double()
                                                                  ? fmt::format("{}", number)
                                                                  : wire::json::to_text(setting));
    } else {
      return fail(ErrorCode::invalid,
                  quoted(std::string_view(key.data(), key.size())) + " must be a number or null");
    }
  }
  if (name.empty())
    return fail(ErrorCode::invalid, "field \"name\" is missing", "it says which group is meant");
  return patch;
}

void on_group_set(Exchange& exchange, const broker::Done& done) {
  JsonText json(exchange.text());
  json.begin_object().key("queue").string(exchange.parameter());
  json.key("name").string(exchange.note);
  json.key("created").boolean(done.created).end_object();
  exchange.answer_json(done.created ? 201 : 200);
}
void on_group_gone(Exchange& exchange, const broker::Done&) {
  exchange.answer_nothing(204);
}

void write_group(JsonText& json, const broker::GroupStatus& group) {
  json.begin_object().key("name").string(group.name);
  json.key("weight").integer(std::uint64_t{group.setting.weight});
  json.key("rate").raw(group.setting.rate ? fmt::format("{}", *group.setting.rate) : "null");
  json.key("limit").raw(group.setting.limit ? std::to_string(*group.setting.limit) : "null");
  json.key("ready").integer(group.ready).key("held").integer(group.held).end_object();
}

}  // namespace

Result<engine::KeyLimit> LimitFields::limit() const {
  if (error) return fail(*error);
  if (auto good = check_strays(*this); !good) return fail(std::move(good.error()));
  engine::KeyLimit limit;
  limit.key = unique.value_or(debounce.value_or(throttle.value_or("")));
  Result<void> set;
  if (unique) set = engine::set_until(limit, until.value_or("done"));
  if (throttle) set = engine::set_throttle_rate(limit, *rate);
  if (set && on_conflict) set = engine::set_on_conflict(limit, *on_conflict);
  if (!set) return fail(std::move(set.error()));
  if (!debounce) return limit;
  limit.rule = engine::KeyRule::debounce;
  limit.time = *delay;
  limit.max_wait = max_wait.value_or(Duration(0));
  return limit;
}

void read_limit_fields(wire::json::ObjectReader& in, LimitFields& into) {
  bool given = false;
  if (auto unique = begin(in, "unique", into, given)) {
    into.unique = unique->required_text("key");
    into.until = unique->text("until");
    into.on_conflict = unique->text("on_conflict");
    end(*unique, into);
  }
  if (auto debounce = begin(in, "debounce", into, given)) {
    into.debounce = debounce->required_text("key");
    into.delay = debounce->duration("delay");
    into.max_wait = debounce->duration("max_wait");
    end(*debounce, into);
  }
  if (auto throttle = begin(in, "throttle", into, given)) {
    into.throttle = throttle->required_text("key");
    into.rate = throttle->required_text("rate");
    into.on_conflict = throttle->text("on_conflict");
    end(*throttle, into);
  }
}

void put_group(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  const auto patch = read_group(*body, exchange.note);
  if (!patch) return exchange.answer_error(patch.error());
  const std::vector<std::pair<std::string_view, std::string_view>> views(patch->begin(),
                                                                         patch->end());
  const auto tag = exchange.expect<on_group_set>();
  exchange.broker().set_group(exchange.session().id(), tag, exchange.parameter(), exchange.note,
                              views);
}

void delete_group(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto name = exchange.query("name").value_or("");
  const auto tag = exchange.expect<on_group_gone>();
  exchange.broker().reset_group(exchange.session().id(), tag, exchange.parameter(), name);
}

void get_groups(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto groups = exchange.broker().groups(exchange.session().id(), exchange.parameter());
  if (!groups) return exchange.answer_error_when_durable(groups.error());
  JsonText json(exchange.text());
  json.begin_object().key("groups").begin_array();
  for (const auto& group : *groups) write_group(json, group);
  json.end_array().end_object();
  exchange.answer_json_when_durable(200);
}

}  // namespace penstock::protocol::http

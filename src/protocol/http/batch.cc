#include "protocol/http/batch.h"

#include "base/text.h"
#include "base/trace_context.h"
#include "protocol/http/json_text.h"
#include "protocol/http/raw_json.h"

namespace penstock::protocol::http {
namespace {

constexpr std::string_view kLineFields[] = {"body",    "body_base64", "headers",  "key",
                                            "delay",   "at",          "priority", "group",
                                            "expires", "unique",      "debounce", "throttle"};
// Of a line, all but the body.
constexpr std::size_t kFieldBytesMax = 64u << 10;

bool is_body(std::string_view name) {
  return name == "body" || name == "body_base64";
}

}  // namespace

Result<void> for_each_line(std::string_view text, std::uint32_t lines_max,
                           const std::function<Result<void>(std::string_view)>& read_line) {
  std::size_t number = 0, read = 0;
  while (!text.empty()) {
    ++number;
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    if (read++ == lines_max) {
      return fail(ErrorCode::too_large,
                  "the batch has more than " + std::to_string(lines_max) + " messages",
                  "send it in several batches");
    }
    if (auto good = read_line(line); !good) {
      return fail(std::move(good.error()).at("line " + std::to_string(number)));
    }
  }
  if (read > 0) return {};
  return fail(ErrorCode::invalid, "the batch is empty", "send one JSON object a line");
}

void on_batch_published(Exchange& exchange, const broker::Published& published) {
  JsonText json(exchange.text());
  json.begin_object().key("ids").begin_array();
  for (const auto id : published.ids) json.id(id);
  json.end_array();
  if (published.duplicates > 0) json.key("duplicates").integer(published.duplicates);
  json.end_object();
  exchange.answer_json(202);
}

Result<void> Batch::read(std::string_view text, std::uint32_t lines_max) {
  return for_each_line(text, lines_max, [this](std::string_view line) { return read_line(line); });
}

Result<void> Batch::read_line(std::string_view line) {
  auto object = RawObject::read(line, kLineFields);
  if (!object) return fail(std::move(object.error()));
  const auto body = read_body(object->find("body").value_or(std::string_view{}),
                              object->find("body_base64").value_or(std::string_view{}));
  if (!body) return fail(body.error());
  auto& message = messages_.emplace_back();
  message.body = as_bytes(*body);
  auto fields = defaults_;
  if (!fields.key.empty()) {
    fields.key =
        keep(std::string(fields.key).append("/").append(std::to_string(messages_.size() - 1)));
  }
  std::string rest;
  for (const auto& field : object->fields()) {
    if (is_body(field.name)) continue;
    rest.append(rest.empty() ? "{\"" : ",\"").append(field.name).append("\":").append(field.value);
  }
  message.headers = trace_;
  if (rest.empty()) return fields.apply(now_, message);
  rest.push_back('}');
  auto value = wire::json::parse(rest, {.max_bytes = kFieldBytesMax});
  if (!value) return fail(std::move(value.error()));
  wire::json::ObjectReader in(values_.emplace_back(std::move(*value)));
  read_message_fields(in, fields);
  const auto* headers = in.object("headers");
  if (auto good = in.finish(); !good) return good;
  if (auto good = fields.apply(now_, message); !good) return good;
  return headers == nullptr ? Result<void>{} : read_headers(*headers, message);
}

Result<std::string_view> Batch::read_body(std::string_view text, std::string_view base64) {
  if (text.empty() == base64.empty()) {
    return fail(ErrorCode::invalid, "a message has either a body or a body_base64",
                "for example {\"body\":\"hello\"}");
  }
  const auto value = read_string(text.empty() ? base64 : text);
  if (!value) return fail(value.error().at(text.empty() ? "body_base64" : "body"));
  if (base64.empty()) return value;
  auto bytes = base64_decode(*value);
  if (!bytes) return fail(std::move(bytes.error()).at("body_base64"));
  return keep(std::move(*bytes));
}

Result<std::string_view> Batch::read_string(std::string_view json) {
  if (json.front() != '"') {
    return fail(ErrorCode::invalid, "must be a string", "send JSON as a string, or as body_base64");
  }
  const auto inside = json.substr(1, json.size() - 2);
  if (inside.find('\\') == std::string_view::npos) return inside;
  auto value = wire::json::parse(json, {.max_bytes = json.size()});
  if (!value) return fail(std::move(value.error()));
  const auto& text = value->get_string();
  return keep(std::string(text.data(), text.size()));
}

Result<void> Batch::read_headers(const boost::json::object& headers,
                                 engine::MessageInput& message) {
  auto& writer = headers_.emplace_back();
  for (const auto& [key, value] : headers) {
    const std::string_view name(key.data(), key.size());
    const auto* text = value.if_string();
    if (text == nullptr) {
      return fail(ErrorCode::invalid, "header " + quoted(name) + " must be a string");
    }
    if (auto added = add_header(writer, name, {text->data(), text->size()}); !added) return added;
  }
  if (!find_header(writer.view(), kTraceParentHeader))
    for_each_header(
        trace_, [&](std::string_view name, std::string_view value) { writer.add(name, value); });
  message.headers = writer.view();
  return {};
}

}  // namespace penstock::protocol::http

// JSON: what is parsed, what is only checked, and what is written.
#include "wire/json/json.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>

#include "base/check.h"
#include "base/text.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "protocol/http/raw_json.h"

namespace penstock::fuzz {
namespace {

namespace json = wire::json;

std::string_view view(boost::json::string_view text) {
  return {text.data(), text.size()};
}

// The fields of an object as they were written are those of its tree.
void check_raw(std::string_view text, const boost::json::value& value) {
  static constexpr std::string_view kKnown[] = {"a", "args", "delay", "queue", ""};
  const auto raw = protocol::http::RawObject::read(text, kKnown);
  const auto* object = value.if_object();
  if (!raw) {
    check_line(raw.error().message);
    return;
  }
  CHECK(object != nullptr);
  for (const auto& [name, written] : raw->fields()) {
    const auto* field = object->if_contains({name.data(), name.size()});
    CHECK(field != nullptr);
    const auto again = json::parse(written);
    CHECK(again && *again == *field);
  }
  for (const auto name : kKnown) {
    const auto* field = object->if_contains({name.data(), name.size()});
    CHECK((field != nullptr && !field->is_null()) == raw->find(name).has_value());
  }
}

void check_reader(const boost::json::value& value) {
  json::ObjectReader in(value, "body: ");
  static_cast<void>(in.integer("a", -5, 5));
  static_cast<void>(in.number("delay", 0, 1e6));
  static_cast<void>(in.duration("wait"));
  static_cast<void>(in.text("queue"));
  static_cast<void>(in.boolean("task"));
  static_cast<void>(in.array("args"));
  static_cast<void>(in.object("headers"));
  if (const auto good = in.finish(); !good) check_line(good.error().message);
}

}  // namespace

void fuzz_one(ByteView input) {
  const auto text = as_text(input);
  const Meter meter;
  const auto checked = json::check(text);
  meter.check_memory(input.size(), 1, 4096);
  Work work;
  work.add(meter);
  work.check(input.size(), 200, 65'536);
  {
    // Some 24 bytes for each byte of text, and as much again while an array grows into its place.
    const Meter parsing;
    const auto value = json::parse(text);
    parsing.check_memory(input.size(), 64, 8192);
    CHECK(value.has_value() == checked.has_value());
    if (!value) {
      CHECK(value.error().message == checked.error().message);
      check_line(value.error().message);
    } else {
      const auto written = json::to_text(*value);
      CHECK(json::check(written));
      const auto again = json::parse(written);
      CHECK(again && *again == *value);
      check_raw(text, *value);
      check_reader(*value);
    }
  }
  std::string quoted_text;
  json::append_string(quoted_text, text);
  const auto read = json::parse(quoted_text, {.max_bytes = SIZE_MAX});
  CHECK(read && read->is_string());
  if (is_valid_utf8(text)) CHECK(view(read->get_string()) == text);
}

}  // namespace penstock::fuzz

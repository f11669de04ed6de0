// AMQP 0-9-1: field tables and message properties.
#include <cmath>
#include <string>

#include "base/check.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "wire/amqp/properties.h"
#include "wire/amqp/table.h"
#include "wire/amqp/table_json.h"
#include "wire/amqp/table_writer.h"
#include "wire/json/json.h"

namespace penstock::fuzz {
namespace {

using wire::amqp::ArrayView;
using wire::amqp::ArrayWriter;
using wire::amqp::kTableDepthMax;
using wire::amqp::TableView;
using wire::amqp::TableWriter;
using wire::amqp::Value;

void rebuild(ArrayWriter& out, const ArrayView& array, unsigned depth);

// Value by value, through nested writers. Counts the values.
void rebuild(TableWriter& out, const TableView& table, unsigned depth) {
  CHECK(depth <= kTableDepthMax);
  for (const auto& field : table) {
    CHECK(field.name.size() <= wire::amqp::kShortStringBytesMax);
    if (const auto* inner = std::get_if<TableView>(&field.value)) {
      auto nested = out.table(field.name);
      rebuild(nested, *inner, depth + 1);
    } else if (const auto* values = std::get_if<ArrayView>(&field.value)) {
      auto nested = out.array(field.name);
      rebuild(nested, *values, depth + 1);
    } else {
      out.add(field.name, field.value);
    }
  }
}

void rebuild(ArrayWriter& out, const ArrayView& array, unsigned depth) {
  CHECK(depth <= kTableDepthMax);
  for (const auto& value : array) {
    if (const auto* inner = std::get_if<TableView>(&value)) {
      auto nested = out.table();
      rebuild(nested, *inner, depth + 1);
    } else if (const auto* values = std::get_if<ArrayView>(&value)) {
      auto nested = out.array();
      rebuild(nested, *values, depth + 1);
    } else {
      out.add(value);
    }
  }
}

// Not a number is not the same as itself.
bool has_nan(const Value& value) {
  if (const auto* number = std::get_if<float>(&value)) return std::isnan(*number);
  if (const auto* number = std::get_if<double>(&value)) return std::isnan(*number);
  if (const auto* table = std::get_if<TableView>(&value)) {
    for (const auto& field : *table)
      if (has_nan(field.value)) return true;
  }
  if (const auto* array = std::get_if<ArrayView>(&value)) {
    for (const auto& item : *array)
      if (has_nan(item)) return true;
  }
  return false;
}

void check_copies(const TableView& table) {
  std::string copied;
  TableWriter copy(copied);
  for (const auto& field : table) copy.copy(field);
  CHECK(copy.view() == table);

  // The same length, because types of two letters have one size.
  std::string rebuilt;
  TableWriter build(rebuilt);
  rebuild(build, table, 1);
  CHECK(rebuilt.size() == table.bytes().size());
  const auto again = TableView::parse(as_bytes(rebuilt));
  CHECK(again.has_value());
  Work work;
  {
    const Meter meter;
    const bool same = same_value(Value(*again), Value(table));
    work.add(meter);
    CHECK(meter.allocated_bytes() == 0);
    CHECK(same == !has_nan(Value(table)));
  }
  work.check(table.bytes().size(), 400, 4096);
  for (const auto& field : table) {
    const auto found = table.find(field.name);
    CHECK(found.has_value());
    break;  // the first: finding each would be quadratic
  }
}

void check_json(const TableView& table) {
  const Meter meter;
  const auto text = to_json(table);
  // A control character becomes six; a buffer that grows is there twice.
  meter.check_memory(table.bytes().size(), 24, 4096);
  const wire::json::Limits limits{.max_bytes = 1u << 24, .max_depth = kTableDepthMax};
  const auto value = wire::json::parse(text, limits);
  CHECK(value.has_value());
  std::string bytes;
  if (!wire::amqp::table_from_json(value->get_object(), bytes)) return;
  const auto back = TableView::parse(as_bytes(bytes));
  CHECK(back.has_value());
  const auto once = to_json(*back);
  std::string more;
  CHECK(wire::amqp::table_from_json(wire::json::parse(once, limits)->get_object(), more));
  CHECK(more == bytes);
}

void check_properties(ByteView raw) {
  const Meter meter;
  const auto properties = wire::amqp::decode_properties(raw);
  Work work;
  work.add(meter);
  work.check(raw.size(), 64, 4096);
  if (!properties) {
    CHECK(properties.error().code == wire::amqp::ReplyCode::syntax_error);
    return check_line(properties.error().text);
  }
  CHECK(meter.allocated_bytes() == 0);
  std::string out;
  encode_properties(out, *properties);
  CHECK(out == as_text(raw));
}

}  // namespace

void fuzz_one(ByteView input) {
  check_properties(input);
  const Meter meter;
  const auto table = TableView::parse(input);
  Work work;
  work.add(meter);
  CHECK(meter.allocated_bytes() == 0);
  work.check(input.size(), 64, 4096);
  if (!table) return check_line(table.error());
  check_copies(*table);
  check_json(*table);
}

}  // namespace penstock::fuzz

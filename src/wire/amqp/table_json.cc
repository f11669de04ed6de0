#include "wire/amqp/table_json.h"

#include <boost/json/array.hpp>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/text.h"
#include "wire/amqp/table_writer.h"
#include "wire/json/json.h"

namespace penstock::wire::amqp {
namespace {

namespace bj = boost::json;

constexpr int kDigitsMax = 10;  // of 32 bits

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  void operator()(Void) { out_.append("null"); }
  void operator()(bool value) { out_.append(value ? "true" : "false"); }
  template <std::integral T>
  void operator()(T value) {
    out_.append(std::to_string(value));
  }
  template <std::floating_point T>
  void operator()(T value) {
    if (!std::isfinite(value)) return (*this)(Void{});
    char text[32];
    const std::string_view digits(text, std::to_chars(text, std::end(text), value).ptr);
    out_.append(digits);
    if (digits.find_first_of(".e") == std::string_view::npos) out_.append(".0");  // no integer
  }
  void operator()(Decimal value) {
    auto digits = std::to_string(value.value);
    if (value.scale > kDigitsMax) {  // or six bytes would become hundreds
      out_.append(digits).append("e-").append(std::to_string(value.scale));
      return;
    }
    if (digits.size() <= value.scale) digits.insert(0, value.scale - digits.size() + 1, '0');
    if (value.scale > 0) digits.insert(digits.size() - value.scale, 1, '.');
    out_.append(digits);
  }
  void operator()(std::string_view value) { json::append_string(out_, value); }
  void operator()(Binary value) { json::append_string(out_, base64_encode(value.bytes)); }
  void operator()(Timestamp value) { (*this)(value.seconds); }
  void operator()(TableView value) {
    char separator = '{';
    for (const auto& field : value) {
      out_.push_back(std::exchange(separator, ','));
      json::append_string(out_, field.name);
      out_.push_back(':');
      std::visit(*this, field.value);
    }
    out_.append(separator == '{' ? "{}" : "}");
  }
  void operator()(ArrayView value) {
    char separator = '[';
    for (const auto& item : value) {
      out_.push_back(std::exchange(separator, ','));
      std::visit(*this, item);
    }
    out_.append(separator == '[' ? "[]" : "]");
  }

 private:
  std::string& out_;
};

std::string_view view(bj::string_view text) {
  return {text.data(), text.size()};
}

// The value, if it is neither an object nor an array.
Result<Value> scalar(const bj::value& value) {
  switch (value.kind()) {
    case bj::kind::bool_:
      return value.get_bool();
    case bj::kind::int64:
      return value.get_int64();
    case bj::kind::uint64:
      if (value.get_uint64() <= INT64_MAX) return static_cast<std::int64_t>(value.get_uint64());
      return fail(ErrorCode::invalid,
                  "the number " + std::to_string(value.get_uint64()) + " has more than 64 bits");
    case bj::kind::double_:
      return value.get_double();
    case bj::kind::string:
      return view(value.get_string());
    default:
      return Void{};
  }
}

Result<void> add_array(ArrayWriter& out, const bj::array& array, unsigned depth);

Result<void> add_object(TableWriter& out, const bj::object& object, unsigned depth) {
  if (depth > kTableDepthMax) {
    return fail(ErrorCode::too_large,
                "more than " + std::to_string(kTableDepthMax) + " levels deep");
  }
  for (const auto& pair : object) {
    const auto name = view(pair.key());
    if (name.size() > kShortStringBytesMax) {
      return fail(ErrorCode::invalid, "the name " + quoted(name, 40) + " has more than " +
                                          std::to_string(kShortStringBytesMax) + " bytes");
    }
    Result<void> good;
    if (const auto* table = pair.value().if_object()) {
      auto nested = out.table(name);
      good = add_object(nested, *table, depth + 1);
    } else if (const auto* array = pair.value().if_array()) {
      auto nested = out.array(name);
      good = add_array(nested, *array, depth + 1);
    } else if (const auto value = scalar(pair.value())) {
      out.add(name, *value);
    } else {
      good = fail(value.error());
    }
    if (!good) return fail(std::move(good.error()).at(quoted(name, 40)));
  }
  return {};
}

Result<void> add_array(ArrayWriter& out, const bj::array& array, unsigned depth) {
  if (depth > kTableDepthMax) {
    return fail(ErrorCode::too_large,
                "more than " + std::to_string(kTableDepthMax) + " levels deep");
  }
  for (const auto& item : array) {
    Result<void> good;
    if (const auto* table = item.if_object()) {
      auto nested = out.table();
      good = add_object(nested, *table, depth + 1);
    } else if (const auto* values = item.if_array()) {
      auto nested = out.array();
      good = add_array(nested, *values, depth + 1);
    } else if (const auto value = scalar(item)) {
      out.add(*value);
    } else {
      good = fail(value.error());
    }
    if (!good) return good;
  }
  return {};
}

}  // namespace

std::string to_json(const TableView& table) {
  std::string out;
  JsonWriter{out}(table);
  return out;
}

std::string to_json(const Value& value) {
  std::string out;
  std::visit(JsonWriter{out}, value);
  return out;
}

Result<void> table_from_json(const bj::object& object, std::string& out) {
  const auto before = out.size();
  Result<void> good;
  {
    TableWriter writer(out);
    good = add_object(writer, object, 1);
  }
  if (!good) out.resize(before);
  return good;
}

}  // namespace penstock::wire::amqp

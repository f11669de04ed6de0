// Field tables and arrays (AMQP 0-9-1, section 4.2.5.5), with the types that RabbitMQ gives to the
// letters where it differs from the specification ("AMQP 0-9-1 errata", section 3):
//
//   t bool        b int8    s int16    I int32    l L int64    f float     S long string   A array
//   D decimal     B uint8   u uint16   i uint32   T seconds    d double    x bytes         F table
//   V void
//
// What it is: views over bytes that were checked once, as a whole, in linear time: every name, type
//   and length in them is good, and nothing nests deeper than kTableDepthMax. Reading allocates
//   nothing.
// Lifetime: a view, its values and its iterators live as long as the bytes.
// Memory:   bounded by the frame that the table came in.
#pragma once

#include <cstdint>
#include <expected>
#include <iterator>
#include <optional>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "wire/amqp/octets.h"

namespace penstock::wire::amqp {

// Levels of tables and arrays, the outermost table being the first.
inline constexpr unsigned kTableDepthMax = 16;

struct Decimal {  // value / 10^scale
  std::uint8_t scale = 0;
  std::uint32_t value = 0;
  bool operator==(const Decimal&) const = default;
};
struct Timestamp {
  std::uint64_t seconds = 0;  // since 1970-01-01 UTC
  bool operator==(const Timestamp&) const = default;
};
struct Binary {
  ByteView bytes;
  bool operator==(const Binary& other) const { return as_text(bytes) == as_text(other.bytes); }
};

class TableView;
class ArrayView;
class TableIterator;
class ArrayIterator;

using Void = std::monostate;
using Value = std::variant<Void, bool, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t,
                           std::int32_t, std::uint32_t, std::int64_t, float, double, Decimal,
                           std::string_view, Binary, Timestamp, TableView, ArrayView>;

// The fields of a table, without its length. Of a name given twice the first one counts.
class TableView {
 public:
  TableView() = default;
  // The error says what is wrong with `bytes`: "a table nests too deep".
  [[nodiscard]] static std::expected<TableView, std::string_view> parse(ByteView bytes);
  // Bytes of a TableWriter, or such that parse() took before.
  [[nodiscard]] static TableView trusted(ByteView bytes) {
    TableView view;
    view.bytes_ = bytes;
    return view;
  }

  [[nodiscard]] TableIterator begin() const;
  [[nodiscard]] std::default_sentinel_t end() const { return {}; }
  // Linear: whoever wants many fields walks the table once.
  [[nodiscard]] std::optional<Value> find(std::string_view name) const;
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] ByteView bytes() const { return bytes_; }
  // The same bytes; same_value() compares what they mean.
  bool operator==(const TableView& other) const { return as_text(bytes_) == as_text(other.bytes_); }

 private:
  ByteView bytes_;
};

// The values of an array, without its length; part of a table that was checked.
class ArrayView {
 public:
  ArrayView() = default;
  [[nodiscard]] static ArrayView trusted(ByteView bytes) {
    ArrayView view;
    view.bytes_ = bytes;
    return view;
  }

  [[nodiscard]] ArrayIterator begin() const;
  [[nodiscard]] std::default_sentinel_t end() const { return {}; }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] ByteView bytes() const { return bytes_; }
  bool operator==(const ArrayView& other) const { return as_text(bytes_) == as_text(other.bytes_); }

 private:
  ByteView bytes_;
};

struct Field {
  std::string_view name;
  Value value;
  ByteView raw;  // name, type and value as on the wire
};

// Both walk forwards, once.
class TableIterator {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = Field;
  explicit TableIterator(ByteView fields) : reader_(fields) { ++*this; }
  [[nodiscard]] const Field& operator*() const { return field_; }
  [[nodiscard]] const Field* operator->() const { return &field_; }
  TableIterator& operator++();
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const { return at_end_; }

 private:
  Reader reader_;
  Field field_;
  bool at_end_ = false;
};

class ArrayIterator {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = Value;
  explicit ArrayIterator(ByteView values) : reader_(values) { ++*this; }
  [[nodiscard]] const Value& operator*() const { return value_; }
  [[nodiscard]] const Value* operator->() const { return &value_; }
  ArrayIterator& operator++();
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const { return at_end_; }

 private:
  Reader reader_;
  Value value_;
  bool at_end_ = false;
};

// An integer of any width; nothing for any other type.
[[nodiscard]] std::optional<std::int64_t> integer_in(const Value& value);
// A long string, or bytes, which some clients send in its place.
[[nodiscard]] std::optional<std::string_view> text_in(const Value& value);
// "longstr", "signedint": the type as RabbitMQ's errors name it.
[[nodiscard]] std::string_view type_name(const Value& value);

// Whether two values mean the same to a declaration that is repeated: integers are compared by
// value whatever their width, and so are float and double; everything else by type and value.
// Tables and arrays are compared in order. Linear.
[[nodiscard]] bool same_value(const Value& a, const Value& b);

}  // namespace penstock::wire::amqp

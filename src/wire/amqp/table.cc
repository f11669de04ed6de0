#include "wire/amqp/table.h"

#include <array>

namespace penstock::wire::amqp {
namespace {

constexpr std::string_view kUnknownType = "a table has a value of an unknown type";
constexpr std::string_view kTooDeep = "a table nests too deep";

// What follows a type's letter: so many octets, or something with its length in front.
enum Shape : std::int8_t { unknown = -1, prefixed = -2, table = -3, array = -4 };

constexpr auto kShapes = [] {
  std::array<std::int8_t, 256> shapes{};
  shapes.fill(unknown);
  for (const unsigned char letter : {'t', 'b', 'B'}) shapes[letter] = 1;
  for (const unsigned char letter : {'s', 'u'}) shapes[letter] = 2;
  for (const unsigned char letter : {'I', 'i', 'f'}) shapes[letter] = 4;
  for (const unsigned char letter : {'l', 'L', 'd', 'T'}) shapes[letter] = 8;
  for (const unsigned char letter : {'S', 'x'}) shapes[letter] = prefixed;
  shapes['D'] = 5;
  shapes['V'] = 0;
  shapes['F'] = table;
  shapes['A'] = array;
  return shapes;
}();

// What is wrong with the fields of a table, or the values of an array; empty when nothing is.
// Recursion is bounded by kTableDepthMax, and each octet belongs to one level only.
std::string_view problem_of(ByteView bytes, bool named, unsigned depth) {
  if (depth > kTableDepthMax) return kTooDeep;
  Reader in(bytes);
  while (in.left() > 0) {
    if (named) (void)in.short_string();
    const auto shape = kShapes[in.number<std::uint8_t>()];
    switch (shape) {
      case unknown:
        in.spoil(kUnknownType);  // unless it had ended before that
        break;
      case prefixed:
        (void)in.long_bytes();
        break;
      case table:
      case array:
        if (const auto problem = problem_of(in.long_bytes(), shape == table, depth + 1);
            !problem.empty()) {
          return problem;
        }
        break;
      default:
        (void)in.bytes(static_cast<std::size_t>(shape));
    }
  }
  return in.problem();
}

Value read_value(Reader& in) {
  switch (in.number<char>()) {
    case 't':
      return in.number<std::uint8_t>() != 0;
    case 'b':
      return in.number<std::int8_t>();
    case 'B':
      return in.number<std::uint8_t>();
    case 's':
      return in.number<std::int16_t>();
    case 'u':
      return in.number<std::uint16_t>();
    case 'I':
      return in.number<std::int32_t>();
    case 'i':
      return in.number<std::uint32_t>();
    case 'l':
    case 'L':
      return in.number<std::int64_t>();
    case 'f':
      return std::bit_cast<float>(in.number<std::uint32_t>());
    case 'd':
      return std::bit_cast<double>(in.number<std::uint64_t>());
    case 'D': {
      const auto scale = in.number<std::uint8_t>();
      return Decimal{scale, in.number<std::uint32_t>()};
    }
    case 'S':
      return in.long_string();
    case 'x':
      return Binary{in.long_bytes()};
    case 'T':
      return Timestamp{in.number<std::uint64_t>()};
    case 'F':
      return TableView::trusted(in.long_bytes());
    case 'A':
      return ArrayView::trusted(in.long_bytes());
    case 'V':
      return Void{};
    default:
      in.spoil(kUnknownType);
      return Void{};
  }
}

template <class T>
constexpr bool is_integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

std::optional<double> float_in(const Value& value) {
  if (const auto* narrow = std::get_if<float>(&value)) return *narrow;
  if (const auto* wide = std::get_if<double>(&value)) return *wide;
  return std::nullopt;
}

bool same_fields(const TableView& a, const TableView& b) {
  auto left = a.begin();
  auto right = b.begin();
  for (; left != a.end() && right != b.end(); ++left, ++right) {
    if (left->name != right->name || !same_value(left->value, right->value)) return false;
  }
  return left == a.end() && right == b.end();
}

bool same_values(const ArrayView& a, const ArrayView& b) {
  auto left = a.begin();
  auto right = b.begin();
  for (; left != a.end() && right != b.end(); ++left, ++right) {
    if (!same_value(*left, *right)) return false;
  }
  return left == a.end() && right == b.end();
}

}  // namespace

std::expected<TableView, std::string_view> TableView::parse(ByteView bytes) {
  if (const auto problem = problem_of(bytes, true, 1); !problem.empty()) {
    return std::unexpected(problem);
  }
  return trusted(bytes);
}

TableIterator TableView::begin() const {
  return TableIterator(bytes_);
}

ArrayIterator ArrayView::begin() const {
  return ArrayIterator(bytes_);
}

std::optional<Value> TableView::find(std::string_view name) const {
  for (const auto& field : *this) {
    if (field.name == name) return field.value;
  }
  return std::nullopt;
}

TableIterator& TableIterator::operator++() {
  if (reader_.left() == 0) {
    at_end_ = true;
    return *this;
  }
  const auto before = reader_.rest();
  field_.name = reader_.short_string();
  field_.value = read_value(reader_);
  field_.raw = before.first(before.size() - reader_.left());
  at_end_ = !reader_.ok();
  return *this;
}

ArrayIterator& ArrayIterator::operator++() {
  if (reader_.left() == 0) {
    at_end_ = true;
    return *this;
  }
  value_ = read_value(reader_);
  at_end_ = !reader_.ok();
  return *this;
}

std::optional<std::int64_t> integer_in(const Value& value) {
  return std::visit(
      [](const auto& held) -> std::optional<std::int64_t> {
        if constexpr (is_integer<std::decay_t<decltype(held)>>) return held;
        return std::nullopt;
      },
      value);
}

std::optional<std::string_view> text_in(const Value& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return *text;
  if (const auto* binary = std::get_if<Binary>(&value)) return as_text(binary->bytes);
  return std::nullopt;
}

std::string_view type_name(const Value& value) {
  constexpr std::array<std::string_view, std::variant_size_v<Value>> names{
      "void",      "bool",        "byte",      "unsignedbyte", "short",  "unsignedshort",
      "signedint", "unsignedint", "long",      "float",        "double", "decimal",
      "longstr",   "binary",      "timestamp", "table",        "array"};
  return names[value.index()];
}

bool same_value(const Value& a, const Value& b) {
  if (const auto left = integer_in(a), right = integer_in(b); left && right) return left == right;
  if (const auto left = float_in(a), right = float_in(b); left && right) return left == right;
  const auto* left_table = std::get_if<TableView>(&a);
  const auto* right_table = std::get_if<TableView>(&b);
  if (left_table != nullptr && right_table != nullptr)
    return same_fields(*left_table, *right_table);
  const auto* left_array = std::get_if<ArrayView>(&a);
  const auto* right_array = std::get_if<ArrayView>(&b);
  if (left_array != nullptr && right_array != nullptr)
    return same_values(*left_array, *right_array);
  return a == b;
}

}  // namespace penstock::wire::amqp

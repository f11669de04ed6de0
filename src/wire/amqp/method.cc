#include "wire/amqp/method.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace penstock::wire::amqp {
namespace {

// Reads fields as FieldWriter writes them.
class FieldReader {
 public:
  explicit FieldReader(ByteView fields) : in_(fields) {}

  template <class... Fields>
  void read(std::tuple<Fields&...> fields) {
    std::apply([&](auto&... field) { (get(field), ...); }, fields);
  }
  [[nodiscard]] const Reader& reader() const { return in_; }

 private:
  template <class T>
  void get(T& field) {
    if constexpr (std::same_as<T, bool>) {
      if (bits_ == 0) octet_ = in_.number<std::uint8_t>(), bits_ = 8;
      field = (octet_ & 1) != 0;
      octet_ = static_cast<std::uint8_t>(octet_ >> 1);
      --bits_;
    } else {
      bits_ = 0;
      get_whole(field);
    }
  }
  template <std::integral T>
  void get_whole(T& number) {
    number = in_.number<T>();
  }
  void get_whole(ReplyCode& code) { code = static_cast<ReplyCode>(in_.number<std::uint16_t>()); }
  // Names and keys are read by people and by protocols that know only text.
  void get_whole(std::string_view& text) {
    text = in_.short_string();
    if (!is_valid_utf8(text)) in_.spoil("a short string is not UTF-8");
  }
  void get_whole(LongString& text) { text = in_.long_string(); }
  void get_whole(TableView& table) {
    const auto parsed = TableView::parse(in_.long_bytes());
    parsed ? void(table = *parsed) : in_.spoil(parsed.error());
  }

  Reader in_;
  std::uint8_t octet_ = 0;
  std::uint8_t bits_ = 0;
};

struct MethodRow {
  MethodId id;
  std::string_view name;
  // Decodes the fields into `out`; what is wrong with them, or empty.
  std::string_view (*decode)(ByteView fields, Method& out);
};

template <class M>
std::string_view decode_fields(ByteView fields, Method& out) {
  FieldReader reader(fields);
  reader.read(out.emplace<M>().fields());
  if (!reader.reader().ok()) return reader.reader().problem();
  return reader.reader().left() == 0 ? std::string_view() : "something follows its fields";
}

template <class... M>
consteval auto rows_of(const std::variant<M...>*) {
  std::array rows{MethodRow{kMethodId<M>, M::kName, decode_fields<M>}...};
  std::ranges::sort(rows, {}, &MethodRow::id);
  return rows;
}
constexpr auto kRows = rows_of(static_cast<const Method*>(nullptr));

const MethodRow* find_row(MethodId id) {
  const auto* row = std::ranges::lower_bound(kRows, id, {}, &MethodRow::id);
  return row != kRows.end() && row->id == id ? row : nullptr;
}

bool is_known_class(std::uint16_t class_id) {
  const auto* row = std::ranges::lower_bound(kRows, MethodId{class_id, 0}, {}, &MethodRow::id);
  return row != kRows.end() && row->id.class_id == class_id;
}

std::unexpected<Failure> unknown_method(MethodId id) {
  if (!is_known_class(id.class_id)) {
    return std::unexpected(Failure{ReplyCode::command_invalid,
                                   "there is no class " + std::to_string(id.class_id), id});
  }
  return std::unexpected(Failure{ReplyCode::not_implemented,
                                 "there is no method " + std::to_string(id.method_id) +
                                     " of class " + std::to_string(id.class_id),
                                 id});
}

}  // namespace

std::optional<MethodId> read_method_id(ByteView payload) {
  Reader in(payload);
  const auto class_id = in.number<std::uint16_t>();
  const auto method_id = in.number<std::uint16_t>();
  return in.ok() ? std::optional(MethodId{class_id, method_id}) : std::nullopt;
}

std::string_view method_name(MethodId id) {
  const auto* row = find_row(id);
  return row == nullptr ? std::string_view() : row->name;
}

std::expected<Method, Failure> decode_method(ByteView payload) {
  const auto id = read_method_id(payload);
  if (!id) {
    return std::unexpected(
        Failure{ReplyCode::syntax_error, "a method frame is too short for a method", {}});
  }
  const auto* row = find_row(*id);
  if (row == nullptr) return unknown_method(*id);
  std::expected<Method, Failure> result;
  const auto problem = row->decode(payload.subspan(sizeof(MethodId)), *result);
  if (problem.empty()) return result;
  return std::unexpected(
      Failure{ReplyCode::syntax_error, std::string(row->name).append(": ").append(problem), *id});
}

void encode_method(std::string& out, std::uint16_t channel, const Method& method) {
  std::visit([&](const auto& held) { encode_method(out, channel, held); }, method);
}

}  // namespace penstock::wire::amqp

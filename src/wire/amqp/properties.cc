#include "wire/amqp/properties.h"

#include <concepts>

namespace penstock::wire::amqp {
namespace {

constexpr unsigned kProperties = std::tuple_size_v<decltype(std::declval<Properties>().fields())>;
// Bits that stand for no property. The lowest would announce more flags, of which there are none.
constexpr std::uint16_t kUnusedFlags = 0xffff >> kProperties;
constexpr std::uint16_t kFirstFlag = 0x8000;

void read_property(Reader& in, std::string_view& text) {
  text = in.short_string();
}
void read_property(Reader& in, TableView& table) {
  const auto parsed = TableView::parse(in.long_bytes());
  parsed ? void(table = *parsed) : in.spoil(parsed.error());
}
template <std::integral T>
void read_property(Reader& in, T& number) {
  number = in.number<T>();
}

void write_property(Writer& out, std::string_view text) {
  out.short_string(text);
}
void write_property(Writer& out, const TableView& table) {
  out.long_bytes(table.bytes());
}
template <std::integral T>
void write_property(Writer& out, T number) {
  out.number(number);
}

std::unexpected<Failure> failure(ReplyCode code, std::string_view text) {
  return std::unexpected(
      Failure{code, std::string("content header: ").append(text), kMethodId<BasicPublish>});
}

// What is wrong, or empty.
std::string_view read_properties(ByteView raw, Properties& out) {
  Reader in(raw);
  auto flags = in.number<std::uint16_t>();
  if ((flags & kUnusedFlags) != 0) return "a flag stands for no property";
  std::apply(
      [&](auto&... property) {
        const auto read = [&](auto& into) {
          if ((flags & kFirstFlag) != 0) read_property(in, into.emplace());
          flags = static_cast<std::uint16_t>(flags << 1);
        };
        (read(property), ...);
      },
      out.fields());
  if (in.ok() && in.left() > 0) return "something follows the properties";
  return in.problem();
}

}  // namespace

std::expected<ContentHeader, Failure> decode_content_header(ByteView payload) {
  Reader in(payload);
  const auto class_id = in.number<std::uint16_t>();
  const auto weight = in.number<std::uint16_t>();
  const auto body_bytes = in.number<std::uint64_t>();
  if (!in.ok()) return failure(ReplyCode::frame_error, "it is cut short");
  if (class_id != BasicPublish::kClass) {
    return failure(ReplyCode::frame_error,
                   "class " + std::to_string(class_id) + " carries no content");
  }
  if (weight != 0) return failure(ReplyCode::syntax_error, "the weight is not 0");
  std::expected<ContentHeader, Failure> result;
  result->body_bytes = body_bytes;
  result->raw = in.rest();
  const auto problem = read_properties(result->raw, result->properties);
  if (!problem.empty()) return failure(ReplyCode::syntax_error, problem);
  return result;
}

std::expected<Properties, Failure> decode_properties(ByteView raw) {
  std::expected<Properties, Failure> result;
  if (const auto problem = read_properties(raw, *result); !problem.empty()) {
    return failure(ReplyCode::syntax_error, problem);
  }
  return result;
}

void encode_properties(std::string& out, const Properties& properties) {
  std::uint16_t flags = 0;
  const auto fields = properties.fields();
  std::apply(
      [&](const auto&... property) {
        std::uint16_t flag = kFirstFlag;
        const auto note = [&](bool present) {
          if (present) flags |= flag;
          flag = static_cast<std::uint16_t>(flag >> 1);
        };
        (note(property.has_value()), ...);
      },
      fields);
  Writer writer(out);
  writer.number(flags);
  std::apply(
      [&](const auto&... property) {
        const auto write = [&](const auto& from) {
          if (from) write_property(writer, *from);
        };
        (write(property), ...);
      },
      fields);
}

}  // namespace penstock::wire::amqp

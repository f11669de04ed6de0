// How C++ values travel: as JSON.
//
//   bool, integers, floating point     true, 7, 0.25 (NaN and infinities are refused)
//   std::string, string_view, path     "text", which must be UTF-8
//   std::optional                      null, or the value
//   std::tuple, std::pair              [1,"two"]
//   vector, array, list, set ...       [1,2,3]
//   maps with std::string keys         {"key":1}; with other keys [[key,value],...]
//   BOOST_DESCRIBE_STRUCT              {"member":1}; unknown members are skipped, members that are
//                                      missing are an error, but for optionals
//   BOOST_DESCRIBE_ENUM                "name"; other enums as their number
//   boost::json::value and its parts   as they are
//   types with Boost.JSON's tag_invoke as that says, std::variant among them
//
// A value that does not fit is an error that names the place and what was expected there:
// "argument 2: size.width: expected an integer of 32 bits, got \"wide\"".
#pragma once

#include <array>
#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11/algorithm.hpp>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "penstock/error.hpp"

namespace penstock {

namespace detail {

// ---- what kind of thing a type is; the first that fits

enum class JsonKind : std::uint8_t {
  none,
  null,
  boolean,
  integer,
  real,
  text,
  dom,
  optional,
  user,
  tuple,
  object,
  array,
  structure,
  named_enum,
  plain_enum,
};

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;
template <class T>
inline constexpr bool is_std_array = false;
template <class T, std::size_t N>
inline constexpr bool is_std_array<std::array<T, N>> = true;

template <class T>
concept DomPart = std::same_as<T, boost::json::value> || std::same_as<T, boost::json::object> ||
    std::same_as<T, boost::json::array> || std::same_as<T, boost::json::string>;
template <class T>
concept UserJson = std::is_class_v<T> && requires(boost::json::value& json, const T& value) {
  tag_invoke(boost::json::value_from_tag{}, json, value);
} &&(
    requires(const boost::json::value& json) {
      tag_invoke(boost::json::value_to_tag<T>{}, json);
    } ||
    requires(const boost::json::value& json) {
      tag_invoke(boost::json::try_value_to_tag<T>{}, json);
    });
template <class T>
concept TextMap = std::ranges::range<T> && requires {
  typename T::mapped_type;
  requires std::same_as<typename T::key_type, std::string>;
};
template <class T>
concept DescribedStruct = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;

template <class T>
consteval JsonKind json_kind() {
  if constexpr (std::same_as<T, std::monostate> || std::same_as<T, std::nullptr_t>)
    return JsonKind::null;
  else if constexpr (std::same_as<T, bool>)
    return JsonKind::boolean;
  else if constexpr (std::integral<T>)
    return JsonKind::integer;
  else if constexpr (std::floating_point<T>)
    return JsonKind::real;
  else if constexpr (DomPart<T>)
    return JsonKind::dom;
  else if constexpr (std::convertible_to<const T&, std::string_view> ||
                     std::same_as<T, std::filesystem::path>)
    return JsonKind::text;
  else if constexpr (is_optional<T>)
    return JsonKind::optional;
  else if constexpr (UserJson<T>)
    return JsonKind::user;
  else if constexpr (is_tuple<T>)
    return JsonKind::tuple;
  else if constexpr (TextMap<T>)
    return JsonKind::object;
  else if constexpr (std::ranges::input_range<const T>)
    return JsonKind::array;
  else if constexpr (DescribedStruct<T>)
    return JsonKind::structure;
  else if constexpr (std::is_enum_v<T>)
    return boost::describe::has_describe_enumerators<T>::value ? JsonKind::named_enum
                                                               : JsonKind::plain_enum;
  else
    return JsonKind::none;
}

template <class T>
using DescribedMembers = boost::describe::describe_members<T, boost::describe::mod_public |
                                                                  boost::describe::mod_inherited>;

// ---- writing

void write_json_text(std::string& out, std::string_view text);  // throws InvalidInput: not UTF-8
void write_json_real(std::string& out, double value);           // throws InvalidInput: not finite

template <class T>
void write_json(std::string& out, const T& value);

template <class Range, class Write>
void write_json_items(std::string& out, char open, char close, const Range& items, Write write) {
  out.push_back(open);
  bool first = true;
  for (auto&& item : items) {
    if (!first) out.push_back(',');
    first = false;
    write(item);
  }
  out.push_back(close);
}

template <class T>
void write_json_array(std::string& out, const T& values) {
  write_json_items(out, '[', ']', values,
                   [&](auto&& item) { write_json<std::ranges::range_value_t<T>>(out, item); });
}

template <class T>
void write_json_structure(std::string& out, const T& value) {
  out.push_back('{');
  bool first = true;
  boost::mp11::mp_for_each<DescribedMembers<T>>([&](auto member) {
    if (!first) out.push_back(',');
    first = false;
    write_json_text(out, member.name);
    out.push_back(':');
    write_json(out, value.*member.pointer);
  });
  out.push_back('}');
}

template <class T>
void write_json_enum(std::string& out, T value) {
  const char* name = boost::describe::enum_to_string(value, nullptr);
  if (name == nullptr) throw InvalidInput("an enum has a value without a name");
  write_json_text(out, name);
}

template <class T>
void write_json(std::string& out, const T& value) {
  constexpr JsonKind kind = json_kind<T>();
  static_assert(
      kind != JsonKind::none,
      "penstock: this type cannot travel as JSON. Describe it with BOOST_DESCRIBE_STRUCT, "
      "or give it Boost.JSON's tag_invoke functions.");
  if constexpr (kind == JsonKind::null) {
    out.append("null");
  } else if constexpr (kind == JsonKind::boolean) {
    out.append(value ? "true" : "false");
  } else if constexpr (kind == JsonKind::integer) {
    char digits[24];
    using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
    const auto end = std::to_chars(digits, digits + sizeof digits, static_cast<Wide>(value)).ptr;
    out.append(digits, static_cast<std::size_t>(end - digits));
  } else if constexpr (kind == JsonKind::real) {
    write_json_real(out, static_cast<double>(value));
  } else if constexpr (kind == JsonKind::text) {
    if constexpr (std::same_as<T, std::filesystem::path>)
      write_json_text(out, value.native());
    else
      write_json_text(out, value);
  } else if constexpr (kind == JsonKind::dom) {
    out.append(boost::json::serialize(value));
  } else if constexpr (kind == JsonKind::optional) {
    if (value.has_value())
      write_json(out, *value);
    else
      out.append("null");
  } else if constexpr (kind == JsonKind::user) {
    out.append(boost::json::serialize(boost::json::value_from(value)));
  } else if constexpr (kind == JsonKind::tuple) {
    out.push_back('[');
    std::apply(
        [&](const auto&... item) {
          std::size_t n = 0;
          ((n++ > 0 ? out.push_back(',') : void(), write_json(out, item)), ...);
        },
        value);
    out.push_back(']');
  } else if constexpr (kind == JsonKind::object) {
    write_json_items(out, '{', '}', value, [&](const auto& item) {
      write_json_text(out, item.first);
      out.push_back(':');
      write_json(out, item.second);
    });
  } else if constexpr (kind == JsonKind::array) {
    write_json_array(out, value);
  } else if constexpr (kind == JsonKind::structure) {
    write_json_structure(out, value);
  } else if constexpr (kind == JsonKind::named_enum) {
    write_json_enum(out, value);
  } else if constexpr (kind == JsonKind::plain_enum) {
    write_json(out, static_cast<std::underlying_type_t<T>>(value));
  }
}

// ---- reading

// Where in the whole value we are; made into text only when something is wrong there.
struct JsonPlace {
  const JsonPlace* up = nullptr;
  std::string_view name{};  // of a member, or of the whole
  std::size_t index = 0;    // of an item, when there is no name

  [[nodiscard]] JsonPlace member(std::string_view member_name) const {
    return {this, member_name, 0};
  }
  [[nodiscard]] JsonPlace item(std::size_t item_index) const { return {this, {}, item_index}; }
};

[[noreturn]] void json_mismatch(const JsonPlace& place, std::string_view expected,
                                const boost::json::value& got);
[[noreturn]] void json_missing(const JsonPlace& place, std::string_view member);
[[noreturn]] void json_wrong(const JsonPlace& place, std::string_view what);
[[nodiscard]] const boost::json::array& json_array(const JsonPlace& place,
                                                   const boost::json::value& json);
// Of exactly `size` items.
[[nodiscard]] const boost::json::array& json_array(const JsonPlace& place,
                                                   const boost::json::value& json,
                                                   std::size_t size);
[[nodiscard]] const boost::json::object& json_object(const JsonPlace& place,
                                                     const boost::json::value& json);
[[nodiscard]] std::string_view json_text(const JsonPlace& place, const boost::json::value& json);
[[nodiscard]] double json_real(const JsonPlace& place, const boost::json::value& json);
// In [low, high]; numbers without a fraction that are written with one ("3.0") will do.
[[nodiscard]] std::int64_t json_signed(const JsonPlace& place, const boost::json::value& json,
                                       std::int64_t low, std::int64_t high);
[[nodiscard]] std::uint64_t json_unsigned(const JsonPlace& place, const boost::json::value& json,
                                          std::uint64_t high);
// The whole of a text; throws InvalidInput, beginning with `what`.
[[nodiscard]] boost::json::value parse_json(std::string_view text, std::string_view what);

template <class T>
T read_json(const boost::json::value& json, const JsonPlace& place);

template <class T>
T read_json_integer(const boost::json::value& json, const JsonPlace& place) {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_signed_v<T>)
    return static_cast<T>(json_signed(place, json, Limits::min(), Limits::max()));
  else
    return static_cast<T>(json_unsigned(place, json, Limits::max()));
}

template <class T>
T read_json_dom(const boost::json::value& json, const JsonPlace& place) {
  if constexpr (std::same_as<T, boost::json::value>)
    return boost::json::value(json, boost::json::storage_ptr{});
  else if constexpr (std::same_as<T, boost::json::object>)
    return T(json_object(place, json), boost::json::storage_ptr{});
  else if constexpr (std::same_as<T, boost::json::array>)
    return T(json_array(place, json), boost::json::storage_ptr{});
  else
    return T(json_text(place, json));
}

template <class T>
T read_json_tuple(const boost::json::value& json, const JsonPlace& place) {
  const boost::json::array& items = json_array(place, json, std::tuple_size_v<T>);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return T{read_json<std::tuple_element_t<I, T>>(items[I], place.item(I))...};
  }
  (std::make_index_sequence<std::tuple_size_v<T>>{});
}

// What an item of a container is while it is being built: a map's key is const only inside of it.
template <class T>
struct JsonItem {
  using type = T;
};
template <class K, class V>
struct JsonItem<std::pair<const K, V>> {
  using type = std::pair<K, V>;
};

template <class T>
T read_json_array(const boost::json::value& json, const JsonPlace& place) {
  using Item = typename JsonItem<std::ranges::range_value_t<T>>::type;
  T out{};
  if constexpr (is_std_array<T>) {
    const boost::json::array& items = json_array(place, json, std::tuple_size_v<T>);
    for (std::size_t i = 0; i < items.size(); ++i)
      out[i] = read_json<Item>(items[i], place.item(i));
  } else {
    const boost::json::array& items = json_array(place, json);
    if constexpr (requires { out.reserve(items.size()); }) out.reserve(items.size());
    for (std::size_t i = 0; i < items.size(); ++i)
      out.insert(out.end(), read_json<Item>(items[i], place.item(i)));
  }
  return out;
}

template <class T>
T read_json_structure(const boost::json::value& json, const JsonPlace& place) {
  const boost::json::object& object = json_object(place, json);
  T out{};
  boost::mp11::mp_for_each<DescribedMembers<T>>([&](auto member) {
    using Member = std::remove_cvref_t<decltype(out.*member.pointer)>;
    const boost::json::value* found = object.if_contains(member.name);
    if (found != nullptr)
      out.*member.pointer = read_json<Member>(*found, place.member(member.name));
    else if constexpr (!is_optional<Member>)
      json_missing(place, member.name);
  });
  return out;
}

template <class T>
T read_json_enum(const boost::json::value& json, const JsonPlace& place) {
  const std::string name(json_text(place, json));
  T value{};
  if (!boost::describe::enum_from_string(name.c_str(), value))
    json_mismatch(place, "the name of an enumerator", json);
  return value;
}

template <class T>
T read_json_user(const boost::json::value& json, const JsonPlace& place) {
  auto result = boost::json::try_value_to<T>(json);
  if (!result) json_wrong(place, result.error().message());
  return std::move(*result);
}

template <class T>
T read_json(const boost::json::value& json, const JsonPlace& place) {
  constexpr JsonKind kind = json_kind<T>();
  static_assert(kind != JsonKind::none,
                "penstock: this type cannot be read from JSON. Describe it with "
                "BOOST_DESCRIBE_STRUCT, or give it Boost.JSON's tag_invoke functions.");
  if constexpr (kind == JsonKind::null) {
    if (!json.is_null()) json_mismatch(place, "null", json);
    return T{};
  } else if constexpr (kind == JsonKind::boolean) {
    if (!json.is_bool()) json_mismatch(place, "true or false", json);
    return json.get_bool();
  } else if constexpr (kind == JsonKind::integer) {
    return read_json_integer<T>(json, place);
  } else if constexpr (kind == JsonKind::real) {
    return static_cast<T>(json_real(place, json));
  } else if constexpr (kind == JsonKind::text) {
    static_assert(std::constructible_from<T, std::string_view> &&
                      !std::same_as<T, std::string_view> && !std::is_pointer_v<T>,
                  "penstock: text is read into a type that owns it, as std::string does.");
    return T(json_text(place, json));
  } else if constexpr (kind == JsonKind::dom) {
    return read_json_dom<T>(json, place);
  } else if constexpr (kind == JsonKind::optional) {
    if (json.is_null()) return T{};
    return T(read_json<typename T::value_type>(json, place));
  } else if constexpr (kind == JsonKind::user) {
    return read_json_user<T>(json, place);
  } else if constexpr (kind == JsonKind::tuple) {
    return read_json_tuple<T>(json, place);
  } else if constexpr (kind == JsonKind::object) {
    T out{};
    for (const auto& item : json_object(place, json)) {
      const std::string_view key(item.key().data(), item.key().size());
      out.emplace(std::string(key),
                  read_json<typename T::mapped_type>(item.value(), place.member(key)));
    }
    return out;
  } else if constexpr (kind == JsonKind::array) {
    return read_json_array<T>(json, place);
  } else if constexpr (kind == JsonKind::structure) {
    return read_json_structure<T>(json, place);
  } else if constexpr (kind == JsonKind::named_enum) {
    return read_json_enum<T>(json, place);
  } else if constexpr (kind == JsonKind::plain_enum) {
    return static_cast<T>(read_json_integer<std::underlying_type_t<T>>(json, place));
  }
}

}  // namespace detail

// Throws InvalidInput: text that is not UTF-8, numbers that are not finite.
template <class T>
[[nodiscard]] std::string to_json(const T& value) {
  std::string out;
  detail::write_json(out, value);
  return out;
}

// Throws InvalidInput, naming the place in `what` and what was expected there.
template <class T>
[[nodiscard]] T from_json(std::string_view text, std::string_view what = "value") {
  return detail::read_json<T>(detail::parse_json(text, what), detail::JsonPlace{nullptr, what, 0});
}

}  // namespace penstock

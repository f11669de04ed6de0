#include "penstock/json.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include "penstock/task.hpp"

namespace {

enum class Color { red, green };
BOOST_DESCRIBE_ENUM(Color, red, green)
enum class Bare : std::uint8_t { zero, one };

struct Size {
  int width = 0;
  std::optional<double> ratio;
  bool operator==(const Size&) const = default;
};
BOOST_DESCRIBE_STRUCT(Size, (), (width, ratio))

struct Picture {
  std::string name;
  Color color = Color::red;
  std::vector<Size> sizes;
  bool operator==(const Picture&) const = default;
};
BOOST_DESCRIBE_STRUCT(Picture, (), (name, color, sizes))

// A type that describes itself to Boost.JSON in its own way.
struct Celsius {
  double degrees = 0;
  bool operator==(const Celsius&) const = default;
};
void tag_invoke(boost::json::value_from_tag, boost::json::value& json, const Celsius& value) {
  json = std::to_string(static_cast<int>(value.degrees)) + "C";
}
Celsius tag_invoke(boost::json::value_to_tag<Celsius>, const boost::json::value& json) {
  return {std::stod(std::string(json.as_string().c_str()))};
}

template <class T>
void expect_round_trip(const T& value, const std::string& json) {
  EXPECT_EQ(penstock::to_json(value), json);
  EXPECT_EQ(penstock::from_json<T>(json), value);
}

template <class T>
std::string error_of(std::string_view json) {
  try {
    (void)penstock::from_json<T>(json);
  } catch (const penstock::InvalidInput& wrong) {
    return wrong.what();
  }
  return "no error";
}

TEST(Json, CarriesPlainTypes) {
  expect_round_trip(true, "true");
  expect_round_trip(-7, "-7");
  expect_round_trip(std::numeric_limits<std::int64_t>::min(), "-9223372036854775808");
  expect_round_trip(std::numeric_limits<std::uint64_t>::max(), "18446744073709551615");
  expect_round_trip(0.1, "0.1");
  expect_round_trip(1e300, "1e+300");
  expect_round_trip(1.8400000391254226e26, "1.8400000391254226e+26");
  expect_round_trip('a', "97");
  expect_round_trip(std::monostate{}, "null");
}

TEST(Json, CarriesTextWithEveryAwkwardCharacter) {
  expect_round_trip(std::string("Grüße, 世界"), "\"Grüße, 世界\"");
  expect_round_trip(std::string("a\"b\\c\n\t\r\x01/"), R"("a\"b\\c\n\t\r\u0001/")");
  expect_round_trip(std::string("nul\0inside", 10), R"("nul\u0000inside")");
  expect_round_trip(std::string(), "\"\"");
  expect_round_trip(std::filesystem::path("/tmp/a b"), "\"/tmp/a b\"");
}

TEST(Json, RefusesTextThatIsNotUtf8) {
  EXPECT_THROW((void)penstock::to_json(std::string("\xff\xfe")), penstock::InvalidInput);
}

TEST(Json, RefusesNumbersThatAreNotFinite) {
  EXPECT_THROW((void)penstock::to_json(std::numeric_limits<double>::infinity()),
               penstock::InvalidInput);
  EXPECT_THROW((void)penstock::to_json(std::numeric_limits<float>::quiet_NaN()),
               penstock::InvalidInput);
}

TEST(Json, KeepsTheSignOfAZero) {
  EXPECT_EQ(penstock::to_json(-0.0), "-0.0");
  EXPECT_TRUE(std::signbit(penstock::from_json<double>("-0.0")));
  EXPECT_EQ(penstock::to_json(0.0), "0");
}

TEST(Json, CarriesContainers) {
  expect_round_trip(std::vector<int>{1, 2, 3}, "[1,2,3]");
  expect_round_trip(std::vector<bool>{true, false}, "[true,false]");
  expect_round_trip(std::deque<std::string>{"a"}, "[\"a\"]");
  expect_round_trip(std::set<int>{3, 1}, "[1,3]");
  expect_round_trip(std::array<int, 2>{4, 5}, "[4,5]");
  expect_round_trip(std::map<std::string, int>{{"a", 1}, {"b", 2}}, R"({"a":1,"b":2})");
  expect_round_trip(std::map<int, std::string>{{1, "x"}}, R"([[1,"x"]])");
  expect_round_trip(std::unordered_map<std::string, std::vector<int>>{{"k", {1}}}, R"({"k":[1]})");
  expect_round_trip(std::tuple<int, std::string, bool>{1, "two", true}, R"([1,"two",true])");
  expect_round_trip(std::pair<int, int>{1, 2}, "[1,2]");
  expect_round_trip(std::vector<std::vector<int>>{{}, {1}}, "[[],[1]]");
}

TEST(Json, CarriesOptionalsAsNullOrTheValue) {
  expect_round_trip(std::optional<int>(), "null");
  expect_round_trip(std::optional<int>(3), "3");
}

TEST(Json, CarriesDescribedStructsAndEnums) {
  expect_round_trip(Picture{"cat", Color::green, {{640, {}}, {320, 1.5}}},
                    R"({"name":"cat","color":"green","sizes":[{"width":640,"ratio":null},)"
                    R"({"width":320,"ratio":1.5}]})");
  expect_round_trip(Bare::one, "1");
}

TEST(Json, CarriesWhatBoostJsonIsToldToCarry) {
  expect_round_trip(Celsius{21}, "\"21C\"");
  expect_round_trip(std::variant<int, std::string>("x"), "\"x\"");
  expect_round_trip(boost::json::value({{"a", {1, 2}}}), R"({"a":[1,2]})");
}

TEST(Json, SkipsMembersItDoesNotKnowAndLeavesMissingOptionalsEmpty) {
  EXPECT_EQ(penstock::from_json<Size>(R"({"width":1,"later":[]})"), (Size{1, {}}));
}

TEST(Json, AcceptsAnIntegerWrittenWithAFraction) {
  EXPECT_EQ(penstock::from_json<int>("3.0"), 3);
  EXPECT_EQ(penstock::from_json<unsigned>("3e2"), 300U);
}

TEST(Json, NamesThePlaceAndWhatWasExpectedThere) {
  EXPECT_EQ(error_of<int>("\"wide\""), "value: expected an integer, got \"wide\"");
  EXPECT_EQ(error_of<std::int8_t>("200"), "value: expected an integer from -128 to 127, got 200");
  EXPECT_EQ(error_of<std::uint32_t>("-1"),
            "value: expected an integer from 0 to 4294967295, got -1");
  EXPECT_EQ(error_of<int>("1.5"),
            "value: expected an integer from -2147483648 to 2147483647, got 1.5E0");
  EXPECT_EQ(error_of<std::vector<int>>("[1,true]"), "value: [1]: expected an integer, got true");
  EXPECT_EQ(error_of<Picture>(R"({"name":"a","color":"red","sizes":[{}]})"),
            "value: sizes[0].width: is missing");
  EXPECT_EQ(error_of<Picture>(R"({"name":"a","color":"blue","sizes":[]})"),
            "value: color: expected the name of an enumerator, got \"blue\"");
  EXPECT_EQ((error_of<std::array<int, 2>>("[1]")), "value: expected an array of 2, got [1]");
  EXPECT_EQ(error_of<std::string>("{\"long\":\"" + std::string(100, 'x') + "\"}"),
            "value: expected a string, got {\"long\":\"" + std::string(31, 'x') + "...");
}

TEST(Json, RefusesTextThatIsNotJson) {
  EXPECT_THROW((void)penstock::from_json<int>("1 2"), penstock::InvalidInput);
  EXPECT_THROW((void)penstock::from_json<int>(""), penstock::InvalidInput);
}

// ---- payloads

std::string argument_error(std::string_view payload, std::size_t count) {
  try {
    const penstock::detail::Arguments arguments(payload, count);
    (void)arguments.get<int>(count - 1);
  } catch (const penstock::InvalidInput& wrong) {
    return wrong.what();
  }
  return "no error";
}

TEST(Payload, GivesArgumentsByTheirPlace) {
  const penstock::detail::Arguments arguments(R"({"args":[1,"two",{"width":3}],"kwargs":{}})", 3);
  EXPECT_EQ(arguments.get<int>(0), 1);
  EXPECT_EQ(arguments.get<std::string>(1), "two");
  EXPECT_EQ(arguments.get<Size>(2), (Size{3, {}}));
}

TEST(Payload, NamesTheArgumentThatDoesNotFit) {
  EXPECT_EQ(argument_error(R"({"args":[1,"x"]})", 2), "argument 2: expected an integer, got \"x\"");
}

TEST(Payload, SaysHowManyArgumentsAreWanted) {
  EXPECT_EQ(argument_error(R"({"args":[1]})", 2), "the task takes 2 argument(s), got 1");
  EXPECT_EQ(argument_error(R"({"args":[]})", 2), "the task takes 2 arguments, got none");
}

TEST(Payload, RefusesWhatIsNoPayload) {
  EXPECT_EQ(argument_error("[1]", 1), "the task's payload is not {\"args\":[...]}");
  EXPECT_EQ(argument_error(R"({"args":7})", 1), "the task's `args` are not an array");
  EXPECT_EQ(argument_error(R"({"args":[1],"kwargs":{"a":1}})", 1),
            "a C++ task takes no named arguments (`kwargs`)");
  EXPECT_NE(argument_error("{", 1).find("not JSON"), std::string::npos);
}

// ---- what compiles

int add(int a, int b) {
  return a + b;
}

TEST(TaskTypes, AreDeducedFromFunctionsLambdasAndFunctionObjects) {
  const auto from_function = penstock::task("add", add);
  static_assert(std::same_as<decltype(from_function), const penstock::Task<int(int, int)>>);
  const auto from_lambda = penstock::task(
      "text", [](const std::string& a, std::string_view b) { return a + std::string(b); });
  static_assert(std::same_as<decltype(from_lambda),
                             const penstock::Task<std::string(std::string, std::string)>>);
  const auto with_context = penstock::task("context", [](penstock::Context&, int) {});
  static_assert(std::same_as<decltype(with_context), const penstock::Task<void(int)>>);
  const std::function<double(std::vector<double>)> function = [](auto v) { return v.front(); };
  const auto from_std_function = penstock::task("function", function);
  static_assert(
      std::same_as<decltype(from_std_function), const penstock::Task<double(std::vector<double>)>>);
  EXPECT_EQ(from_function.name(), "add");
}

struct Opaque {
  int* secret = nullptr;
};

TEST(TaskTypes, KnowWhatCannotTravel) {
  static_assert(penstock::detail::json_kind<Opaque>() == penstock::detail::JsonKind::none);
  static_assert(penstock::detail::json_kind<Size>() == penstock::detail::JsonKind::structure);
  static_assert(!penstock::detail::KnownSignature<decltype([](auto) {})>);
}

TEST(TaskTypes, WritePayloadsWithTheParametersTypes) {
  std::string payload;
  penstock::Task<void(double, std::string, std::optional<int>)>::write_payload(payload, 1, "x", 2);
  EXPECT_EQ(payload, R"({"args":[1,"x",2]})");
}

TEST(TaskNames, AreChecked) {
  EXPECT_THROW((void)penstock::task("", add), penstock::InvalidInput);
  EXPECT_THROW((void)penstock::task(std::string(256, 'x'), add), penstock::InvalidInput);
  EXPECT_THROW((void)penstock::task("a", add, {.priority = 10}), penstock::InvalidInput);
}

}  // namespace

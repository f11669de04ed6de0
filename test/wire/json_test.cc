#include "wire/json/json.h"

#include <gtest/gtest.h>

#include <bit>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cmath>

namespace penstock::wire::json {
namespace {

using namespace std::chrono_literals;

std::string error_of(std::string_view text, const Limits& limits = {}) {
  const auto value = parse(text, limits);
  return value ? "" : value.error().message;
}

TEST(Json, IsReadAndWrittenBack) {
  for (const std::string_view text :
       {"null", "true", "-1", "1.5E0", "\"a\\u0000b\"", "[]", "{}", "[1,[2,{\"a\":null}]]",
        "18446744073709551615", "\"\xf0\x9f\x90\x98\""}) {
    const auto value = parse(text);
    ASSERT_TRUE(value.has_value()) << text << " " << value.error().message;
    EXPECT_EQ(to_text(*value), text);
  }
  EXPECT_TRUE(parse(" {\"a\" : 1}\n").has_value());
}

TEST(Json, IsRefusedWithThePositionOfTheFault) {
  EXPECT_EQ(error_of("{\"a\": 1,}"), "JSON: syntax error at byte 8");
  EXPECT_EQ(error_of("[1, 2"), "JSON: the text ends too early at byte 5");
  EXPECT_EQ(error_of(""), "JSON: the text ends too early at byte 0");
  EXPECT_EQ(error_of("1 2"), "JSON: something follows the value at byte 2");
  for (const std::string_view bad :
       {"{a:1}", "'a'", "// c\n1", "NaN", "Infinity", "01", "+1", "1.", "\"\t\"", "\"\\x41\"",
        "[1,]", "\"\xff\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "tru", "\xef\xbb\xbf{}"}) {
    EXPECT_NE(error_of(bad), "") << bad;
  }
}

TEST(Json, IsBoundedInDepthAndSize) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(error_of(nested(32)), "");
  EXPECT_EQ(error_of(nested(33)), "JSON: more than 32 levels deep at byte 32");
  EXPECT_NE(error_of(std::string(1'000'000, '[')).find("levels deep"), std::string::npos);
  EXPECT_EQ(error_of("[1,2,3]", {.max_bytes = 6}), "JSON: 7 bytes, at most 6B are allowed");
}

TEST(Json, IsCheckedAsItIsParsed) {
  for (const std::string_view text :
       {"null", " [1, {\"a\": 2}] ", "", "[", "1 2", "{\"a\":1,}", "\"\xff\"", "1e999", "[[[]]]"}) {
    const auto parsed = parse(text, {.max_bytes = 14, .max_depth = 2});
    const auto checked = check(text, {.max_bytes = 14, .max_depth = 2});
    ASSERT_EQ(parsed.has_value(), checked.has_value()) << text;
    if (!parsed) {
      EXPECT_EQ(parsed.error().message, checked.error().message);
    }
  }
}

TEST(Json, RefusesANumberThatItCouldOnlyWriteBackAsInfinity) {
  for (const std::string_view text : {"1e999", "[1,{\"a\":-1e400}]", "1e99999999999"}) {
    EXPECT_NE(error_of(text).find("JSON: exponent overflow at byte "), std::string::npos) << text;
    EXPECT_FALSE(check(text)) << text;
  }
  EXPECT_EQ(error_of("[1e308,1e-999]"), "");
}

TEST(Json, ReadsNumbersAsTheyWereWrittenToTheLastBit) {
  // Each was one unit off in the last place.
  for (const std::string_view text : {"1.8400000391254226E26", "1.8400000391254227E26"}) {
    double expected = 0;
    std::from_chars(text.data(), text.data() + text.size(), expected);
    const auto value = parse(text);
    ASSERT_TRUE(value);
    EXPECT_EQ(value->get_double(), expected);
  }
  std::uint64_t bits = 1;
  for (int i = 0; i < 20'000; ++i) {
    bits = bits * 6364136223846793005 + 1442695040888963407;
    const auto number = std::bit_cast<double>(bits);
    if (!std::isfinite(number)) continue;
    char text[40];
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    const auto value = parse({text, static_cast<std::size_t>(end - text)});
    ASSERT_TRUE(value);
    ASSERT_EQ(value->to_number<double>(), number);
  }
}

TEST(Json, WritesAnyTextAsAStringThatReadsBack) {
  std::string out;
  append_string(out, std::string_view("a\"\\\n\x01\x7f\xc3\xa4\0", 9));
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u0001\x7f\xc3\xa4\\u0000\"");
  EXPECT_TRUE(parse(out).has_value());
  out.clear();
  append_string(out, "bad \xff text");
  EXPECT_EQ(out, "\"bad \xef\xbf\xbd text\"");
}

TEST(ObjectReader, GivesFieldsThatAreThereAndFallbacksForThoseThatAreNot) {
  const auto value = parse(R"({"max":5,"wait":"1.5s","name":"q","on":true,)"
                           R"("rate":0.5,"list":[1],"sub":{},"none":null})")
                         .value();
  ObjectReader in(value);
  EXPECT_EQ(in.integer("max", 1, 1000, 10), 5);
  EXPECT_EQ(in.integer("min", 1, 1000, 10), 10);
  EXPECT_EQ(in.duration("wait"), 1500ms);
  EXPECT_EQ(in.required_text("name"), "q");
  EXPECT_TRUE(in.boolean("on", false));
  EXPECT_EQ(in.number("rate", 0, 1), 0.5);
  ASSERT_NE(in.array("list"), nullptr);
  ASSERT_NE(in.object("sub"), nullptr);
  EXPECT_EQ(in.text("none"), std::nullopt);
  EXPECT_TRUE(in.finish().has_value());
}

// What finish() says after `ask` has read the text.
template <class Ask>
std::string complaint(std::string_view text, Ask ask) {
  const auto value = parse(text).value();
  ObjectReader in(value);
  ask(in);
  const auto good = in.finish();
  return good ? "" : good.error().message;
}

TEST(ObjectReader, SaysWhatAFieldMustBeAndWhatItWas) {
  const auto max = [](ObjectReader& in) { (void)in.integer("max", 1, 1000); };
  const auto rule = std::string("field \"max\" must be an integer from 1 to 1000, got ");
  EXPECT_EQ(complaint(R"({"max":"x"})", max), rule + "\"x\"");
  EXPECT_EQ(complaint(R"({"max":1001})", max), rule + "1001");
  EXPECT_EQ(complaint(R"({"max":0})", max), rule + "0");
  EXPECT_EQ(complaint(R"({"max":18446744073709551615})", max), rule + "18446744073709551615");
  EXPECT_EQ(complaint(R"({"max":1.5})", max), rule + "1.5E0");
  EXPECT_EQ(complaint(R"({"max":true})", max), rule + "true");
  EXPECT_EQ(complaint(R"({"max":[1]})", max), rule + "an array");
  EXPECT_EQ(complaint(R"({"max":5.0})", max), "");
  EXPECT_EQ(complaint(R"({"t":5})", [](ObjectReader& in) { (void)in.text("t"); }),
            "field \"t\" must be a string, got 5");
  EXPECT_EQ(complaint(R"({"b":"true"})", [](ObjectReader& in) { (void)in.boolean("b"); }),
            "field \"b\" must be true or false, got \"true\"");
  const auto duration = [](ObjectReader& in) { (void)in.duration("d", 1s); };
  const auto as = std::string("field \"d\" must be a duration as \"250ms\", \"1.5s\" or \"10m\"");
  EXPECT_EQ(complaint(R"({"d":"5"})", duration),
            as + ", or a whole number of milliseconds, got \"5\"");
  EXPECT_EQ(complaint(R"({"d":1500.5})", duration),
            as + ", or a whole number of milliseconds, got 1.5005E3");
  EXPECT_EQ(complaint(R"({"d":999})", duration), "field \"d\" must be from 1s to 36500d, got 999");
  EXPECT_EQ(complaint(R"({"d":-1})", duration), "field \"d\" must be from 1s to 36500d, got -1");
  EXPECT_EQ(complaint(R"({"d":"36501d"})", duration),
            "field \"d\" must be from 1s to 36500d, got \"36501d\"");
  EXPECT_EQ(complaint(R"({"d":9223372036854775807})", duration),
            "field \"d\" must be from 1s to 36500d, got 9223372036854775807");
  EXPECT_EQ(complaint(R"({"d":1000})", duration), "");
  EXPECT_EQ(complaint("{}", [](ObjectReader& in) { (void)in.required_text("queue"); }),
            "field \"queue\" must be there: a string");
  EXPECT_EQ(complaint("{}", [](ObjectReader& in) { (void)in.required_integer("n", 1, 2); }),
            "field \"n\" must be there: an integer from 1 to 2");
}

TEST(JsonNumbers, StayAsTheyAreWrittenWhenTheyAreKept) {
  const std::string text =
      R"({"a":[1.50,1E5,-0.1e-7,123456789012345678901234567890,7,"1.5"],"b":{"c":2.0}})";
  const auto value = parse(text, {.keep_numbers = true}).value();
  EXPECT_EQ(to_text(value), text);
  EXPECT_EQ(to_text(value.at("b").at("c")), "2.0");
  EXPECT_FALSE(is_text(value.at("a").at(0)));
  EXPECT_TRUE(is_text(value.at("a").at(5)));
  EXPECT_FALSE(parse("[1e999]", {.keep_numbers = true})) << "no double holds it";
}

TEST(JsonNumbers, ThatAreKeptAreReadAsNumbers) {
  const auto value =
      parse(R"({"n":2.0,"half":0.50,"d":2.5e3,"t":1.5})", {.keep_numbers = true}).value();
  ObjectReader in(value);
  EXPECT_EQ(in.integer("n", 0, 10), 2);
  EXPECT_EQ(in.number("half", 0, 1), 0.5);
  EXPECT_EQ(in.duration("d"), 2500ms);
  EXPECT_EQ(in.text("t"), std::nullopt);
  EXPECT_EQ(in.finish().error().message, "field \"t\" must be a string, got 1.5");
}

TEST(ObjectReader, RefusesFieldsThatNobodyAskedFor) {
  const auto value = parse(R"({"max":1,"mxa":2})").value();
  ObjectReader in(value, "message 3: ");
  (void)in.integer("max", 1, 10);
  (void)in.text("name");
  const auto good = in.finish();
  ASSERT_FALSE(good.has_value());
  EXPECT_EQ(good.error().message, "message 3: unknown field \"mxa\"");
  EXPECT_EQ(good.error().hint, "known fields: max, name");
}

TEST(ObjectReader, TellsTheFirstErrorOnly) {
  const auto value = parse(R"({"a":"x","b":"y"})").value();
  ObjectReader in(value);
  (void)in.integer("a", 0, 1);
  (void)in.integer("b", 0, 1);
  in.refuse("c", "be odd");
  EXPECT_EQ(in.finish().error().message, "field \"a\" must be an integer from 0 to 1, got \"x\"");
}

using Texts = std::vector<std::string>;

// Each as NAME=VALUE.
Texts parts_of(std::string_view text) {
  Texts all;
  for (Parts parts(text); parts.next();)
    all.push_back(std::string(parts.name()) + "=" + std::string(parts.value()));
  return all;
}

TEST(JsonParts, AreGivenAsTheyAreWritten) {
  EXPECT_EQ(parts_of(R"( [ 0.10 ,1e3,"a,]\"\\" , [1, {"b":[]}], {} ,null ] )"),
            (Texts{"=0.10", "=1e3", R"(="a,]\"\\")", R"(=[1, {"b":[]}])", "={}", "=null"}));
  EXPECT_EQ(parts_of(R"( { "a" : 1.0, "b\n":[ 2 ],"":{"c":"}"} } )"),
            (Texts{R"("a"=1.0)", R"("b\n"=[ 2 ])", R"(""={"c":"}"})"}));
  EXPECT_EQ(parts_of("[]"), Texts());
  EXPECT_EQ(parts_of(" { } "), Texts());
  EXPECT_EQ(parts_of("17"), Texts()) << "it has no parts";
}

TEST(JsonParts, OfWhatIsNoJsonEndSomewhere) {
  for (const std::string_view broken :
       {"", "[", "[1", "[,", "{\"a\"", "{\"a\":", "[\"a", "}", "]", "{]", "[}", "[\"\\"})
    EXPECT_LE(parts_of(broken).size(), 2u) << broken;
}

TEST(ObjectReader, WantsAnObject) {
  const auto value = parse("[1]").value();
  ObjectReader in(value);
  EXPECT_EQ(in.text("a"), std::nullopt);
  EXPECT_EQ(in.finish().error().message, "must be a JSON object, got an array");
}

}  // namespace
}  // namespace penstock::wire::json

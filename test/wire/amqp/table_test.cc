#include "wire/amqp/table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/text.h"
#include "wire/amqp/table_json.h"
#include "wire/amqp/table_writer.h"
#include "wire/json/json.h"

namespace penstock::wire::amqp {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

std::string problem_of(std::string_view bytes) {
  const auto table = TableView::parse(as_bytes(bytes));
  return table ? "" : std::string(table.error());
}

Value value_of(std::string_view typed_value) {
  static std::string bytes;
  bytes = "\x01k"s.append(typed_value);
  const auto table = TableView::parse(as_bytes(bytes));
  EXPECT_TRUE(table.has_value()) << table.error();
  return table->find("k").value();
}

std::string written(const Value& value) {
  std::string out;
  TableWriter(out).add("k", value);
  return out.substr(2);
}

// A table in an array in a table ..., `levels` in all.
std::string nested(unsigned levels) {
  std::string inner;
  for (unsigned level = levels; level > 1; --level) {
    std::string outer;
    const bool in_table = level % 2 == 0;
    if (in_table) outer = "\x01n";
    outer += in_table ? 'A' : 'F';
    Writer(outer).long_bytes(as_bytes(inner));
    inner = outer;
  }
  return inner;
}

// The same as JSON.
std::string nested_json(unsigned levels) {
  std::string text;
  for (unsigned level = levels; level > 0; --level) {
    text = level % 2 == 1 ? "{\"n\":" + (text.empty() ? "1" : text) + "}" : "[" + text + "]";
  }
  return text;
}

TEST(AmqpTable, HasTheTypesThatRabbitMqGivesToTheLetters) {
  EXPECT_EQ(value_of("t\x01"sv), Value(true));
  EXPECT_EQ(value_of("t\x02"sv), Value(true));
  EXPECT_EQ(value_of("t\x00"sv), Value(false));
  EXPECT_EQ(value_of("b\xff"sv), Value(std::int8_t{-1}));
  EXPECT_EQ(value_of("B\xff"sv), Value(std::uint8_t{255}));
  EXPECT_EQ(value_of("s\xff\xfe"sv), Value(std::int16_t{-2}));
  EXPECT_EQ(value_of("u\xff\xfe"sv), Value(std::uint16_t{65'534}));
  EXPECT_EQ(value_of("I\xff\xff\xff\xfd"sv), Value(std::int32_t{-3}));
  EXPECT_EQ(value_of("i\xff\xff\xff\xfd"sv), Value(std::uint32_t{4'294'967'293}));
  EXPECT_EQ(value_of("l\xff\xff\xff\xff\xff\xff\xff\xfc"sv), Value(std::int64_t{-4}));
  EXPECT_EQ(value_of("L\xff\xff\xff\xff\xff\xff\xff\xfc"sv), Value(std::int64_t{-4}));
  EXPECT_EQ(value_of("f\x3f\xc0\x00\x00"sv), Value(1.5f));
  EXPECT_EQ(value_of("d\x3f\xf8\x00\x00\x00\x00\x00\x00"sv), Value(1.5));
  EXPECT_EQ(value_of("D\x02\x00\x00\x01\x3a"sv), Value(Decimal{2, 314}));
  EXPECT_EQ(value_of("S\x00\x00\x00\x02hi"sv), Value("hi"sv));
  EXPECT_EQ(value_of("x\x00\x00\x00\x02\x00\xff"sv), Value(Binary{as_bytes("\x00\xff"sv)}));
  EXPECT_EQ(value_of("T\x00\x00\x00\x00\x66\x00\x00\x00"sv), Value(Timestamp{0x66000000}));
  EXPECT_EQ(value_of("V"sv), Value(Void{}));
  EXPECT_EQ(std::get<TableView>(value_of("F\x00\x00\x00\x03\x01vV"sv)).find("v"), Value(Void{}));
  EXPECT_EQ(*std::get<ArrayView>(value_of("A\x00\x00\x00\x02t\x01"sv)).begin(), Value(true));
}

TEST(AmqpTable, IsWrittenInTheLettersThatRabbitMqWrites) {
  for (const auto bytes :
       {"t\x01"sv, "b\xff"sv, "B\xff"sv, "s\xff\xfe"sv, "u\xff\xfe"sv, "I\xff\xff\xff\xfd"sv,
        "i\xff\xff\xff\xfd"sv, "l\xff\xff\xff\xff\xff\xff\xff\xfc"sv, "f\x3f\xc0\x00\x00"sv,
        "d\x3f\xf8\x00\x00\x00\x00\x00\x00"sv, "D\x02\x00\x00\x01\x3a"sv, "S\x00\x00\x00\x02hi"sv,
        "x\x00\x00\x00\x02\x00\xff"sv, "T\x00\x00\x00\x00\x66\x00\x00\x00"sv, "V"sv,
        "F\x00\x00\x00\x03\x01vV"sv, "A\x00\x00\x00\x02t\x01"sv}) {
    EXPECT_EQ(written(value_of(bytes)), bytes);
  }
}

TEST(AmqpTable, IsWalkedInItsOrder) {
  std::string bytes;
  TableWriter(bytes).add("b", 1).add("a", "two").add("b", 3).add("", Void{});
  const auto table = TableView::parse(as_bytes(bytes)).value();
  std::vector<std::string> names;
  std::string raw;
  for (const auto& field : table) {
    names.emplace_back(field.name);
    raw.append(as_text(field.raw));
  }
  EXPECT_EQ(names, (std::vector<std::string>{"b", "a", "b", ""}));
  EXPECT_EQ(raw, bytes);
  EXPECT_EQ(table.find("b"), Value(1));  // the first
  EXPECT_EQ(table.find(""), Value(Void{}));
  EXPECT_EQ(table.find("c"), std::nullopt);
  EXPECT_TRUE(TableView().empty());
  EXPECT_EQ(TableView().begin(), TableView().end());
}

TEST(AmqpTable, CutAnywhereWithinAFieldIsRefused) {
  for (const auto typed :
       {"t\x01"sv, "b\xff"sv, "s\xff\xfe"sv, "I\xff\xff\xff\xfd"sv,
        "l\xff\xff\xff\xff\xff\xff\xff\xfc"sv, "D\x02\x00\x00\x01\x3a"sv, "S\x00\x00\x00\x02hi"sv,
        "x\x00\x00\x00\x02\x00\xff"sv, "F\x00\x00\x00\x03\x01vV"sv, "A\x00\x00\x00\x02t\x01"sv}) {
    const auto bytes = "\x03key"s.append(typed);
    EXPECT_EQ(problem_of(bytes), "");
    for (std::size_t size = 1; size < bytes.size(); ++size) {
      EXPECT_EQ(problem_of(bytes.substr(0, size)), "a value goes beyond the end")
          << typed << " of " << size;
    }
  }
}

TEST(AmqpTable, WithLengthsThatDoNotFitEachOtherIsRefused) {
  EXPECT_EQ(problem_of("\xff"
                       "k"sv),
            "a value goes beyond the end");
  EXPECT_EQ(problem_of("\x01kS\xff\xff\xff\xff"sv), "a value goes beyond the end");
  // A table whose last field goes beyond it, into what follows.
  EXPECT_EQ(problem_of("\x01kF\x00\x00\x00\x03\x01vt\x01\x01\x01"sv),
            "a value goes beyond the end");
  EXPECT_EQ(problem_of("\x01kA\x00\x00\x00\x01t\x01\x01\x01V"sv), "a value goes beyond the end");
}

TEST(AmqpTable, WithAnUnknownTypeIsRefused) {
  constexpr std::string_view known = "tbBsuIilLfdDSxATFV";
  for (int letter = 0; letter < 256; ++letter) {
    if (known.find(static_cast<char>(letter)) != std::string_view::npos) continue;
    const auto bytes = "\x01k"s + static_cast<char>(letter) + std::string(16, '\0');
    EXPECT_EQ(problem_of(bytes), "a table has a value of an unknown type") << letter;
  }
  EXPECT_EQ(problem_of("\x01kA\x00\x00\x00\x02U\x01"sv), "a table has a value of an unknown type");
}

TEST(AmqpTable, NestsSixteenLevelsDeepAndNotMore) {
  EXPECT_EQ(problem_of(nested(kTableDepthMax)), "");
  EXPECT_EQ(problem_of(nested(kTableDepthMax + 1)), "a table nests too deep");
  EXPECT_EQ(problem_of(nested(10'000)), "a table nests too deep");
}

TEST(AmqpTable, OfAnySizeIsBuiltWithNestedOnesInPlace) {
  std::string bytes = "before";
  TableWriter table(bytes);
  table.add("first", 1);
  {
    auto deaths = table.array("x-death");
    for (int i = 0; i < 3; ++i) {
      auto death = deaths.table();
      death.add("count", std::int64_t{i}).add("queue", "q" + std::to_string(i));
      auto keys = death.array("routing-keys");
      keys.add("a").add("b");
    }
    auto inner = deaths.array();
    inner.add(true);
  }
  { auto empty = table.table("empty"); }
  table.add("last", "end");
  EXPECT_TRUE(bytes.starts_with("before"));
  EXPECT_EQ(problem_of(std::string_view(bytes).substr(6)), "");
  EXPECT_EQ(
      to_json(table.view()),
      R"({"first":1,"x-death":[{"count":0,"queue":"q0","routing-keys":["a","b"]},)"
      R"({"count":1,"queue":"q1","routing-keys":["a","b"]},)"
      R"({"count":2,"queue":"q2","routing-keys":["a","b"]},[true]],"empty":{},"last":"end"})");
}

TEST(AmqpTable, IsCopiedFieldByFieldAsItWasOnTheWire) {
  const auto bytes = "\x01LL\x00\x00\x00\x00\x00\x00\x00\x01\x01lt\x02\x01vV"sv;
  const auto table = TableView::parse(as_bytes(bytes)).value();
  std::string out;
  TableWriter copy(out);
  for (const auto& field : table) {
    if (field.name != "v") copy.copy(field);
  }
  EXPECT_EQ(out, bytes.substr(0, bytes.size() - 3));
  copy.copy(table);
  EXPECT_EQ(out, std::string(bytes.substr(0, bytes.size() - 3)).append(bytes));
}

TEST(AmqpTable, CutsANameThatIsTooLong) {
  std::string out;
  TableWriter(out).add(std::string(300, 'n'), true);
  const auto table = TableView::parse(as_bytes(out)).value();
  EXPECT_EQ(table.begin()->name, std::string(255, 'n'));
}

TEST(AmqpValue, IsTheSameAcrossWidthsButNotAcrossKinds) {
  EXPECT_TRUE(same_value(std::int8_t{7}, std::int64_t{7}));
  EXPECT_TRUE(same_value(std::uint32_t{7}, std::int16_t{7}));
  EXPECT_FALSE(same_value(std::uint8_t{255}, std::int8_t{-1}));
  EXPECT_TRUE(same_value(1.5f, 1.5));
  EXPECT_FALSE(same_value(1.0, 1));
  EXPECT_FALSE(same_value(true, 1));
  EXPECT_FALSE(same_value("1", 1));
  EXPECT_FALSE(same_value(Timestamp{1}, std::int64_t{1}));
  EXPECT_FALSE(same_value("a", Binary{as_bytes("a")}));
  EXPECT_TRUE(same_value("a", "a"));
  EXPECT_TRUE(same_value(Void{}, Void{}));
  EXPECT_TRUE(same_value(Decimal{1, 2}, Decimal{1, 2}));
  EXPECT_FALSE(same_value(Decimal{1, 2}, Decimal{2, 20}));
}

TEST(AmqpValue, ThatIsATableIsComparedFieldByField) {
  const auto table_of = [](std::string& bytes, const Value& number, bool more) {
    TableWriter table(bytes);
    {
      auto array = table.array("a");
      auto inner = array.table();
      inner.add("n", number);
    }
    if (more) table.add("more", true);
    return Value(table.view());
  };
  std::string a, b, c, d;
  const auto narrow = table_of(a, std::int8_t{1}, false);
  EXPECT_TRUE(same_value(narrow, table_of(b, std::int64_t{1}, false)));
  EXPECT_FALSE(same_value(narrow, table_of(c, std::int64_t{2}, false)));
  EXPECT_FALSE(same_value(narrow, table_of(d, std::int8_t{1}, true)));
  EXPECT_FALSE(same_value(narrow, Value(TableView())));
  EXPECT_FALSE(same_value(narrow, Value(ArrayView())));
}

TEST(AmqpValue, GivesItsIntegerItsTextAndTheNameOfItsType) {
  EXPECT_EQ(integer_in(std::uint8_t{200}), 200);
  EXPECT_EQ(integer_in(std::int64_t{-1}), -1);
  EXPECT_EQ(integer_in(true), std::nullopt);
  EXPECT_EQ(integer_in(1.0), std::nullopt);
  EXPECT_EQ(integer_in("1"), std::nullopt);
  EXPECT_EQ(text_in("a"), "a");
  EXPECT_EQ(text_in(Binary{as_bytes("b")}), "b");
  EXPECT_EQ(text_in(1), std::nullopt);
  EXPECT_EQ(type_name(Void{}), "void");
  EXPECT_EQ(type_name(1), "signedint");
  EXPECT_EQ(type_name("a"), "longstr");
  EXPECT_EQ(type_name(ArrayView()), "array");
}

TEST(AmqpTableJson, IsReadableByPeople) {
  std::string bytes;
  TableWriter table(bytes);
  table.add("void", Void{}).add("bool", true).add("byte", std::int8_t{-1});
  table.add("long", std::numeric_limits<std::int64_t>::min()).add("double", 0.1).add("whole", 2.0);
  table.add("nan", std::nan("")).add("inf", std::numeric_limits<float>::infinity());
  table.add("decimal", Decimal{2, 314}).add("small", Decimal{3, 5}).add("units", Decimal{0, 12});
  table.add("tiny", Decimal{255, 7});
  table.add("text", "a\"\xff").add("bytes", Binary{as_bytes("\x00\xff"sv)});
  table.add("time", Timestamp{UINT64_MAX}).add("table", TableView()).add("array", ArrayView());
  EXPECT_EQ(
      to_json(table.view()),
      R"({"void":null,"bool":true,"byte":-1,"long":-9223372036854775808,"double":0.1,)"
      R"("whole":2.0,"nan":null,"inf":null,"decimal":3.14,"small":0.005,"units":12,"tiny":7e-255,)"
      "\"text\":\"a\\\"\xef\xbf\xbd\",\"bytes\":\"AP8=\",\"time\":18446744073709551615,"
      R"("table":{},"array":[]})");
  EXPECT_TRUE(json::check(to_json(table.view())).has_value());
  EXPECT_EQ(to_json(Value("x")), "\"x\"");
}

TEST(AmqpTableJson, ComesBackAsItWas) {
  const std::string_view text =
      R"({"a":1,"b":-2.5,"c":"text","d":[true,null,{"e":[]},[1.0]],"f":{},"g":false})";
  std::string bytes;
  ASSERT_TRUE(table_from_json(json::parse(text)->get_object(), bytes).has_value());
  const auto table = TableView::parse(as_bytes(bytes)).value();
  EXPECT_EQ(to_json(table), text);
  EXPECT_EQ(table.find("a"), Value(std::int64_t{1}));
  EXPECT_EQ(table.find("b"), Value(-2.5));
}

TEST(AmqpTableJson, ThatATableCannotHoldIsRefused) {
  const auto refused = [](std::string_view text) {
    std::string bytes = "kept";
    const auto good = table_from_json(json::parse(text, {.max_depth = 64})->get_object(), bytes);
    EXPECT_EQ(bytes, "kept");
    return good ? "" : good.error().message;
  };
  EXPECT_EQ(refused(R"({"a":1,"b":{"c":18446744073709551615}})"),
            "\"b\": \"c\": the number 18446744073709551615 has more than 64 bits");
  EXPECT_NE(refused("{\"" + std::string(256, 'n') + "\":1}").find("more than 255 bytes"),
            std::string::npos);
  EXPECT_NE(refused(nested_json(kTableDepthMax + 1)).find("more than 16 levels deep"),
            std::string::npos);
}

TEST(AmqpTableJson, NestsAsDeepAsATable) {
  std::string bytes;
  const auto value = json::parse(nested_json(kTableDepthMax), {.max_depth = 64}).value();
  ASSERT_TRUE(table_from_json(value.get_object(), bytes).has_value());
  EXPECT_EQ(problem_of(bytes), "");
}

}  // namespace
}  // namespace penstock::wire::amqp

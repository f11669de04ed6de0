#include "base/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace penstock {
namespace {

using namespace std::chrono_literals;

TEST(ParseDuration, ReadsANumberWithAUnit) {
  EXPECT_EQ(parse_duration("250ms").value(), 250ms);
  EXPECT_EQ(parse_duration("10s").value(), 10s);
  EXPECT_EQ(parse_duration("5m").value(), 5min);
  EXPECT_EQ(parse_duration("2h").value(), 2h);
  EXPECT_EQ(parse_duration("1d").value(), 24h);
  EXPECT_EQ(parse_duration("1.5s").value(), 1500ms);
  EXPECT_EQ(parse_duration("0.000001s").value(), 1us);
  EXPECT_EQ(parse_duration("0s").value(), 0s);
  EXPECT_EQ(parse_duration("9223372036854775807us").value(), Duration::max());
}

TEST(ParseDuration, RefusesAnythingElseAndSaysWhatIsAccepted) {
  for (const std::string_view bad : {"",
                                     "10",
                                     "0",
                                     "-1s",
                                     "+1s",
                                     " 1s",
                                     "1s ",
                                     "1 s",
                                     "s",
                                     "1.s",
                                     ".5s",
                                     "1.5.5s",
                                     "1e3s",
                                     "1S",
                                     "1sec",
                                     "1h30m",
                                     "0.5us",
                                     "1.1234567891s",
                                     "1s\n",
                                     "0x10s",
                                     "1,5s",
                                     "9223372036854775808us",
                                     "106751991168d",
                                     "18446744073709551615d",
                                     "99999999999999999999s",
                                     "999999999999.9d"}) {
    const auto result = parse_duration(bad);
    ASSERT_FALSE(result.has_value()) << bad;
    EXPECT_NE(result.error().hint.find("250ms"), std::string::npos) << bad;
  }
  EXPECT_EQ(parse_duration("10").error().message, "duration \"10\": has no unit");
}

TEST(FormatDuration, IsReadBackExactly) {
  EXPECT_EQ(format_duration(90min), "90m");
  EXPECT_EQ(format_duration(48h), "2d");
  EXPECT_EQ(format_duration(1500ms), "1500ms");
  EXPECT_EQ(format_duration(-2s), "-2s");
  for (const Duration d : {Duration(0), Duration(1), Duration(999'999), Duration(86'400'000'000),
                           Duration(86'400'000'001), Duration::max()}) {
    EXPECT_EQ(parse_duration(format_duration(d)).value(), d);
  }
}

TEST(ParseBytes, ReadsPowersOf1024) {
  EXPECT_EQ(parse_bytes("16MiB").value(), 16u << 20);
  EXPECT_EQ(parse_bytes("4k").value(), 4096u);
  EXPECT_EQ(parse_bytes("4K").value(), 4096u);
  EXPECT_EQ(parse_bytes("1GiB").value(), 1u << 30);
  EXPECT_EQ(parse_bytes("1.5m").value(), 3u << 19);
  EXPECT_EQ(parse_bytes("512").value(), 512u);
  EXPECT_EQ(parse_bytes("512B").value(), 512u);
  EXPECT_EQ(parse_bytes("2t").value(), 2ull << 40);
}

TEST(ParseBytes, RefusesWhatIsUnclearOrTooLarge) {
  for (const std::string_view bad :
       {"", "MiB", "-1", "16MB", "16kb", "1 KiB", "1KiBs", "1.5", "1.3B", "99999999999TiB",
        "18446744073709551616", "1..5k", "0x10"}) {
    const auto result = parse_bytes(bad);
    ASSERT_FALSE(result.has_value()) << bad;
    EXPECT_FALSE(result.error().hint.empty()) << bad;
  }
}

TEST(FormatBytes, IsReadBackExactly) {
  EXPECT_EQ(format_bytes(16u << 20), "16MiB");
  EXPECT_EQ(format_bytes(1000), "1000B");
  for (const std::uint64_t n : {0ull, 1ull, 1023ull, 1024ull, 1536ull, 1ull << 40, ~0ull}) {
    EXPECT_EQ(parse_bytes(format_bytes(n)).value(), n);
  }
}

TEST(ParseInteger, TakesTheWholeTextOrFails) {
  EXPECT_EQ(parse_u64("0").value(), 0u);
  EXPECT_EQ(parse_u64("18446744073709551615").value(), ~0ull);
  for (const std::string_view bad :
       {"", "-1", "+1", " 1", "1 ", "1x", "18446744073709551616", "0x1"}) {
    EXPECT_FALSE(parse_u64(bad).has_value()) << bad;
  }
  EXPECT_EQ(parse_i64("-9223372036854775808").value(), std::numeric_limits<std::int64_t>::min());
  for (const std::string_view bad : {"", "-", "+1", "--1", "9223372036854775808"}) {
    EXPECT_FALSE(parse_i64(bad).has_value()) << bad;
  }
}

TEST(Utf8, AcceptsOnlyWellFormedText) {
  for (const std::string_view good :
       {"", "plain ascii text", "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac", "\xf0\x9f\x90\x98",
        "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80", "12345678\xc3\xa4"}) {
    EXPECT_TRUE(is_valid_utf8(good)) << quoted(good);
  }
  for (const std::string_view bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "12345678\xc3",
        "\xc3\x41"}) {
    EXPECT_FALSE(is_valid_utf8(bad)) << quoted(bad);
  }
}

TEST(ValidName, Wants1To255BytesOfPrintableUtf8) {
  EXPECT_TRUE(valid_name("orders/eu west").has_value());
  EXPECT_TRUE(valid_name("\xe2\x82\xac").has_value());
  EXPECT_TRUE(valid_name(std::string(255, 'x')).has_value());
  EXPECT_TRUE(valid_name("q\xc3\x84").has_value());
  EXPECT_FALSE(valid_name("").has_value());
  EXPECT_FALSE(valid_name(std::string(256, 'x')).has_value());
  EXPECT_FALSE(valid_name("a\nb").has_value());
  EXPECT_FALSE(valid_name(std::string_view("a\0b", 3)).has_value());
  EXPECT_FALSE(valid_name("a\x7f").has_value());
  EXPECT_FALSE(valid_name("a\xc2\x85").has_value()) << "a C1 control";
  EXPECT_EQ(valid_name("a\xff", "queue name").error().message,
            "queue name \"a\\xff\": is not valid UTF-8");
}

TEST(Quoted, NeverLetsBytesThroughThatCouldBreakALine) {
  EXPECT_EQ(quoted("a\r\n\"\\\x01z"), "\"a\\x0d\\x0a\\\"\\\\\\x01z\"");
  EXPECT_EQ(quoted("abcdef", 3), "\"abc\"...");
}

TEST(Base64, AgreesWithTheVectorsOfRfc4648) {
  const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"},
                                                                   {"\xff\xfe", "//4="}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(base64_encode(as_bytes(plain)), coded);
    EXPECT_EQ(base64_decode(coded).value(), plain);
  }
}

TEST(Base64, RefusesWhatItsEncoderNeverWrites) {
  for (const std::string_view bad : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "=Zg=",
                                     "Zg==Zg==", "Zm9v\n", "Zm 9", "Zm-_", "Zg=a"}) {
    EXPECT_FALSE(base64_decode(bad).has_value()) << bad;
  }
}

TEST(Hex, RoundTripsAndRefusesOtherCharacters) {
  EXPECT_EQ(hex_encode(as_bytes(std::string_view("\x00\xff\x10", 3))), "00ff10");
  EXPECT_EQ(hex_decode("00FF10").value(), std::string("\x00\xff\x10", 3));
  EXPECT_FALSE(hex_decode("0").has_value());
  EXPECT_FALSE(hex_decode("0g").has_value());
}

TEST(Ascii, ComparesWithoutRegardToCase) {
  EXPECT_TRUE(ascii_iequals("Content-Length", "content-LENGTH"));
  EXPECT_FALSE(ascii_iequals("a", "ab"));
  EXPECT_FALSE(ascii_iequals("[", "{")) << "they differ by the bit that letters differ by";
  EXPECT_EQ(ascii_lowered("AbZ@["), "abz@[");
}

}  // namespace
}  // namespace penstock

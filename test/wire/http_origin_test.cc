#include <gtest/gtest.h>

#include "wire/http/origin.h"
#include "wire/http/target.h"

namespace penstock::wire::http {
namespace {

TEST(AllowedHost, IsLoopbackWithAnyPortAndWhatIsConfigured) {
  const std::string allowed[] = {"broker.example", "other.example:7411", "[fe80::1]"};
  for (const std::string_view good :
       {"localhost", "LocalHost:7411", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:7411",
        "localhost.", "broker.example", "BROKER.example:99", "other.example:7411", "[FE80::1]:1",
        "localhost:"}) {
    EXPECT_TRUE(allowed_host(good, allowed)) << good;
  }
  for (const std::string_view bad : {"",
                                     "evil.example",
                                     "localhost.evil.example",
                                     "evil.example:7411",
                                     "127.0.0.1.evil.example",
                                     "127.0.0.2",
                                     "0.0.0.0",
                                     "::1",
                                     "[::1",
                                     "[::2]",
                                     "[::1]x",
                                     "localhost:7411:1",
                                     "localhost:x",
                                     "localhost:123456",
                                     "user@localhost",
                                     "localhost/",
                                     "localhost, evil",
                                     "local host",
                                     "localhost..",
                                     "other.example",
                                     "other.example:7412",
                                     "[]",
                                     "x.broker.example",
                                     ".",
                                     ":80"}) {
    EXPECT_FALSE(allowed_host(bad, allowed)) << bad;
  }
}

TEST(CrossSite, IsWhateverABrowserSendsForAnotherOrigin) {
  constexpr std::string_view host = "localhost:7411";
  EXPECT_FALSE(cross_site("", "", host)) << "no browser";
  EXPECT_FALSE(cross_site("http://localhost:7411", "same-origin", host));
  EXPECT_FALSE(cross_site("http://LOCALHOST:7411", "", host));
  EXPECT_FALSE(cross_site("", "none", host)) << "typed into the address bar";
  EXPECT_FALSE(cross_site("https://a.example", "", "a.example"));
  EXPECT_FALSE(cross_site("https://a.example", "", "a.example:443"));
  EXPECT_TRUE(cross_site("http://a.example", "", "a.example:443"));
  EXPECT_TRUE(cross_site("http://localhost:3000", "same-site", host)) << "another port";
  EXPECT_TRUE(cross_site("http://localhost:3000", "", host));
  EXPECT_TRUE(cross_site("http://localhost", "", host));
  EXPECT_TRUE(cross_site("https://evil.example", "cross-site", host));
  EXPECT_TRUE(cross_site("", "cross-site", host));
  EXPECT_TRUE(cross_site("", "something-new", host));
  EXPECT_TRUE(cross_site("null", "", host));
  EXPECT_TRUE(cross_site("file://", "", host));
  EXPECT_TRUE(cross_site("http://localhost:7411/", "", host)) << "an origin has no path";
  EXPECT_TRUE(cross_site("http://localhost:7411", "", ""));
}

TEST(Form, IsDecodedPairByPair) {
  const auto pairs = parse_form("Action=SendMessage&Body=a%20b+c%26&empty=&flag&&x==").value();
  const Pairs expected{
      {"Action", "SendMessage"}, {"Body", "a b c&"}, {"empty", ""}, {"flag", ""}, {"x", "="}};
  EXPECT_EQ(pairs, expected);
  EXPECT_TRUE(parse_form("").value().empty());
  EXPECT_FALSE(parse_form("a=%4").has_value());
  EXPECT_FALSE(parse_form("%zz=1").has_value());
  std::string many;
  for (std::size_t i = 0; i <= kFormPairsMax; ++i) many += "a=1&";
  EXPECT_FALSE(parse_form(many).has_value());
}

TEST(PercentEncoding, RoundTripsEveryByte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(percent_decode(percent_encode(all)).value(), all);
  EXPECT_EQ(percent_encode("a/b c"), "a%2Fb%20c");
  EXPECT_EQ(percent_decode("a+b", true).value(), "a b");
  EXPECT_EQ(percent_decode("a+b").value(), "a+b");
  EXPECT_FALSE(percent_decode("%").has_value());
}

TEST(Segments, AreSplitBeforeTheyAreDecoded) {
  using Segments = std::vector<std::string>;
  EXPECT_EQ(path_segments("/").value(), Segments{});
  EXPECT_EQ(path_segments("/a/%2F/b").value(), (Segments{"a", "/", "b"}));
  EXPECT_EQ(path_segments("/a/").value(), (Segments{"a", ""}));
  EXPECT_FALSE(path_segments("*").has_value());
}

}  // namespace
}  // namespace penstock::wire::http

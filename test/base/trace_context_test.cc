#include "base/trace_context.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock {
namespace {

const std::string kTrace = "0af7651916cd43dd8448eb211c80319c", kParent = "b7ad6b7169203331";
const std::string kGood = "00-" + kTrace + "-" + kParent + "-01";

TEST(TraceParents, AreTakenApart) {
  const auto parsed = parse_traceparent(kGood);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->trace_id, kTrace);
  EXPECT_EQ(parsed->parent_id, kParent);
  EXPECT_TRUE(parsed->sampled);
  EXPECT_FALSE(parse_traceparent("00-" + kTrace + "-" + kParent + "-00")->sampled);
  EXPECT_TRUE(parse_traceparent("00-" + kTrace + "-" + kParent + "-ff")->sampled);
}

TEST(TraceParents, OfLaterVersionsAreReadAsFarAsTheyAreKnown) {
  EXPECT_TRUE(parse_traceparent("01-" + kTrace + "-" + kParent + "-01"));
  EXPECT_TRUE(parse_traceparent("cc-" + kTrace + "-" + kParent + "-01-what-comes"));
  EXPECT_FALSE(parse_traceparent("cc-" + kTrace + "-" + kParent + "-01.what-comes"));
  EXPECT_FALSE(parse_traceparent(kGood + "-more"));  // not of version 00
}

TEST(TraceParents, ThatTheGrammarDoesNotAllowAreNone) {
  EXPECT_FALSE(parse_traceparent(""));
  EXPECT_FALSE(parse_traceparent("ff-" + kTrace + "-" + kParent + "-01"));
  EXPECT_FALSE(parse_traceparent("00-" + std::string(32, '0') + "-" + kParent + "-01"));
  EXPECT_FALSE(parse_traceparent("00-" + kTrace + "-" + std::string(16, '0') + "-01"));
  for (std::size_t at = 0; at < kGood.size(); ++at) {
    for (const char bad : {'G', 'A', ' ', '\0'}) {
      std::string text = kGood;
      text[at] = bad;
      EXPECT_FALSE(parse_traceparent(text)) << text;
    }
    EXPECT_FALSE(parse_traceparent(kGood.substr(0, at)));
  }
}

TEST(TraceStates, AreListsOfDifferentKeys) {
  for (const char* good : {"rojo=00f067aa0ba902b7", "rojo=1,congo=2", "rojo=1 , congo=2\t",
                           "a=1,,b=2", "a=1,", "tenant1@sys-1=x y", "1t@s=1", "a_-*/0=~!"})
    EXPECT_TRUE(is_valid_tracestate(good)) << good;
  for (const char* bad : {"", " ", ",", "a", "A=1", "1=1", "=1", "a=", "a=b=c", "a=1,a=2", "a=\x01",
                          "a@=1", "@a=1", "a@1=1", "a@b@c=1", "a =1"})
    EXPECT_FALSE(is_valid_tracestate(bad)) << bad;
}

TEST(TraceStates, AreBounded) {
  std::string members;
  for (int n = 0; n < 32; ++n) members += "k" + std::to_string(n) + "=1,";
  EXPECT_TRUE(is_valid_tracestate(members));
  EXPECT_FALSE(is_valid_tracestate(members + "one=more"));
  EXPECT_TRUE(is_valid_tracestate(std::string(256, 'a') + "=" + std::string(256, 'v')));
  EXPECT_FALSE(is_valid_tracestate(std::string(257, 'a') + "=v"));
  EXPECT_FALSE(is_valid_tracestate("a=" + std::string(257, 'v')));
  EXPECT_TRUE(is_valid_tracestate(std::string(241, 'a') + "@" + std::string(14, 's') + "=v"));
  EXPECT_FALSE(is_valid_tracestate(std::string(242, 'a') + "@s=v"));
  EXPECT_FALSE(is_valid_tracestate("a@" + std::string(15, 's') + "=v"));
}

}  // namespace
}  // namespace penstock

#include "net/address.h"

#include <gtest/gtest.h>

namespace penstock::net {
namespace {

std::string round_trip(std::string_view text) {
  const auto address = parse_address(text);
  return address ? to_text(*address) : "error: " + address.error().message;
}

TEST(Address, ReadsWhatItWrites) {
  for (const char* text : {"127.0.0.1:7411", "[::1]:7411", "0.0.0.0:0", "unix:/run/p.sock"}) {
    EXPECT_EQ(round_trip(text), text);
  }
}

TEST(Address, FillsInWhatIsMissingWithThisMachineAndTheDefaultPort) {
  EXPECT_EQ(round_trip(":0"), "127.0.0.1:0");
  EXPECT_EQ(round_trip("localhost:80"), "127.0.0.1:80");
  EXPECT_EQ(round_trip("127.0.0.1"), "127.0.0.1:7411");
  EXPECT_EQ(round_trip("[::1]"), "[::1]:7411");
  EXPECT_EQ(round_trip("*:7411"), "0.0.0.0:7411");
}

TEST(Address, RefusesWhatIsNoneAndSaysWhatIsAccepted) {
  for (const char* text : {"", "example.org:80", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:-1",
                           "[::1", "[::1]x", "::1:7411", "256.0.0.1:1", "unix:"}) {
    const auto address = parse_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, ErrorCode::invalid) << text;
    EXPECT_TRUE(address.error().hint.contains("127.0.0.1:7411")) << text;
  }
  EXPECT_FALSE(parse_address("unix:" + std::string(200, 'a')));
}

TEST(Address, KnowsWhichOnesOnlyThisMachineReaches) {
  for (const char* text :
       {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/tmp/x"}) {
    EXPECT_TRUE(is_loopback(*parse_address(text))) << text;
  }
  for (const char* text : {"*:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1", "[fe80::1]:1"}) {
    EXPECT_FALSE(is_loopback(*parse_address(text))) << text;
  }
}

}  // namespace
}  // namespace penstock::net

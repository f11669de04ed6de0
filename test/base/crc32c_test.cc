#include "base/crc32c.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

TEST(Crc32c, AgreesWithTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c(as_bytes(std::string(32, '\0'))), 0x8a9136aau);
  EXPECT_EQ(crc32c(as_bytes(std::string(32, '\xff'))), 0x62a8ab43u);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
}

TEST(Crc32c, IsTheSameInOnePieceOrInMany) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text.push_back(static_cast<char>(i * 31 + i / 7));
  const auto whole = crc32c(as_bytes(text));
  for (const std::size_t cut : {1u, 7u, 1024u, 3071u, 3072u, 3073u, 9'999u}) {
    const auto first = crc32c(as_bytes(text).first(cut));
    EXPECT_EQ(crc32c(as_bytes(text).subspan(cut), first), whole) << cut;
  }
}

}  // namespace
}  // namespace penstock

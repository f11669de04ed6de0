// Damage that is found while the broker runs is told to whoever watches it.
#include "fixture.h"

namespace penstock::broker {
namespace {

class FindingsTest : public BrokerTest {
 protected:
  FindingsTest() {
    broker.reset();
    directory.restore({});
    options.journal.segment_bytes = 64 << 10;
    options.journal.clock = &clock;
    options.journal.scrub_interval = 1min;
    open();
    broker->watch([this](const Happening& happening) {
      if (happening.kind.starts_with("journal_"))
        told.push_back(std::string(happening.kind) + ": " + std::string(happening.detail));
    });
    broker->watch_disk([this](const journal::Finding& finding) { findings.push_back(finding); });
    for (int n = 0; n < 30; ++n) send("q", std::string(3000, static_cast<char>('a' + n % 26)));
    tend();
  }
  // As its thread does, until nothing is due.
  void tend() {
    while (broker->prepare().value()) {
    }
    while (broker->tend() <= clock.now()) {
    }
  }
  void flip(std::uint64_t at) {
    auto bytes = directory.contents(kFile);
    ASSERT_LT(at, bytes.size());
    bytes[at] ^= std::byte{1};
    directory.set_contents(kFile, std::move(bytes));
  }
  static constexpr const char* kFile = "journal-0000000000000001.seg";
  std::vector<std::string> told;
  std::vector<journal::Finding> findings;
};

TEST_F(FindingsTest, DamageThatTheScrubRepairedIsTold) {
  flip(9000);
  clock.advance(2min);
  tend();
  EXPECT_TRUE(told.empty()) << "watchers are called where the broker lives";
  broker->maintain();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].starts_with("journal_repaired: " + std::string(kFile) + " at offset 8192: "))
      << told[0];
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, journal::Finding::Kind::repaired);
  EXPECT_EQ(broker->statistics().journal.repaired_blocks, 1u);
  broker->maintain();
  EXPECT_EQ(told.size(), 1u) << "once";
}

// Two blocks of a stripe: more than its parity brings back. The last blocks hold nothing that a
// reader asks for.
TEST_F(FindingsTest, DamageBeyondRepairIsTold) {
  for (std::uint64_t at = 4096; at < (60 << 10); at += 4096) flip(at + 100);
  clock.advance(2min);
  tend();
  broker->maintain();
  ASSERT_FALSE(told.empty());
  EXPECT_TRUE(told[0].starts_with("journal_damaged: " + std::string(kFile))) << told[0];
  EXPECT_GT(broker->statistics().journal.damaged_blocks, 0u);
}

TEST_F(FindingsTest, AParityThatCannotBeWrittenIsTold) {
  for (int n = 0; n < 30; ++n) send("q", std::string(3000, 'x'));
  directory.fail_at(directory.operations() + 1, ErrorCode::io, true);
  while (broker->tend() <= clock.now()) {
  }
  directory.clear_faults();
  broker->maintain();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].starts_with("journal_unprotected: ")) << told[0];
}

}  // namespace
}  // namespace penstock::broker

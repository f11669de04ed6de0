#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "cli/demo/events.h"
#include "cli/demo/executors.h"
#include "cli/demo/records.h"

namespace penstock::cli {
namespace {

namespace fs = std::filesystem;

class DemoFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "demo-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path write(const std::string& text) {
    std::ofstream(folder_ / "file", std::ios::app | std::ios::binary) << text;
    return folder_ / "file";
  }
  fs::path folder_;
};

constexpr std::string_view kLine =
    R"({"id":"ID","email":"a@b.test","phone":"+1","device":"d","subject":"s","text":"t"})";

std::string line_of(std::string_view id) {
  std::string line(kLine);
  return line.replace(line.find("ID"), 2, id) + "\n";
}

TEST_F(DemoFiles, EventsAreReadUpToTheNumberWanted) {
  const auto file = write(line_of("a") + "\n" + line_of("b") + line_of("c"));
  const auto events = read_events(file, 2);
  ASSERT_TRUE(events.has_value()) << events.error().message;
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ((*events)[1].id, "b");
}

TEST_F(DemoFiles, AWrongEventIsNamedByItsLine) {
  auto events = read_events(write(line_of("a") + line_of("a")), 10);
  ASSERT_FALSE(events.has_value());
  EXPECT_EQ(events.error().message, "file:2: the id a was there before");
  fs::remove(folder_ / "file");
  events = read_events(write("[]\n"), 10);
  ASSERT_FALSE(events.has_value());
  EXPECT_EQ(events.error().message, "file:1: no JSON object");
  EXPECT_FALSE(read_events(folder_ / "none", 10).has_value());
}

TEST_F(DemoFiles, ThoseThatComeWithTheProgramAreWhatTheyShallBe) {
  const auto events =
      read_events(fs::path(PENSTOCK_SOURCE_DIR) / "examples/notifications/events.ndjson", 100'000);
  ASSERT_TRUE(events.has_value()) << events.error().message;
  EXPECT_EQ(events->size(), 20'000u);
}

TEST_F(DemoFiles, ARecordIsReadAsItGrowsAndNeverHalfALine) {
  RecordFile record(folder_ / "file");
  ASSERT_TRUE(record.read_on().has_value());
  EXPECT_EQ(record.lines(), 0u);
  write("a\tx\nb\t");
  ASSERT_TRUE(record.read_on().has_value());
  EXPECT_EQ(record.lines(), 1u);
  write("y\na\n");
  ASSERT_TRUE(record.read_on().has_value());
  EXPECT_EQ(record.lines(), 3u);
  EXPECT_EQ(record.counts().at("a"), 2u);
  EXPECT_EQ(record.counts().at("b"), 1u);
}

TEST(Proof, HoldsWhenEverythingArrivedAndEveryRepeatHasAReason) {
  const std::vector<std::string> accepted{"a", "b"};
  EXPECT_TRUE(prove(accepted, {{"a", 1}, {"b", 1}}, {}).holds());
  const auto repeated = prove(accepted, {{"a", 2}, {"b", 1}, {"c", 1}}, {{"a", 1}});
  EXPECT_TRUE(repeated.holds());
  EXPECT_EQ(repeated.twice, 1u);
  EXPECT_EQ(repeated.unconfirmed, 1u);
}

TEST(Proof, FailsWhenOneIsLostOrCameTwiceWithoutAReason) {
  const std::vector<std::string> accepted{"a", "b"};
  const auto lost = prove(accepted, {{"a", 1}}, {});
  EXPECT_FALSE(lost.holds());
  EXPECT_EQ(lost.lost_count(), 1u);
  EXPECT_EQ(lost.lost, std::vector<std::string>{"b"});
  EXPECT_FALSE(prove(accepted, {{"a", 2}, {"b", 1}}, {}).holds());
}

TEST(MailText, CarriesEveryScriptInLinesThatMailAllows) {
  std::string subject;
  for (int i = 0; i < 40; ++i) subject += "ご注文👋";
  const auto mail = mail_text("evt-1:email", "a@b.test", subject, subject + subject);
  std::size_t at = 0;
  while (at < mail.size()) {
    const auto end = mail.find("\r\n", at);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end - at, 76u);
    at = end + 2;
  }
  EXPECT_NE(mail.find("X-Notification-Id: evt-1:email\r\n"), std::string::npos);
  EXPECT_NE(mail.find("Subject: =?UTF-8?B?"), std::string::npos);
}

TEST(MailText, LetsNobodyAddAHeader) {
  const auto mail = mail_text("1", "a@b.test>\r\nBcc: <x@y.test", "s", "t");
  EXPECT_EQ(mail.find("\r\nBcc"), std::string::npos);
}

TEST(NotificationId, IsThatOfTheTasksOnlyArgument) {
  EXPECT_EQ(notification_id(R"({"args":[{"id":"evt-1:sms"}]})"), "evt-1:sms");
  EXPECT_EQ(notification_id("no task"), "");
}

}  // namespace
}  // namespace penstock::cli

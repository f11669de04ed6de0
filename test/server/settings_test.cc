#include "server/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>

namespace penstock::server {
namespace {

TEST(Settings, ServeThisMachineOnlyByDefault) {
  const Settings settings;
  EXPECT_EQ(settings.data, "./penstock-data");
  ASSERT_EQ(settings.listen.size(), 1u);
  EXPECT_EQ(net::to_text(settings.listen[0]), "127.0.0.1:7411");
  EXPECT_TRUE(validate(settings));
}

TEST(Settings, AreReadFromAFile) {
  Settings settings;
  const auto read = read_text(settings, R"(
data = "/var/lib/penstock"
listen = ["127.0.0.1:7411", "[::1]:7411"]
grace = "30s"
max_connections = 500
max_message = "1MiB"
checkpoint_every = "4MiB"
body_cache = "8MiB"
)",
                              "penstock.toml");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(settings.data, "/var/lib/penstock");
  EXPECT_EQ(settings.listen.size(), 2u);
  EXPECT_EQ(settings.grace, std::chrono::seconds(30));
  EXPECT_EQ(settings.gateway.max_connections, 500u);
  EXPECT_EQ(settings.broker.max_message_bytes, 1u << 20);
  EXPECT_EQ(settings.broker.checkpoint_bytes, 4u << 20);
  EXPECT_EQ(settings.broker.journal.tail_cache_bytes, 8u << 20);
}

std::string error_of(std::string_view toml) {
  Settings settings;
  const auto read = read_text(settings, toml, "penstock.toml");
  return read ? "no error" : read.error().message;
}

TEST(Settings, NameTheKeyAndTheLineOfWhatIsWrong) {
  EXPECT_EQ(error_of("data = \"x\"\nlissten = \"y\""),
            "penstock.toml:2: \"lissten\" is no setting");
  EXPECT_TRUE(error_of("\n\ngrace = \"soon\"").starts_with("penstock.toml:3: grace: "));
  EXPECT_TRUE(error_of("grace = 10").starts_with("penstock.toml:1: grace: "));
  EXPECT_TRUE(error_of("max_connections = 0").contains("0 is not in 1..4294967295"));
  EXPECT_TRUE(error_of("max_connections = -1").starts_with("penstock.toml:1: max_connections: "));
  EXPECT_TRUE(error_of("max_connections = 1.5").contains("whole number"));
  EXPECT_TRUE(error_of("data = [\"a\", \"b\"]").contains("it takes one value"));
  EXPECT_TRUE(error_of("listen = []").contains("at least one address"));
  EXPECT_TRUE(error_of("[data]\nx = 1").starts_with("penstock.toml:1: data: "));
  EXPECT_TRUE(error_of("data = ").starts_with("penstock.toml:1: "));
  EXPECT_TRUE(error_of("segment = \"3MiB\"").contains("power of two"));
  EXPECT_TRUE(error_of("log_level = \"loud\"").contains("debug, info, warning, error"));
  EXPECT_TRUE(error_of("parity = \"maybe\"").contains("neither on nor off"));
}

TEST(Settings, SayWhichFileIsMissing) {
  Settings settings;
  const auto read = read_file(settings, "/nonexistent/penstock.toml");
  ASSERT_FALSE(read);
  EXPECT_TRUE(read.error().message.starts_with("/nonexistent/penstock.toml: "));
}

TEST(Settings, ComeFromTheEnvironmentToo) {
  setenv("PENSTOCK_DATA", "/tmp/elsewhere", 1);
  setenv("PENSTOCK_LISTEN", ":1,:2", 1);
  Settings settings;
  const auto read = read_environment(settings);
  setenv("PENSTOCK_LISTEN", "nonsense:", 1);
  const auto refused = read_environment(settings);
  unsetenv("PENSTOCK_DATA");
  unsetenv("PENSTOCK_LISTEN");
  ASSERT_TRUE(read);
  EXPECT_EQ(settings.data, "/tmp/elsewhere");
  ASSERT_EQ(settings.listen.size(), 2u);
  EXPECT_EQ(settings.listen[1].port, 2);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message.starts_with("PENSTOCK_LISTEN: listen: "));
}

TEST(Settings, RefuseOtherMachinesWhileThereAreNoUsers) {
  for (const char* address : {"*:7411", "10.1.2.3:7411", "[::]:7411"}) {
    Settings settings;
    settings.listen = {*net::parse_address(address)};
    EXPECT_TRUE(validate(settings)) << "who may listen is asked when the users are known";
    EXPECT_TRUE(may_listen(settings, true));
    const auto valid = may_listen(settings, false);
    ASSERT_FALSE(valid) << address;
    EXPECT_EQ(valid.error().code, ErrorCode::invalid);
    EXPECT_TRUE(valid.error().message.contains("no users are configured"));
    EXPECT_TRUE(valid.error().hint.contains("penstock user add"));
  }
}

TEST(Settings, OfTlsMakeSenseTogetherOrNotAtAll) {
  const auto problem = [](const TlsFiles& files) {
    Settings settings;
    settings.tls = files;
    const auto valid = validate(settings);
    return valid ? std::string() : valid.error().message;
  };
  EXPECT_EQ(problem({}), "");
  EXPECT_EQ(problem({"cert.pem", "key.pem", "", false}), "");
  EXPECT_EQ(problem({"cert.pem", "key.pem", "ca.pem", true}), "");
  EXPECT_TRUE(problem({"cert.pem", "", "", false}).starts_with("tls_key: "));
  EXPECT_TRUE(problem({"", "key.pem", "", false}).starts_with("tls_certificate: "));
  EXPECT_TRUE(problem({"", "", "ca.pem", false}).starts_with("tls_certificate: "));
  EXPECT_TRUE(problem({"cert.pem", "key.pem", "", true}).starts_with("tls_client_ca: "));
  EXPECT_TRUE(error_of("tls_client_certificate = \"maybe\"").contains("neither ask nor require"));
  EXPECT_TRUE(error_of("tls_key = \"\"").contains("tls_key: the path is empty"));
}

TEST(Settings, ReadBackWhatTheyShow) {
  for (const SettingRow& row : setting_rows()) {
    const std::string shown = row.show(Settings{});
    if (shown.empty()) continue;  // a list without anything in it
    Settings settings;
    const auto applied =
        apply_setting(settings, row, row.list ? split_list(shown) : std::vector{shown});
    ASSERT_TRUE(applied) << applied.error().message;
    EXPECT_EQ(row.show(settings), shown) << row.name;
  }
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Settings, AreAllDocumentedWithTheirDefaults) {
  const std::string page = text_of_file(PENSTOCK_SOURCE_DIR "/docs/command-line.md");
  for (const SettingRow& row : setting_rows()) {
    const std::string shown = row.show(Settings{});
    const std::string line =
        "| `" + std::string(row.name) + "` | " + (shown.empty() ? "" : "`" + shown + "` ") + "|";
    EXPECT_TRUE(page.contains(line)) << line;
  }
}

TEST(Settings, HaveDistinctNamesFitForAFile) {
  std::set<std::string> names;
  for (const SettingRow& row : setting_rows()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(std::string(row.name).find_first_not_of("abcdefghijklmnopqrstuvwxyz_"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace penstock::server

// What a server is told: from defaults, a file, the environment and the command line, in this
// order, the later ones winning.
//
// All settings are rows of one table, so that the file, the command line and the documentation know
// the same ones under the same names (`max_connections = 500`, `--max-connections 500`). Threads:
// values and pure functions, but for read_file and read_environment.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "broker/broker.h"
#include "gateway/options.h"
#include "net/address.h"
#include "server/tls_files.h"

namespace penstock::server {

struct Settings {
  std::string data = "./penstock-data";
  std::vector<net::Address> listen{{net::Address::Kind::ip, "127.0.0.1", net::kDefaultPort}};
  // How long conversations may take to come to their end after SIGTERM.
  Duration grace = std::chrono::seconds(10);
  // Names by which HTTP clients may call this server, beside those of the loopback.
  std::vector<std::string> allowed_hosts;
  std::string log_level = "info";
  broker::Options broker;
  gateway::Options gateway;
  TlsFiles tls;

  // Told once the server is ready: the addresses it listens on, one a line.
  std::string ready_file;
  int ready_fd = -1;
};

struct SettingRow {
  const char* name;      // as in the file; the command line writes - for _
  const char* argument;  // what a value looks like
  const char* help;
  bool list;  // several values; a file writes ["a", "b"], the command line a,b
  Result<void> (*apply)(Settings& settings, std::span<const std::string> values);
  std::string (*show)(const Settings& settings);  // what apply() would read back
};

[[nodiscard]] std::span<const SettingRow> setting_rows();

// Error::invalid names the setting and says what is accepted.
[[nodiscard]] Result<void> apply_setting(Settings& settings, const SettingRow& row,
                                         std::span<const std::string> values);
// TOML. A key that is no setting is an error with its line, and so is a value that does not fit.
[[nodiscard]] Result<void> read_file(Settings& settings, const std::string& path);
[[nodiscard]] Result<void> read_text(Settings& settings, std::string_view toml,
                                     std::string_view name);
// PENSTOCK_DATA and PENSTOCK_LISTEN.
[[nodiscard]] Result<void> read_environment(Settings& settings);

// "a,b" as {"a", "b"}.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

// What no single setting can know: that they fit together.
[[nodiscard]] Result<void> validate(const Settings& settings);
// While there are no users, only addresses of this machine are served.
[[nodiscard]] Result<void> may_listen(const Settings& settings, bool has_users);

}  // namespace penstock::server

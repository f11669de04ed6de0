#include "server/settings.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>

#include "base/text.h"

namespace penstock::server {
namespace {

using Values = std::span<const std::string>;

template <class Number>
Result<void> number(Number& into, const std::string& text, std::uint64_t least) {
  const auto value = parse_u64(text);
  if (!value) return fail(value.error());
  const std::uint64_t most = std::numeric_limits<Number>::max();
  if (*value < least || *value > most) {
    return fail(ErrorCode::invalid, fmt::format("{} is not in {}..{}", *value, least, most));
  }
  into = static_cast<Number>(*value);
  return {};
}

Result<void> bytes(std::uint64_t& into, const std::string& text) {
  const auto value = parse_bytes(text);
  if (!value) return fail(value.error());
  into = *value;
  return {};
}

Result<void> duration(Duration& into, const std::string& text) {
  const auto value = parse_duration(text);
  if (!value) return fail(value.error());
  into = *value;
  return {};
}

Result<void> on_or_off(bool& into, const std::string& text) {
  if (text != "on" && text != "off") {
    return fail(ErrorCode::invalid, fmt::format("{} is neither on nor off", quoted(text)));
  }
  into = text == "on";
  return {};
}

Result<void> path(std::string& into, const std::string& text) {
  if (text.empty()) return fail(ErrorCode::invalid, "the path is empty");
  into = text;
  return {};
}

Result<void> set_data(Settings& settings, Values values) {
  return path(settings.data, values[0]);
}

Result<void> set_listen(Settings& settings, Values values) {
  std::vector<net::Address> addresses;
  for (const std::string& value : values) {
    auto address = net::parse_address(value);
    if (!address) return fail(std::move(address).error());
    addresses.push_back(std::move(*address));
  }
  if (addresses.empty()) return fail(ErrorCode::invalid, "at least one address is needed");
  settings.listen = std::move(addresses);
  return {};
}

Result<void> set_allowed_hosts(Settings& settings, Values values) {
  settings.allowed_hosts.assign(values.begin(), values.end());
  return {};
}

Result<void> set_log_level(Settings& settings, Values values) {
  constexpr std::string_view kLevels[] = {"debug", "info", "warning", "error"};
  if (std::ranges::find(kLevels, values[0]) == std::end(kLevels)) {
    return fail(ErrorCode::invalid,
                fmt::format("{} is none of debug, info, warning, error", quoted(values[0])));
  }
  settings.log_level = values[0];
  return {};
}

Result<void> set_segment_bytes(Settings& settings, Values values) {
  std::uint64_t size = 0;
  if (auto parsed = bytes(size, values[0]); !parsed) return parsed;
  if (!std::has_single_bit(size) || size < (64u << 10) || size > (1u << 30)) {
    return fail(ErrorCode::invalid, "it is a power of two from 64KiB to 1GiB");
  }
  settings.broker.journal.segment_bytes = size;
  return {};
}

Result<void> set_client_certificate(Settings& settings, Values values) {
  if (values[0] != "ask" && values[0] != "require") {
    return fail(ErrorCode::invalid,
                fmt::format("{} is neither ask nor require", quoted(values[0])));
  }
  settings.tls.require_client = values[0] == "require";
  return {};
}

std::string listed(std::span<const net::Address> addresses) {
  std::string text;
  for (const net::Address& address : addresses) {
    text += (text.empty() ? "" : ",") + net::to_text(address);
  }
  return text;
}

constexpr SettingRow kRows[] = {
    {"data", "DIR", "where the journal lives; made when it is not there", false, set_data,
     [](const Settings& s) { return s.data; }},
    {"listen", "ADDRESS", "where clients connect: 127.0.0.1:7411, [::1]:7411, :0, unix:PATH", true,
     set_listen, [](const Settings& s) { return listed(s.listen); }},
    {"grace", "DURATION", "how long clients may finish what is in flight after SIGTERM", false,
     [](Settings& s, Values v) { return duration(s.grace, v[0]); },
     [](const Settings& s) { return format_duration(s.grace); }},
    {"allowed_hosts", "NAME", "Host names that HTTP clients may use, beside the loopback's", true,
     set_allowed_hosts,
     [](const Settings& s) { return fmt::format("{}", fmt::join(s.allowed_hosts, ",")); }},
    {"tls_certificate", "FILE",
     "PEM: this server's certificate and its chain; TLS on the same port", false,
     [](Settings& s, Values v) { return path(s.tls.certificate, v[0]); },
     [](const Settings& s) { return s.tls.certificate; }},
    {"tls_key", "FILE", "PEM: the certificate's private key, without a password", false,
     [](Settings& s, Values v) { return path(s.tls.key, v[0]); },
     [](const Settings& s) { return s.tls.key; }},
    {"tls_client_ca", "FILE",
     "PEM: who signs certificates of clients, which are then asked for one", false,
     [](Settings& s, Values v) { return path(s.tls.client_ca, v[0]); },
     [](const Settings& s) { return s.tls.client_ca; }},
    {"tls_client_certificate", "ASK|REQUIRE", "whether a client over TLS may come without one",
     false, set_client_certificate,
     [](const Settings& s) { return std::string(s.tls.require_client ? "require" : "ask"); }},
    {"log_level", "LEVEL", "debug, info, warning or error", false, set_log_level,
     [](const Settings& s) { return s.log_level; }},
    {"max_connections", "N", "connections at a time; one more is refused", false,
     [](Settings& s, Values v) { return number(s.gateway.max_connections, v[0], 1); },
     [](const Settings& s) { return fmt::format("{}", s.gateway.max_connections); }},
    {"max_message", "BYTES", "the largest message, body and headers", false,
     [](Settings& s, Values v) { return bytes(s.broker.max_message_bytes, v[0]); },
     [](const Settings& s) { return format_bytes(s.broker.max_message_bytes); }},
    {"input_budget", "BYTES", "memory for requests half received, of all connections", false,
     [](Settings& s, Values v) { return bytes(s.gateway.input_budget_bytes, v[0]); },
     [](const Settings& s) { return format_bytes(s.gateway.input_budget_bytes); }},
    {"output_budget", "BYTES", "memory for answers that clients do not read, of all connections",
     false, [](Settings& s, Values v) { return bytes(s.gateway.output_budget_bytes, v[0]); },
     [](const Settings& s) { return format_bytes(s.gateway.output_budget_bytes); }},
    {"max_queues", "N", "queues that may exist", false,
     [](Settings& s, Values v) { return number(s.broker.max_queues, v[0], 1); },
     [](const Settings& s) { return fmt::format("{}", s.broker.max_queues); }},
    {"max_schedules", "N", "schedules that may exist", false,
     [](Settings& s, Values v) { return number(s.broker.max_schedules, v[0], 1); },
     [](const Settings& s) { return fmt::format("{}", s.broker.max_schedules); }},
    {"max_results", "N", "task results kept; the oldest goes first", false,
     [](Settings& s, Values v) { return number(s.broker.max_results, v[0], 0); },
     [](const Settings& s) { return fmt::format("{}", s.broker.max_results); }},
    {"result_ttl", "DURATION", "how long a result is kept where the task does not say", false,
     [](Settings& s, Values v) { return duration(s.broker.default_result_ttl, v[0]); },
     [](const Settings& s) { return format_duration(s.broker.default_result_ttl); }},
    {"segment", "BYTES", "size of a journal file, for a new data directory", false,
     set_segment_bytes,
     [](const Settings& s) { return format_bytes(s.broker.journal.segment_bytes); }},
    {"spare_segments", "N", "journal files kept written ahead", false,
     [](Settings& s, Values v) { return number(s.broker.journal.spare_segments, v[0], 0); },
     [](const Settings& s) { return fmt::format("{}", s.broker.journal.spare_segments); }},
    {"checkpoint_every", "BYTES", "journal written between two checkpoints, at least", false,
     [](Settings& s, Values v) { return bytes(s.broker.checkpoint_bytes, v[0]); },
     [](const Settings& s) { return format_bytes(s.broker.checkpoint_bytes); }},
    {"body_cache", "BYTES", "memory for the newest bodies; what is older is read from the disk",
     false, [](Settings& s, Values v) { return bytes(s.broker.journal.tail_cache_bytes, v[0]); },
     [](const Settings& s) { return format_bytes(s.broker.journal.tail_cache_bytes); }},
    {"disk_reserve", "BYTES", "disk kept for a checkpoint when it is full; grows with it", false,
     [](Settings& s, Values v) { return bytes(s.broker.journal.reserve_bytes, v[0]); },
     [](const Settings& s) { return format_bytes(s.broker.journal.reserve_bytes); }},
    {"parity", "ON|OFF", "whether full journal files get parity, to repair damage with", false,
     [](Settings& s, Values v) { return on_or_off(s.broker.journal.parity, v[0]); },
     [](const Settings& s) { return std::string(s.broker.journal.parity ? "on" : "off"); }},
    {"scrub_interval", "DURATION", "how often all full journal files are read over; 0s: never",
     false, [](Settings& s, Values v) { return duration(s.broker.journal.scrub_interval, v[0]); },
     [](const Settings& s) { return format_duration(s.broker.journal.scrub_interval); }},
};

const SettingRow* find_row(std::string_view name) {
  const auto row = std::ranges::find(kRows, name, &SettingRow::name);
  return row == std::end(kRows) ? nullptr : &*row;
}

std::string known_names() {
  std::string names;
  for (const SettingRow& row : kRows) {
    names += names.empty() ? "" : ", ";
    names += row.name;
  }
  return names;
}

// A value of the file as the text that the command line would have given.
Result<std::string> text_of(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto integer = node.value_exact<std::int64_t>()) return fmt::format("{}", *integer);
  return fail(ErrorCode::invalid, "a value is a text in quotes or a whole number");
}

Result<std::vector<std::string>> values_of(const SettingRow& row, const toml::node& node) {
  std::vector<std::string> values;
  const toml::array* array = node.as_array();
  if (array != nullptr && !row.list) return fail(ErrorCode::invalid, "it takes one value");
  if (array == nullptr) {
    auto text = text_of(node);
    if (!text) return fail(std::move(text).error());
    values.push_back(std::move(*text));
    return values;
  }
  for (const toml::node& item : *array) {
    auto text = text_of(item);
    if (!text) return fail(std::move(text).error());
    values.push_back(std::move(*text));
  }
  return values;
}

Result<void> apply_table(Settings& settings, const toml::table& table, std::string_view name) {
  for (const auto& [key, node] : table) {
    const std::string place = fmt::format("{}:{}", name, key.source().begin.line);
    const SettingRow* row = find_row(key.str());
    if (row == nullptr) {
      return fail(ErrorCode::invalid, fmt::format("{}: {} is no setting", place, quoted(key.str())),
                  fmt::format("the settings are {}", known_names()));
    }
    auto values = values_of(*row, node);
    if (!values) return fail(std::move(values).error().at(row->name).at(place));
    if (auto applied = apply_setting(settings, *row, *values); !applied) {
      return fail(std::move(applied).error().at(place));
    }
  }
  return {};
}

}  // namespace

std::span<const SettingRow> setting_rows() {
  return kRows;
}

Result<void> apply_setting(Settings& settings, const SettingRow& row, Values values) {
  if (!row.list && values.size() != 1) {
    return fail(ErrorCode::invalid, fmt::format("{}: it takes one value", row.name));
  }
  auto applied = row.apply(settings, values);
  if (!applied) return fail(std::move(applied).error().at(row.name));
  return {};
}

Result<void> read_text(Settings& settings, std::string_view toml, std::string_view name) {
  try {
    return apply_table(settings, toml::parse(toml, name), name);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::invalid,
                fmt::format("{}:{}: {}", name, error.source().begin.line, error.description()));
  }
}

Result<void> read_file(Settings& settings, const std::string& path) {
  try {
    return apply_table(settings, toml::parse_file(path), path);
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    return fail(ErrorCode::invalid,
                line == 0 ? fmt::format("{}: {}", path, error.description())
                          : fmt::format("{}:{}: {}", path, line, error.description()));
  }
}

Result<void> read_environment(Settings& settings) {
  constexpr std::pair<const char*, std::string_view> kVariables[] = {{"PENSTOCK_DATA", "data"},
                                                                     {"PENSTOCK_LISTEN", "listen"}};
  for (const auto& [variable, name] : kVariables) {
    const char* value = std::getenv(variable);
    if (value == nullptr) continue;
    const SettingRow& row = *find_row(name);
    const std::vector<std::string> values =
        row.list ? split_list(value) : std::vector<std::string>{value};
    if (auto applied = apply_setting(settings, row, values); !applied) {
      return fail(std::move(applied).error().at(variable));
    }
  }
  return {};
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (comma != 0) items.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return items;
}

Result<void> may_listen(const Settings& settings, bool has_users) {
  if (has_users) return {};
  for (const net::Address& address : settings.listen) {
    if (net::is_loopback(address)) continue;
    return fail(
        ErrorCode::invalid,
        fmt::format("listen on {}: refused, because no users are configured and other machines "
                    "can reach that address",
                    net::to_text(address)),
        fmt::format("make a user first: penstock user add NAME --tag administrator --data {}; or "
                    "listen on 127.0.0.1:7411, and let other machines come through an ssh tunnel",
                    settings.data));
  }
  return {};
}

Result<void> validate(const Settings& settings) {
  if (auto valid = validate(settings.tls); !valid) return valid;
  const std::uint64_t largest = settings.broker.max_message_bytes;
  if (largest < 1024 || largest > settings.broker.journal.segment_bytes / 2) {
    return fail(ErrorCode::invalid,
                fmt::format("max_message: {} is not between 1KiB and half a segment ({})",
                            format_bytes(largest),
                            format_bytes(settings.broker.journal.segment_bytes / 2)));
  }
  if (settings.gateway.input_budget_bytes < (1u << 20)) {
    return fail(ErrorCode::invalid, "input_budget: it is at least 1MiB");
  }
  if (settings.gateway.output_budget_bytes < (1u << 20)) {
    return fail(ErrorCode::invalid, "output_budget: it is at least 1MiB");
  }
  return {};
}

}  // namespace penstock::server

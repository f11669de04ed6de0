#include "cli/commands/send_options.h"

#include "base/text.h"
#include "cli/connection.h"

namespace penstock::cli {

void add_send_options(CLI::App& app, SendArguments& arguments) {
  add_duration_option(app, "--delay", arguments.delay, "not before this time has passed");
  app.add_option("--at", arguments.at, "not before: milliseconds since 1970-01-01 UTC")
      ->type_name("MS");
  app.add_option("--priority", arguments.priority, "0 to 9, higher first")->check(CLI::Range(0, 9));
  app.add_option("--key", arguments.key, "idempotency key: makes a repeat harmless");
  app.add_option("--group", arguments.group, "those of one group go in order");
  add_duration_option(app, "--expires", arguments.expires, "not started by then: never");
  app.add_option("--header", arguments.headers, "a header; may be given again")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  add_duration_option(app, "--patience", arguments.patience,
                      "how long to come back when the queue refuses");
}

Result<client::SendOptions> send_options_of(const SendArguments& arguments) {
  client::SendOptions options;
  options.delay = arguments.delay;
  options.key = arguments.key;
  options.group = arguments.group;
  options.expires = arguments.expires;
  if (arguments.priority) options.priority = static_cast<std::uint8_t>(*arguments.priority);
  if (!arguments.at.empty()) {
    const auto ms = parse_u64(arguments.at);
    if (!ms || *ms > static_cast<std::uint64_t>(INT64_MAX / 1000)) {
      return fail(ErrorCode::invalid,
                  "--at takes milliseconds since 1970, not " + penstock::quoted(arguments.at));
    }
    options.at = time_from_micros(static_cast<std::int64_t>(*ms) * 1000);
  }
  for (const std::string& header : arguments.headers) {
    const auto equals = header.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return fail(ErrorCode::invalid, "--header takes name=value, not " + penstock::quoted(header));
    }
    options.headers.emplace_back(header.substr(0, equals), header.substr(equals + 1));
  }
  return options;
}

}  // namespace penstock::cli

#include "cli/commands/send_options.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "base/trace_context.h"
#include "cli/connection.h"
#include "os/real_clock.h"

namespace penstock::cli {

void add_send_options(CLI::App& app, SendArguments& arguments) {
  add_duration_option(app, "--delay", arguments.delay, "not before this time has passed");
  app.add_option("--at", arguments.at, "not before: milliseconds since 1970-01-01 UTC")
      ->type_name("MS");
  app.add_option("--priority", arguments.priority, "0 to 9, higher first")->check(CLI::Range(0, 9));
  app.add_option("--key", arguments.key, "idempotency key: makes a repeat harmless")
      ->check(not_empty());
  app.add_option("--group", arguments.group, "those of one group go in order")->check(not_empty());
  add_duration_option(app, "--expires", arguments.expires, "not started by then: never");
  app.add_option("--header", arguments.headers, "a header; may be given again")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  app.add_option("--unique", arguments.unique, "one of this key at a time")->check(not_empty());
  app.add_option("--until", arguments.until, "how long it is unique; `done` when not given")
      ->type_name("start|done|DURATION")
      ->check(not_empty());
  app.add_option("--debounce", arguments.debounce, "the last of those of this key that come ...")
      ->check(not_empty());
  add_duration_option(app, "--debounce-delay", arguments.debounce_delay,
                      "... within this time of each other");
  add_duration_option(app, "--max-wait", arguments.max_wait,
                      "a debounce puts nothing off for longer");
  app.add_option("--throttle", arguments.throttle, "no more of this key ...")->check(not_empty());
  app.add_option("--rate", arguments.rate, "... than so many in a period")
      ->type_name("N/DURATION")
      ->check(not_empty());
  app.add_option("--on-conflict", arguments.on_conflict, "what becomes of one too many")
      ->check(CLI::IsMember({"reject", "return", "replace", "delay"}));
  add_duration_option(app, "--patience", arguments.patience,
                      "how long to come back when the queue refuses");
}

namespace {

Result<void> add_limit(const SendArguments& arguments, client::SendOptions& options) {
  const auto refuse = [](std::string text) { return fail(ErrorCode::invalid, std::move(text)); };
  if (!arguments.unique.empty() + !arguments.debounce.empty() + !arguments.throttle.empty() > 1)
    return refuse("give one of --unique, --debounce and --throttle");
  if (!arguments.until.empty() && arguments.unique.empty()) return refuse("--until needs --unique");
  if (arguments.throttle.empty() != arguments.rate.empty())
    return refuse("--throttle and --rate go together");
  if (arguments.debounce.empty() != (arguments.debounce_delay == Duration(0)))
    return refuse("--debounce and --debounce-delay go together");
  if (arguments.max_wait != Duration(0) && arguments.debounce.empty())
    return refuse("--max-wait needs --debounce");
  if (!arguments.on_conflict.empty() && arguments.unique.empty() && arguments.throttle.empty())
    return refuse("--on-conflict needs --unique or --throttle");
  options.unique = arguments.unique;
  options.until = arguments.until;
  options.debounce = arguments.debounce;
  options.debounce_delay = arguments.debounce_delay;
  options.max_wait = arguments.max_wait;
  options.throttle = arguments.throttle;
  options.throttle_rate = arguments.rate;
  options.on_conflict = arguments.on_conflict;
  return {};
}

}  // namespace

// What a task's program enqueues belongs to the task: it is not started later than that might have
// been, and to the same trace. See docs/concepts/workers.md.
Result<void> inherit(client::SendOptions& options) {
  if (const char* text = std::getenv("PENSTOCK_EXPIRES_AT")) {
    const auto ms = parse_u64(text);
    if (!ms || *ms > static_cast<std::uint64_t>(INT64_MAX / 1000))
      return fail(ErrorCode::invalid,
                  "PENSTOCK_EXPIRES_AT is not milliseconds since 1970: " + penstock::quoted(text));
    const Time at = time_from_micros(static_cast<std::int64_t>(*ms) * 1000);
    const Duration left = std::max(at - make_real_clock()->now(), Duration(1000));
    options.expires = options.expires.count() > 0 ? std::min(options.expires, left) : left;
  }
  const char* trace = std::getenv("TRACEPARENT");
  const bool has_own = std::ranges::any_of(
      options.headers, [](const auto& header) { return header.first == kTraceParentHeader; });
  if (trace == nullptr || has_own || !parse_traceparent(trace)) return {};
  options.headers.emplace_back(kTraceParentHeader, trace);
  const char* state = std::getenv("TRACESTATE");
  if (state != nullptr && is_valid_tracestate(state))
    options.headers.emplace_back(kTraceStateHeader, state);
  return {};
}

Result<client::SendOptions> send_options_of(const SendArguments& arguments) {
  client::SendOptions options;
  if (auto added = add_limit(arguments, options); !added) return fail(added.error());
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
  if (auto inherited = inherit(options); !inherited) return fail(inherited.error());
  return options;
}

}  // namespace penstock::cli

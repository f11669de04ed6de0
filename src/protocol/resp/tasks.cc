// TASK.*: messages with a name and arguments, whose end stores a result.
#include <algorithm>

#include "base/text.h"
#include "protocol/resp/command_table.h"
#include "protocol/resp/encode.h"
#include "protocol/resp/leases.h"
#include "protocol/resp/publish_options.h"
#include "wire/resp/packed.h"

namespace penstock::protocol::resp {
namespace {

constexpr std::string_view kDefaultQueue = "default";

Result<void> set_queue(PublishOptions& into, Args values) {
  into.queue = values[0];
  return valid_name(values[0], "queue name");
}

Result<void> set_kwargs(PublishOptions& into, Args values) {
  into.kwargs = values[0];
  return check_json(values[0], '{');
}

Result<void> set_max_attempts(PublishOptions& into, Args values) {
  const auto attempts = read_count(values[0], 0, 1'000'000);
  if (!attempts) return fail(attempts.error());
  into.message.policy.max_attempts = *attempts;
  return {};
}

Result<void> set_backoff(PublishOptions& into, Args values) {
  const auto backoff = read_backoff(values[0]);
  if (!backoff) return fail(backoff.error());
  into.message.policy.backoff = *backoff;
  return {};
}

Result<void> set_task_lease(PublishOptions& into, Args values) {
  const auto lease = read_duration(values[0]);
  if (!lease) return fail(lease.error());
  if (*lease == Duration(0)) return fail(ErrorCode::invalid, "a lease of no time is none");
  into.message.policy.lease = *lease;
  return {};
}

Result<void> set_result_ttl(PublishOptions& into, Args values) {
  const auto ttl = read_duration(values[0]);
  if (!ttl) return fail(ttl.error());
  into.message.policy.result_ttl = *ttl;
  return {};
}

constexpr Option<PublishOptions> kSubmitOptions[] = {
    {"KWARGS", 1, set_kwargs},
    {"QUEUE", 1, set_queue},
    {"DELAY", 1, set_delay},
    {"AT", 1, set_at},
    {"PRIORITY", 1, set_priority},
    {"KEY", 1, set_key},
    {"KEYFROM", 1, set_key_from},
    {"GROUP", 1, set_group},
    {"EXPIRES", 1, set_expires},
    {"HEADER", 2, set_header},
    {"WAIT", 1, set_publish_wait},
    {"UNIQUE", 2, set_unique},
    {"DEBOUNCE", 2, set_debounce},
    {"MAXWAIT", 1, set_max_wait},
    {"THROTTLE", 2, set_throttle},
    {"ONCONFLICT", 1, set_on_conflict},
    {"MAXATTEMPTS", 1, set_max_attempts},
    {"BACKOFF", 1, set_backoff},
    {"LEASE", 1, set_task_lease},
    {"RESULTTTL", 1, set_result_ttl},
};

// {"args":<args>,"kwargs":<kwargs>}, behind what `text` holds already.
void append_payload(std::string& text, std::string_view args, std::string_view kwargs) {
  text.append("{\"args\":").append(args);
  if (!kwargs.empty()) text.append(",\"kwargs\":").append(kwargs);
  text.append("}");
}
std::size_t payload_bytes(std::string_view args, std::string_view kwargs) {
  return args.size() + kwargs.size() + std::string_view("{\"args\":,\"kwargs\":}").size();
}

// One message for each of `all_args`, in the scratch memory.
Result<void> make_tasks(PublishOptions& options, Args all_args) {
  auto& [leases, messages, headers, text, keys] = options.scratch;
  std::size_t bytes = 0;
  for (const auto args : all_args) {
    if (auto good = check_json(args, '['); !good) return fail(std::move(good.error()).at("args"));
    bytes += payload_bytes(args, options.kwargs);
  }
  text.reserve(bytes);  // never outgrown: the views into it stay valid
  options.message.task = true;
  options.message.headers = headers.view();
  for (const auto args : all_args) {
    const auto from = text.size();
    append_payload(text, args, options.kwargs);
    messages.push_back(options.message);
    messages.back().body = as_bytes(std::string_view(text).substr(from));
  }
  return {};
}

struct FailOptions {
  bool retry = true;
  std::optional<Duration> delay;
  engine::Cause cause = engine::Cause::none;
};
constexpr Option<FailOptions> kFailOptions[] = {
    {"RETRY", 1,
     [](FailOptions& into, Args values) -> Result<void> {
       const auto retry = read_yes_no(values[0]);
       if (!retry) return fail(retry.error());
       into.retry = *retry;
       return {};
     }},
    {"DELAY", 1,
     [](FailOptions& into, Args values) -> Result<void> {
       const auto delay = read_duration(values[0]);
       if (!delay) return fail(delay.error());
       into.delay = *delay;
       return {};
     }},
    {"CAUSE", 1,
     [](FailOptions& into, Args values) -> Result<void> {
       const auto cause = read_cause(values[0]);
       if (!cause) return fail(cause.error());
       into.cause = *cause;
       return {};
     }},
};

struct GetOptions {
  Duration wait{0};
};
constexpr Option<GetOptions> kGetOptions[] = {
    {"WAIT", 1,
     [](GetOptions& into, Args values) -> Result<void> {
       const auto wait = read_duration(values[0]);
       if (!wait) return fail(wait.error());
       into.wait = *wait;
       return {};
     }},
};

Result<void> check_result(std::string_view result) {
  if (auto good = check_json(result, 0); !good) return fail(std::move(good.error()).at("result"));
  return {};
}

// An end without a result is an end with null.
std::string_view or_null(std::string_view result) {
  return result.empty() ? "null" : result;
}

// Each lease with the result of its place; one answer, which counts those settled. Those that stand
// together with the same result, most often none, are settled together.
void settle_results(Session& session, std::span<const engine::LeaseToken> leases,
                    std::span<const std::string_view> results) {
  const auto run_at = [&](std::size_t n) {
    const auto same = [&](std::string_view result) { return result == results[n]; };
    return static_cast<std::size_t>(std::ranges::find_if_not(results.subspan(n), same) -
                                    results.begin());
  };
  std::uint32_t runs = 0;
  for (std::size_t n = 0; n < leases.size(); n = run_at(n)) ++runs;
  const auto tag = session.ask(encode_settled_many, runs);
  for (std::size_t n = 0, end = 0; n < leases.size(); n = end) {
    end = run_at(n);
    engine::Settle settle;
    settle.leases = leases.subspan(n, end - n);
    settle.result = as_bytes(results[n]);
    session.broker().settle(session.id(), tag, settle);
  }
}

}  // namespace

Result<void> task_submit(Session& session, Args args) {
  if (auto good = valid_name(args[1], "task name"); !good) return good;
  PublishOptions options(session);
  options.queue = kDefaultQueue;
  options.scratch.headers.add(kTaskHeader, args[1]);
  if (auto read = read_options(args, 3, kSubmitOptions, options); !read) return fail(read.error());
  if (auto made = make_tasks(options, args.subspan(2, 1)); !made) return made;
  publish(session, encode_id, options, options.queue, options.scratch.messages);
  return {};
}

Result<void> task_submit_many(Session& session, Args args) {
  if (auto good = valid_name(args[1], "task name"); !good) return good;
  PublishOptions options(session);
  options.queue = kDefaultQueue;
  options.scratch.headers.add(kTaskHeader, args[1]);
  const auto at = read_options(args, 2, kSubmitOptions, options, "ARGS");
  if (!at) return fail(at.error());
  const auto rest = args.subspan(*at);
  if (rest.size() < 3) return fail(ErrorCode::invalid, "ARGS n args-json... is missing");
  const auto count = parse_u64(rest[1]);
  if (!count || *count != rest.size() - 2)
    return fail(ErrorCode::invalid, "ARGS: " + quoted(rest[1]) + " was said, and " +
                                        std::to_string(rest.size() - 2) + " follow");
  if (auto made = make_tasks(options, rest.subspan(2)); !made) return made;
  number_keys(options, options.scratch.messages);
  publish(session, encode_ids, options, options.queue, options.scratch.messages);
  return {};
}

Result<void> task_take(Session& session, Args args) {
  return take(session, args, encode_tasks);
}

Result<void> task_done(Session& session, Args args) {
  if (args.size() > 3) return fail(ErrorCode::invalid, "TASK.DONE takes one result at most");
  const auto result = or_null(args.size() == 3 ? args[2] : std::string_view{});
  if (auto good = check_result(result); !good) return good;
  engine::Settle settle;
  settle.result = as_bytes(result);
  return settle_one(session, args[1], settle);
}

Result<void> task_done_many(Session& session, Args args) {
  if (args.size() % 2 == 0)
    return fail(ErrorCode::invalid, "TASK.DONEMANY takes pairs of a lease and a result");
  auto& leases = session.scratch().leases;
  std::vector<std::string_view> results;
  results.reserve(args.size() / 2);
  for (std::size_t at = 1; at < args.size(); at += 2) {  // all are right, or none is settled
    const auto token = read_lease(args[at]);
    if (!token) return fail(token.error());
    leases.push_back(*token);
    results.push_back(or_null(args[at + 1]));
    if (auto good = check_result(results.back()); !good) return good;
  }
  settle_results(session, leases, results);
  return {};
}

Result<void> task_done_packed(Session& session, Args args) {
  auto& leases = session.scratch().leases;
  std::vector<std::string_view> results;
  wire::resp::EndReader rows(as_bytes(args[1]));
  while (const auto end = rows.next()) {  // all are right, or none is settled
    const auto result = or_null(end->result);
    if (auto good = check_result(result); !good) return good;
    leases.push_back({end->lease.id, end->lease.delivery, end->lease.seal, end->lease.place});
    results.push_back(result);
  }
  if (rows.damaged() || leases.empty())
    return fail(ErrorCode::invalid, "not packed ends of tasks",
                "docs/protocols/native.md says what a row holds");
  settle_results(session, leases, results);
  return {};
}

Result<void> task_fail(Session& session, Args args) {
  FailOptions options;
  if (auto read = read_options(args, 3, kFailOptions, options); !read) return fail(read.error());
  const auto error = read_error_text(args[2]);
  if (!error) return fail(error.error());
  engine::Settle settle;
  settle.outcome = options.retry ? engine::Outcome::nack : engine::Outcome::reject;
  settle.delay = options.delay;
  settle.error = *error;
  settle.cause = options.cause;
  return settle_one(session, args[1], settle);
}

Result<void> task_progress(Session& session, Args args) {
  if (args.size() > 5) return fail(ErrorCode::invalid, "TASK.PROGRESS takes one text at most");
  const auto token = read_lease(args[1]);
  if (!token) return fail(token.error());
  const auto value = read_number(args[2]);
  if (!value) return fail(value.error().at("value"));
  const auto total = read_number(args[3]);
  if (!total) return fail(total.error().at("total"));
  const auto text = read_error_text(args.size() == 5 ? args[4] : std::string_view{});
  if (!text) return fail(ErrorCode::invalid, "the text is at most 64 KiB of UTF-8");
  const engine::Progress progress{.value = *value, .total = *total, .text = std::string(*text)};
  session.broker().progress(session.id(), session.ask(encode_go_on), *token, progress);
  return {};
}

Result<void> task_extend(Session& session, Args args) {
  return extend_one(session, args, encode_extended);
}

Result<void> task_get(Session& session, Args args) {
  const auto id = read_id(args[1]);
  if (!id) return fail(id.error());
  GetOptions options;
  if (auto read = read_options(args, 2, kGetOptions, options); !read) return fail(read.error());
  const bool waits = options.wait > Duration(0);
  const auto tag =
      waits ? session.ask_task(encode_task_status, *id) : session.ask(encode_task_status);
  session.broker().task(session.id(), tag, *id,
                        waits ? session.broker().now() + options.wait : Time{});
  return {};
}

Result<void> task_cancel(Session& session, Args args) {
  const auto id = read_id(args[1]);
  if (!id) return fail(id.error());
  session.broker().cancel_task(session.id(), session.ask(encode_count), *id);
  return {};
}

}  // namespace penstock::protocol::resp

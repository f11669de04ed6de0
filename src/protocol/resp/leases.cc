// ACK, NACK, REJECT, GIVEBACK, EXTEND: what may be done with what was taken.
#include "protocol/resp/leases.h"

#include "base/text.h"
#include "protocol/resp/command_table.h"
#include "protocol/resp/encode.h"
#include "protocol/resp/options.h"

namespace penstock::protocol::resp {
namespace {

struct NackOptions {
  std::optional<Duration> delay;
  std::string_view error;
  engine::Cause cause = engine::Cause::none;
};

Result<void> set_delay(NackOptions& into, Args values) {
  const auto delay = read_duration(values[0]);
  if (!delay) return fail(delay.error());
  into.delay = *delay;
  return {};
}

Result<void> set_error(NackOptions& into, Args values) {
  const auto text = read_error_text(values[0]);
  if (!text) return fail(text.error());
  into.error = *text;
  return {};
}

Result<void> set_cause(NackOptions& into, Args values) {
  const auto cause = read_cause(values[0]);
  if (!cause) return fail(cause.error());
  into.cause = *cause;
  return {};
}

constexpr Option<NackOptions> kNackOptions[] = {
    {"DELAY", 1, set_delay}, {"ERROR", 1, set_error}, {"CAUSE", 1, set_cause}};
constexpr Option<NackOptions> kRejectOptions[] = {{"ERROR", 1, set_error}, {"CAUSE", 1, set_cause}};

// Any number of leases at once: one answer, and one command to the broker.
Result<void> settle_all(Session& session, Args leases, engine::Outcome outcome) {
  auto& tokens = session.scratch().leases;
  for (const auto text : leases) {
    const auto token = read_lease(text);
    if (!token) return fail(token.error());
    tokens.push_back(*token);
  }
  const auto tag = session.ask(leases.size() == 1 ? encode_settled_one : encode_settled_many);
  engine::Settle settle;
  settle.leases = tokens;
  settle.outcome = outcome;
  session.broker().settle(session.id(), tag, settle);
  return {};
}

}  // namespace

Result<engine::LeaseToken> read_lease(std::string_view text) {
  auto token = broker::Broker::parse_lease(text);
  if (!token)
    return fail(ErrorCode::invalid, "not a lease: " + quoted(text) +
                                        "; leases are what RECEIVE and TASK.TAKE gave as `lease`");
  return token;
}

Result<void> settle_one(Session& session, std::string_view lease, engine::Settle settle) {
  const auto token = read_lease(lease);
  if (!token) return fail(token.error());
  settle.leases = {&*token, 1};
  session.broker().settle(session.id(), session.ask(encode_settled_one), settle);
  return {};
}

Result<void> extend_one(Session& session, Args args, Encode encode) {
  const auto token = read_lease(args[1]);
  if (!token) return fail(token.error());
  const auto lease = read_duration(args[2]);
  if (!lease) return fail(lease.error());
  if (*lease == Duration(0)) return fail(ErrorCode::invalid, "a lease of no time is none");
  session.broker().extend(session.id(), session.ask(encode), {&*token, 1}, *lease);
  return {};
}

Result<void> ack(Session& session, Args args) {
  return settle_all(session, args.subspan(1), engine::Outcome::ack);
}

Result<void> give_back(Session& session, Args args) {
  return settle_all(session, args.subspan(1), engine::Outcome::give_back);
}

Result<void> nack(Session& session, Args args) {
  NackOptions options;
  if (auto read = read_options(args, 2, kNackOptions, options); !read) return fail(read.error());
  engine::Settle settle;
  settle.outcome = engine::Outcome::nack;
  settle.delay = options.delay;
  settle.error = options.error;
  settle.cause = options.cause;
  return settle_one(session, args[1], settle);
}

Result<void> reject(Session& session, Args args) {
  NackOptions options;
  if (auto read = read_options(args, 2, kRejectOptions, options); !read) return fail(read.error());
  engine::Settle settle;
  settle.outcome = engine::Outcome::reject;
  settle.error = options.error;
  settle.cause = options.cause;
  return settle_one(session, args[1], settle);
}

Result<void> extend(Session& session, Args args) {
  return extend_one(session, args, encode_deadline);
}

}  // namespace penstock::protocol::resp

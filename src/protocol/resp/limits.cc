// UNIQUE, DEBOUNCE and THROTTLE of a publish; QUEUE.GROUP and its like.
#include <fmt/format.h>

#include "base/text.h"
#include "protocol/resp/command_table.h"
#include "protocol/resp/encode.h"
#include "protocol/resp/publish_options.h"

namespace penstock::protocol::resp {
namespace {

using wire::resp::ReplyWriter;

Result<void> begin_limit(PublishOptions& into, std::string_view key) {
  auto& limit = into.message.limit;
  if (limit.rule != engine::KeyRule::none)
    return fail(ErrorCode::invalid, "a message has one of UNIQUE, DEBOUNCE and THROTTLE");
  limit.key = key;
  return {};
}

// Names come in any case.
struct Patch {
  std::vector<std::string> names;
  std::vector<std::pair<std::string_view, std::string_view>> options;
};
Result<void> read_patch(Args args, Patch& into) {
  if (args.size() % 2 != 0)
    return fail(ErrorCode::invalid, "option " + quoted(args.back()) + " has no value");
  into.names.reserve(args.size() / 2);
  for (std::size_t at = 0; at < args.size(); at += 2) {
    into.names.push_back(ascii_lowered(args[at]));
    into.options.emplace_back(into.names.back(), args[at + 1]);
  }
  return {};
}

void write_group(ReplyWriter& to, const broker::GroupStatus& group) {
  const auto field = [&to](std::string_view name, const std::string& value) {
    to.bulk(name);
    to.bulk(value);
  };
  const auto count = [&to](std::string_view name, std::uint64_t value) {
    to.bulk(name);
    to.integer(static_cast<std::int64_t>(value));
  };
  to.map(6);
  to.bulk("name");
  to.bulk(group.name);
  count("weight", group.setting.weight);
  field("rate", group.setting.rate ? fmt::format("{}", *group.setting.rate) : "default");
  field("limit", group.setting.limit ? std::to_string(*group.setting.limit) : "default");
  count("ready", group.ready);
  count("held", group.held);
}

}  // namespace

Result<void> set_unique(PublishOptions& into, Args values) {
  if (auto begun = begin_limit(into, values[0]); !begun) return begun;
  return engine::set_until(into.message.limit, values[1]);
}

Result<void> set_debounce(PublishOptions& into, Args values) {
  if (auto begun = begin_limit(into, values[0]); !begun) return begun;
  const auto delay = read_duration(values[1]);
  if (!delay) return fail(delay.error());
  into.message.limit.rule = engine::KeyRule::debounce;
  into.message.limit.time = *delay;
  return {};
}

Result<void> set_throttle(PublishOptions& into, Args values) {
  if (auto begun = begin_limit(into, values[0]); !begun) return begun;
  return engine::set_throttle_rate(into.message.limit, values[1]);
}

Result<void> set_on_conflict(PublishOptions& into, Args values) {
  auto& limit = into.message.limit;
  if (!limit.is_unique() && limit.rule != engine::KeyRule::throttle)
    return fail(ErrorCode::invalid, "goes behind UNIQUE or THROTTLE");
  return engine::set_on_conflict(limit, ascii_lowered(values[0]));
}

Result<void> set_max_wait(PublishOptions& into, Args values) {
  if (into.message.limit.rule != engine::KeyRule::debounce)
    return fail(ErrorCode::invalid, "goes behind DEBOUNCE");
  const auto wait = read_duration(values[0]);
  if (!wait) return fail(wait.error());
  into.message.limit.max_wait = *wait;
  return {};
}

Result<void> queue_group(Session& session, Args args) {
  if (auto good = valid_name(args[1], "queue name"); !good) return good;
  Patch patch;
  if (auto read = read_patch(args.subspan(3), patch); !read) return read;
  session.broker().set_group(session.id(), session.ask(encode_count), args[1], args[2],
                             patch.options);
  return {};
}

Result<void> queue_ungroup(Session& session, Args args) {
  if (auto good = valid_name(args[1], "queue name"); !good) return good;
  session.broker().reset_group(session.id(), session.ask(encode_ok), args[1], args[2]);
  return {};
}

Result<void> queue_groups(Session& session, Args args) {
  if (auto good = valid_name(args[1], "queue name"); !good) return good;
  const auto groups = session.broker().groups(session.id(), args[1]);
  if (!groups) return fail(groups.error());
  session.answer_when_durable([&](ReplyWriter to) {
    to.array(groups->size());
    for (const auto& group : *groups) write_group(to, group);
  });
  return {};
}

}  // namespace penstock::protocol::resp

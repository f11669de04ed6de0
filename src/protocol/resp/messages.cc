// SEND, SENDMANY and RECEIVE; and how messages are published and taken, tasks included.
#include <algorithm>

#include "base/text.h"
#include "protocol/resp/command_table.h"
#include "protocol/resp/encode.h"
#include "protocol/resp/publish_options.h"

namespace penstock::protocol::resp {
namespace {

constexpr std::size_t kKeyBytesMax = 1024;  // of an idempotency key or a group
constexpr std::uint64_t kKeyNumberMax = 1'000'000'000'000;
constexpr std::size_t kQueuesMax = 128;  // of one take

constexpr Option<PublishOptions> kSendOptions[] = {
    {"DELAY", 1, set_delay},       {"AT", 1, set_at},
    {"PRIORITY", 1, set_priority}, {"KEY", 1, set_key},
    {"KEYFROM", 1, set_key_from},  {"GROUP", 1, set_group},
    {"EXPIRES", 1, set_expires},   {"HEADER", 2, set_header},
    {"WAIT", 1, set_publish_wait}, {"UNIQUE", 2, set_unique},
    {"DEBOUNCE", 2, set_debounce}, {"MAXWAIT", 1, set_max_wait},
    {"THROTTLE", 2, set_throttle}, {"ONCONFLICT", 1, set_on_conflict},
};

Result<std::string_view> read_key(std::string_view text) {
  if (text.empty() || text.size() > kKeyBytesMax)
    return fail(ErrorCode::invalid, "has 1 to " + std::to_string(kKeyBytesMax) + " bytes, not " +
                                        std::to_string(text.size()));
  return text;
}

struct TakeOptions {
  std::uint32_t max = 1;
  Duration wait{0};
  Duration lease{0};
  std::uint32_t slots = 0;
  bool packed = false;
  std::uint32_t max_allowed = 1;
};

Result<void> set_max(TakeOptions& into, Args values) {
  const auto max = read_count(values[0], 1, 1'000'000);
  if (!max) return fail(max.error());
  into.max = std::min(*max, into.max_allowed);  // "up to": fewer is an answer, not an error
  return {};
}

Result<void> set_slots(TakeOptions& into, Args values) {
  const auto slots = read_count(values[0], 1, 1'000'000);
  if (!slots) return fail(slots.error());
  into.slots = *slots;
  return {};
}

Result<void> set_wait(TakeOptions& into, Args values) {
  const auto wait = read_duration(values[0]);
  if (!wait) return fail(wait.error());
  into.wait = *wait;
  return {};
}

Result<void> set_lease(TakeOptions& into, Args values) {
  const auto lease = read_duration(values[0]);
  if (!lease) return fail(lease.error());
  if (*lease == Duration(0)) return fail(ErrorCode::invalid, "a lease of no time is none");
  into.lease = *lease;
  return {};
}

constexpr Option<TakeOptions> kTakeOptions[] = {
    {"MAX", 1, set_max},
    {"WAIT", 1, set_wait},
    {"LEASE", 1, set_lease},
    {"SLOTS", 1, set_slots},
    {"PACKED", 0, [](TakeOptions& into, Args) -> Result<void> {
       into.packed = true;
       return {};
     }}};

}  // namespace

Result<void> set_delay(PublishOptions& into, Args values) {
  const auto delay = read_duration(values[0]);
  if (!delay) return fail(delay.error());
  if (*delay > Duration(0)) into.message.not_before = into.now + *delay;
  return {};
}

Result<void> set_at(PublishOptions& into, Args values) {
  const auto at = read_time(values[0]);
  if (!at) return fail(at.error());
  into.message.not_before = *at;
  return {};
}

Result<void> set_priority(PublishOptions& into, Args values) {
  const auto priority = read_count(values[0], 0, 9);
  if (!priority) return fail(priority.error());
  into.message.priority = static_cast<std::uint8_t>(*priority);
  return {};
}

Result<void> set_key(PublishOptions& into, Args values) {
  const auto key = read_key(values[0]);
  if (!key) return fail(key.error());
  into.message.key = *key;
  return {};
}

Result<void> set_key_from(PublishOptions& into, Args values) {
  const auto number = parse_u64(values[0]);
  if (!number || *number > kKeyNumberMax)
    return fail(ErrorCode::invalid, "is a number up to " + std::to_string(kKeyNumberMax) +
                                        ", not " + quoted(values[0]));
  into.key_from = *number;
  return {};
}

Result<void> set_group(PublishOptions& into, Args values) {
  const auto group = read_key(values[0]);
  if (!group) return fail(group.error());
  into.message.group = *group;
  return {};
}

Result<void> set_expires(PublishOptions& into, Args values) {
  const auto expires = read_duration(values[0]);
  if (!expires) return fail(expires.error());
  into.message.expires_at = into.now + *expires;
  return {};
}

Result<void> set_header(PublishOptions& into, Args values) {
  if (auto good = valid_name(values[0], "header name"); !good) return good;
  if (values[0] == kTaskHeader)
    return fail(ErrorCode::invalid, quoted(values[0]) + " is set by TASK.SUBMIT only");
  if (auto good = valid_header_value(values[0], values[1]); !good) return good;
  into.scratch.headers.add(values[0], values[1]);
  return {};
}

Result<void> set_publish_wait(PublishOptions& into, Args values) {
  const auto wait = read_duration(values[0]);
  if (!wait) return fail(wait.error());
  into.wait = *wait;
  return {};
}

void number_keys(PublishOptions& options, std::span<engine::MessageInput> messages) {
  constexpr std::size_t kNumberBytes = 16;
  const auto key = options.message.key;
  if (key.empty()) return;
  auto& keys = options.scratch.keys;
  keys.reserve(messages.size() *
               (key.size() + kNumberBytes));  // never outgrown: the views stay valid
  for (std::size_t index = 0; index < messages.size(); ++index) {
    const auto from = keys.size();
    keys.append(key).append("/").append(std::to_string(options.key_from + index));
    messages[index].key = std::string_view(keys).substr(from);
  }
}

void publish(Session& session, Encode encode, const PublishOptions& options, std::string_view queue,
             std::span<const engine::MessageInput> messages) {
  const engine::Publish publish{.queue = queue, .messages = messages};
  const auto tag = session.ask(encode);
  if (options.wait > Duration(0)) {
    session.broker().publish_wait(session.id(), tag, publish, options.now + options.wait);
  } else {
    session.broker().publish(session.id(), tag, publish);
  }
}

Result<void> take(Session& session, Args args, Encode encode) {
  engine::Take take;
  std::size_t at = 1;
  // Names go on until the first word that is an option; a queue of such a name goes first.
  while (at < args.size() && (at == 1 || !is_option(kTakeOptions, args[at]))) {
    if (auto good = valid_name(args[at], "queue name"); !good) return good;
    if (take.queues.size() == kQueuesMax)
      return fail(ErrorCode::invalid, "at most " + std::to_string(kQueuesMax) + " queues at once");
    take.queues.emplace_back(args[at++]);
  }
  TakeOptions options{.max_allowed = session.settings().max_take};
  if (auto read = read_options(args, at, kTakeOptions, options); !read) return fail(read.error());
  take.max = options.max;
  take.lease = options.lease;
  take.slots = options.slots;
  if (options.packed) encode = encode_packed;
  if (options.wait == Duration(0)) {
    session.broker().take(session.id(), session.ask(encode), take);
    return {};
  }
  take.wait_until = session.broker().now() + options.wait;
  session.broker().take(session.id(), session.ask_take(encode), take);
  return {};
}

Result<void> send(Session& session, Args args) {
  if (auto good = valid_name(args[1], "queue name"); !good) return good;
  PublishOptions options(session);
  if (auto read = read_options(args, 3, kSendOptions, options); !read) return fail(read.error());
  engine::MessageInput message = options.message;
  message.body = as_bytes(args[2]);
  message.headers = options.scratch.headers.view();
  publish(session, encode_id, options, args[1], {&message, 1});
  return {};
}

Result<void> send_many(Session& session, Args args) {
  if (auto good = valid_name(args[1], "queue name"); !good) return good;
  PublishOptions options(session);
  const auto at = read_options(args, 2, kSendOptions, options, "BODIES");
  if (!at) return fail(at.error());
  const auto rest = args.subspan(*at);
  if (rest.size() < 2) return fail(ErrorCode::invalid, "BODIES n body... is missing");
  const auto count = parse_u64(rest[1]);
  const auto bodies = rest.subspan(2);
  if (!count || *count != bodies.size() || bodies.empty())
    return fail(ErrorCode::invalid, "BODIES: " + quoted(rest[1]) + " was said, and " +
                                        std::to_string(bodies.size()) + " follow");
  auto& messages = options.scratch.messages;
  for (const auto body : bodies) {
    messages.push_back(options.message);
    messages.back().body = as_bytes(body);
    messages.back().headers = options.scratch.headers.view();
  }
  number_keys(options, messages);
  publish(session, encode_ids, options, args[1], messages);
  return {};
}

Result<void> receive(Session& session, Args args) {
  return take(session, args, encode_messages);
}

}  // namespace penstock::protocol::resp

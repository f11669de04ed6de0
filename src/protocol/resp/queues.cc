// QUEUE.*: what may be done with a queue as a whole.
#include <limits>

#include "base/text.h"
#include "protocol/resp/command_table.h"
#include "protocol/resp/encode.h"
#include "protocol/resp/options.h"

namespace penstock::protocol::resp {
namespace {

Result<void> check_queue(std::string_view name) {
  return valid_name(name, "queue name");
}

struct Limit {
  std::uint32_t value = 0;
};
// 0 = all.
constexpr Option<Limit> kRedriveOptions[] = {
    {"MAX", 1,
     [](Limit& into, Args values) -> Result<void> {
       const auto max = read_count(values[0], 0, std::numeric_limits<std::uint32_t>::max());
       if (!max) return fail(max.error());
       into.value = *max;
       return {};
     }},
};
constexpr Option<Limit> kBrowseOptions[] = {
    {"LIMIT", 1,
     [](Limit& into, Args values) -> Result<void> {
       const auto limit = read_count(values[0], 1, std::numeric_limits<std::uint32_t>::max());
       if (!limit) return fail(limit.error());
       into.value = *limit;
       return {};
     }},
};

Result<void> set_paused(Session& session, std::string_view queue, std::string_view paused) {
  if (auto good = check_queue(queue); !good) return good;
  const std::pair<std::string_view, std::string_view> patch[] = {{"paused", paused}};
  session.broker().change(session.id(), session.ask(encode_ok), queue, patch);
  return {};
}

}  // namespace

Result<void> queue_declare(Session& session, Args args) {
  if (auto good = check_queue(args[1]); !good) return good;
  if (args.size() % 2 != 0)
    return fail(ErrorCode::invalid, "option " + quoted(args.back()) + " has no value");
  std::vector<std::pair<std::string_view, std::string_view>> patch;
  std::vector<std::string> names;
  names.reserve(args.size() / 2);  // options are named in any case
  for (std::size_t at = 2; at < args.size(); at += 2) {
    names.push_back(ascii_lowered(args[at]));
    patch.emplace_back(names.back(), args[at + 1]);
  }
  session.broker().declare(session.id(), session.ask(encode_ok), args[1], patch);
  return {};
}

Result<void> queue_delete(Session& session, Args args) {
  if (auto good = check_queue(args[1]); !good) return good;
  session.broker().remove(session.id(), session.ask(encode_count), args[1]);
  return {};
}

Result<void> queue_purge(Session& session, Args args) {
  if (auto good = check_queue(args[1]); !good) return good;
  session.broker().purge(session.id(), session.ask(encode_count), args[1]);
  return {};
}

Result<void> queue_pause(Session& session, Args args) {
  return set_paused(session, args[1], "true");
}

Result<void> queue_resume(Session& session, Args args) {
  return set_paused(session, args[1], "false");
}

Result<void> queue_redrive(Session& session, Args args) {
  if (auto good = check_queue(args[1]); !good) return good;
  Limit max;
  if (auto read = read_options(args, 2, kRedriveOptions, max); !read) return fail(read.error());
  if (max.value == 0) max.value = std::numeric_limits<std::uint32_t>::max();
  session.broker().redrive(session.id(), session.ask(encode_count), args[1], max.value);
  return {};
}

Result<void> queue_stats(Session& session, Args args) {
  if (args.size() > 2) return fail(ErrorCode::invalid, "QUEUE.STATS takes one queue at most");
  if (args.size() == 1) {
    session.broker().queues(session.id(), session.ask(encode_queues));
    return {};
  }
  if (auto good = check_queue(args[1]); !good) return good;
  session.broker().queue(session.id(), session.ask(encode_queue), args[1]);
  return {};
}

Result<void> queue_list(Session& session, Args) {
  session.broker().queues(session.id(), session.ask(encode_queue_names));
  return {};
}

Result<void> queue_browse(Session& session, Args args) {
  constexpr std::uint32_t kShownUnasked = 20;
  if (auto good = check_queue(args[1]); !good) return good;
  Limit limit{.value = kShownUnasked};
  if (auto read = read_options(args, 2, kBrowseOptions, limit); !read) return fail(read.error());
  limit.value = std::min(limit.value, session.settings().max_take);
  session.broker().browse(session.id(), session.ask(encode_browsed), args[1], limit.value);
  return {};
}

}  // namespace penstock::protocol::resp

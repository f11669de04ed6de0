// STATUS, INFO and COMMAND: what the server tells about itself.
#include "base/text.h"
#include "protocol/resp/command_table.h"

namespace penstock::protocol::resp {
namespace {

using wire::resp::ReplyWriter;

struct Line {
  std::string_view section;
  std::string name;
  std::string text;          // or
  std::uint64_t number = 0;  // when there is no text
};

void add_broker(std::vector<Line>& lines, broker::Broker& broker) {
  const auto all = broker.statistics();
  const auto add = [&](std::string_view name, std::uint64_t value) {
    lines.push_back({"broker", std::string(name), {}, value});
  };
  add("messages", all.messages);
  add("results", all.results);
  add("sessions", all.sessions);
  add("waiting_takes", all.waiting_takes);
  add("timers", all.timers);
  add("index_bytes", all.index_bytes);
  add("turns", all.turns);
  add("turn_micros_max", all.turn_micros_max);
  add("replies_waiting", all.replies_waiting);
  add("replies_put_off", all.replies_put_off);
  add("denied", all.denied);
  add("workers", all.workers);
  add("declined", all.declined);
  add("task_log_bytes", all.log_bytes);
}

void add_native(std::vector<Line>& lines, const Service::Statistics& all) {
  const auto add = [&](std::string_view name, std::uint64_t value) {
    lines.push_back({"native", std::string(name), {}, value});
  };
  add("native_connections", all.connections);
  add("native_connections_total", all.connections_total);
  add("native_commands", all.commands);
  add("native_errors", all.errors);
  add("native_refusals", all.refusals);
  add("native_protocol_errors", all.protocol_errors);
  add("native_refused_logins", all.refused_logins);
}

// Everything that STATUS and INFO show, in order.
std::vector<Line> collect(Session& session) {
  std::vector<Line> lines;
  const auto uptime = session.broker().now() - session.started();
  lines.push_back({"server", "version", session.settings().version});
  lines.push_back({"server", "uptime_ms", {}, static_cast<std::uint64_t>(uptime.count() / 1000)});
  // The rest is for who watches the server.
  if (!session.broker().may_as(session.id(), engine::Role::monitoring)) return lines;
  if (session.settings().status)
    for (auto& [name, value] : session.settings().status())
      lines.push_back({"server", std::move(name), std::move(value)});
  add_broker(lines, session.broker());
  add_native(lines, session.service().statistics());
  return lines;
}

// As Redis 7 describes a command: ten fields. There are no keys in the sense of Redis.
void write_command_info(ReplyWriter& to, const Command& command) {
  to.array(10);
  to.bulk(ascii_lowered(command.name));
  to.integer(command.arity);
  to.set(0);      // flags
  to.integer(0);  // first key
  to.integer(0);  // last key
  to.integer(0);  // step
  to.set(0);      // ACL categories
  to.array(0);    // tips
  to.array(0);    // key specifications
  to.array(0);    // subcommands
}

void write_argument(ReplyWriter& to, std::string_view syntax) {
  to.map(3);
  to.bulk("name");
  to.bulk(syntax);
  to.bulk("type");
  to.bulk("string");
  to.bulk("display_text");
  to.bulk(syntax);
}

void write_command_docs(ReplyWriter& to, const Command& command) {
  to.bulk(ascii_lowered(command.name));
  to.map(7);
  to.bulk("summary");
  to.bulk(command.summary);
  to.bulk("since");
  to.bulk("0.1.0");
  to.bulk("group");
  to.bulk(command.group);
  // One argument, whose name is the whole syntax: that is how redis-cli shows it while one types.
  to.bulk("arguments");
  to.array(command.syntax.empty() ? 0 : 1);
  if (!command.syntax.empty()) write_argument(to, command.syntax);
  to.bulk("syntax");
  to.bulk(std::string(command.name) + (command.syntax.empty() ? "" : " ") +
          std::string(command.syntax));
  to.bulk("reply");
  to.bulk(command.reply);
  to.bulk("example");
  to.bulk(command.example);
}

void command_info(Session& session, Args names) {
  session.answer([&](ReplyWriter to) {
    to.array(names.size());
    for (const auto name : names) {
      const Command* found = find_command(name);
      found == nullptr ? to.null_array() : write_command_info(to, *found);
    }
  });
}

void command_docs(Session& session, Args names) {
  std::vector<const Command*> wanted;
  if (names.empty())
    for (const auto& command : commands()) wanted.push_back(&command);
  for (const auto name : names)
    if (const Command* found = find_command(name)) wanted.push_back(found);
  session.answer([&](ReplyWriter to) {
    to.map(wanted.size());
    for (const auto* command : wanted) write_command_docs(to, *command);
  });
}

void command_all(Session& session) {
  session.answer([](ReplyWriter to) {
    to.array(commands().size());
    for (const auto& command : commands()) write_command_info(to, command);
  });
}

void command_list(Session& session) {
  session.answer([](ReplyWriter to) {
    to.array(commands().size());
    for (const auto& command : commands()) to.bulk(ascii_lowered(command.name));
  });
}

}  // namespace

Result<void> status(Session& session, Args) {
  const auto lines = collect(session);
  session.answer([&](ReplyWriter to) {
    to.map(lines.size());
    for (const auto& line : lines) {
      to.bulk(line.name);
      line.text.empty() ? to.integer(static_cast<std::int64_t>(line.number)) : to.bulk(line.text);
    }
  });
  return {};
}

Result<void> info(Session& session, Args args) {
  const bool all = args.size() == 1 || ascii_iequals(args[1], "all") ||
                   ascii_iequals(args[1], "default") || ascii_iequals(args[1], "everything");
  std::string text;
  std::string_view section;
  // Client libraries look for the version of Redis whose commands they may use.
  for (const auto& line : collect(session)) {
    if (!all && !ascii_iequals(args[1], line.section)) continue;
    if (section != line.section) {
      section = line.section;
      text.append(text.empty() ? "# " : "\r\n# ").append(section).append("\r\n");
      if (section == "server") text.append("redis_version:7.0.0\r\nredis_mode:standalone\r\n");
    }
    text.append(line.name).append(":");
    text.append(line.text.empty() ? std::to_string(line.number) : line.text).append("\r\n");
  }
  session.answer([&](ReplyWriter to) { to.verbatim("txt", text); });
  return {};
}

Result<void> command(Session& session, Args args) {
  if (args.size() == 1) {
    command_all(session);
  } else if (ascii_iequals(args[1], "DOCS")) {
    command_docs(session, args.subspan(2));
  } else if (ascii_iequals(args[1], "INFO")) {
    args.size() == 2 ? command_all(session) : command_info(session, args.subspan(2));
  } else if (ascii_iequals(args[1], "COUNT")) {
    session.answer(
        [](ReplyWriter to) { to.integer(static_cast<std::int64_t>(commands().size())); });
  } else if (ascii_iequals(args[1], "LIST")) {
    command_list(session);
  } else {
    return fail(ErrorCode::invalid, "unknown subcommand of COMMAND " + quoted(args[1]) +
                                        "; accepted are COUNT, DOCS, INFO, LIST");
  }
  return {};
}

}  // namespace penstock::protocol::resp

// What a connection says about itself: HELLO, CLIENT and their like.
#include <algorithm>

#include "base/text.h"
#include "protocol/resp/command_table.h"
#include "protocol/resp/options.h"

namespace penstock::protocol::resp {
namespace {

using wire::resp::ReplyWriter;
using wire::resp::Version;

std::unexpected<Error> no_users() {
  return fail(ErrorCode::invalid, "AUTH: no users are configured on this server",
              "connect without a user and a password");
}

// Names travel in lines of text, so they hold neither spaces nor control characters.
Result<void> check_client_name(std::string_view name) {
  const auto printable = [](char c) { return c > ' ' && c <= '~'; };
  if (name.size() > kNameBytesMax || !std::ranges::all_of(name, printable))
    return fail(ErrorCode::invalid,
                "a client name is at most 255 printable ASCII characters without spaces");
  return {};
}

struct HelloOptions {
  std::optional<std::string> name;
  std::optional<std::pair<std::string, std::string>> login;
};
constexpr Option<HelloOptions> kHelloOptions[] = {
    {"AUTH", 2,
     [](HelloOptions& into, Args values) -> Result<void> {
       into.login.emplace(values[0], values[1]);
       return {};
     }},
    {"SETNAME", 1,
     [](HelloOptions& into, Args values) -> Result<void> {
       into.name = std::string(values[0]);
       return check_client_name(values[0]);
     }},
};

void write_hello(ReplyWriter to, const Session& session, const Settings& settings) {
  to.map(9);
  to.bulk("server");
  to.bulk("penstock");
  to.bulk("version");
  to.bulk(settings.version);
  to.bulk("proto");
  to.integer(static_cast<int>(session.version));
  to.bulk("id");
  to.integer(static_cast<std::int64_t>(session.identity.client_id));
  to.bulk("mode");
  to.bulk("standalone");
  to.bulk("role");
  to.bulk("master");
  to.bulk("modules");
  to.array(0);
  to.bulk("max_message");
  to.integer(static_cast<std::int64_t>(settings.max_message_bytes));
  to.bulk("max_argument");
  to.integer(static_cast<std::int64_t>(settings.limits.max_bulk_bytes));
}

// One line of CLIENT LIST, in the form of Redis's.
std::string describe(const Session& session, Time now) {
  const auto& identity = session.identity;
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - identity.connected_at);
  std::string line = "id=" + std::to_string(identity.client_id);
  line.append(" addr=").append(session.host().peer());
  line.append(" name=").append(identity.name);
  if (!session.user.empty()) line.append(" user=").append(session.user);
  line.append(" age=").append(std::to_string(age.count()));
  line.append(" db=0 cmd=").append(ascii_lowered(identity.last_command));
  line.append(" resp=").append(std::to_string(static_cast<int>(session.version)));
  line.append(" lib-name=").append(identity.library);
  line.append(" lib-ver=").append(identity.library_version);
  line.append(" tot-cmds=").append(std::to_string(identity.commands));
  line.append(" unanswered=").append(std::to_string(session.unanswered()));
  return line;
}

// One's own connections, and who watches the server, those of all.
bool sees(Session& session, const Session& other) {
  return session.user == other.user ||
         session.broker().may_as(session.id(), engine::Role::monitoring).has_value();
}

// ---- subcommands of CLIENT

Result<void> client_setname(Session& session, Args args) {
  if (auto good = check_client_name(args[2]); !good) return good;
  session.identity.name = args[2];
  session.answer_ok();
  return {};
}

Result<void> client_getname(Session& session, Args) {
  session.answer([&](ReplyWriter to) {
    session.identity.name.empty() ? to.null() : to.bulk(session.identity.name);
  });
  return {};
}

Result<void> client_setinfo(Session& session, Args args) {
  if (auto good = check_client_name(args[3]); !good) return good;
  if (ascii_iequals(args[2], "LIB-NAME")) {
    session.identity.library = args[3];
  } else if (ascii_iequals(args[2], "LIB-VER")) {
    session.identity.library_version = args[3];
  } else {
    return fail(ErrorCode::invalid,
                "unknown option " + quoted(args[2]) + "; accepted are LIB-NAME, LIB-VER");
  }
  session.answer_ok();
  return {};
}

Result<void> client_id(Session& session, Args) {
  session.answer(
      [&](ReplyWriter to) { to.integer(static_cast<std::int64_t>(session.identity.client_id)); });
  return {};
}

Result<void> client_info(Session& session, Args) {
  session.answer([&](ReplyWriter to) {
    to.verbatim("txt", describe(session, session.broker().now()) + "\n");
  });
  return {};
}

Result<void> client_list(Session& session, Args) {
  std::string& text = session.scratch().text;
  for (Session* one : session.sessions())
    if (sees(session, *one)) text.append(describe(*one, session.broker().now())).append("\n");
  session.answer([&](ReplyWriter to) { to.verbatim("txt", text); });
  return {};
}

Result<void> client_unblock(Session& session, Args args) {
  const auto id = parse_u64(args[2]);
  if (!id) return fail(ErrorCode::invalid, "not a client's id: " + quoted(args[2]));
  std::size_t released = 0;
  for (Session* one : session.sessions())
    if (one->identity.client_id == *id && sees(session, *one)) released = one->release_waits();
  session.answer([&](ReplyWriter to) { to.integer(released > 0 ? 1 : 0); });
  return {};
}

Result<void> client_nothing(Session& session, Args) {
  session.answer_ok();
  return {};
}

struct Subcommand {
  std::string_view name;
  std::size_t words;
  Handler handler;
};
constexpr Subcommand kSubcommands[] = {
    {"SETNAME", 3, client_setname},  {"GETNAME", 2, client_getname},
    {"SETINFO", 4, client_setinfo},  {"ID", 2, client_id},
    {"INFO", 2, client_info},        {"LIST", 2, client_list},
    {"UNBLOCK", 3, client_unblock},  {"NO-EVICT", 3, client_nothing},
    {"NO-TOUCH", 3, client_nothing},
};

}  // namespace

Result<void> hello(Session& session, Args args) {
  Version version = session.version;
  std::size_t at = 1;
  if (args.size() > 1) {
    const auto wanted = parse_u64(args[1]);
    if (!wanted || (*wanted != 2 && *wanted != 3)) {
      session.answer_error("NOPROTO unsupported protocol version; 2 and 3 are spoken here");
      return {};
    }
    version = *wanted == 3 ? Version::resp3 : Version::resp2;
    at = 2;
  }
  HelloOptions options;
  if (auto read = read_options(args, at, kHelloOptions, options); !read)
    return fail(std::move(read.error()));
  // From this answer on; what was asked before is answered as it was asked.
  const auto change = [version, name = options.name](Session& changed) {
    changed.version = version;
    if (name) changed.identity.name = *name;
  };
  if (options.login) {
    if (!session.broker().has_users()) return no_users();
    return session.log_in(options.login->first, options.login->second,
                          [change](Session& known, std::string& out) {
                            change(known);
                            write_hello(ReplyWriter(out, known.version), known, known.settings());
                          });
  }
  if (!session.may_speak()) {
    session.answer_error(
        "NOAUTH HELLO must be called with the client already authenticated, or with AUTH user "
        "password");
    return {};
  }
  change(session);
  session.answer([&](ReplyWriter to) { write_hello(to, session, session.settings()); });
  return {};
}

Result<void> ping(Session& session, Args args) {
  if (args.size() > 2) return fail(ErrorCode::invalid, "PING takes one message at most");
  session.answer([&](ReplyWriter to) { args.size() == 2 ? to.bulk(args[1]) : to.simple("PONG"); });
  return {};
}

Result<void> echo(Session& session, Args args) {
  session.answer([&](ReplyWriter to) { to.bulk(args[1]); });
  return {};
}

Result<void> auth(Session& session, Args args) {
  if (args.size() > 3) return fail(ErrorCode::invalid, "AUTH takes a user and a password");
  if (!session.broker().has_users()) return no_users();
  // As Redis names whoever does not say who he is.
  const auto user = args.size() == 3 ? args[1] : std::string_view("default");
  return session.log_in(user, args.back(), [](Session& known, std::string& out) {
    ReplyWriter(out, known.version).ok();
  });
}

Result<void> client(Session& session, Args args) {
  std::string names;
  for (const auto& subcommand : kSubcommands) {
    if (!ascii_iequals(args[1], subcommand.name)) {
      names.append(names.empty() ? "" : ", ").append(subcommand.name);
      continue;
    }
    if (args.size() != subcommand.words)
      return fail(ErrorCode::invalid,
                  "wrong number of arguments for CLIENT " + std::string(subcommand.name));
    return subcommand.handler(session, args);
  }
  return fail(ErrorCode::invalid,
              "unknown subcommand of CLIENT " + quoted(args[1]) + "; accepted are " + names);
}

Result<void> select_database(Session& session, Args args) {
  if (args[1] != "0") return fail(ErrorCode::invalid, "there is one database, and its number is 0");
  session.answer_ok();
  return {};
}

Result<void> quit(Session& session, Args) {
  session.answer_ok();
  session.close_after_answers();
  return {};
}

Result<void> reset(Session& session, Args) {
  session.release_waits();
  session.version = Version::resp2;
  session.identity.name.clear();
  session.log_out();
  session.answer([](ReplyWriter to) { to.simple("RESET"); });
  return {};
}

}  // namespace penstock::protocol::resp

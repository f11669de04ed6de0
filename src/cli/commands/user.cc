// Users and virtual hosts, through the server's HTTP API; the first user also without a server.
#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/http_call.h"
#include "cli/json_text.h"
#include "cli/password.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "server/offline_users.h"
#include "wire/http/target.h"

namespace penstock::cli {
namespace {

using wire::http::percent_encode;

struct Options {
  std::string url;
  bool json = false;
  std::string name, host = "/", exchange;
  std::string configure, write, read;
  std::vector<std::string> tags;
  std::string password_file, data;
};
using Shared = std::shared_ptr<Options>;
using Verb = int (*)(const Options&);

template <class T>
int done(const Result<T>& answer) {
  return answer ? kExitOk : report(answer.error());
}

std::string users_path(const Options& options, std::string_view rest = "") {
  return "/v1/users/" + percent_encode(options.name) + std::string(rest);
}

// ---- users

boost::json::array tags_of(const Options& options) {
  return boost::json::array(options.tags.begin(), options.tags.end());
}

int add(const Options& options) {
  const auto password = new_password(options.password_file, options.name);
  if (!password) return report(password.error());
  if (!options.data.empty())
    return done(server::put_user_offline(options.data, options.name, *password,
                                         fmt::format("{}", fmt::join(options.tags, ","))));
  return done(call_http(
      options.url,
      {"PUT", users_path(options), {{"password", *password}, {"tags", tags_of(options)}}}));
}

int change_password(const Options& options) {
  const auto password = new_password(options.password_file, options.name);
  if (!password) return report(password.error());
  if (!options.data.empty())
    return done(server::put_user_offline(options.data, options.name, *password, std::nullopt));
  return done(call_http(options.url, {"PUT", users_path(options), {{"password", *password}}}));
}

int set_tags(const Options& options) {
  return done(call_http(options.url, {"PUT", users_path(options), {{"tags", tags_of(options)}}}));
}

int remove(const Options& options) {
  return done(call_http(options.url, {"DELETE", users_path(options)}));
}

int grant(const Options& options) {
  return done(call_http(options.url, {"PUT",
                                      users_path(options, "/permissions"),
                                      {{"vhost", options.host},
                                       {"configure", options.configure},
                                       {"write", options.write},
                                       {"read", options.read}}}));
}
int revoke(const Options& options) {
  return done(call_http(options.url, {"DELETE", users_path(options, "/permissions?vhost=") +
                                                    percent_encode(options.host)}));
}

int grant_topic(const Options& options) {
  return done(call_http(options.url, {"PUT",
                                      users_path(options, "/topic_permissions"),
                                      {{"vhost", options.host},
                                       {"exchange", options.exchange},
                                       {"write", options.write},
                                       {"read", options.read}}}));
}
int revoke_topic(const Options& options) {
  return done(call_http(options.url, {"DELETE", users_path(options, "/topic_permissions?vhost=") +
                                                    percent_encode(options.host) + "&exchange=" +
                                                    percent_encode(options.exchange)}));
}

std::string field(const boost::json::value& object, std::string_view name) {
  return std::string(object.at(name).as_string());
}

// A row for each permission; a user without one has a row, too.
void add_rows(Table& table, const boost::json::value& user) {
  std::string tags;
  for (const auto& tag : user.at("tags").as_array())
    tags.append(tags.empty() ? "" : ",").append(tag.as_string());
  std::string name = field(user, "name");
  const auto add = [&](std::string where, std::string configure, std::string write,
                       std::string read) {
    table.add({shown(std::exchange(name, "")), std::exchange(tags, ""), shown(where),
               shown(configure), shown(write), shown(read)});
  };
  for (const auto& one : user.at("permissions").as_array())
    add(field(one, "vhost"), field(one, "configure"), field(one, "write"), field(one, "read"));
  for (const auto& one : user.at("topic_permissions").as_array())
    add(field(one, "vhost") + " " + field(one, "exchange"), "", field(one, "write"),
        field(one, "read"));
  if (!name.empty()) add("", "", "", "");
}

int list(const Options& options) {
  const auto answer = call_http(options.url, {"GET", "/v1/users"});
  if (!answer) return report(answer.error());
  if (options.json) return print_json(*answer), kExitOk;
  Table table({{"USER"}, {"TAGS"}, {"VHOST, EXCHANGE"}, {"CONFIGURE"}, {"WRITE"}, {"READ"}});
  for (const auto& user : answer->at("users").as_array()) add_rows(table, user);
  return write_out(table.text(terminal_width())), kExitOk;
}

// ---- virtual hosts

int add_host(const Options& options) {
  return done(call_http(options.url, {"PUT", "/v1/vhosts/" + percent_encode(options.host)}));
}
int remove_host(const Options& options) {
  return done(call_http(options.url, {"DELETE", "/v1/vhosts/" + percent_encode(options.host)}));
}
int list_hosts(const Options& options) {
  const auto answer = call_http(options.url, {"GET", "/v1/vhosts"});
  if (!answer) return report(answer.error());
  if (options.json) return print_json(*answer), kExitOk;
  Table table({{"VHOST"}});
  for (const auto& host : answer->at("vhosts").as_array()) table.add({shown(field(host, "name"))});
  return write_out(table.text(terminal_width())), kExitOk;
}

// ---- their command lines

struct Adding {
  CLI::App& app;
  Shared options = std::make_shared<Options>();
  std::shared_ptr<Verb> chosen = std::make_shared<Verb>(nullptr);

  CLI::App* verb(const char* name, const char* summary, const char* example, Verb run) const {
    CLI::App* sub = app.add_subcommand(name, summary);
    sub->footer(std::string("EXAMPLE\n  ") + example);
    sub->callback([chosen = chosen, run] { *chosen = run; });
    add_connect_option(*sub, options->url);
    return sub;
  }
  CLI::App* user(const char* name, const char* summary, const char* example, Verb run) const {
    CLI::App* sub = verb(name, summary, example, run);
    sub->add_option("name", options->name, "the user")->required();
    return sub;
  }
  void host(CLI::App* sub) const {
    sub->add_option("--vhost", options->host, "the virtual host")->capture_default_str();
  }
  void patterns(CLI::App* sub, bool configure) const {
    if (configure)
      sub->add_option("configure", options->configure, "names that it may declare and delete")
          ->required();
    sub->add_option("write", options->write, "that it may publish to")->required();
    sub->add_option("read", options->read, "that it may take from")->required();
  }
  void password(CLI::App* sub) const {
    sub->add_option("--password-file", options->password_file,
                    "its password is the first line; -: of the input")
        ->type_name("FILE");
    sub->add_option("--data", options->data, "without a server, on this data directory")
        ->type_name("DIR");
  }
  [[nodiscard]] Action action() const {
    return [options = options, chosen = chosen] { return (*chosen)(*options); };
  }
};

}  // namespace

Action set_up_user(CLI::App& app) {
  const Adding adding{app};
  const auto& options = adding.options;
  app.require_subcommand(1);
  auto* sub = adding.user("add", "Make a user, or change its password and tags",
                          "penstock user add admin --tag administrator", add);
  adding.password(sub);
  sub->add_option("--tag", options->tags, "administrator, monitoring; may be repeated")
      ->type_name("TAG");
  adding.password(adding.user("passwd", "Change a password; its connections end",
                              "penstock user passwd app", change_password));
  adding.user("tag", "Set the tags of a user", "penstock user tag app monitoring", set_tags)
      ->add_option("tags", options->tags, "administrator, monitoring; none takes all away")
      ->type_name("TAG");
  adding.user("delete", "Delete a user; its connections end", "penstock user delete app", remove);
  sub = adding.user("grant", "Say what a user may, by patterns of names",
                    "penstock user grant app '^mail' '^(mail|amq.default$)' '^mail'", grant);
  adding.patterns(sub, true);
  adding.host(sub);
  sub = adding.user("revoke", "Take a permission away; its connections end",
                    "penstock user revoke app --vhost shop", revoke);
  adding.host(sub);
  sub = adding.user("grant-topic", "Limit the keys that a user may use at a topic exchange",
                    "penstock user grant-topic app amq.topic '^mail\\.' '.*'", grant_topic);
  sub->add_option("exchange", options->exchange, "its name")->required();
  adding.patterns(sub, false);
  adding.host(sub);
  sub = adding.user("revoke-topic", "Allow all keys of the exchange again",
                    "penstock user revoke-topic app amq.topic", revoke_topic);
  sub->add_option("exchange", options->exchange, "its name")->required();
  adding.host(sub);
  add_json_option(*adding.verb("list", "All users and what they may", "penstock user list", list),
                  options->json);
  return adding.action();
}

Action set_up_vhost(CLI::App& app) {
  const Adding adding{app};
  const auto& options = adding.options;
  app.require_subcommand(1);
  const auto add_verb = [&](const char* name, const char* summary, const char* example, Verb run) {
    adding.verb(name, summary, example, run)
        ->add_option("vhost", options->host, "its name")
        ->required();
  };
  add_verb("add", "Make a virtual host", "penstock vhost add shop", add_host);
  add_verb("delete", "Delete it, its queues and its exchanges", "penstock vhost delete shop",
           remove_host);
  add_json_option(*adding.verb("list", "All virtual hosts", "penstock vhost list", list_hosts),
                  options->json);
  return adding.action();
}

}  // namespace penstock::cli

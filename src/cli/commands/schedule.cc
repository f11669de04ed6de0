// Schedules, through the server's HTTP API.
#include <fmt/format.h>

#include <memory>

#include "base/clock.h"
#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/http_call.h"
#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "wire/http/target.h"
#include "wire/json/json.h"

namespace penstock::cli {
namespace {

struct Options {
  std::string url;
  bool json = false;
  std::string name, when, zone = "UTC", queue = "default", task, args, kwargs, body, key, group;
  std::string missed = "once", overlap = "allow";
  std::vector<std::string> headers;
  int priority = 0;
  bool paused = false;
};
using Shared = std::shared_ptr<Options>;
using Verb = int (*)(const Options&);

std::string path_of(const Options& options, std::string_view rest = "") {
  return "/v1/schedules/" + wire::http::percent_encode(options.name) + std::string(rest);
}

// Prints the answer where JSON is wanted, else what `text` makes of it.
template <class Text>
int show(const Result<boost::json::value>& answer, const Options& options, Text text) {
  if (!answer) return report(answer.error());
  if (options.json) return print_json(*answer), kExitOk;
  return write_out(text(*answer)), kExitOk;
}
int done(const Result<boost::json::value>& answer) {
  return answer ? kExitOk : report(answer.error());
}

std::string text_field(const boost::json::value& object, std::string_view name) {
  const auto* text = object.at(name).if_string();
  return text == nullptr ? std::string() : shown(std::string(*text));
}
std::string time_field(const boost::json::value& object, std::string_view name) {
  const auto& value = object.at(name);
  if (!value.is_number()) return "-";
  return human_time(time_from_micros(value.to_number<std::int64_t>() * 1000));
}
std::string count_field(const boost::json::value& object, std::string_view name) {
  return human_count(object.at(name).to_number<std::uint64_t>());
}

std::string table_of(const boost::json::value& answer) {
  Table table({{"SCHEDULE"},
               {"WHEN"},
               {"ZONE"},
               {"QUEUE"},
               {"NEXT"},
               {"LAST"},
               {"FIRED", Align::right},
               {"MISSED", Align::right},
               {"SKIPPED", Align::right},
               {"STATE", Align::left, true}});
  for (const auto& one : answer.at("schedules").as_array()) {
    const auto error = text_field(one, "error");
    table.add({text_field(one, "name"), text_field(one, "when"), text_field(one, "zone"),
               text_field(one, "queue"), time_field(one, "next_at"), time_field(one, "last_due_at"),
               count_field(one, "fired_total"), count_field(one, "missed_total"),
               count_field(one, "skipped_total"),
               one.at("paused").as_bool() ? std::string("paused") : error});
  }
  return table.text(terminal_width());
}

int list(const Options& options) {
  return show(call_http(options.url, {"GET", "/v1/schedules"}), options, table_of);
}

int look(const Options& options) {
  return show(call_http(options.url, {"GET", path_of(options)}), options,
              [](const boost::json::value& answer) {
                Table table({{"FIELD"}, {"VALUE", Align::left, true}});
                for (const auto& [name, value] : answer.as_object()) {
                  const std::string key(name);
                  const bool time = key.ends_with("_at");
                  const auto* text = value.if_string();
                  table.add({key, time              ? time_field(answer, key)
                                  : text != nullptr ? shown(std::string(*text))
                                                    : wire::json::to_text(value)});
                }
                return table.text(terminal_width());
              });
}

// JSON that was written on the command line.
Result<void> add_json(boost::json::object& body, const char* name, const std::string& text) {
  if (text.empty()) return {};
  auto value = wire::json::parse(text, {.keep_numbers = true});
  if (!value) return fail(std::move(value.error()).at(name));
  body[name] = std::move(*value);
  return {};
}

int put(const Options& options) {
  boost::json::object body{{"when", options.when},       {"zone", options.zone},
                           {"queue", options.queue},     {"missed", options.missed},
                           {"overlap", options.overlap}, {"priority", options.priority}};
  if (!options.task.empty()) body["task"] = options.task;
  if (!options.body.empty()) body["body"] = options.body;
  if (!options.key.empty()) body["key"] = options.key;
  if (!options.group.empty()) body["group"] = options.group;
  if (options.paused) body["paused"] = true;
  if (auto added = add_json(body, "args", options.args); !added) return report(added.error());
  if (auto added = add_json(body, "kwargs", options.kwargs); !added) return report(added.error());
  boost::json::object headers;
  for (const auto& header : options.headers) {
    const auto colon = header.find(':');
    if (colon == 0 || colon == std::string::npos)
      return report(Error{ErrorCode::invalid, "a header is written NAME:VALUE", {}});
    headers[header.substr(0, colon)] = header.substr(colon + 1);
  }
  if (!headers.empty()) body["headers"] = std::move(headers);
  return show(call_http(options.url, {"PUT", path_of(options), std::move(body)}), options,
              [](const boost::json::value& answer) {
                const auto what = answer.at("created").as_bool()   ? "made"
                                  : answer.at("changed").as_bool() ? "changed"
                                                                   : "is as wanted";
                return fmt::format("{} {}\n", text_field(answer, "name"), what);
              });
}

int trigger(const Options& options) {
  return show(
      call_http(options.url, {"POST", path_of(options, "/trigger")}), options,
      [](const boost::json::value& answer) {
        const auto* text = answer.at("id").if_string();
        return (text != nullptr ? std::string(*text) : wire::json::to_text(answer.at("id"))) + "\n";
      });
}

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
  CLI::App* named(const char* name, const char* summary, const char* example, Verb run) const {
    CLI::App* sub = verb(name, summary, example, run);
    sub->add_option("name", options->name, "the schedule")->required();
    return sub;
  }
};

void add_put(const Adding& adding) {
  const auto& options = adding.options;
  auto* sub = adding.named("put", "Make a schedule, or change the one of that name",
                           "penstock schedule put nightly '30 3 * * *' --zone Europe/Berlin "
                           "--task report\n  "
                           "penstock schedule put tick '@every 90s' --queue beats --body tick",
                           put);
  sub->add_option("when", options->when, "a cron line, '@every 90s', '@at 2026-12-24T18:00'")
      ->required();
  sub->add_option("--zone", options->zone, "the time zone of it")->capture_default_str();
  sub->add_option("-q,--queue", options->queue, "where it publishes to")->capture_default_str();
  sub->add_option("--task", options->task, "the task that it submits");
  sub->add_option("--args", options->args, "the task's arguments, a JSON array");
  sub->add_option("--kwargs", options->kwargs, "and those with names, a JSON object");
  sub->add_option("--body", options->body, "or a plain message");
  sub->add_option("--header", options->headers, "NAME:VALUE; may be repeated");
  sub->add_option("--priority", options->priority, "0 to 9, higher first")->capture_default_str();
  sub->add_option("--key", options->key, "idempotency key")->check(not_empty());
  sub->add_option("--group", options->group, "the group of its messages")->check(not_empty());
  sub->add_option("--missed", options->missed,
                  "what is made up for after a time away: skip, once, all")
      ->capture_default_str();
  sub->add_option("--overlap", options->overlap,
                  "while the run before has not ended: allow, skip, queue")
      ->capture_default_str();
  sub->add_flag("--paused", options->paused, "fire only once it is resumed");
  add_json_option(*sub, options->json);
}

}  // namespace

Action set_up_schedule(CLI::App& app) {
  const Adding adding{app};
  const auto& options = adding.options;
  app.require_subcommand(1);
  add_json_option(*adding.verb("list", "All schedules, and when they fire next",
                               "penstock schedule list", list),
                  options->json);
  add_json_option(*adding.named("show", "One schedule: what it publishes, and what became of it",
                                "penstock schedule show nightly", look),
                  options->json);
  add_put(adding);
  adding.named("pause", "Fire no more until resumed", "penstock schedule pause nightly",
               [](const Options& o) {
                 return done(call_http(o.url, {"POST", path_of(o, "/pause")}));
               });
  adding.named("resume", "Fire again, from now on", "penstock schedule resume nightly",
               [](const Options& o) {
                 return done(call_http(o.url, {"POST", path_of(o, "/resume")}));
               });
  add_json_option(
      *adding.named("trigger", "Fire once more, now; prints the id of what it published",
                    "penstock schedule trigger nightly", trigger),
      options->json);
  adding.named("delete", "Delete a schedule", "penstock schedule delete nightly",
               [](const Options& o) {
                 return done(call_http(o.url, {"DELETE", path_of(o)}));
               });
  return [options, chosen = adding.chosen] { return (*chosen)(*options); };
}

}  // namespace penstock::cli

#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/json_text.h"
#include "cli/queue_table.h"
#include "cli/terminal.h"

namespace penstock::cli {
namespace {

struct Options {
  std::string url;
  bool json = false;
  std::string queue;
  std::string group;
  std::vector<std::string> settings;  // "name=value"
  std::uint32_t max = 0;
  std::uint32_t limit = 20;
};
using Shared = std::shared_ptr<Options>;

int list(client::Client& client, const Options& options) {
  const auto queues = client.call(client::all_queue_statistics());
  if (!queues) return report_failure(queues.error());
  if (!options.json) return write_out(queue_table(*queues).text(terminal_width())), kExitOk;
  boost::json::array array;
  for (const auto& queue : *queues) array.push_back(to_json(queue));
  return print_json(array), kExitOk;
}

int show(client::Client& client, const Options& options) {
  const auto queue = client.call(client::queue_statistics(options.queue));
  if (!queue) return report_failure(queue.error());
  if (options.json) return print_json(to_json(*queue)), kExitOk;
  std::string text = queue_table({&*queue, 1}).text(terminal_width()) + "\n";
  Table counters({{"SINCE THE SERVER STARTED"}, {"", Align::right}});
  for (const auto& [name, count] : queue->counters) counters.add({name, human_count(count)});
  text += counters.text(terminal_width()) + "\n";
  Table table({{"OPTION"}, {"VALUE"}});
  for (const auto& [name, value] : queue->options) table.add({name, value});
  return write_out(text + table.text(terminal_width())), kExitOk;
}

Result<std::vector<client::OptionText>> settings_of(const Options& options, const char* hint) {
  std::vector<client::OptionText> changes;
  for (const std::string& text : options.settings) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return fail(ErrorCode::invalid, "not a setting: " + penstock::quoted(text), hint);
    changes.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return changes;
}

int set(client::Client& client, const Options& options) {
  const auto changes =
      settings_of(options, "as in max_length=1000; `penstock queue show NAME` lists them");
  if (!changes) return report(changes.error());
  const auto done = client.call(client::declare(options.queue, *changes));
  if (!done) return report_failure(done.error());
  return kExitOk;
}

int set_group(client::Client& client, const Options& options) {
  const auto changes = settings_of(options, "as in weight=3 rate=5 limit=2, or rate=default");
  if (!changes) return report(changes.error());
  const auto done = client.call(client::set_group(options.queue, options.group, *changes));
  return done ? kExitOk : report_failure(done.error());
}

int list_groups(client::Client& client, const Options& options) {
  const auto groups = client.call(client::groups(options.queue));
  if (!groups) return report_failure(groups.error());
  if (options.json) {
    boost::json::array array;
    for (const auto& group : *groups)
      array.push_back({{"name", group.name},
                       {"weight", group.weight},
                       {"rate", parsed_or_string(group.rate)},
                       {"limit", parsed_or_string(group.limit)},
                       {"ready", group.ready},
                       {"held", group.held}});
    return print_json(array), kExitOk;
  }
  if (groups->empty()) {
    fmt::print(stderr,
               "all groups of {0} go by the queue's options; `penstock queue group {0} NAME "
               "weight=3` sets one apart\n",
               options.queue);
    return kExitOk;
  }
  Table table({{"GROUP"},
               {"WEIGHT", Align::right},
               {"RATE", Align::right},
               {"LIMIT", Align::right},
               {"READY", Align::right},
               {"HELD", Align::right}});
  for (const auto& group : *groups)
    table.add({group.name, std::to_string(group.weight), group.rate, group.limit,
               human_count(group.ready), human_count(group.held)});
  return write_out(table.text(terminal_width())), kExitOk;
}

// Of a command that says how many messages it touched.
int show_count(const client::Answer<std::uint64_t>& answer, const Options& options,
               std::string_view what) {
  if (!answer) return report_failure(answer.error());
  if (options.json) return print_json({{"messages", *answer}}), kExitOk;
  return write_out(fmt::format("{} messages {}\n", human_count(*answer), what)), kExitOk;
}

int show_flag(const client::Answer<bool>& answer) {
  return answer ? kExitOk : report_failure(answer.error());
}

int browse(client::Client& client, const Options& options) {
  const auto messages = client.call(client::browse(options.queue, options.limit));
  if (!messages) return report_failure(messages.error());
  if (options.json) {
    for (const auto& message : *messages) {
      if (!print_json(to_json(message))) break;
    }
    return kExitOk;
  }
  Table table({{"ID", Align::right},
               {"STATE"},
               {"TRIES", Align::right},
               {"PRIO", Align::right},
               {"SENT"},
               {"BODY", Align::left, true}});
  for (const auto& browsed : *messages) {
    const auto& message = browsed.message;
    table.add({std::to_string(message.id.value), browsed.state, std::to_string(message.attempts),
               std::to_string(message.priority), human_time(message.enqueued_at),
               shown(message.body, 200)});
  }
  return write_out(table.text(terminal_width())), kExitOk;
}

using Verb = int (*)(client::Client&, const Options&);

CLI::App* add_verb(CLI::App& app, const Shared& options, const std::shared_ptr<Verb>& chosen,
                   const char* name, const char* summary, const char* example, Verb verb,
                   bool needs_queue = true) {
  CLI::App* sub = app.add_subcommand(name, summary);
  if (needs_queue) sub->add_option("queue", options->queue, "its name")->required();
  add_connect_option(*sub, options->url);
  add_json_option(*sub, options->json);
  sub->footer(std::string("EXAMPLE\n  ") + example);
  sub->callback([chosen, verb] { *chosen = verb; });
  return sub;
}

}  // namespace

Action set_up_queue(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  const auto chosen = std::make_shared<Verb>(nullptr);
  app.require_subcommand(1);
  const auto add = [&](auto... arguments) { return add_verb(app, options, chosen, arguments...); };
  add("list", "All queues and how they do", "penstock queue list", list, false);
  add("show", "One queue: figures, counters, options", "penstock queue show mail", show);
  add("set", "Make a queue, or change its options live",
      "penstock queue set mail max_wait=2s max_attempts=5", set)
      ->add_option("settings", options->settings, "option=value")
      ->type_name("NAME=VALUE");
  CLI::App* group = add("group", "Set a group's share, deliveries per second and leases at a time",
                        "penstock queue group mail customer-3 weight=3 rate=5 limit=2", set_group);
  group->add_option("group", options->group, "the group")->required();
  group->add_option("settings", options->settings, "weight=, rate=, limit=; `default` takes back")
      ->type_name("NAME=VALUE")
      ->required();
  add("ungroup", "Let a group go by the queue's options again",
      "penstock queue ungroup mail customer-3",
      [](client::Client& client, const Options& o) {
        return show_flag(client.call(client::reset_group(o.queue, o.group)));
      })
      ->add_option("group", options->group, "the group")
      ->required();
  add("groups", "The groups for which something is set", "penstock queue groups mail", list_groups);
  add("pause", "Deliver nothing until resumed", "penstock queue pause mail",
      [](client::Client& client, const Options& o) {
        return show_flag(client.call(client::pause(o.queue)));
      });
  add("resume", "Deliver again", "penstock queue resume mail",
      [](client::Client& client, const Options& o) {
        return show_flag(client.call(client::resume(o.queue)));
      });
  add("purge", "Throw away what waits in a queue", "penstock queue purge mail",
      [](client::Client& client, const Options& o) {
        return show_count(client.call(client::purge(o.queue)), o, "thrown away");
      });
  add("redrive", "Send dead letters back to where they came from",
      "penstock queue redrive mail.dead --max 100",
      [](client::Client& client, const Options& o) {
        return show_count(client.call(client::redrive(o.queue, o.max)), o, "sent back");
      })
      ->add_option("--max", options->max, "how many at most; 0 = all");
  add("delete", "Delete a queue and what is in it", "penstock queue delete mail",
      [](client::Client& client, const Options& o) {
        return show_count(client.call(client::remove_queue(o.queue)), o, "went with it");
      });
  add("browse", "Look at messages without taking them", "penstock queue browse mail --limit 5",
      browse)
      ->add_option("--limit", options->limit, "how many at most")
      ->capture_default_str();
  return [options, chosen] {
    auto client = connect(options->url);
    if (!client) return report(client.error());
    return (*chosen)(**client, *options);
  };
}

}  // namespace penstock::cli

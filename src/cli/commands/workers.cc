// Workers, wherever they run: who is there, and what they are told to do.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <unordered_set>

#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/worker_list.h"
#include "wire/json/json.h"

namespace penstock::cli {
namespace {

constexpr std::size_t kListBytesMax = 256u << 20;

struct Options {
  std::string url;
  bool json = false, tasks = false;
  engine::WorkerSelector who;
  std::uint32_t slots = 0;
  std::uint64_t number = 0;
};
using Shared = std::shared_ptr<Options>;
using Verb = int (*)(client::Client&, const Options&);

// ---- who is there

// Of the list as it came, what fits; so that nothing is lost of what a newer server tells.
int print_fitting(std::string_view text, std::span<const detail::ListedWorker> fitting) {
  auto value = wire::json::parse(text, {.max_bytes = kListBytesMax});
  if (!value) return report(value.error());
  std::unordered_set<std::string> ids;
  for (const auto& one : fitting) ids.insert(fmt::format("{:016x}", one.worker.spec.id));
  auto& list = value->at("workers").as_array();
  const auto gone = std::ranges::remove_if(list, [&](const boost::json::value& one) {
    const auto* id = one.is_object() ? one.get_object().if_contains("id") : nullptr;
    return id == nullptr || !id->is_string() || !ids.contains(std::string(id->get_string()));
  });
  list.erase(gone.begin(), gone.end());
  return print_json(*value), kExitOk;
}

int list(client::Client& client, const Options& options) {
  const auto text = client.call(client::workers());
  if (!text) return report_failure(text.error());
  auto workers = detail::read_workers(*text);
  if (!workers) return report(workers.error());
  const bool some = !workers->empty();
  std::erase_if(*workers, [&](const auto& one) { return !options.who.fits(one.worker.spec); });
  if (options.json) return print_fitting(*text, *workers);
  if (workers->empty()) {
    fmt::print(stderr, "{}\n",
               some ? "no worker fits; `penstock workers` lists all of them"
                    : "no worker is there; `penstock worker --queue Q --exec COMMAND` starts one");
    return kExitOk;
  }
  std::string shown = worker_table(*workers).text(terminal_width());
  if (options.tasks) {
    const auto running = running_table(*workers);
    shown += running.empty() ? "\nnothing runs\n" : "\n" + running.text(terminal_width());
  }
  return write_out(shown), kExitOk;
}

// ---- what they are told

// What an order means to those who are there, and to those who are not.
std::string outcome_of(engine::OrderKind kind, const Options& options,
                       const client::WorkersOrdered& ordered) {
  using Kind = engine::OrderKind;
  const auto them = ordered.workers == 1 ? std::string("1 worker is")
                                         : human_count(ordered.workers) + " workers are";
  if (kind == Kind::stop) return fmt::format("{} told to stop\n", them);
  std::string text = ordered.workers == 0 ? std::string("no worker that is there fits")
                                          : fmt::format("{} told to {}", them,
                                                        kind == Kind::quiet    ? "be quiet"
                                                        : kind == Kind::resume ? "resume"
                                                                               : "resize");
  if (kind == Kind::resume && options.who.fits_all())
    return text + "; no order keeps any quiet now\n";
  const auto undone =
      kind == Kind::quiet ? std::string("resume") : fmt::format("forget {}", ordered.number);
  return text + fmt::format("; order {} holds for those that come, until `penstock workers {}`\n",
                            ordered.number, undone);
}

template <engine::OrderKind kKind>
int order(client::Client& client, const Options& options) {
  const auto ordered = client.call(client::order_workers({.order = std::string(name_of(kKind)),
                                                          .slots = options.slots,
                                                          .name = options.who.name,
                                                          .queue = options.who.queue,
                                                          .version = options.who.version}));
  if (!ordered) return report_failure(ordered.error());
  if (ordered->number == 0)
    return report(Error{ErrorCode::not_found, "no worker is there that fits",
                        "`penstock workers` lists those that are there"});
  if (options.json)
    return print_json({{"number", ordered->number}, {"workers", ordered->workers}}), kExitOk;
  return write_out(outcome_of(kKind, options, *ordered)), kExitOk;
}

// ---- orders

int orders(client::Client& client, const Options& options) {
  const auto text = client.call(client::worker_orders());
  if (!text) return report_failure(text.error());
  if (options.json) return write_out(*text + "\n"), kExitOk;
  const auto all = detail::read_orders(*text);
  if (!all) return report(all.error());
  if (all->empty()) {
    fmt::print(stderr, "no order holds: all workers work\n");
    return kExitOk;
  }
  Table table({{"NUMBER", Align::right},
               {"ORDER"},
               {"SLOTS", Align::right},
               {"NAME", Align::left, true},
               {"QUEUE", Align::left, true},
               {"VERSION", Align::left, true},
               {"SINCE"}});
  for (const auto& one : *all)
    table.add({std::to_string(one.number), std::string(name_of(one.kind)),
               one.slots == 0 ? std::string() : std::to_string(one.slots), one.who.name,
               one.who.queue, one.who.version, human_time(one.at)});
  return write_out(table.text(terminal_width())), kExitOk;
}

int forget(client::Client& client, const Options& options) {
  const auto gone = client.call(client::forget_worker_order(options.number));
  if (gone) return kExitOk;
  Error error = gone.error().error;
  if (error.code == ErrorCode::not_found && error.hint.empty())
    error.hint = "`penstock workers orders` lists those that hold";
  return report(error);
}

// ---- options

void add_selector(CLI::App& app, engine::WorkerSelector& who) {
  app.add_option("--name", who.name, "of workers with such a name; * and ? stand for anything")
      ->type_name("PATTERN");
  app.add_option("-q,--queue", who.queue, "of workers of such a queue")->type_name("PATTERN");
  app.add_option("--version", who.version, "of such a version, their own or the library's")
      ->type_name("PATTERN");
}

CLI::App* add_verb(CLI::App& app, const Shared& options, const std::shared_ptr<Verb>& chosen,
                   const char* name, const char* summary, const char* example, Verb verb) {
  CLI::App* sub = app.add_subcommand(name, summary);
  add_connect_option(*sub, options->url);
  add_json_option(*sub, options->json);
  sub->footer(std::string("EXAMPLE\n  ") + example);
  sub->callback([chosen, verb] { *chosen = verb; });
  return sub;
}

void add_orders(CLI::App& app, const Shared& options, const std::shared_ptr<Verb>& chosen) {
  using Kind = engine::OrderKind;
  const auto add = [&](auto... arguments) { return add_verb(app, options, chosen, arguments...); };
  const auto add_order = [&](auto... arguments) {
    CLI::App* sub = add(arguments...);
    add_selector(*sub, options->who);
    return sub;
  };
  add_order("quiet", "Let workers take nothing more, those that come later, too",
            "penstock workers quiet --version '1.*'", order<Kind::quiet>);
  add_order("resume", "Let workers take tasks again", "penstock workers resume --queue mail",
            order<Kind::resume>);
  add_order("stop", "Let workers that are there finish what they run, and end",
            "penstock workers stop --name 'web-*'", order<Kind::stop>);
  add_order("resize", "Say how many tasks a worker runs at once, at most",
            "penstock workers resize 4 --name 'thumbs-*'", order<Kind::resize>)
      ->add_option("slots", options->slots, "how many")
      ->required();
  add("orders", "What workers are told, until told otherwise", "penstock workers orders", orders);
  add("forget", "Let an order hold no more", "penstock workers forget 3", forget)
      ->add_option("number", options->number, "the order's")
      ->required();
}

}  // namespace

Action set_up_workers(CLI::App& app) {
  // Of its own for the list: an address in the environment is read for `workers` itself after the
  // options of what stands behind it.
  const auto listing = std::make_shared<Options>();
  const auto options = std::make_shared<Options>();
  const auto chosen = std::make_shared<Verb>(nullptr);
  app.require_subcommand(0, 1);
  add_connect_option(app, listing->url);
  add_json_option(app, listing->json);
  add_selector(app, listing->who);
  app.add_flag("--tasks", listing->tasks, "show what each runs, too");
  add_orders(app, options, chosen);
  return [listing, options, chosen] {
    const auto& given = *chosen == nullptr ? *listing : *options;
    auto client = connect(given.url);
    if (!client) return report(client.error());
    return (*chosen == nullptr ? list : *chosen)(**client, given);
  };
}

}  // namespace penstock::cli

// Tasks one by one: what became of them, what they say, and once more for those that failed.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <set>

#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/task_check.h"
#include "cli/terminal.h"
#include "client/await.h"

namespace penstock::cli {
namespace {

constexpr std::uint32_t kLookedAt = 4096;  // messages of a queue, by `check`
constexpr Duration kFollowStep = std::chrono::seconds(30);

struct Options {
  std::string url;
  bool json = false, follow = false;
  std::uint64_t id = 0;
  std::vector<std::uint64_t> ids;
  Duration wait{0};
  std::string queue;
  client::RedriveOptions redrive;
};
using Verb = int (*)(const Options&);

std::string text_of(const client::TaskStatus& status) {
  std::string text;
  const auto line = [&](std::string_view name, std::string_view value) {
    if (!value.empty() && value != "-") text += fmt::format("{:<12}{}\n", name, shown(value));
  };
  line("task", std::to_string(status.id.value));
  line("name", status.name);
  line("queue", status.queue);
  line("state", status.cancel_requested && !status.ended() ? status.state + ", to be cancelled"
                                                           : status.state);
  line("attempts", std::to_string(status.attempts));
  line("sent", human_time(status.enqueued_at));
  line("started", human_time(status.started_at));
  line("ended", human_time(status.finished_at));
  if (status.progress_total > 0) {
    line("progress",
         fmt::format("{:.0f} %  {}", status.progress_value / status.progress_total * 100,
                     status.progress_text));
  }
  if (status.state == "done") line("result", status.result);
  line("error", status.error);
  if (status.declined_count > 0)
    line("declined", fmt::format("{}x: {}", status.declined_count, status.declined));
  if (status.history != "[]") line("history", status.history);
  return text;
}

// For verbs that wait for nothing.
template <int (*kVerb)(client::Client&, const Options&)>
int connected(const Options& options) {
  auto client = connect(options.url);
  return client ? kVerb(**client, options) : report(client.error());
}

int show(const Options& options) {
  Interrupt interrupt;
  auto client = connect(options.url);
  if (!client) return report(client.error());
  const auto status =
      client::await_task(**client, MessageId(options.id),
                         {.wait = options.wait, .away = say_server_gone}, interrupt.token());
  if (!status) return report_failure(status.error());
  if (status->state == "unknown") {
    return report(Error{ErrorCode::not_found, fmt::format("there is no task {}", options.id),
                        "it never was, or its result is forgotten (result_ttl)"});
  }
  if (options.json) {
    print_json(to_json(*status));
  } else {
    write_out(text_of(*status));
  }
  if (!status->ended()) return options.wait > Duration(0) ? kExitTimeout : kExitOk;
  return status->state != "done" ? kExitFailed : kExitOk;
}

int cancel(client::Client& client, const Options& options) {
  const auto answer = client.call(client::cancel_task(MessageId(options.id)));
  if (!answer) return report_failure(answer.error());
  if (*answer > 0) return kExitOk;
  return report(Error{ErrorCode::conflict, fmt::format("task {} has ended", options.id),
                      fmt::format("`penstock task show {}` says how", options.id)});
}

// ---- what it says

// False when nobody reads any more.
bool print_line(const client::LogLine& line, const Options& options) {
  if (!options.json)
    return write_out(
        fmt::format("{}  {}  {}\n", human_time(line.at), line.attempt, shown(line.text)));
  return print_json({{"number", line.number},
                     {"attempt", line.attempt},
                     {"at", micros(line.at) / 1000},
                     {"text", line.text}});
}

int logs(const Options& options) {
  Interrupt interrupt;
  auto client = connect(options.url);
  if (!client) return report(client.error());
  std::uint64_t last = 0;
  client::Outage outage(**client, say_server_gone);
  for (;;) {
    const auto log = (*client)->call_waiting(
        client::task_log(MessageId(options.id), last, options.follow ? kFollowStep : Duration(0)),
        interrupt.token());
    if (!log && interrupt.token().stop_requested()) return kExitOk;
    if (!log && options.follow && outage.outlast(log.error().error, Time::max(), interrupt.token()))
      continue;
    if (!log) return report_failure(log.error());
    outage.over();
    for (const auto& line : log->lines) {
      if (line.number > last + 1)
        fmt::print(stderr, "({} lines are not kept any more)\n", line.number - last - 1);
      if (!print_line(line, options)) return kExitOk;
      last = line.number;
    }
    if (!options.follow || log->ended || interrupt.token().stop_requested()) break;
  }
  if (last == 0 && !options.follow)
    fmt::print(stderr, "task {} has said nothing; --follow waits until it does\n", options.id);
  return kExitOk;
}

// ---- once more

int retry(client::Client& client, const Options& options) {
  int code = kExitOk;
  std::size_t sent = 0;
  for (const auto id : options.ids) {
    const auto answer = client.call(client::retry_task(MessageId(id)));
    if (!answer) {
      const int failed = report_failure(answer.error());
      if (code == kExitOk) code = failed;
      if (failed == kExitUnreachable) break;
    } else {
      ++sent;
    }
  }
  if (options.ids.size() > 1)
    write_out(fmt::format("{} of {} sent back\n", sent, options.ids.size()));
  return code;
}

int redrive(client::Client& client, const Options& options) {
  client::RedriveOptions which = options.redrive;
  std::uint64_t moved = 0;
  do {
    const auto some = client.call(client::redrive_some(options.queue, which));
    if (!some) return report_failure(some.error());
    moved += some->moved;
    which.after = some->next;
    if (which.max != 0) which.max = options.redrive.max - static_cast<std::uint32_t>(moved);
  } while (which.after && (options.redrive.max == 0 || which.max != 0));
  if (options.json) return print_json({{"messages", moved}}), kExitOk;
  write_out(fmt::format("{} messages sent back\n", human_count(moved)));
  if (moved == 0)
    fmt::print(stderr, "  hint: `penstock queue browse {}.dead` shows the dead letters\n",
               options.queue);
  return kExitOk;
}

// ---- what waits in vain

struct Checked {
  std::vector<StrandedTasks> stranded;
  std::uint64_t looked_at = 0, left = 0;  // messages
  std::uint64_t forbidden = 0;            // queues that whoever asks may not read
};

// Looks at so many messages of a queue at most.
client::Answer<Checked> check_queues(client::Client& client,
                                     std::span<const client::QueueStatistics> queues,
                                     std::span<const detail::ListedWorker> workers) {
  Checked all;
  for (const auto& queue : queues) {
    if (queue.ready + queue.scheduled == 0) continue;
    const auto messages = client.call(client::browse(queue.name, kLookedAt));
    if (!messages) {
      const auto code = messages.error().error.code;
      if (code == ErrorCode::not_found) continue;  // deleted meanwhile
      if (code != ErrorCode::denied || queues.size() == 1) return std::unexpected(messages.error());
      ++all.forbidden;
      continue;
    }
    const auto held = queue.ready + queue.leased + queue.scheduled;
    all.looked_at += messages->size();
    all.left += held > messages->size() ? held - messages->size() : 0;
    std::ranges::move(stranded_tasks(queue.name, *messages, workers),
                      std::back_inserter(all.stranded));
  }
  return all;
}

std::string reason_of(const StrandedTasks& one) {
  if (!one.declined.empty()) return "declined: " + one.declined;
  return one.served ? "no worker of the queue knows it" : "no worker serves the queue";
}

std::string table_of(std::span<const StrandedTasks> stranded) {
  Table table({{"QUEUE", Align::left, true},
               {"TASK", Align::left, true},
               {"WAITING", Align::right},
               {"WHY"}});
  for (const auto& one : stranded)
    table.add({one.queue, one.name, human_count(one.count), reason_of(one)});
  return table.text(terminal_width());
}

// What lies in the dead letters of a queue waits for a person, and for no worker.
void leave_out_dead_letters(std::vector<client::QueueStatistics>& queues) {
  std::set<std::string, std::less<>> dead;
  for (const auto& queue : queues) {
    const auto named = std::ranges::find(queue.options, "dead_letter", [](const auto& option) {
      return std::string_view(option.first);
    });
    const bool default_name = named == queue.options.end() || named->second.empty();
    dead.insert(default_name ? queue.name + ".dead" : named->second);
  }
  std::erase_if(queues, [&](const auto& queue) { return dead.contains(queue.name); });
}

// The one that is asked for, or all that workers may serve.
client::Answer<std::vector<client::QueueStatistics>> queues_of(client::Client& client,
                                                               const Options& options) {
  if (options.queue.empty()) {
    auto all = client.call(client::all_queue_statistics());
    if (all) leave_out_dead_letters(*all);
    return all;
  }
  auto one = client.call(client::queue_statistics(options.queue));
  if (!one) return std::unexpected(std::move(one.error()));
  return std::vector{std::move(*one)};
}

int check(client::Client& client, const Options& options) {
  const auto listed = client.call(client::workers());
  if (!listed) return report_failure(listed.error());
  const auto workers = detail::read_workers(*listed);
  if (!workers) return report(workers.error());
  const auto queues = queues_of(client, options);
  if (!queues) return report_failure(queues.error());
  const auto checked = check_queues(client, *queues, *workers);
  if (!checked) return report_failure(checked.error());
  const auto& [stranded, looked_at, left, forbidden] = *checked;
  if (options.json) {
    boost::json::array array;
    for (const auto& one : stranded)
      array.push_back(boost::json::object{{"queue", one.queue},
                                          {"name", one.name},
                                          {"waiting", one.count},
                                          {"known", one.known},
                                          {"served", one.served},
                                          {"declined", one.declined}});
    print_json({{"stranded", std::move(array)},
                {"looked_at", looked_at},
                {"left", left},
                {"forbidden", forbidden}});
  } else if (stranded.empty()) {
    write_out("for every task that waits there is a worker that knows it\n");
  } else {
    write_out(table_of(stranded));
  }
  if (left > 0)
    fmt::print(stderr, "looked at the first {} messages, not at {} behind them\n",
               human_count(looked_at), human_count(left));
  if (forbidden > 0)
    fmt::print(stderr, "not looked at: {} queues that you may not read\n", human_count(forbidden));
  return stranded.empty() ? kExitOk : kExitFailed;
}

// ---- options

CLI::App* add_verb(CLI::App& app, const std::shared_ptr<Options>& options,
                   const std::shared_ptr<Verb>& chosen, const char* name, const char* summary,
                   const char* example, Verb verb) {
  CLI::App* sub = app.add_subcommand(name, summary);
  add_connect_option(*sub, options->url);
  sub->footer(std::string("EXAMPLE\n  ") + example);
  sub->callback([chosen, verb] { *chosen = verb; });
  return sub;
}

void add_for_many(const std::function<CLI::App*(const char*, const char*, const char*, Verb)>& add,
                  const std::shared_ptr<Options>& options) {
  add("retry", "Try tasks anew that failed for good", "penstock task retry 17 18", connected<retry>)
      ->add_option("id", options->ids, "their ids")
      ->required();
  CLI::App* again =
      add("redrive", "Try all tasks of a queue anew that failed for good, or some",
          "penstock task redrive --queue thumbs --error 'exit: 3'", connected<redrive>);
  again->add_option("-q,--queue", options->queue, "where they were, or their dead-letter queue")
      ->required();
  again->add_option("--error", options->redrive.error, "only those whose last error has this text");
  again->add_option("--task", options->redrive.task, "only those of that name");
  again->add_option("--max", options->redrive.max, "how many at most; 0 = all");
  add_json_option(*again, options->json);
  CLI::App* check_app =
      add("check", "Which waiting tasks no worker that is there knows, or could run",
          "penstock task check --queue thumbs", connected<check>);
  check_app->add_option("-q,--queue", options->queue, "of one queue; of all when not given");
  add_json_option(*check_app, options->json);
}

}  // namespace

Action set_up_task(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  const auto chosen = std::make_shared<Verb>(nullptr);
  app.require_subcommand(1);
  const auto add = [&](const char* name, const char* summary, const char* example, Verb verb) {
    return add_verb(app, options, chosen, name, summary, example, verb);
  };
  CLI::App* show_app =
      add("show", "A task's state, result or error", "penstock task show 17 --wait 10s", show);
  add_duration_option(*show_app, "-w,--wait", options->wait, "wait for its end, at most so long");
  CLI::App* logs_app =
      add("logs", "What a task says while it runs", "penstock task logs 17 --follow", logs);
  logs_app->add_flag("-f,--follow", options->follow, "go on until it has ended");
  CLI::App* cancel_app = add("cancel", "Stop a task, or keep it from starting",
                             "penstock task cancel 17", connected<cancel>);
  for (CLI::App* sub : {show_app, logs_app, cancel_app})
    sub->add_option("id", options->id, "its id, as `send` and `run --no-wait` print it")
        ->required();
  for (CLI::App* sub : {show_app, logs_app}) add_json_option(*sub, options->json);
  add_for_many(add, options);
  return [options, chosen] { return (*chosen)(*options); };
}

}  // namespace penstock::cli

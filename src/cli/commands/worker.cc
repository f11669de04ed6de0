#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "base/trace_context.h"
#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/worker/exec_executor.h"
#include "cli/worker/http_executor.h"
#include "cli/worker/worker_pool.h"
#include "os/real_clock.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

struct Options {
  std::string url;
  std::string name;
  std::vector<std::string> queues, tasks;
  std::string exec;
  std::string http;
  std::string threads = "1..8";
  Duration timeout{0};
  std::string memory;
  Duration kill_after = 5s;
  Duration lease = 30s;
  Duration grace = 30s;
  bool quiet = false;
  bool json = false;
};

struct Limits {
  std::uint32_t min = 1, max = 1;
};

// "4" or "1..8".
Result<Limits> parse_threads(std::string_view text) {
  const auto dots = text.find("..");
  const auto min = parse_u64(text.substr(0, dots));
  const auto max = dots == std::string_view::npos ? min : parse_u64(text.substr(dots + 2));
  if (!min || !max || *min == 0 || *min > *max || *max > kWorkerThreadsMax) {
    return fail(ErrorCode::invalid,
                "--threads takes N or MIN..MAX, up to 1024, not " + penstock::quoted(text));
  }
  return Limits{static_cast<std::uint32_t>(*min), static_cast<std::uint32_t>(*max)};
}

// Says on standard error what somebody wants to see who started a worker by hand.
class Teller final : public WorkerPoolWatcher {
 public:
  Teller(const Options& options, std::string start) : options_(options), start_(std::move(start)) {}

  void on_started() override {
    if (!options_.quiet && !std::exchange(started_, true)) fmt::print(stderr, "{}", start_);
  }
  void on_unlisted(const Error& error) override {
    on_started();
    fmt::print(stderr, "penstock: `penstock workers` will not show this one: {}\n", error.message);
  }
  void on_told(const client::WorkerTold& told) override {
    on_started();
    if (options_.quiet) return;
    fmt::print(stderr, "told to {}{}\n",
               told.stop    ? "stop"
               : told.quiet ? "be quiet"
                            : "work",
               told.slots == 0 ? "" : fmt::format(", with {} slots", told.slots));
  }

  void on_ending(const Work& work, const Ending& ending, bool settled) override {
    if (options_.json) {
      print_json(json_of(work, ending, settled));
    } else if (!options_.quiet && ending.kind == Ending::Kind::failed) {
      const auto trace = parse_traceparent(work.traceparent);
      fmt::print(stderr, "task {} {} attempt {}{}{} failed: {}\n", work.id, shown(work.name),
                 work.attempt, trace ? " trace " : "", trace ? trace->trace_id : "",
                 shown(ending.error));
    }
  }
  void on_server_lost(const Error& error) override { say_server_gone(error); }
  void on_server_back() override { fmt::print(stderr, "penstock: the server is back\n"); }

 private:
  static boost::json::object json_of(const Work& work, const Ending& ending, bool settled) {
    using Kind = Ending::Kind;
    boost::json::object object{{"id", work.id},
                               {"queue", work.queue},
                               {"name", work.name},
                               {"attempt", work.attempt},
                               {"ending", ending.kind == Kind::done       ? "done"
                                          : ending.kind == Kind::failed   ? "failed"
                                          : ending.kind == Kind::declined ? "declined"
                                                                          : "stopped"},
                               {"settled", settled}};
    if (const auto trace = parse_traceparent(work.traceparent))
      object["trace_id"] = trace->trace_id;
    if (ending.kind == Kind::failed) {
      object["error"] = ending.error;
      object["cause"] = engine::name_of(ending.cause);
    }
    return object;
  }
  const Options& options_;
  const std::string start_;
  bool started_ = false;
};

Result<std::unique_ptr<Executor>> make_executor(const Options& options, Clock& clock) {
  if (!options.http.empty()) {
    const Duration timeout = options.timeout.count() > 0 ? options.timeout : Duration(30s);
    auto made = HttpExecutor::make({.url = options.http, .timeout = timeout});
    if (!made) return fail(std::move(made.error()));
    return std::move(*made);
  }
  auto command = CommandTemplate::parse(options.exec);
  if (!command) return fail(std::move(command.error()));
  std::uint64_t memory_bytes = 0;
  if (!options.memory.empty()) {
    const auto given = parse_bytes(options.memory);
    if (!given) return fail(Error(given.error()).at("--memory"));
    memory_bytes = *given;
  }
  return std::make_unique<ExecExecutor>(std::move(*command),
                                        ExecOptions{.timeout = options.timeout,
                                                    .memory_bytes = memory_bytes,
                                                    .kill_after = options.kill_after},
                                        clock);
}

int work(const Options& options) {
  const auto clock = make_real_clock();
  const auto limits = parse_threads(options.threads);
  if (!limits) return report(limits.error());
  if (options.lease < 1s) {
    return report(Error{ErrorCode::invalid, "--lease must be a second at least"});
  }
  Interrupt interrupt;
  const auto executor = make_executor(options, *clock);
  if (!executor) return report(executor.error());
  // What runs is lost with the connection that it was taken over, so a slow answer does not end it
  // before the leases would.
  auto client = connect(options.url, {.end_of_wait_max = options.lease});
  if (!client) return report(client.error());

  auto worker = this_worker(options.name, clock->now());
  worker.queues = options.queues;
  worker.tasks = options.tasks;
  worker.any_task = options.tasks.empty();
  Teller teller(options,
                fmt::format("{} working on {} at {} with {} threads; Ctrl-C finishes what runs\n",
                            shown(worker.name), fmt::join(options.queues, ", "), (*client)->peer(),
                            options.threads));
  WorkerPool pool(**client, **executor, *clock,
                  {.worker = std::move(worker),
                   .threads_min = limits->min,
                   .threads_max = limits->max,
                   .lease = options.lease,
                   .grace = options.grace},
                  teller);
  const auto ran = pool.run(interrupt.token());
  const auto end = pool.statistics();
  if (!options.quiet) {
    fmt::print(stderr,
               "{} done, {} failed, {} cancelled, {} lost, {} given back, {} declined; {} each\n",
               end.done, end.failed, end.cancelled, end.lost, end.given_back, end.declined,
               human_duration(end.mean_service));
  }
  return ran ? kExitOk : report(ran.error());
}

}  // namespace

Action set_up_worker(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("-q,--queue", options->queues,
                 "where tasks are taken from; of several, the first that has some goes first")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--name", options->name,
                 "what it is called in `penstock workers`; HOST-PID when not given");
  app.add_option("--task", options->tasks,
                 "take only tasks of that name and leave the others to other workers; may be given "
                 "again")
      ->allow_extra_args(false);
  auto* exec =
      app.add_option("--exec", options->exec,
                     "run this program per task, without a shell: {0} {1} are its "
                     "arguments, {name} its named ones, {} all; standard input is its body");
  auto* http = app.add_option("--http", options->http, "post each task to this web hook");
  exec->type_name("COMMAND")->excludes(http);
  http->type_name("URL");
  app.add_option("--threads", options->threads,
                 "how many at once; sized by the load within MIN..MAX")
      ->type_name("MIN..MAX")
      ->capture_default_str();
  add_duration_option(app, "--timeout", options->timeout,
                      "of one attempt; without it programs may take for ever, web hooks 30s");
  app.add_option("--memory", options->memory,
                 "most memory (address space) of a program: 512MiB; without it there is no limit")
      ->type_name("SIZE")
      ->needs(exec);
  add_duration_option(app, "--kill-after", options->kill_after,
                      "from a program's SIGTERM to its SIGKILL")
      ->needs(exec);
  add_duration_option(app, "--lease", options->lease,
                      "how long a task stays ours when this worker falls silent");
  add_duration_option(app, "--grace", options->grace,
                      "how long running tasks may go on after SIGTERM");
  app.add_flag("--quiet", options->quiet, "say nothing but errors");
  add_connect_option(app, options->url);
  add_json_option(app, options->json);
  return [options] {
    if (options->exec.empty() == options->http.empty()) {
      return report(Error{ErrorCode::invalid, "give --exec COMMAND or --http URL"});
    }
    return work(*options);
  };
}

}  // namespace penstock::cli

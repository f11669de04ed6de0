#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/json_text.h"
#include "cli/terminal.h"
#include "flow/planner.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

struct Options {
  std::string arrival;
  Duration service{0};
  Duration max_wait = 1s;
  double percentile = 99;
  double utilisation = 90;
  std::uint64_t threads = 0;
  bool json = false;
};

std::string human(flow::Seconds wait) {
  if (!std::isfinite(wait.count())) return "without bound";
  return human_duration(std::chrono::round<Duration>(wait));
}

boost::json::object to_json(const flow::Plan& plan, Duration max_wait) {
  const auto& p = plan.prediction;
  const auto ms = [](flow::Seconds wait) -> boost::json::value {
    if (!std::isfinite(wait.count())) return nullptr;
    return wait.count() * 1e3;
  };
  return {{"threads", p.workers},
          {"offered", p.offered},
          {"utilisation", p.utilisation},
          {"waiting_probability", p.waiting_probability},
          {"mean_wait_ms", ms(p.mean_wait)},
          {"p95_wait_ms", ms(p.p95_wait)},
          {"p99_wait_ms", ms(p.p99_wait)},
          {"mean_waiting", std::isfinite(p.mean_waiting) ? boost::json::value(p.mean_waiting)
                                                         : boost::json::value(nullptr)},
          {"share_over_max_wait", p.share_over(max_wait)},
          {"max_length", plan.max_length}};
}

void print(const Options& options, const flow::Demand& demand, const flow::Plan& plan) {
  const auto& p = plan.prediction;
  std::string text =
      fmt::format("{} of {} each keep {:.3g} threads busy; {} {}.\n\n",
                  human_rate(demand.arrival_rate), human_duration(options.service), p.offered,
                  options.threads > 0 ? "given are" : "needed are", p.workers);
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("  {:<22}{}\n", name, value);
  };
  line("threads", human_count(p.workers));
  line("utilisation", fmt::format("{:.1f} %", p.utilisation * 100));
  line("have to wait", fmt::format("{:.2g} %", p.waiting_probability * 100));
  line("mean wait", human(p.mean_wait));
  line("p95 wait", human(p.p95_wait));
  line("p99 wait", human(p.p99_wait));
  const double over = p.share_over(options.max_wait) * 100;
  line("longer than " + human_duration(options.max_wait),
       over < 0.001 ? "less than 0.001 %" : fmt::format("{:.2g} %", over));
  text += fmt::format(
      "\nBounds that keep it so when more comes than was planned:\n"
      "  penstock queue set NAME max_wait={} max_length={}\n"
      "  penstock worker --queue NAME --threads {}..{} ...\n"
      "\nM/M/c: arrivals at random, exponential service times; steadier work waits less.\n",
      format_duration(options.max_wait), plan.max_length,
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(p.offered)), p.workers);
  write_out(text);
}

int run_plan(const Options& options) {
  const auto rate = parse_rate(options.arrival);
  if (!rate) return report(rate.error());
  const flow::Demand demand{.arrival_rate = *rate,
                            .service_time = options.service,
                            .max_wait = options.max_wait,
                            .percentile = options.percentile / 100,
                            .max_utilisation = options.utilisation / 100};
  auto plan = flow::plan(demand);
  if (!plan) return report(plan.error());
  if (options.threads > 0) {
    plan->prediction = flow::predict(demand.arrival_rate, demand.service_time, options.threads);
    plan->max_length = static_cast<std::uint64_t>(static_cast<double>(options.threads) *
                                                  (demand.max_wait / demand.service_time)) +
                       options.threads;
  }
  if (options.json) {
    print_json(to_json(*plan, options.max_wait));
  } else {
    print(options, demand, *plan);
  }
  return plan->prediction.utilisation < 1 ? kExitOk : kExitFailed;
}

}  // namespace

Action set_up_plan(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--arrival", options->arrival, "how much comes, as in 500/s or 30/min")
      ->required()
      ->type_name("RATE");
  add_duration_option(app, "--service", options->service, "mean time that one takes")->required();
  add_duration_option(app, "--max-wait", options->max_wait, "how long they may wait");
  app.add_option("--percentile", options->percentile, "for how many of a hundred that holds")
      ->capture_default_str();
  app.add_option("--utilisation", options->utilisation, "how busy threads may be, in percent")
      ->capture_default_str();
  app.add_option("--threads", options->threads, "say what this many would do instead")
      ->check(CLI::Range(std::uint64_t{1}, flow::kPlanWorkersMax));
  add_json_option(app, options->json);
  return [options] { return run_plan(*options); };
}

}  // namespace penstock::cli

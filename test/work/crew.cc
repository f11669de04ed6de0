// Who works and who submits while server and workers are being killed. work_lives.py starts it,
// kills it, and compares what was accepted with what became of it.
//
//   work_crew work URL FOLDER           runs tasks until SIGTERM; each execution leaves a line
//   work_crew submit URL SEED COUNT     submits so many of all kinds; a line for each accepted one
//
// A line of FOLDER/effects is "<id> <attempt> <task>"; the probes have lines of their own.
//
// A line of submit is "<id> <state> <result or ->": what the server has taken, and what must
// become of it.
#include <boost/json.hpp>
#include <csignal>
#include <iostream>
#include <numeric>
#include <penstock/penstock.hpp>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "test/work/probes.h"

using namespace std::chrono_literals;

namespace {

using Numbers = std::vector<std::int64_t>;

std::string effects;  // the file; isolated tasks have none of the worker's files open

void leave_line(const penstock::Context& context) {
  probes::append_line(effects, std::to_string(context.id()) + " " +
                                   std::to_string(context.attempt()) + " " +
                                   std::string(context.name()) + "\n");
}

const penstock::TaskOptions kPatient{
    .queue = "work", .max_attempts = 50, .backoff = penstock::fixed(10ms)};

struct Tasks {
  penstock::Task<std::int64_t(std::int64_t, std::int64_t)> add = penstock::task(
      "add",
      [](penstock::Context& context, std::int64_t a, std::int64_t b) -> std::int64_t {
        leave_line(context);
        return a + b;
      },
      kPatient);
  penstock::Task<std::int64_t(std::int64_t)> square = penstock::task(
      "square",
      [](penstock::Context& context, std::int64_t n) -> std::int64_t {
        leave_line(context);
        return n * n;
      },
      kPatient);
  penstock::Task<std::int64_t(Numbers)> sum = penstock::task(
      "sum",
      [](penstock::Context& context, const Numbers& numbers) -> std::int64_t {
        leave_line(context);
        return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
      },
      kPatient);
  penstock::Task<std::int64_t(std::vector<Numbers>)> sum_all = penstock::task(
      "sum_all",
      [](penstock::Context& context, const std::vector<Numbers>& lists) -> std::int64_t {
        leave_line(context);
        std::int64_t all = 0;
        for (const auto& list : lists) all = std::accumulate(list.begin(), list.end(), all);
        return all;
      },
      kPatient);
  // How many of a group ended well.
  penstock::Task<std::int64_t(boost::json::value)> count_good = penstock::task(
      "count_good",
      [](penstock::Context& context, const boost::json::value& list) -> std::int64_t {
        leave_line(context);
        std::int64_t good = 0;
        for (const auto& one : list.as_array()) good += one.is_number() ? 1 : 0;
        return good;
      },
      kPatient);
  penstock::Task<std::int64_t(std::int64_t)> flaky = penstock::task(
      "flaky",
      [](penstock::Context& context, std::int64_t n) -> std::int64_t {
        leave_line(context);
        if (context.attempt() == 1) throw std::runtime_error("not at the first attempt");
        return n;
      },
      kPatient);
  penstock::Task<std::int64_t(std::int64_t)> crash =
      penstock::task("crash",
                     [](penstock::Context& context, std::int64_t n) -> std::int64_t {
                       leave_line(context);
                       if (context.attempt() == 1) std::raise(SIGSEGV);
                       return n;
                     },
                     {.queue = "work",
                      .max_attempts = 50,
                      .backoff = penstock::fixed(10ms),
                      .isolation = penstock::Isolation::process});
  penstock::Task<std::int64_t()> fail = penstock::task(
      "fail",
      [](penstock::Context& context) -> std::int64_t {
        leave_line(context);
        throw penstock::Permanent("never");
      },
      kPatient);
  // Leaves a workflow in its place.
  penstock::Task<std::int64_t(std::int64_t)> tree = penstock::task(
      "tree",
      [this](penstock::Context& context, std::int64_t n) -> penstock::Flow<std::int64_t> {
        leave_line(context);
        return penstock::chord(penstock::map(square, upto(n)), penstock::step(sum));
      },
      kPatient);

  static std::vector<std::tuple<std::int64_t>> upto(std::int64_t n) {
    std::vector<std::tuple<std::int64_t>> all;
    for (std::int64_t i = 1; i <= n; ++i) all.emplace_back(i);
    return all;
  }
  static std::int64_t sum_of_squares(std::int64_t n) { return n * (n + 1) * (2 * n + 1) / 6; }
};

void say(std::uint64_t id, std::string_view state, std::string_view result) {
  std::cout << id << " " << state << " " << result << std::endl;
}
void say(std::uint64_t id, std::int64_t result) {
  say(id, "done", std::to_string(result));
}

int work(const char* url, const std::string& folder) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);  // before there are threads
  effects = folder + "/effects";
  Tasks tasks;
  const probes::Probes items(folder);
  auto app = penstock::App::connect(url);
  app.add(tasks.add, tasks.square, tasks.sum, tasks.sum_all, tasks.count_good, tasks.flaky,
          tasks.crash, tasks.fail, tasks.tree);
  items.add_to(app);
  auto workers = app.work({.queues = {"work", "limits", "paced", "expiring", "timed", "roads",
                                      "overlapped", "outboxed"},
                           .threads = {4, 8}});
  std::cout << "ready" << std::endl;
  int which = 0;
  sigwait(&ends, &which);
  workers.stop();
  return 0;
}

class Submitter {
 public:
  Submitter(penstock::App& app, std::uint64_t seed) : app_(app), random_(seed), seed_(seed) {}

  void submit_one(std::uint64_t number) {
    const auto n = static_cast<std::int64_t>(random_() % 30) + 1;
    switch (random_() % 10) {
      case 0: {
        const auto flow =
            penstock::chain(penstock::step(tasks_.add, n, 2), penstock::step(tasks_.add, 3),
                            penstock::step(tasks_.add, 4));
        return say(app_.start(flow).id(), n + 9);
      }
      case 1: {
        const auto flow = penstock::chord(penstock::map(tasks_.square, Tasks::upto(n)),
                                          penstock::step(tasks_.sum));
        return say(app_.start(flow).id(), Tasks::sum_of_squares(n));
      }
      case 2: {
        const auto flow = penstock::chain(penstock::chunks(tasks_.square, Tasks::upto(n), kChunk),
                                          penstock::step(tasks_.sum_all));
        return say(app_.start(flow).id(), Tasks::sum_of_squares(n));
      }
      case 3:
        return say(app_.enqueue(tasks_.tree, n).id(), Tasks::sum_of_squares(n));
      case 4:
        return say(app_.enqueue(tasks_.flaky, n).id(), n);
      case 5:
        return say(app_.enqueue(tasks_.crash, n).id(), n);
      case 6: {
        const auto flow = penstock::chain(
            penstock::group(penstock::step(tasks_.square, 2), penstock::step(tasks_.fail),
                            penstock::step(tasks_.square, 3)),
            penstock::step(tasks_.count_good));
        return say(app_.start(flow, {.on_failure = penstock::OnFailure::collect}).id(), 2);
      }
      case 7:
        return say(app_.enqueue(tasks_.fail).id(), "failed", "-");
      case 8: {
        const auto job = app_.enqueue(tasks_.square.with({.queue = "later", .delay = 1h}), n);
        // Only what was confirmed may be relied upon.
        if (job.cancel()) say(job.id(), "cancelled", "-");
        return;
      }
      default: {
        // Whoever asks twice with one key gets the one that is there.
        const auto call = tasks_.square.with(
            {.key = std::to_string(seed_) + "/" + std::to_string(number),
             .unique = penstock::Unique{.key = "u" + std::to_string(number),
                                        .on_conflict = penstock::OnConflict::return_known}});
        return say(app_.enqueue(call, 7).id(), 49);
      }
    }
  }

 private:
  static constexpr std::size_t kChunk = 3;  // lives/items/mixed.py knows it

  penstock::App& app_;
  Tasks tasks_;
  std::mt19937_64 random_;
  const std::uint64_t seed_;
};

int submit(const char* url, std::uint64_t seed, std::uint64_t count) {
  auto app = penstock::App::connect(url, {.timeout = 30s});
  Submitter submitter(app, seed);
  for (std::uint64_t number = 0; number < count; ++number) {
    try {
      submitter.submit_one(number);
    } catch (const penstock::Closed&) {
      // The server died; whether it took this one nobody knows. The next call connects again.
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 3 && arguments[0] == "work") return work(argv[2], argv[3]);
    if (arguments.size() == 4 && arguments[0] == "submit")
      return submit(argv[2], std::stoull(arguments[2]), std::stoull(arguments[3]));
  } catch (const penstock::Exception& error) {
    std::cerr << "work_crew: " << error.what() << "\n";
    return 1;
  }
  std::cerr << "work_crew work URL FOLDER | work_crew submit URL SEED COUNT\n";
  return 2;
}

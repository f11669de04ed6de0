// A nightly report: asked for by a schedule, made once a night, whoever asks for it and however
// often; retried while the data is not there yet; with progress that others see.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <penstock/penstock.hpp>
#include <sstream>
#include <string>

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

struct Report {
  std::string day;
  int sales = 0;
  std::map<std::string, double> revenue = {};  // by product
};
BOOST_DESCRIBE_STRUCT(Report, (), (day, sales, revenue))

// The shops send their sales some time after midnight.
struct NotThereYet : std::runtime_error {
  using std::runtime_error::runtime_error;
};

const auto report = penstock::task(
    "nightly report",
    [](penstock::Context& context, const std::string& day) {
      std::ifstream in("sales-" + day + ".csv");
      if (!in) throw NotThereYet("no sales of " + day);
      Report made{.day = day};
      for (std::string line; std::getline(in, line) && !context.stop_requested();) {
        std::istringstream fields(line);
        std::string product;
        double price = 0;
        if (!std::getline(fields, product, ',') || !(fields >> price))
          throw penstock::Permanent("line " + std::to_string(made.sales + 1) +
                                    " is no sale: " + line);
        made.revenue[product] += price;
        context.progress(++made.sales, 0, "sales read");
      }
      return made;
    },
    {.queue = "reports",
     .max_attempts = 100,
     .retry = {penstock::retry_after<NotThereYet>(200ms)},  // 10 minutes, where nights are longer
     .result_ttl = 24h * 7,
     .timeout = 1h});

// Every server of the program asks for it; the key makes it one.
penstock::Job<Report> ask_for(penstock::App& app, const std::string& day) {
  return app.enqueue(report.with({.key = "nightly report " + day}), day);
}

// Of "2026-11-23T02:30:00Z": 2026-11-22.
std::string day_before(const std::string& time) {
  int year = 0;
  unsigned month = 0, day = 0;
  if (std::sscanf(time.c_str(), "%d-%u-%u", &year, &month, &day) != 3)
    throw penstock::Permanent(time + " is no time");
  const std::chrono::year_month_day before =
      std::chrono::sys_days(std::chrono::year(year) / std::chrono::month(month) /
                            std::chrono::day(day)) -
      std::chrono::days(1);
  char text[16];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", int(before.year()), unsigned(before.month()),
                unsigned(before.day()));
  return text;
}

}  // namespace

int main() {
  fs::remove_all("jobs");  // of the run before: this is another night
  auto app = penstock::App::embedded("jobs");
  // When the schedule fires, also late, the time that was due says which day the report is of.
  const auto tonight = penstock::task("tonight",
                                      [&app](penstock::Context& context) {
                                        const auto day =
                                            day_before(context.header("penstock-due").value_or(""));
                                        ask_for(app, day);
                                        return day;
                                      },
                                      {.queue = "reports"});
  app.add(report, tonight);
  app.declare("reports", {.dedup_window = 48h});
  app.schedule("nightly report", penstock::cron("30 3 * * *", "Europe/Berlin"), tonight);
  const auto workers = app.work({.queues = {"reports"}});

  // It is not half past three: this fires it once more.
  const auto fired = app.trigger_schedule("nightly report");
  const std::string day = app.job<std::string>(fired).get(30s);
  const auto job = ask_for(app, day);
  if (ask_for(app, day).id() != job.id()) return 1;

  std::ofstream("unfinished.csv") << "tea,3.5\ncoffee,4\ntea,3.5\n";
  fs::rename("unfinished.csv", "sales-" + day + ".csv");
  const Report made = job.get(30s);
  std::cout << made.day << ": " << made.sales << " sales\n";
  for (const auto& [product, revenue] : made.revenue)
    std::cout << "  " << product << " " << revenue << "\n";
  fs::remove("sales-" + day + ".csv");
  return made.sales == 3 && made.revenue.at("tea") == 7 ? 0 : 1;
}

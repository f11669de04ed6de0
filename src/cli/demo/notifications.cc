#include "cli/demo/notifications.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/connection.h"
#include "cli/demo/crew.h"
#include "cli/demo/events.h"
#include "cli/demo/producers.h"
#include "cli/demo/records.h"
#include "cli/demo/stage.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/queue_table.h"
#include "cli/terminal.h"
#include "cli/worker/http_executor.h"
#include "os/real_clock.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

constexpr double kOverload = 2;  // times the workers' capacity
constexpr Duration kTick = 500ms;
constexpr Duration kLineEvery = 2s;    // where nobody watches live
constexpr Duration kDrainTime = 120s;  // for what was accepted, once nothing new comes
constexpr double kCrashAt = 0.5;       // of the events
constexpr std::string_view kQueues[] = {"events", "email", "sms", "push"};

class Play {
 public:
  Play(const NotificationsOptions& options, Clock& clock, std::stop_token stop)
      : options_(options), clock_(clock), stop_(std::move(stop)) {}

  Result<int> run();

 private:
  Result<void> raise_the_curtain();
  Result<void> declare_queues();
  Result<void> act();
  Result<void> look();
  Result<void> crash();
  [[nodiscard]] bool all_empty() const;
  void draw();
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string line() const;
  Result<int> prove_it();
  [[nodiscard]] std::string verdict(const Proof& proof) const;
  [[nodiscard]] Duration elapsed() const { return clock_.now() - began_; }

  const NotificationsOptions& options_;
  Clock& clock_;
  std::stop_token stop_;

  // In the order in which they need each other.
  std::vector<Event> events_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<Crew> crew_;
  std::unique_ptr<Producers> producers_;
  std::unique_ptr<RecordFile> mails_, hooks_;

  Time began_{}, drawn_{};
  std::vector<client::QueueStatistics> queues_;  // as last seen
  bool seen_ = false;                            // just now, not before the crash
  Duration down_{0};                             // from SIGKILL to ready
  LiveLines lines_;
};

Result<int> Play::run() {
  if (auto ready = raise_the_curtain(); !ready) return fail(std::move(ready.error()));
  auto acted = act();
  producers_->stop();
  if (!acted || stop_.stop_requested()) {
    if (acted) return fail(ErrorCode::closed, "interrupted: nothing is proved");
    stage_->keep();
    acted.error().hint += (acted.error().hint.empty() ? "" : "; ") +
                          ("logs and records are in " + stage_->folder().string());
    return fail(std::move(acted.error()));
  }
  crew_->stop();
  const int code = stage_->stop_server();
  stage_->stop_sinks();
  if (code != 0) {
    stage_->keep();
    return fail(ErrorCode::io, fmt::format("the server ended with {}", code),
                "its log is " + (stage_->folder() / "server.log").string());
  }
  return prove_it();
}

Result<void> Play::raise_the_curtain() {
  const auto files = find_demo_files();
  if (!files) return fail(files.error());
  auto events = read_events(options_.events.empty() ? *files / "events.ndjson" : options_.events,
                            options_.count);
  if (!events) return fail(std::move(events.error()));
  events_ = std::move(*events);
  auto stage = Stage::set(*files, kSinkDelayMs);
  if (!stage) return fail(std::move(stage.error()));
  stage_ = std::move(*stage);
  if (options_.keep) stage_->keep();
  mails_ = std::make_unique<RecordFile>(stage_->folder() / "email.record");
  hooks_ = std::make_unique<RecordFile>(stage_->folder() / "hook.record");

  const std::string server = "penstock://" + stage_->server_address();
  auto client = connect(server);
  if (!client) return fail(std::move(client.error()));
  client_ = std::move(*client);
  if (auto declared = declare_queues(); !declared) return declared;

  crew_ = std::make_unique<Crew>(clock_, stage_->folder() / "unsettled.record");
  if (auto added = crew_->add_fan_out(server); !added) return added;
  auto mail = std::make_unique<SmtpExecutor>(stage_->smtp_url());
  if (auto added = crew_->add_channel(server, "email", std::move(mail)); !added) return added;
  for (const char* channel : {"sms", "push"}) {
    auto hook = HttpExecutor::make({.url = stage_->hook_url(channel), .timeout = 10s});
    if (!hook) return fail(std::move(hook.error()));
    if (auto added = crew_->add_channel(server, channel, std::move(*hook)); !added) return added;
  }
  write_out(fmt::format(
      "{} events, each an e-mail, a text message and a push notice; {} a second can be worked off,"
      "\n{} a second are brought.{}\n\n",
      human_count(events_.size()), human_count(static_cast<std::uint64_t>(kChannelCapacity)),
      human_count(static_cast<std::uint64_t>(kChannelCapacity * kOverload)),
      options_.crash ? " Half-way the server is killed and started again." : ""));
  began_ = clock_.now();
  producers_ = std::make_unique<Producers>(
      events_,
      ProducerOptions{
          .url = fmt::format("http://{}/v1/queues/events/messages", stage_->server_address()),
          .rate = kChannelCapacity * kOverload},
      clock_);
  return {};
}

Result<void> Play::declare_queues() {
  for (const std::string_view queue : kQueues) {
    std::vector<client::OptionText> settings{{"max_wait", "1s"}, {"dedup_window", "1h"}};
    if (queue == "events") {
      settings.insert(settings.end(), {{"backoff", "fixed:500ms"}, {"max_attempts", "0"}});
    } else {
      // Within the system a full queue holds its publisher; only the edge refuses.
      settings.insert(settings.end(), {{"backoff", "exponential:200ms:2s"}, {"overflow", "block"}});
    }
    const auto declared = client_->call(client::declare(queue, settings));
    if (!declared) return fail(declared.error().error);
  }
  return {};
}

Result<void> Play::act() {
  Time drain_until = Time::max();
  do {
    if (auto seen = look(); !seen) return seen;
    draw();
    const auto accepted = static_cast<double>(producers_->statistics().accepted);
    const bool half = accepted >= kCrashAt * static_cast<double>(events_.size()) ||
                      elapsed() >= options_.seconds / 2;
    if (options_.crash && half && down_.count() == 0) {
      if (auto crashed = crash(); !crashed) return crashed;
    }
    if (elapsed() >= options_.seconds) producers_->stop();
    if (!producers_->finished()) continue;
    if (drain_until == Time::max()) drain_until = clock_.now() + kDrainTime;
    if (all_empty()) return {};
    if (clock_.now() > drain_until) {
      return fail(ErrorCode::timeout, "the queues did not become empty");
    }
  } while (wait_for(stop_, kTick));
  return {};
}

// A server that is just being started again is not seen for a moment.
Result<void> Play::look() {
  if (auto read = mails_->read_on(); !read) return read;
  if (auto read = hooks_->read_on(); !read) return read;
  auto queues = client_->call(client::all_queue_statistics(), 5s);
  seen_ = queues.has_value();
  if (seen_) queues_ = std::move(*queues);
  return {};
}

Result<void> Play::crash() {
  const auto accepted = producers_->statistics().accepted;
  const pid_t pid = stage_->server_pid();
  const auto down = stage_->kill_and_restart_server(clock_);
  if (!down) return fail(down.error());
  down_ = *down;
  lines_.clear();
  write_out(
      fmt::format("  SIGKILL to the server (pid {}) at {} accepted events; started again, and "
                  "ready after {}.\n",
                  pid, human_count(accepted), human_duration(down_)));
  return {};
}

bool Play::all_empty() const {
  // Dead letters would stay: they are not waited for, and the proof finds them missing.
  return seen_ && std::ranges::all_of(queues_, [](const client::QueueStatistics& queue) {
           const bool ours = std::ranges::find(kQueues, queue.name) != std::end(kQueues);
           return !ours || queue.ready + queue.leased + queue.scheduled == 0;
         });
}

void Play::draw() {
  if (terminal_width() > 0) {
    lines_.draw(text());
  } else if (drawn_ == Time{} || clock_.now() - drawn_ >= kLineEvery) {
    drawn_ = clock_.now();
    write_out(line());
  }
}

std::string Play::text() const {
  const auto p = producers_->statistics();
  std::string text = fmt::format(
      "  {:>5.1f} s   accepted {}   refused {}   come back in {} on average, at most {}\n"
      "            arrived: e-mail {}, text and push {}   turned away by receivers {}\n\n",
      static_cast<double>(elapsed().count()) / 1e6, human_count(p.accepted), human_count(p.refused),
      human_duration(p.retry_after_mean), human_duration(p.retry_after_max),
      human_count(mails_->lines()), human_count(hooks_->lines()), human_count(crew_->failed()));
  return text + queue_table(queues_).text(terminal_width());
}

std::string Play::line() const {
  const auto p = producers_->statistics();
  std::string text = fmt::format(
      "{:>5.1f} s  accepted {:>6}  refused {:>6} (come back in {}, at most {})  e-mail {:>6}  "
      "text+push "
      "{:>6}  waiting:",
      static_cast<double>(elapsed().count()) / 1e6, human_count(p.accepted), human_count(p.refused),
      human_duration(p.retry_after_mean), human_duration(p.retry_after_max),
      human_count(mails_->lines()), human_count(hooks_->lines()));
  for (const auto& queue : queues_) {
    text += fmt::format(" {} {}", queue.name, human_count(queue.ready + queue.scheduled));
  }
  return text + "\n";
}

Result<int> Play::prove_it() {
  const Duration took = elapsed();
  std::vector<std::string> accepted;
  for (const std::string& event : producers_->accepted_ids()) {
    for (const std::string_view channel : kChannels) {
      accepted.push_back(fmt::format("{}:{}", event, channel));
    }
  }
  RecordFile unsettled(stage_->folder() / "unsettled.record");
  for (RecordFile* file : {mails_.get(), hooks_.get(), &unsettled}) {
    if (auto read = file->read_on(); !read) return fail(std::move(read.error()));
  }
  auto arrived = mails_->counts();
  arrived.insert(hooks_->counts().begin(), hooks_->counts().end());
  const Proof proof = prove(accepted, arrived, unsettled.counts());
  const auto p = producers_->statistics();
  lines_.clear();
  write_out(fmt::format(
      "\n{} of {} events accepted{}, done after {}; {} refusals, each with its time to come back\n"
      "{} attempts were turned away by the receivers and tried again; fan-out was held back {} "
      "times\n{}",
      human_count(p.accepted), human_count(events_.size()),
      p.accepted < events_.size() ? " before the clients' time was over" : "", human_duration(took),
      human_count(p.refused), human_count(crew_->failed()), human_count(crew_->held_back()),
      verdict(proof)));
  if (proof.holds() && p.accepted > 0 && p.rejected == 0) return kExitOk;
  stage_->keep();
  write_out("Records and logs are in " + stage_->folder().string() + "\n");
  return kExitFailed;
}

std::string Play::verdict(const Proof& proof) const {
  std::string text = fmt::format(
      "\nBy the receivers' own records:\n"
      "  accepted notifications  {:>8}\n"
      "  arrived                 {:>8}\n"
      "  lost                    {:>8}\n"
      "  arrived twice           {:>8}   ({} of them handed over while the server could not be "
      "told)\n",
      human_count(proof.accepted), human_count(proof.arrived), human_count(proof.lost_count()),
      human_count(proof.twice), human_count(proof.explained));
  if (proof.unconfirmed > 0) {
    text += fmt::format("  arrived, their 202 lost {:>8}\n", human_count(proof.unconfirmed));
  }
  for (const std::string& id : proof.lost) text += "  lost: " + id + "\n";
  return text + (proof.holds() ? "Every accepted notification arrived.\n" : "THIS IS A DEFECT.\n");
}

}  // namespace

int demo_notifications(const NotificationsOptions& options) {
  Interrupt interrupt;
  const auto clock = make_real_clock();
  Play play(options, *clock, interrupt.token());
  const auto code = play.run();
  return code ? *code : report(code.error());
}

}  // namespace penstock::cli

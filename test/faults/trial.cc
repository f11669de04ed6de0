#include "test/faults/trial.h"

#include <fmt/format.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "client/api.h"

namespace penstock::faults {
namespace {

using crash::Outcome;
using std::chrono::milliseconds;

constexpr int kLives = 3;  // before the last one, in which nothing fails
constexpr auto kDrainTime = std::chrono::seconds(20);
constexpr auto kStopTime = std::chrono::seconds(30);

std::string result_of(std::uint64_t number) {
  return fmt::format(R"({{"number":{}}})", number);
}

}  // namespace

std::string Plan::text() const {
  return fmt::format("{}:{}{}:{}", kCallNames[static_cast<std::size_t>(call)], at,
                     sticky ? "+" : "", action);
}

Trial::Trial(Control& control, std::string folder, std::uint16_t port)
    : control_(control), folder_(std::move(folder)), data_(folder_ + "/journal"), port_(port) {}

Verdict Trial::run(const Plan* plan, Survivors survivors, std::uint64_t seed) {
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(data_);
  auto& recording = control_.recording();
  recording.keeps_changes = 1;
  recording.struck = 0;
  recording.planned_calls = 0;
  recording.used_bytes = 0;
  plan_ = plan;
  verdict_ = {};
  declared_ = false;
  ledger_ = std::make_unique<crash::Ledger>();
  lives_ = std::make_unique<crash::Lives>();
  DiskImage image(data_);
  for (int number = 0; number < kLives && live(number); ++number) {
  }
  verdict_.struck = struck();
  if (const auto difference = image.take_in(recording); !difference.empty())
    violation("the recording is not what happened: " + difference);
  std::mt19937_64 random(seed);
  (void)image.cut(survivors, random);
  recording.keeps_changes = 0;
  final_life();
  verdict_.totals = ledger_->totals();
  verdict_.violations = ledger_->violations();
  server_.reset();
  return verdict_;
}

bool Trial::start(const std::string& plan) {
  const auto log = data_ + ".log";
  log_at_start_ = std::filesystem::exists(log) ? std::filesystem::file_size(log) : 0;
  // Small segments and many checkpoints: the work is to come by everything that there is.
  server_ = std::make_unique<testing::ServerProcess>(
      data_, fmt::format("127.0.0.1:{}", port_),
      std::vector<std::string>{"--segment", "128KiB", "--max-message", "64KiB", "--disk-reserve",
                               "128KiB", "--checkpoint-every", "64KiB", "--spare-segments", "1"},
      true, control_.environment(plan));
  if (!server_->wait_until_ready()) {
    ended_with(server_->wait_for_end(), true);
    return false;
  }
  lives_->begin();
  return true;
}

bool Trial::live(int number) {
  if (!start(plan_ == nullptr ? "" : plan_->text())) return false;
  // Both protocols, the one in one life and the other in the next.
  front_ = (number + (plan_ == nullptr ? 0 : plan_->at)) % 2 == 0
               ? crash::native_front(port_, *lives_)
               : crash::http_front(port_, *lives_);
  const bool there = work(number);
  front_.reset();
  if (!there) return false;
  ::kill(server_->process(), SIGTERM);
  if (!server_->ended_within(kStopTime)) {
    violation("the server does not stop");
    (void)server_->end(SIGKILL);
    return false;
  }
  const int code = server_->wait_for_end();
  if (code == 0) return true;
  ended_with(code, false);
  return false;
}

// Enough that segments are begun, ended and used again, and that checkpoints are written.
bool Trial::work(int number) {
  if (number == 0 && !declare()) return false;
  for (int round = 0; round < (number == 0 ? 20 : 4); ++round) {
    if (!publish(round % 3 == 0 ? 1 : 10, false)) return false;
    if (round % 2 == 0 && !take(14, false, 11)) return false;
    if (round % 4 == 1 && (!publish(1, true) || !publish(1, true) || !take(2, true, 1)))
      return false;
  }
  return true;
}

bool Trial::declare() {
  auto client = client::Client::connect({.url = server_->url()});
  if (!client) return still_there();
  const std::vector<client::OptionText> options{
      {"max_attempts", "0"}, {"lease", "100ms"}, {"backoff", "none"}};
  declared_ = true;
  for (const auto queue : {crash::kMessages, crash::kTasks}) {
    if (auto good = (*client)->call(client::declare(queue, options)); !good) {
      declared_ = false;
      note("declare: " + good.error().error.message);
    }
  }
  return still_there();
}

bool Trial::publish(std::uint64_t count, bool task) {
  count = std::min<std::uint64_t>(count, front_->largest_batch(task));
  const auto first = ledger_->open(count, task, false, {});
  crash::Offer offer;
  offer.task = task;
  for (std::uint64_t at = 0; at < count; ++at) offer.bodies.push_back(crash::body_of(first + at));
  const auto answer = front_->publish(offer);
  ledger_->published(first, answer.outcome, answer.ids);
  if (answer.outcome != Outcome::yes)
    note(answer.trouble.empty() ? "a publish was not taken" : answer.trouble);
  return still_there();
}

// Settles the first `settled` of those that come, gives one back, and forgets the others.
bool Trial::take(std::uint32_t count, bool task, std::uint64_t settled) {
  const auto asked_at = ledger_->moment();
  auto haul = front_->take(task, count, milliseconds(0));
  if (haul.outcome != Outcome::yes) note("a take failed: " + haul.trouble);
  std::vector<std::uint64_t> numbers;
  for (const auto& one : haul.taken)
    numbers.push_back(ledger_->delivered(one.body, one.id, asked_at));
  settled = std::min<std::uint64_t>(settled, numbers.size());
  const auto most = task ? 1 : front_->largest_ack();
  for (std::uint64_t at = 0; at < settled; at += most) {
    std::vector<std::string_view> leases;
    for (auto one = at; one < std::min<std::uint64_t>(settled, at + most); ++one) {
      leases.push_back(haul.taken[one].lease);
      ledger_->settle_asked(numbers[one]);
    }
    const auto answer =
        task ? front_->done(leases[0], result_of(numbers[at])) : front_->ack(leases);
    if (!answer.trouble.empty()) note(answer.trouble);
    if (answer.outcome == Outcome::yes)
      for (auto one = at; one < at + leases.size(); ++one) ledger_->settle_confirmed(numbers[one]);
    if (!still_there()) return false;
  }
  if (settled < haul.taken.size())
    (void)front_->retry(task, haul.taken[settled].lease, milliseconds(0));
  return still_there();
}

bool Trial::still_there() {
  if (!server_->ended_within(milliseconds(0))) return true;
  ended_with(server_->wait_for_end(), false);
  return false;
}

// Something was not answered with yes: only a fault excuses that.
void Trial::note(const std::string& trouble) {
  if (plan_ == nullptr || plan_->harmless() || !struck())
    violation("without need: " + trouble);
  else
    ++verdict_.error_answers;
}

std::string Trial::log_since_start() const {
  std::ifstream file(data_ + ".log");
  file.seekg(static_cast<std::streamoff>(log_at_start_));
  return {std::istreambuf_iterator<char>(file), {}};
}

// It ended by itself: it must say what happened, to which file, and what to do.
void Trial::ended_with(int code, bool while_starting) {
  if (plan_ != nullptr && plan_->kills() && struck() && code == -SIGKILL) {
    verdict_.ending = Ending::killed;
    return;
  }
  verdict_.ending = while_starting ? Ending::refused_to_start : Ending::died_with_message;
  const auto log = log_since_start();
  const auto complain = [&](const std::string& what) {
    violation(fmt::format("{}, it ended with {}: {}; it said: {}",
                          while_starting ? "starting" : "at work", code, what, log));
  };
  if (plan_ == nullptr || plan_->harmless() || plan_->kills() || !struck())
    return complain("there was no need");
  if (code <= 0 && code != -SIGABRT) return complain("no way to end");
  const auto* reason = std::strerror(plan_->action == "EIO" ? EIO : ENOSPC);
  if (!log.contains(reason)) complain("the reason is not said");
  if (!log.contains(data_)) complain("it is not said where");
  if (!log.contains("hint: ")) complain("it is not said what to do");
}

void Trial::final_life() {
  if (server_->running()) (void)server_->end(SIGKILL);
  plan_ = nullptr;
  if (!start("")) return violation("after the faults it does not start");
  if (declared_ == false && !declare()) return;
  front_ = crash::native_front(port_, *lives_);
  if (const auto left = drain(); left > 0)
    violation(fmt::format("{} messages cannot be drained", left));
  front_.reset();
  ledger_->judge();
  // What is settled stays settled, by a kill too.
  (void)server_->end(SIGKILL);
  if (!start("")) return violation("after the drain it does not start");
  front_ = crash::native_front(port_, *lives_);
  const auto again = front_->take(false, 1, milliseconds(0));
  if (again.outcome != Outcome::yes || !again.taken.empty())
    violation("a settled message came back after a kill");
  front_.reset();
  check_results();
  if (const int code = server_->end(SIGTERM); code != 0)
    violation(fmt::format("it ended with {} after SIGTERM", code));
}

// Takes and settles until nothing is there; what is left.
std::uint64_t Trial::drain() {
  auto client = client::Client::connect({.url = server_->url()});
  if (!client) return violation("cannot connect: " + client.error().message), 0;
  const auto until = std::chrono::steady_clock::now() + kDrainTime;
  std::uint64_t left = 0;
  do {
    if (!take(100, false, 100) || !take(1, true, 1)) return 1;
    auto queues = (*client)->call(client::all_queue_statistics());
    if (!queues) return violation("statistics: " + queues.error().error.message), 0;
    left = 0;
    std::uint64_t ready = 0;
    for (const auto& queue : *queues) {
      left += queue.ready + queue.leased + queue.scheduled;
      ready += queue.ready;
    }
    // Leases that earlier lives took run out first.
    if (left > 0 && ready == 0) ledger_->wait_for_progress(milliseconds(10));
  } while (left > 0 && std::chrono::steady_clock::now() < until);
  return left;
}

void Trial::check_results() {
  auto client = client::Client::connect({.url = server_->url()});
  if (!client) return violation("cannot connect: " + client.error().message);
  for (const auto& [id, number] : ledger_->finished_tasks(1000)) {
    const auto task = (*client)->call(client::task(MessageId(id)));
    if (!task || task->state != "done" || task->result != result_of(number))
      violation(fmt::format("the result of task {} is {}", number,
                            task ? task->state + " " + task->result : task.error().error.message));
  }
}

}  // namespace penstock::faults

#include "sim/schedules.h"

#include <fmt/format.h>

#include "base/headers.h"
#include "engine/schedule.h"
#include "flow/zone.h"

namespace penstock::sim {

using namespace std::chrono_literals;

void Schedules::Sink::on_reply(broker::Tag, const broker::Reply& reply) {
  if (const auto* failed = std::get_if<Error>(&reply)) error = failed->message;
  if (const auto* refused = std::get_if<broker::Refused>(&reply)) error = refused->message;
  const auto* delivered = std::get_if<broker::Delivered>(&reply);
  if (delivered == nullptr) return;
  for (const auto& message : delivered->messages)
    taken.push_back(
        {std::string(find_header(message.headers, kDueHeader).value_or("")), message.lease});
}

Schedules::Schedules(std::uint64_t seed, SimClock& clock, Trace& trace)
    : random_(seed ^ 0x5c4ed), clock_(clock), trace_(trace) {}

void Schedules::connect(broker::Broker& broker) {
  broker_ = &broker;
  session_ = broker.open_session(sink_);
}

void Schedules::put_all() {
  for (int n = 0; n < 2; ++n) {
    const auto seconds = 1 + static_cast<std::int64_t>(random_.below(4));
    Plan plan{fmt::format("interval{}", n), fmt::format("fired{}", n),
              fmt::format("@every {}s", seconds), std::chrono::seconds(seconds)};
    plan.first = flow::time_of(flow::whole_seconds(clock_.now())) + plan.step;
    plans_.push_back(plan);
  }
  Plan line{"line", "fired2", "*/2 * * * * *", 2s};
  const auto now = micros(clock_.now());
  line.first = time_from_micros((now / 2'000'000 + 1) * 2'000'000);
  plans_.push_back(line);
  for (const auto& plan : plans_) put(plan);
  broker_->settle_down();
  if (!sink_.error.empty()) violated("schedules", sink_.error);
}

void Schedules::put(const Plan& plan) {
  engine::ScheduleSpec spec;
  spec.name = plan.name;
  spec.when = plan.when;
  spec.queue = plan.queue;
  spec.body = as_bytes(plan.name);
  spec.missed = engine::Missed::all;
  broker_->put_schedule(session_, ++tag_, spec);
}

void Schedules::act() {
  if (random_.one_in(12)) put(plans_[random_.below(plans_.size())]);
}

void Schedules::fire_all(const Plan& plan) {
  for (int turn = 0; turn < 100'000; ++turn) {
    broker_->settle_down();
    const auto schedule = broker_->schedule(session_, plan.name);
    if (!schedule) violated("schedules", plan.name + " is gone: " + schedule.error().message);
    if ((*schedule)->next_due > clock_.now()) return;
    // What was refused for want of disk comes back within a minute.
    clock_.advance((*schedule)->retry_at > clock_.now() ? (*schedule)->retry_at - clock_.now()
                                                        : Duration(1ms));
  }
  violated("schedules", plan.name + " does not come to what is due");
}

void Schedules::compare(const Plan& plan) {
  const auto until = clock_.now();
  sink_.taken.clear();
  for (std::size_t before = 1; before != sink_.taken.size();) {
    before = sink_.taken.size();
    engine::Take take;
    take.queues = {plan.queue};
    take.max = 1000;
    take.lease = 1h;
    broker_->take(session_, ++tag_, take);
    broker_->settle_down();
  }
  std::size_t n = 0;
  for (Time due = plan.first; due <= until; due += plan.step, ++n) {
    const auto wanted = flow::utc_text(due);
    if (n >= sink_.taken.size())
      violated("fires once", fmt::format("{} did not fire for {}", plan.name, wanted));
    if (sink_.taken[n].due != wanted)
      violated("fires once",
               fmt::format("{} fired for {} instead of {}", plan.name, sink_.taken[n].due, wanted));
    trace_.add(wanted);
    engine::Settle settle;
    settle.leases = {&sink_.taken[n].lease, 1};
    broker_->settle(session_, ++tag_, settle);
  }
  if (n != sink_.taken.size())
    violated("fires once", fmt::format("{} fired for {} too", plan.name, sink_.taken[n].due));
  broker_->settle_down();
}

void Schedules::drain() {
  for (const auto& plan : plans_) fire_all(plan);
  for (const auto& plan : plans_) {
    fire_all(plan);
    compare(plan);
    broker_->remove_schedule(session_, ++tag_, plan.name);
  }
  broker_->settle_down();
}

}  // namespace penstock::sim

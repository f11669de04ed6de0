#include "sim/workers.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::sim {

using engine::OrderKind;
using namespace std::chrono_literals;

namespace {

constexpr const char* kPatterns[] = {"", "w*", "w1", "w?", "x"};
constexpr const char* kNames[] = {"w1", "w2", "other"};

// Spelled out: the patterns above, and the names.
bool is_meant(const std::string& pattern, const std::string& name) {
  if (pattern.empty() || pattern == name) return true;
  return (pattern == "w*" || pattern == "w?") && (name == "w1" || name == "w2");
}

}  // namespace

void Workers::Sink::on_reply(broker::Tag tag, const broker::Reply& reply) {
  confirmed = std::max(confirmed, tag);
  if (const auto* answer = std::get_if<engine::WorkerTold>(&reply)) told = *answer;
  if (const auto* failed = std::get_if<Error>(&reply)) error = failed->message;
}

Workers::Workers(std::uint64_t seed, SimClock& clock, Trace& trace)
    : random_(seed ^ 0x40726b), clock_(clock), trace_(trace) {}

Workers::Orders Workers::look() const {
  const auto all = broker_->worker_orders(session_);
  if (!all) violated("orders to workers", all.error().message);
  Orders orders;
  for (const auto* one : *all)
    orders.push_back({one->number, one->kind, one->slots, one->who.name, one->at});
  return orders;
}

Workers::Orders Workers::living(Orders orders) const {
  std::erase_if(orders, [this](const Order& one) {
    return one.kind == OrderKind::stop && clock_.now() >= one.at + 1h;
  });
  return orders;
}

void Workers::connect(broker::Broker& broker) {
  broker_ = &broker;
  session_ = broker.open_session(sink_);
  if (!broker.workers(session_).value().empty())
    violated("presence", "a worker is there before anybody came");
  const auto found = look();
  const auto confirmed = std::ranges::find_if(
      steps_.rbegin(), steps_.rend(), [&](const Step& one) { return one.tag <= sink_.confirmed; });
  for (auto step = confirmed == steps_.rend() ? steps_.begin() : confirmed.base() - 1;
       step != steps_.end(); ++step) {
    if (living(step->orders) != found) continue;
    steps_ = {{0, step->orders}};
    return;
  }
  violated("orders to workers",
           fmt::format("{} are there, which is none of {} states since the last confirmed one",
                       found.size(), steps_.size()));
}

void Workers::act() {
  if (!sink_.error.empty()) violated("orders to workers", sink_.error);
  if (!random_.one_in(8)) return;
  switch (random_.below(4)) {
    case 0:
      return announce();
    case 1:
      return remove();
    default:
      return order();
  }
}

void Workers::note(Orders expected) {
  auto found = look();
  // It was refused, for want of disk.
  if (found != living(expected) && found != living(steps_.back().orders))
    violated("orders to workers", "one order did more than it says");
  trace_.add(found.size());
  if (steps_.size() > 64)
    std::erase_if(steps_, [&](const Step& one) {
      return &one != &steps_.back() && one.tag < sink_.confirmed;
    });
  steps_.push_back({tag_, std::move(found)});
}

void Workers::order() {
  engine::WorkerOrderSpec spec;
  spec.kind = static_cast<OrderKind>(random_.below(4));
  spec.who.name = kPatterns[random_.below(std::size(kPatterns))];
  if (spec.kind == OrderKind::resize) spec.slots = 1 + static_cast<std::uint32_t>(random_.below(9));
  const bool stops = spec.kind == OrderKind::stop;
  const auto there = broker_->workers(session_).value();
  const bool any = std::ranges::any_of(
      there, [&](const auto* one) { return is_meant(spec.who.name, one->spec.name); });
  auto expected = look();
  broker_->order_workers(session_, ++tag_, spec);
  if (stops && !any) return note(expected);
  if (!stops)
    std::erase_if(expected, [&](const Order& one) {
      const bool resizes = spec.kind == OrderKind::resize;
      return one.kind != OrderKind::stop && (one.kind == OrderKind::resize) == resizes &&
             (spec.who.name.empty() || one.name == spec.who.name);
    });
  const auto found = look();
  const auto number = found.empty() ? 0 : found.back().number;
  if (spec.kind != OrderKind::resume || !spec.who.name.empty())
    expected.push_back({number, spec.kind, spec.slots, spec.who.name, clock_.now()});
  note(std::move(expected));
}

void Workers::remove() {
  auto expected = look();
  if (expected.empty()) return;
  const auto at = random_.below(expected.size());
  const auto number = expected[at].number;
  expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(at));
  broker_->remove_worker_order(session_, ++tag_, number);
  note(std::move(expected));
}

void Workers::announce() {
  engine::WorkerSpec spec;
  spec.id = 1 + random_.below(1'000'000);
  spec.name = kNames[random_.below(std::size(kNames))];
  spec.queues = {"a"};
  bool quiet = false;
  std::uint32_t slots = 0;
  for (const auto& one : look()) {
    if (one.kind == OrderKind::stop || !is_meant(one.name, spec.name)) continue;
    if (one.kind == OrderKind::resize)
      slots = one.slots;
    else
      quiet = one.kind == OrderKind::quiet;
  }
  broker_->announce_worker(session_, ++tag_, spec);
  const auto there = broker_->workers(session_).value();
  if (there.size() != 1 || there.front()->spec.id != spec.id)
    violated("presence", "a session has one worker, the one that it announced last");
  const auto told = broker_->told(*there.front());
  if (told.quiet != quiet || told.slots != slots)
    violated("orders to workers", fmt::format("{} is told something else", spec.name));
  note(look());
}

}  // namespace penstock::sim

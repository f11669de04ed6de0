// A broker with schedules.
#pragma once

#include "engine/schedule.h"
#include "test/broker/fixture.h"

namespace penstock::broker {

using engine::Missed;
using engine::Overlap;

class ScheduleTest : public BrokerTest {
 protected:
  using Spec = engine::ScheduleSpec;

  static Spec spec(std::string_view name, std::string_view when) {
    Spec one;
    one.name = name;
    one.when = when;
    one.queue = "q";
    one.body = as_bytes("work");
    return one;
  }
  Got put(const Spec& one) {
    broker->put_schedule(session, ++tag, one);
    return wait(tag);
  }
  Got pause(std::string_view name, bool paused = true) {
    broker->pause_schedule(session, ++tag, name, paused);
    return wait(tag);
  }
  Got trigger(std::string_view name) {
    broker->trigger_schedule(session, ++tag, name);
    return wait(tag);
  }
  Got remove(std::string_view name) {
    broker->remove_schedule(session, ++tag, name);
    return wait(tag);
  }
  const engine::Schedule& schedule(std::string_view name) {
    broker->settle_down();
    auto found = broker->schedule(session, name);
    if (!found) throw std::runtime_error(found.error().message);
    return **found;
  }
  // In steps of a second, as a server's turns come.
  void run_for(Duration time) {
    for (Duration gone{0}; gone < time; gone += 1s) advance(1s);
  }
  // What happens in the milliseconds that come.
  void run_turns(int turns) {
    for (int n = 0; n < turns; ++n) advance(1ms);
  }
  // Due times of what is in the queue, which is worked off.
  std::vector<std::string> dues(std::uint32_t most = 2000) {
    std::vector<std::string> times;
    std::vector<engine::LeaseToken> done;
    for (const auto& message : take("q", most).messages) {
      times.push_back(message.due);
      done.push_back(message.lease);
    }
    if (!done.empty()) settle(done);
    return times;
  }
  // Of an interval that began `since`, its n-th times from `first` to `last`.
  static std::vector<std::string> every(Duration interval, Time since, int first, int last) {
    std::vector<std::string> times;
    for (int n = first; n <= last; ++n) times.push_back(flow::utc_text(since + n * interval));
    return times;
  }
};

}  // namespace penstock::broker

// Deadlines of many connections, in order, without an allocation or a system timer for each.
//
// Threads:  one.
// Lifetime: a deadline takes itself out when it is destroyed.
#pragma once

#include <boost/intrusive/set.hpp>

#include "base/clock.h"

namespace penstock::gateway {

class Deadline : public boost::intrusive::set_base_hook<
                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual ~Deadline() = default;

 protected:
  virtual void on_deadline(Time now) = 0;

 private:
  friend class Deadlines;
  struct ByTime {
    using type = Time;
    Time operator()(const Deadline& deadline) const { return deadline.due_; }
  };
  Time due_ = Time::max();
};

class Deadlines {
 public:
  // on_deadline() is called once at `due`, or somewhat before: a deadline that moves back is not
  // moved in the order, so that one that is put off with each request costs nothing. Who is called
  // looks at the clock and asks again.
  void set(Deadline& deadline, Time due) {
    if (deadline.is_linked()) {
      if (deadline.due_ <= due) return;
      deadline.unlink();
    }
    if (due == Time::max()) return;
    deadline.due_ = due;
    order_.insert(deadline);
  }

  void fire(Time now) {
    while (!order_.empty() && order_.begin()->due_ <= now) {
      Deadline& deadline = *order_.begin();
      deadline.unlink();
      deadline.on_deadline(now);
    }
  }

  [[nodiscard]] Time next() const { return order_.empty() ? Time::max() : order_.begin()->due_; }

 private:
  boost::intrusive::multiset<Deadline, boost::intrusive::key_of_value<Deadline::ByTime>,
                             boost::intrusive::constant_time_size<false>>
      order_;
};

}  // namespace penstock::gateway

// Hands what happens in the broker to whoever watches over `GET /v1/events`.
//
// What it is: one text a happening, made once and only while somebody watches.
// Threads:  the broker's.
// Lifetime: the hub outlives the broker's last happening, and its subscribers leave before they
// die. Pressure: a subscriber decides how much it holds; the hub holds nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.h"

namespace penstock::protocol::http {

class EventHub {
 public:
  class Subscriber {
   public:
    virtual ~Subscriber() = default;
    // `frame` is a whole server-sent event; it lives during the call. May not (un)subscribe.
    virtual void on_event(std::string_view queue, std::string_view frame) = 0;
  };

  void subscribe(Subscriber& subscriber) { subscribers_.push_back(&subscriber); }
  void unsubscribe(Subscriber& subscriber);
  [[nodiscard]] std::size_t subscribers() const { return subscribers_.size(); }

  // To be given to Broker::watch().
  void tell(const broker::Happening& happening);

 private:
  std::vector<Subscriber*> subscribers_;  // at most one a connection
  std::string text_;
  std::string frame_;
};

}  // namespace penstock::protocol::http

#include "protocol/http/service.h"

#include <fmt/chrono.h>

#include "protocol/http/dialogue.h"

namespace penstock::protocol::http {

Service::Service(broker::Broker& broker, Settings settings)
    : broker_(broker),
      settings_(std::move(settings)),
      hub_(std::make_shared<EventHub>()),
      started_(broker.now()) {
  broker.watch([hub = hub_](const broker::Happening& happening) { hub->tell(happening); });
}

Service::~Service() = default;

std::unique_ptr<Conversation> Service::converse(Host& host) {
  return std::make_unique<Dialogue>(*this, host);
}

std::string_view Service::date() {
  const auto second = micros(broker_.now()) / 1'000'000;
  if (second != date_second_) {
    date_second_ = second;
    date_ =
        fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(static_cast<std::time_t>(second)));
  }
  return date_;
}

}  // namespace penstock::protocol::http

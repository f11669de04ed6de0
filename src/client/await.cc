#include "client/await.h"

#include <algorithm>

#include "flow/backoff.h"
#include "os/real_clock.h"

namespace penstock::client {

Outage::Outage(Client& client, std::function<void(const Error&)> away)
    : client_(client), away_(std::move(away)), clock_(make_real_clock()) {}

bool Outage::outlast(const Error& error, Time until, const std::stop_token& stop) {
  const Time current = now();
  if (error.code != ErrorCode::closed || stop.stop_requested() || current >= until) return false;
  if (tries_ == 0) until_ = std::min(until, current + kLongest);
  if (tries_ == 0 && away_) away_(error);
  client_.pause(flow::delay_after(client_.options().reconnect, ++tries_, 0), stop);
  return client_.wait_until_connected(until_ - now(), stop) && now() < until_;
}

Answer<TaskStatus> await_task(Client& client, MessageId id, const Await& how,
                              const std::stop_token& stop) {
  Outage outage(client, how.away);
  const Time start = outage.now();
  const Time until = how.wait >= Time::max() - start ? Time::max() : start + how.wait;
  for (;;) {
    const Duration left = std::clamp(until - outage.now(), Duration(0), how.step);
    const auto request = task(id, left);
    auto answer =
        left > Duration(0) ? client.call_waiting(request, stop) : client.call_anyhow(request);
    if (!answer) {
      if (!outage.outlast(answer.error().error, until, stop)) return answer;
      continue;
    }
    const bool over = stop.stop_requested() || outage.now() >= until;
    if (over || answer->ended() || answer->state == "unknown") return answer;
    if (how.look) how.look(*answer);
    outage.over();
  }
}

}  // namespace penstock::client

#include "client/await.h"

#include <algorithm>

#include "flow/backoff.h"
#include "os/real_clock.h"

namespace penstock::client {
Answer<TaskStatus> await_task(Client& client, MessageId id, const Await& how,
                              const std::stop_token& stop) {
  const auto clock = make_real_clock();
  const Time start = clock->now();
  const Time until = how.wait >= Time::max() - start ? Time::max() : start + how.wait;
  Time away_until{};  // while the server is away
  std::uint32_t tries = 0;
  for (;;) {
    const Duration left = std::clamp(until - clock->now(), Duration(0), how.step);
    const auto request = task(id, left);
    auto answer =
        left > Duration(0) ? client.call_waiting(request, stop) : client.call_anyhow(request);
    const Time now = clock->now();
    const bool over = stop.stop_requested() || now >= until;
    if (answer) {
      if (over || answer->ended() || answer->state == "unknown") return answer;
      if (how.look) how.look(*answer);
      tries = 0;
      continue;
    }
    if (over || answer.error().error.code != ErrorCode::closed) return answer;
    if (tries == 0 && how.away) how.away(answer.error().error);
    if (tries == 0) away_until = std::min(until, now + how.away_max);
    client.pause(flow::delay_after(client.options().reconnect, ++tries, 0), stop);
    if (!client.wait_until_connected(away_until - clock->now(), stop)) return answer;
    if (clock->now() >= away_until) return answer;
  }
}

}  // namespace penstock::client

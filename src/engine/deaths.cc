#include "engine/deaths.h"

#include <algorithm>

namespace penstock::engine {

void Deaths::add(Death death) {
  if (entries.empty() && first_queue.empty()) {
    first_queue = death.queue;
    first_exchange = death.exchange;
    first_reason = death.reason;
  }
  const auto same = std::ranges::find_if(entries, [&](const Death& known) {
    return known.queue == death.queue && known.reason == death.reason;
  });
  if (same != entries.end()) {
    death.count = same->count + 1;
    death.at = same->at;
    death.exchange = same->exchange;
    death.keys = same->keys;
    entries.erase(same);
  }
  entries.insert(entries.begin(), std::move(death));
  if (entries.size() > kDeathsMax) entries.pop_back();
}

bool Deaths::is_circle(std::string_view queue) const {
  const auto before = std::ranges::find(entries, queue, &Death::queue);
  if (before == entries.end()) return false;
  return std::none_of(entries.begin(), before + 1,
                      [](const Death& death) { return death.reason == MoveReason::rejected; });
}

void encode(Bytes& out, const Deaths& deaths) {
  Encoder to(out);
  to.text(deaths.first_queue).text(deaths.first_exchange);
  to.integer(static_cast<std::uint8_t>(deaths.first_reason)).varint(deaths.entries.size());
  for (const auto& death : deaths.entries) {
    to.text(death.queue).integer(static_cast<std::uint8_t>(death.reason)).varint(death.count);
    to.varint(static_cast<std::uint64_t>(micros(death.at))).text(death.exchange);
    to.varint(death.keys.size());
    for (const auto& key : death.keys) to.text(key);
  }
}

Deaths decode_deaths(ByteView value) {
  Cursor in(value);
  Deaths deaths;
  deaths.first_queue = in.text();
  deaths.first_exchange = in.text();
  deaths.first_reason = static_cast<MoveReason>(in.integer<std::uint8_t>());
  for (auto count = in.varint(); count > 0 && in.ok(); --count) {
    Death death;
    death.queue = in.text();
    death.reason = static_cast<MoveReason>(in.integer<std::uint8_t>());
    death.count = in.varint();
    death.at = time_from_micros(static_cast<std::int64_t>(in.varint()));
    death.exchange = in.text();
    for (auto keys = in.varint(); keys > 0 && in.ok(); --keys) death.keys.emplace_back(in.text());
    if (in.ok()) deaths.entries.push_back(std::move(death));
  }
  return in.ok() ? deaths : Deaths{};
}

}  // namespace penstock::engine

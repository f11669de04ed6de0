#include "cli/demo/producers.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <queue>

#include "cli/interrupt.h"
#include "cli/worker/curl_handles.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

// Of a server that is not there: it will be back in a moment.
constexpr Duration kUnansweredPause = 200ms;
constexpr long kTimeoutMs = 10'000;

struct Due {
  Time at;
  std::size_t event;
  bool operator>(const Due& other) const { return at > other.at; }
};

std::size_t ignore_body(char*, std::size_t size, std::size_t count, void*) {
  return size * count;
}

void raise(std::atomic<std::int64_t>& to, std::int64_t value) {
  std::int64_t known = to.load();
  while (value > known && !to.compare_exchange_weak(known, value)) {
  }
}

struct Answer {
  long status = 0;  // 0 = none came
  Duration retry_after{0};
};

// The exact time where the server says it, else the seconds that every HTTP client understands.
Duration retry_after_of(CURL* easy) {
  curl_header* header = nullptr;
  if (::curl_easy_header(easy, "Penstock-Retry-After-Ms", 0, CURLH_HEADER, -1, &header) ==
      CURLHE_OK) {
    const std::string_view text = header->value;
    std::int64_t ms = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), ms).ec == std::errc{}) {
      return std::chrono::milliseconds(ms);
    }
  }
  curl_off_t seconds = 0;
  ::curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
  return std::chrono::seconds(seconds);
}

Answer post(const std::string& url, const Event& event, const std::stop_token& stop) {
  CurlHandles& handles = CurlHandles::of_this_thread();
  if (!handles.ok()) return {};
  CURL* easy = handles.easy();
  CurlList headers;
  headers.add("Content-Type: application/json");
  headers.add("Idempotency-Key: " + event.id);
  headers.add("Expect:");
  ::curl_easy_reset(easy);
  ::curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, event.json.data());
  ::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(event.json.size()));
  ::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  ::curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, kTimeoutMs);
  ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body);
  if (handles.perform(stop) != CURLE_OK) return {};
  Answer answer;
  ::curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer.status);
  answer.retry_after = retry_after_of(easy);
  return answer;
}

}  // namespace

struct Producers::Client {
  std::size_t first = 0;  // its events are first, first + clients, ...
  std::vector<std::size_t> accepted;
  std::jthread thread;  // last: it uses the rest
};

Producers::Producers(std::span<const Event> events, ProducerOptions options, Clock& clock)
    : events_(events),
      options_(std::move(options)),
      clock_(clock),
      began_(clock.now()),
      running_(options_.clients) {
  for (unsigned i = 0; i < options_.clients; ++i) {
    Client& client = *clients_.emplace_back(std::make_unique<Client>());
    client.first = i;
    client.thread = std::jthread([this, &client](const std::stop_token& stop) {
      run(client, stop);
      --running_;
    });
  }
}

Producers::~Producers() = default;

void Producers::stop() {
  for (auto& client : clients_) client->thread.request_stop();
}

void Producers::run(Client& client, const std::stop_token& stop) {
  std::priority_queue<Due, std::vector<Due>, std::greater<>> refused;
  std::size_t next = client.first;
  const auto due_of = [&](std::size_t event) {
    const std::chrono::duration<double> after(static_cast<double>(event) / options_.rate);
    return began_ + std::chrono::round<Duration>(after);
  };
  while (!stop.stop_requested() && (next < events_.size() || !refused.empty())) {
    std::optional<Due> due;
    if (next < events_.size()) due = Due{due_of(next), next};
    if (!refused.empty() && (!due || refused.top().at < due->at)) {
      due = refused.top();
      refused.pop();
    } else {
      next += options_.clients;
    }
    if (const Duration early = due->at - clock_.now(); early.count() > 0) {
      if (!wait_for(stop, early)) return;
    }
    const Answer answer = post(options_.url, events_[due->event], stop);
    ++tried_;
    if (answer.status == 202) {
      ++accepted_;
      client.accepted.push_back(due->event);
      continue;
    }
    if (answer.status >= 400 && answer.status < 500) {
      ++rejected_;
      continue;
    }
    const bool told = answer.status == 503 && answer.retry_after.count() > 0;
    ++(told ? refused_ : unanswered_);
    if (told) {
      retry_sum_us_ += answer.retry_after.count();
      raise(retry_max_us_, answer.retry_after.count());
    }
    refused.push({clock_.now() + (told ? answer.retry_after : kUnansweredPause), due->event});
  }
}

std::vector<std::string> Producers::accepted_ids() const {
  std::vector<std::string> ids;
  for (const auto& client : clients_) {
    for (const std::size_t event : client->accepted) ids.push_back(events_[event].id);
  }
  return ids;
}

Producers::Statistics Producers::statistics() const {
  const std::uint64_t refused = refused_;
  const auto divisor = static_cast<std::int64_t>(std::max<std::uint64_t>(refused, 1));
  return {.tried = tried_,
          .accepted = accepted_,
          .refused = refused,
          .unanswered = unanswered_,
          .rejected = rejected_,
          .retry_after_mean = Duration(retry_sum_us_ / divisor),
          .retry_after_max = Duration(retry_max_us_)};
}

}  // namespace penstock::cli

// What the demonstration's workers do: make three notifications of an event, and send e-mail.
#pragma once

#include <atomic>
#include <string>

#include "cli/worker/executor.h"
#include "client/api.h"

namespace penstock::cli {

// Takes an event and submits a task for each channel. Each carries the key "<event>:<channel>":
// when the server dies between this and the event's settle, the repeat makes no second
// notification. A channel that refuses is waited for, which holds the event back, and so the
// producers.
class FanOut final : public Executor {
 public:
  explicit FanOut(client::Client& client) : client_(client) {}

  [[nodiscard]] Ending run(const Work& work, std::stop_token stop) override;
  [[nodiscard]] std::uint64_t held_back() const { return held_back_; }

 private:
  client::Client& client_;
  std::atomic<std::uint64_t> held_back_ = 0;
};

// The queues that an event fans out to; each is also its task's name.
inline constexpr std::string_view kChannels[] = {"sms", "push", "email"};

// Hands {"id","to","name","subject","text"} to a mail server. 4xx is tried again, 5xx is not.
class SmtpExecutor final : public Executor {
 public:
  explicit SmtpExecutor(std::string url) : url_(std::move(url)) {}
  [[nodiscard]] Ending run(const Work& work, std::stop_token stop) override;

 private:
  std::string url_;  // smtp://host:port
};

// A message by RFC 5322, MIME and RFC 2047: UTF-8 in subject and text, lines of at most 76 bytes.
[[nodiscard]] std::string mail_text(std::string_view id, std::string_view to,
                                    std::string_view subject, std::string_view text);

// The id of the notification that a task is about; empty when it is about none.
[[nodiscard]] std::string notification_id(std::string_view payload);

}  // namespace penstock::cli

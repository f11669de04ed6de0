// The queue behind a connection: the native protocol, spoken by client::Client. For remote_*.cc
// only.
//
// Times that come from the server are its own clock's; only differences to ours matter, and nothing
// here depends on them being small (see Attempt).
#pragma once

#include <stop_token>

#include "client/api.h"
#include "client/await.h"
#include "task/backend.h"

namespace penstock::detail {

template <class T>
std::unexpected<Error> failed(const client::Answer<T>& answer) {
  return fail(answer.error().error);
}

class Remote final : public Backend {
 public:
  Remote(client::Options options, std::unique_ptr<client::Client> client,
         std::unique_ptr<Clock> clock)
      : options_(std::move(options)), client_(std::move(client)), clock_(std::move(clock)) {}

  Result<PublishAnswer> publish(const Publishing& publishing,
                                std::span<const std::string_view> bodies) override;
  Result<std::unique_ptr<Consumer>> open_consumer() override;
  Result<PublishAnswer> submit(const engine::WorkflowInput& workflow, Duration patience) override;
  Result<void> resume_workflow(MessageId id) override;
  Result<OwnedStatus> task(MessageId id, Duration wait) override;
  Result<OwnedLog> log(MessageId id, std::uint64_t after, Duration wait) override;
  Result<bool> cancel(MessageId id) override {
    const auto answer = ask(client::cancel_task(id));
    if (!answer) return fail(answer.error());
    return *answer > 0;
  }
  Result<bool> put_schedule(const Scheduling& scheduling) override;
  Result<void> remove_schedule(std::string_view name) override {
    return done(ask(client::remove_schedule(name)));
  }
  Result<void> pause_schedule(std::string_view name, bool paused) override {
    return done(ask(paused ? client::pause_schedule(name) : client::resume_schedule(name)));
  }
  Result<PublishAnswer> trigger_schedule(std::string_view name) override;
  Result<std::vector<ScheduleStatus>> schedules() override;
  Result<void> declare(std::string_view queue, const Options& options, Duration patience) override;
  Result<std::uint64_t> remove(std::string_view queue) override {
    return ask(client::remove_queue(queue));
  }
  Result<std::uint64_t> purge(std::string_view queue) override { return ask(client::purge(queue)); }
  Result<std::uint64_t> redrive(std::string_view queue, std::uint32_t max) override {
    return ask(client::redrive(queue, max));
  }
  Result<std::uint64_t> redrive_some(std::string_view queue, const engine::Redrive& which) override;
  Result<void> retry(MessageId id) override;
  Result<std::vector<BrowsedTask>> browse(std::string_view queue, std::uint32_t limit) override;
  Result<void> set_group(std::string_view queue, std::string_view group,
                         const Options& settings) override;
  Result<void> reset_group(std::string_view queue, std::string_view group) override;
  Result<std::vector<GroupStatus>> groups(std::string_view queue) override;
  Result<engine::QueueStatistics> queue(std::string_view name) override;
  Result<std::vector<engine::QueueStatistics>> queues() override;
  Result<std::vector<ListedWorker>> workers() override;
  Result<engine::WorkersOrdered> order_workers(const engine::WorkerOrderSpec& order) override;
  Result<std::vector<engine::WorkerOrder>> orders() override;
  Result<void> forget_order(std::uint64_t number) override;
  Time now() override { return clock_->now(); }
  std::uint64_t max_message_bytes() const override { return client_->limits().message_bytes; }
  void close() override { closing_.request_stop(); }

 private:
  [[nodiscard]] static Result<void> done(const Result<bool>& answer) {
    return answer ? Result<void>() : fail(answer.error());
  }
  template <class T>
  [[nodiscard]] Result<T> ask(const client::Request<T>& request) {
    if (closing_.stop_requested()) return fail(ErrorCode::closed, "the App is closed");
    auto answer = client_->call(request);
    if (!answer) return failed(answer);
    return std::move(*answer);
  }
  template <class T>
  client::Answer<T> call(const client::Request<T>& request) {
    return request.wait > Duration(0) ? client_->call_waiting(request, closing_.get_token())
                                      : client_->call_anyhow(request);
  }

  // The same for what may come in: through the loss of connections and restarts of the server, as
  // long as it is known not to have been carried out, or has a key and may be asked for again.
  template <class T>
  client::Answer<T> call_patiently(const client::Request<T>& request, Duration patience,
                                   bool has_key) {
    client::Outage outage(*client_);
    const Time start = outage.now();
    const Time until = patience >= Time::max() - start ? Time::max() : start + patience;
    for (;;) {
      auto answer = call(request);
      if (answer || (!answer.error().unsent && !has_key) ||
          !outage.outlast(answer.error().error, until, closing_.get_token()))
        return answer;
    }
  }

  const client::Options options_;
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<Clock> clock_;
  std::stop_source closing_;
};

// A client of its own, so that its leases end with it.
[[nodiscard]] std::unique_ptr<Consumer> make_remote_consumer(
    std::unique_ptr<client::Client> client);

}  // namespace penstock::detail

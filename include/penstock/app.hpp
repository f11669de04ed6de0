// The library's entrance: a durable queue in this process, or a server elsewhere, and what can be
// asked of it.
//
//   auto app = penstock::App::embedded("jobs");
//   app.add(resize);
//   auto job = app.enqueue(resize, "cat.png", 320);
//   auto workers = app.work({.queues = {"default"}, .threads = {1, 8}});
//   std::string path = job.get(10s);
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "penstock/job.hpp"
#include "penstock/message.hpp"
#include "penstock/middleware.hpp"
#include "penstock/options.hpp"
#include "penstock/schedule.hpp"
#include "penstock/task.hpp"
#include "penstock/workers.hpp"
#include "penstock/workflow.hpp"

namespace penstock {

namespace testing {
class TestApp;
}
namespace outbox {
class Drainer;
}

namespace detail {

// Payloads, one after the other in one buffer.
struct Payloads {
  std::string text;
  std::vector<std::size_t> ends;

  void close() { ends.push_back(text.size()); }
};

// The ids of what came in, in order. Waits as EnqueueOptions::patience says; throws Refused.
[[nodiscard]] std::vector<std::uint64_t> enqueue(Core& core, const TaskDefinition& task,
                                                 const EnqueueOptions& options,
                                                 const Payloads& payloads);
[[nodiscard]] std::expected<std::uint64_t, Refusal> try_enqueue(Core& core,
                                                                const TaskDefinition& task,
                                                                const EnqueueOptions& options,
                                                                const Payloads& payload);
bool schedule(Core& core, std::string_view name, const When& when, const ScheduleOptions& how,
              const TaskDefinition& task, const EnqueueOptions& options, const Payloads& payload);

}  // namespace detail

// What an accepted call promises: it is synced to the disk (of the server) before the function
// returns.
//
// Threads:  any thread may call anything, but the destructor and close().
// Lifetime: the destructor stops the workers made here and closes; jobs and messages that live on
// can
//           only throw Closed. An embedded App owns its directory: one at a time, over all
//           processes.
// Errors:   error.hpp. Every function may throw Closed, and StorageError or a broken connection's
//           Closed; what else it throws is said with it. Queues and tasks that nobody has declared
//           come into being with the defaults when something is sent to them.
class App {
 public:
  // Opens or makes the directory. Throws Conflict (in use, by whom), StorageError (not writable,
  // damaged, of a newer format), InvalidInput.
  [[nodiscard]] static App embedded(const std::filesystem::path& directory,
                                    const EmbeddedOptions& options = {});
  // "penstock://host:port". Throws Closed when nobody is there, Timeout, InvalidInput.
  [[nodiscard]] static App connect(std::string_view url, const ConnectOptions& options = {});

  App(App&&) noexcept;
  App& operator=(App&&) noexcept;
  ~App();
  void close();

  // ---- tasks

  // Lets the workers of this App run the tasks. Throws Conflict when another task has the name.
  template <class... Signature>
  void add(const Task<Signature>&... tasks) {
    (add_definition(tasks.definition()), ...);
  }

  // Puts it around every enqueue and execution of tasks that begins from now on, inside of what is
  // there already. Throws InvalidInput when there are 64.
  void use(Middleware middleware);

  // Durable when it returns. While the queue refuses it waits, with exponential backoff and jitter
  // and not less than the refusal says, up to `patience`; then it throws Refused. So it does while
  // the server is away; then it throws Closed. InvalidInput: an option or an argument that cannot
  // travel (text that is not UTF-8, NaN), or too large.
  template <class R, class... Args, class... Given>
  Job<R> enqueue(const Task<R(Args...)>& task, Given&&... given) {
    return enqueue(Call<R(Args...)>{task, {}}, std::forward<Given>(given)...);
  }
  template <class R, class... Args, class... Given>
  Job<R> enqueue(const Call<R(Args...)>& call, Given&&... given) {
    detail::Payloads payload;
    Task<R(Args...)>::write_payload(payload.text, std::forward<Given>(given)...);
    payload.close();
    const auto ids = detail::enqueue(*core_, *call.task.definition(), call.options, payload);
    return Job<R>(core_, ids.front());
  }

  // The same without waiting: the job, or why not and when to come back.
  template <class R, class... Args, class... Given>
  [[nodiscard]] std::expected<Job<R>, Refusal> try_enqueue(const Task<R(Args...)>& task,
                                                           Given&&... given) {
    return try_enqueue(Call<R(Args...)>{task, {}}, std::forward<Given>(given)...);
  }
  template <class R, class... Args, class... Given>
  [[nodiscard]] std::expected<Job<R>, Refusal> try_enqueue(const Call<R(Args...)>& call,
                                                           Given&&... given) {
    detail::Payloads payload;
    Task<R(Args...)>::write_payload(payload.text, std::forward<Given>(given)...);
    payload.close();
    const auto id = detail::try_enqueue(*core_, *call.task.definition(), call.options, payload);
    if (!id) return std::unexpected(id.error());
    return Job<R>(core_, *id);
  }

  // One task for each tuple of arguments (of a task of one parameter, or value), in order, and far
  // cheaper than one by one. They come in in batches, each as a whole or not at all;
  // Refused::accepted() says how many did.
  template <class R, class... Args, std::ranges::input_range Tuples>
  std::vector<Job<R>> enqueue_many(const Task<R(Args...)>& task, Tuples&& tuples) {
    return enqueue_many(Call<R(Args...)>{task, {}}, std::forward<Tuples>(tuples));
  }
  template <class R, class... Args, std::ranges::input_range Tuples>
  std::vector<Job<R>> enqueue_many(const Call<R(Args...)>& call, Tuples&& tuples) {
    detail::Payloads payloads;
    for (auto&& arguments : tuples) {
      Task<R(Args...)>::write_tuple(payloads.text, std::forward<decltype(arguments)>(arguments));
      payloads.close();
    }
    std::vector<Job<R>> jobs;
    jobs.reserve(payloads.ends.size());
    for (const auto id : detail::enqueue(*core_, *call.task.definition(), call.options, payloads))
      jobs.emplace_back(core_, id);
    return jobs;
  }

  // Starts a workflow: durable when it returns, with all of its steps, or not at all. Waits and
  // throws as enqueue() does.
  template <class R, class In>
  Workflow<R> start(const Flow<R, In>& flow, const WorkflowOptions& options = {}) {
    static_assert(std::same_as<In, detail::NoInput>,
                  "penstock: nothing comes before the workflow to give it a value: give its first "
                  "step all of its arguments.");
    return Workflow<R>(core_, detail::start_workflow(*core_, flow.part(), options));
  }
  // One that was started earlier, perhaps by another process.
  template <class R>
  [[nodiscard]] Workflow<R> workflow(std::uint64_t id) const {
    return Workflow<R>(core_, id);
  }

  // ---- schedules

  // Submits the task whenever its time comes, until unschedule(): whoever is there then, this
  // program need not be. A schedule of that name is changed, and left as it is when nothing
  // differs, so a program may say it at every start. True: it is new. Throws InvalidInput (a line
  // that cannot be read, or never fires; no such zone; `delay`, `at` or `expires`, which have no
  // meaning here).
  template <class R, class... Args, class... Given>
  bool schedule(std::string_view name, const When& when, const Task<R(Args...)>& task,
                Given&&... given) {
    return schedule(name, when, ScheduleOptions{}, Call<R(Args...)>{task, {}},
                    std::forward<Given>(given)...);
  }
  template <class R, class... Args, class... Given>
  bool schedule(std::string_view name, const When& when, const ScheduleOptions& how,
                const Task<R(Args...)>& task, Given&&... given) {
    return schedule(name, when, how, Call<R(Args...)>{task, {}}, std::forward<Given>(given)...);
  }
  template <class R, class... Args, class... Given>
  bool schedule(std::string_view name, const When& when, const ScheduleOptions& how,
                const Call<R(Args...)>& call, Given&&... given) {
    detail::Payloads payload;
    Task<R(Args...)>::write_payload(payload.text, std::forward<Given>(given)...);
    payload.close();
    return detail::schedule(*core_, name, when, how, *call.task.definition(), call.options,
                            payload);
  }
  // Throw NotFound.
  void unschedule(std::string_view name);
  // All of them, by name.
  [[nodiscard]] std::vector<ScheduleStatus> schedules();
  void pause_schedule(std::string_view name);
  void resume_schedule(std::string_view name);
  // Once more, now; the task's id. Throws Refused.
  std::uint64_t trigger_schedule(std::string_view name);

  // A job made earlier, perhaps by another process. Whether there is one, its status says.
  template <class R>
  [[nodiscard]] Job<R> job(std::uint64_t id) const {
    return Job<R>(core_, id);
  }

  // Starts threads that run the tasks added here. Throws InvalidInput (no queue, no thread, min
  // over max), Closed.
  [[nodiscard]] Workers work(const WorkerOptions& options = {});

  // ---- the workers of all programs. What they are told takes them a second.

  // By name. Of an embedded App, its own.
  [[nodiscard]] std::vector<WorkerInfo> workers();
  // Durable when it returns. Throws InvalidInput: a resize without slots, or more than 256 orders.
  OrderedWorkers order_workers(const WorkerOrder& order);
  // Those that hold, the oldest first.
  [[nodiscard]] std::vector<StandingOrder> orders();
  // Throws NotFound.
  void forget_order(std::uint64_t number);

  // ---- plain messages

  // Waits and throws as enqueue() does; the message's id.
  std::uint64_t send(std::string_view queue, std::string_view body,
                     const SendOptions& options = {});
  [[nodiscard]] std::expected<std::uint64_t, Refusal> try_send(std::string_view queue,
                                                               std::string_view body,
                                                               const SendOptions& options = {});
  // The ids, in order; the same options for all of them.
  std::vector<std::uint64_t> send_many(std::string_view queue,
                                       std::span<const std::string_view> bodies,
                                       const SendOptions& options = {});
  // None when the wait ran out.
  [[nodiscard]] std::vector<Message> receive(std::string_view queue,
                                             const ReceiveOptions& options = {});
  // All of them in one go; returns how many leases had been lost.
  std::size_t ack(std::span<Message> messages);

  // ---- queues

  // Makes the queue, or changes what is given of its options. Waits up to 30 s for a server that
  // is away; throws InvalidInput, naming the option.
  void declare(std::string_view queue, const QueueOptions& options = {});
  // Throw NotFound. The numbers are of messages that it touched.
  [[nodiscard]] QueueStatistics queue(std::string_view name);
  std::uint64_t remove(std::string_view queue);
  std::uint64_t purge(std::string_view queue);
  // How many of its dead letters went back. Throws Conflict when there are some, and the queues
  // that they came from have room for none.
  std::uint64_t redrive(std::string_view queue, std::uint32_t max = 0);  // 0 = all
  // The same of those that fit.
  std::uint64_t redrive(std::string_view queue, const RedriveOptions& which);
  // One task that failed for good. Throws NotFound when it is not among the dead letters, Conflict
  // when its queue is full, or gone.
  void retry(std::uint64_t id);
  void pause(std::string_view queue);
  void resume(std::string_view queue);
  [[nodiscard]] std::vector<QueueStatistics> queues();

  // What one group of the queue may do; durable, and kept while the group is empty. Throw NotFound,
  // InvalidInput.
  void set_group(std::string_view queue, std::string_view group, const GroupOptions& options);
  void reset_group(std::string_view queue, std::string_view group);
  // Those for which something is set, by name.
  [[nodiscard]] std::vector<GroupStatus> groups(std::string_view queue);

  // Which of the tasks that wait in the queue could not be run with what was added to this App: of
  // the first `max` in the order of delivery, and of 32 MiB of them at most. To be asked before a
  // new build takes over. Throws NotFound.
  [[nodiscard]] TaskCheck check(std::string_view queue, std::uint32_t max = 10'000);

 private:
  friend class testing::TestApp;
  friend class outbox::Drainer;
  explicit App(std::shared_ptr<detail::Core> core);
  void add_definition(const std::shared_ptr<const detail::TaskDefinition>& definition);

  std::shared_ptr<detail::Core> core_;
};

}  // namespace penstock

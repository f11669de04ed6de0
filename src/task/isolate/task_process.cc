#include "task/isolate/task_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/text.h"
#include "os/real_clock.h"
#include "task/execute.h"
#include "task/isolate/frames.h"
#include "task/stop_courier.h"
#include "task/trace.h"

namespace penstock::detail {
namespace {

// "size resident ..." in pages.
std::array<std::uint64_t, 2> memory_pages() {
  std::array<std::uint64_t, 2> pages{};
  const Descriptor file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  char text[128];
  const auto count = ::read(file.get(), text, sizeof text - 1);
  if (count <= 0) return pages;
  text[count] = '\0';
  char* at = text;
  for (auto& number : pages) number = std::strtoull(at, &at, 10);
  return pages;
}

// Two threads: this one runs tasks; the other hears what the worker says, and says what is due.
class TaskProcess final : public AttemptHost {
 public:
  TaskProcess(const Zygote::Tasks& tasks, int socket)
      : tasks_(tasks),
        socket_(socket),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        clock_(make_real_clock()),
        random_(make_real_random()),
        attempt_(*this) {}

  [[noreturn]] void run();

  // AttemptHost
  Time now() override { return clock_->now(); }
  void look_by(Time when) override;
  Result<void> extend_now(Extension& extension) override;
  void deliver_stop(std::stop_source source) override { courier_.deliver(std::move(source)); }
  std::uint64_t enqueue(const TaskDefinition& task, const EnqueueOptions& options,
                        std::string payload) override;

 private:
  struct Waiting {
    bool there = false;
    FrameKind kind = FrameKind::run;
    Bytes payload;
  };

  void run_one(const RunFrame& run);
  void hear();
  void take(Frame frame);
  void say_what_is_due();
  void say(const Attempt::LastWords& log);
  void send(const Bytes& frame);
  [[nodiscard]] Bytes ask(const Bytes& frame, FrameKind answer);
  [[nodiscard]] Bytes wait_for(FrameKind kind, std::unique_lock<std::mutex>& lock);
  [[nodiscard]] static std::uint64_t resident_bytes();

  const Zygote::Tasks& tasks_;
  const int socket_;
  const Descriptor wake_;
  const std::unique_ptr<Clock> clock_;
  const std::unique_ptr<Random> random_;
  Attempt attempt_;
  StopCourier courier_;

  std::mutex telling_mutex_;  // what is said goes out in order
  std::mutex send_mutex_;
  std::mutex ask_mutex_;  // one question at a time
  std::mutex mutex_;      // of what follows
  std::condition_variable arrived_;
  std::array<Waiting, 4> waiting_;  // for run, extended and enqueued: at most one of each is due
  Time look_at_ = Time::max();
  FrameReader reader_;  // of the hearing thread
};

// The worker is gone, or not ours: there is nobody to tell.
[[noreturn]] void leave() {
  ::_exit(1);
}

void TaskProcess::run() {
  // An exit() within a task ends the process with its code, but not what the program's own exit
  // would end: that is not this copy's to do. Registered last, it is called first.
  ::on_exit(
      [](int code, void*) {
        std::fflush(nullptr);
        ::_exit(code);
      },
      nullptr);
  std::thread([this] { hear(); }).detach();
  while (true) {
    Bytes payload;
    {
      std::unique_lock lock(mutex_);
      payload = wait_for(FrameKind::run, lock);
    }
    RunFrame frame;
    if (!decode(payload, frame) || frame.task >= tasks_.size()) leave();
    run_one(frame);
  }
}

// The program's own hard limit stands.
void limit(__rlimit_resource_t what, rlim_t value) {
  rlimit now{};
  ::getrlimit(what, &now);
  now.rlim_cur = std::min(value, now.rlim_max);
  ::setrlimit(what, &now);
}

// The limits are the attempt's own: on top of what the process has and has used.
void set_limits(const RunFrame& run) {
  rlim_t memory = RLIM_INFINITY;
  if (run.memory_bytes > 0) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    memory = memory_pages()[0] * page + run.memory_bytes;
  }
  limit(RLIMIT_AS, memory);
  rlim_t cpu_seconds = RLIM_INFINITY;
  if (run.cpu_time > Duration(0)) {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto more = std::chrono::ceil<std::chrono::seconds>(run.cpu_time).count();
    cpu_seconds = static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1 + more);
  }
  limit(RLIMIT_CPU, cpu_seconds);
}

void TaskProcess::run_one(const RunFrame& run) {
  const TaskDefinition& task = *tasks_[run.task];
  attempt_.begin(run.delivery, task.name, Timeouts{}, now());
  set_limits(run);
  std::optional<AttemptFailure> failure;
  DoneFrame done;
  Bytes replaced;  // of a workflow in its place
  try {
    const TraceScope scope(run.delivery);
    Context context(attempt_);
    run_payload(task, context, as_text(run.delivery.body), done.result);
    if (auto part = attempt_.take_replacement()) {
      replaced = make_frame(FrameKind::replaced, ReplacedFrame{std::move(part), resident_bytes()});
      if (replaced.size() > kFrameBytesMax / 2)
        throw Permanent("the workflow in the task's place is too large for isolation");
    }
    if (done.result.size() > kFrameBytesMax / 2) throw Permanent("the result is too large");
  } catch (...) {
    limit(RLIMIT_AS, RLIM_INFINITY);
    failure = describe_current_exception(task.options.retry, run.delivery.attempts,
                                         [this] { return random_->next(); });
  }
  limit(RLIMIT_AS, RLIM_INFINITY);
  (void)attempt_.end();
  {
    const std::lock_guard lock(telling_mutex_);
    say(attempt_.last_words());
  }
  std::fflush(nullptr);
  if (failure)
    send(make_frame(FrameKind::failed, FailedFrame{std::move(*failure), resident_bytes()}));
  else if (!replaced.empty())
    send(replaced);
  else
    send(make_frame(FrameKind::done, DoneFrame{std::move(done.result), resident_bytes()}));
}

std::uint64_t TaskProcess::resident_bytes() {
  return memory_pages()[1] * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void TaskProcess::send(const Bytes& frame) {
  const std::lock_guard lock(send_mutex_);
  ByteView left(frame);
  while (!left.empty()) {
    const auto count = ::send(socket_, left.data(), left.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) leave();
    left = left.subspan(static_cast<std::size_t>(count));
  }
}

Bytes TaskProcess::wait_for(FrameKind kind, std::unique_lock<std::mutex>& lock) {
  while (true) {
    for (auto& waiting : waiting_) {
      if (!waiting.there || waiting.kind != kind) continue;
      waiting.there = false;
      return std::move(waiting.payload);
    }
    arrived_.wait(lock);
  }
}

Bytes TaskProcess::ask(const Bytes& frame, FrameKind answer) {
  const std::lock_guard one_at_a_time(ask_mutex_);
  send(frame);
  std::unique_lock lock(mutex_);
  return wait_for(answer, lock);
}

// ---- the hearing thread

void TaskProcess::hear() {
  std::vector<std::byte> chunk(64u << 10);
  while (true) {
    Time look_at;
    {
      const std::lock_guard lock(mutex_);
      look_at = look_at_;
    }
    int timeout_ms = -1;
    if (look_at != Time::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(look_at - now()).count();
      timeout_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000));
    }
    std::array<pollfd, 2> fds{{{socket_, POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), timeout_ms) < 0 && errno != EINTR) leave();
    if (fds[1].revents != 0) {
      std::uint64_t count = 0;
      (void)!::read(wake_.get(), &count, sizeof count);
    }
    if (fds[0].revents != 0) {
      const auto count = ::recv(socket_, chunk.data(), chunk.size(), MSG_DONTWAIT);
      if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) leave();
      if (count > 0) reader_.add(ByteView(chunk.data(), static_cast<std::size_t>(count)));
      while (true) {
        auto frame = reader_.next();
        if (!frame) leave();
        if (!*frame) break;
        take(std::move(**frame));
      }
    }
    if (now() >= look_at) say_what_is_due();
  }
}

void TaskProcess::take(Frame frame) {
  if (frame.kind == FrameKind::stop) {
    StopReason reason{};
    if (!decode(frame.payload, reason)) leave();
    attempt_.stop(reason);
    return;
  }
  const std::lock_guard lock(mutex_);
  for (auto& waiting : waiting_) {
    if (waiting.there) continue;
    waiting = {true, frame.kind, std::move(frame.payload)};
    arrived_.notify_all();
    return;
  }
  leave();
}

void TaskProcess::say_what_is_due() {
  {
    const std::lock_guard lock(mutex_);
    look_at_ = Time::max();
  }
  Time due = Time::max();
  // The lease is the worker's to keep: of what is due, what the task tells of itself is told.
  {
    const std::lock_guard lock(telling_mutex_);
    if (const auto word = attempt_.word(now(), &due)) {
      if (word->progress) send(make_frame(FrameKind::progress, *word->progress));
      say({.lines = word->log});
    }
  }
  if (due != Time::max()) look_by(due);
}

void TaskProcess::say(const Attempt::LastWords& log) {
  if (!log.lines.empty() || log.dropped > 0) send(make_frame(FrameKind::log, log));
}

void TaskProcess::look_by(Time when) {
  {
    const std::lock_guard lock(mutex_);
    if (when >= look_at_) return;
    look_at_ = when;
  }
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

// ---- what a task asks

Result<void> TaskProcess::extend_now(Extension& extension) {
  const Bytes answer = ask(make_frame(FrameKind::extend, extension.duration), FrameKind::extended);
  std::string error;
  if (!decode(answer, extension, error)) leave();
  if (!error.empty()) return fail(ErrorCode::closed, error);
  return {};
}

std::uint64_t TaskProcess::enqueue(const TaskDefinition& task, const EnqueueOptions& options,
                                   std::string payload) {
  if (options.headers.size() > kFrameHeadersMax)
    throw InvalidInput("more headers than a process may send with a task");
  const EnqueueFrame frame{task.name, task.options, options, std::move(payload)};
  const Bytes answer = ask(make_frame(FrameKind::enqueue, frame), FrameKind::enqueued);
  EnqueuedFrame enqueued;
  if (!decode(answer, enqueued)) leave();
  if (!enqueued.error.empty()) throw_error(Error{enqueued.code, enqueued.error, {}});
  return enqueued.id;
}

}  // namespace

void run_task_process(const Zygote::Tasks& tasks, int socket) {
  TaskProcess process(tasks, socket);
  process.run();
}

}  // namespace penstock::detail

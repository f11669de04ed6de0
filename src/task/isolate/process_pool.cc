#include "task/isolate/process_pool.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "os/signal_name.h"

namespace penstock::detail {
namespace {

constexpr std::size_t kChunkBytes = 64u << 10;

// Of a process that ended without our doing.
AttemptFailure failure_of(const ProcessEnd& end) {
  using engine::Cause;
  if (!end.signalled)
    return {.text = fmt::format("penstock::Killed: exit: {}, in the middle of the task", end.code),
            .cause = Cause::killed};
  if (end.code == SIGXCPU)
    return {.text = "penstock::Timeout: its processor time was up", .cause = Cause::timed_out};
  if (end.code == SIGKILL)
    return {.text =
                "penstock::OutOfMemory: SIGKILL, and not from its worker: as the system does "
                "when memory runs out",
            .cause = Cause::out_of_memory};
  return {.text = "penstock::Killed: signal: " + signal_name(end.code), .cause = Cause::killed};
}

}  // namespace

IsolatedFailure::IsolatedFailure(AttemptFailure failure, std::uint32_t attempts)
    : TaskError(std::string(split_error(failure.text).first),
                std::string(split_error(failure.text).second), attempts),
      failure_(std::move(failure)) {}

// One attempt, in a process that it has for itself.
class ProcessPool::Run {
 public:
  Run(ProcessPool& pool, Process& process, const TaskDefinition& task, Attempt& attempt)
      : pool_(pool),
        process_(process),
        task_(task),
        attempt_(attempt),
        told_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        hard_at_(attempt.hard_deadline()) {}

  // True when the process may run the next one.
  bool go(std::uint32_t number, std::string& result, std::uint64_t& resident_bytes);
  [[nodiscard]] bool ended_well() const { return !failure_; }
  [[nodiscard]] AttemptFailure take_failure() { return std::move(*failure_); }

 private:
  enum class Turn : std::uint8_t { goes_on, finished, broken };

  [[nodiscard]] bool send(const Bytes& frame);
  [[nodiscard]] Turn wait();
  [[nodiscard]] Turn hear();
  [[nodiscard]] Turn answer(const Frame& frame);
  [[nodiscard]] Turn extend(const Frame& frame);
  [[nodiscard]] Turn enqueue(const Frame& frame);
  void tell_stop();
  [[nodiscard]] AttemptFailure end_of_process();

  ProcessPool& pool_;
  Process& process_;
  const TaskDefinition& task_;
  Attempt& attempt_;
  const Descriptor told_;  // the attempt is to stop
  const Time hard_at_;     // it is killed then
  Time kill_at_ = Time::max();
  bool stop_told_ = false, killed_ = false, garbage_ = false;
  std::string* result_ = nullptr;
  std::uint64_t resident_bytes_ = 0;
  std::optional<AttemptFailure> failure_;
};

bool ProcessPool::Run::go(std::uint32_t number, std::string& result,
                          std::uint64_t& resident_bytes) {
  result_ = &result;
  const std::stop_callback tell(attempt_.stop_token(), [this] {
    const std::uint64_t one = 1;
    // Cannot fail: the counter is far from full.
    (void)!::write(told_.get(), &one, sizeof one);
  });
  RunFrame run{.task = number,
               .delivery = attempt_.delivery(),
               .memory_bytes = task_.options.limits.memory_bytes,
               .cpu_time = task_.options.limits.cpu_time};
  const Bytes frame = make_frame(FrameKind::run, run);
  if (frame.size() > kFrameBytesMax) {
    failure_ = {.text = "penstock::InvalidInput: the message is too large for isolation",
                .retry = false};
    return true;
  }
  Turn turn = send(frame) ? Turn::goes_on : Turn::broken;
  while (turn == Turn::goes_on) turn = wait();
  resident_bytes = resident_bytes_;
  if (turn == Turn::finished) return true;
  failure_ = end_of_process();
  return false;
}

// The socket's buffer may be smaller than the message: then it goes as the process reads.
bool ProcessPool::Run::send(const Bytes& frame) {
  ByteView left(frame);
  while (!left.empty()) {
    const auto count =
        ::send(process_.os.socket.get(), left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      left = left.subspan(static_cast<std::size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return false;
    // One that was stopped, or never reads, is not waited for.
    std::array<pollfd, 2> fds{
        {{process_.os.socket.get(), POLLOUT, 0}, {process_.os.pidfd.get(), POLLIN, 0}}};
    constexpr int kPatienceMs = 10'000;
    const int ready = ::poll(fds.data(), fds.size(), kPatienceMs);
    if (ready == 0 || fds[1].revents != 0 || (ready < 0 && errno != EINTR)) return false;
  }
  return true;
}

ProcessPool::Run::Turn ProcessPool::Run::wait() {
  const Time due = std::min(hard_at_, kill_at_);
  int timeout_ms = -1;
  if (due != Time::max()) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(due - pool_.core_.backend().now()).count();
    if (left <= 0) return killed_ = true, Turn::broken;
    timeout_ms = static_cast<int>(std::min<std::int64_t>(left, 60'000));
  }
  std::array<pollfd, 3> fds{{{process_.os.socket.get(), POLLIN, 0},
                             {process_.os.pidfd.get(), POLLIN, 0},
                             {stop_told_ ? -1 : told_.get(), POLLIN, 0}}};
  if (::poll(fds.data(), fds.size(), timeout_ms) < 0 && errno != EINTR) return Turn::broken;
  if (fds[2].revents != 0) tell_stop();
  // What it said before it died counts.
  if (fds[0].revents != 0) return hear();
  return fds[1].revents != 0 ? Turn::broken : Turn::goes_on;
}

void ProcessPool::Run::tell_stop() {
  stop_told_ = true;
  kill_at_ = pool_.core_.backend().now() + task_.options.limits.grace;
  (void)send(make_frame(FrameKind::stop, attempt_.stop_reason()));
}

ProcessPool::Run::Turn ProcessPool::Run::hear() {
  std::array<std::byte, kChunkBytes> chunk;
  const auto count = ::recv(process_.os.socket.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return Turn::goes_on;
  if (count <= 0) return Turn::broken;
  process_.reader.add(ByteView(chunk.data(), static_cast<std::size_t>(count)));
  while (true) {
    const auto frame = process_.reader.next();
    if (!frame) return garbage_ = true, Turn::broken;
    if (!*frame) return Turn::goes_on;
    const Turn turn = answer(**frame);
    if (turn != Turn::goes_on) return turn;
  }
}

ProcessPool::Run::Turn ProcessPool::Run::answer(const Frame& frame) {
  switch (frame.kind) {
    case FrameKind::progress: {
      engine::Progress progress;
      if (!decode(frame.payload, progress)) break;
      (void)attempt_.progress(std::move(progress));
      return Turn::goes_on;
    }
    case FrameKind::log: {
      Attempt::LastWords log;
      if (!decode(frame.payload, log)) break;
      for (const auto& line : log.lines) attempt_.log(line);
      attempt_.count_dropped(log.dropped);
      return Turn::goes_on;
    }
    case FrameKind::extend:
      return extend(frame);
    case FrameKind::enqueue:
      return enqueue(frame);
    case FrameKind::done: {
      DoneFrame done;
      if (!decode(frame.payload, done)) break;
      result_->append(done.result);
      resident_bytes_ = done.resident_bytes;
      return Turn::finished;
    }
    case FrameKind::replaced: {
      ReplacedFrame replaced;
      if (!decode(frame.payload, replaced)) break;
      attempt_.replace_with(std::move(replaced.part));
      resident_bytes_ = replaced.resident_bytes;
      return Turn::finished;
    }
    case FrameKind::failed: {
      FailedFrame failed;
      if (!decode(frame.payload, failed)) break;
      failure_ = std::move(failed.failure);
      resident_bytes_ = failed.resident_bytes;
      return Turn::finished;
    }
    case FrameKind::run:
    case FrameKind::stop:
    case FrameKind::extended:
    case FrameKind::enqueued:
      break;
  }
  garbage_ = true;
  return Turn::broken;
}

ProcessPool::Run::Turn ProcessPool::Run::extend(const Frame& frame) {
  Duration duration;
  if (!decode(frame.payload, duration)) return garbage_ = true, Turn::broken;
  const auto extended = attempt_.extend(duration);
  const Extension none;
  const Bytes answer = make_frame(FrameKind::extended, extended ? *extended : none,
                                  extended ? std::string_view() : extended.error().message);
  return send(answer) ? Turn::goes_on : Turn::broken;
}

ProcessPool::Run::Turn ProcessPool::Run::enqueue(const Frame& frame) {
  EnqueueFrame asked;
  if (!decode(frame.payload, asked)) return garbage_ = true, Turn::broken;
  EnqueuedFrame answer;
  try {
    // It is not served meanwhile; a time-out must not have to wait for that.
    const Time now = pool_.core_.backend().now();
    asked.options.patience =
        std::clamp(std::min(hard_at_, kill_at_) - now, Duration(0), asked.options.patience);
    const auto task = define_task(asked.name, std::move(asked.task), {});
    answer.id = attempt_.enqueue(*task, asked.options, std::move(asked.payload));
  } catch (const Refused& refused) {
    answer = {0, ErrorCode::busy, refused.what()};
  } catch (const InvalidInput& invalid) {
    answer = {0, ErrorCode::invalid, invalid.what()};
  } catch (const std::exception& error) {
    answer = {0, ErrorCode::closed, error.what()};
  }
  return send(make_frame(FrameKind::enqueued, answer)) ? Turn::goes_on : Turn::broken;
}

// It is killed here if it has not ended by itself.
AttemptFailure ProcessPool::Run::end_of_process() {
  using engine::Cause;
  // Before it is killed: that would hide what it had ended of.
  const bool ended = killed_ || garbage_ ? false : [&] {
    pollfd fd{process_.os.pidfd.get(), POLLIN, 0};
    constexpr int kPatienceMs = 1000;  // it closed its socket, or is just ending
    return ::poll(&fd, 1, kPatienceMs) > 0;
  }();
  const auto end = pool_.end(process_);
  if (garbage_)
    return {.text = "penstock::Killed: it wrote what is not a frame to its worker",
            .cause = Cause::killed};
  if (killed_ && pool_.core_.backend().now() >= hard_at_)
    return {.text = fmt::format("penstock::Timeout: killed after {} ms",
                                attempt_.hard_timeout() / std::chrono::milliseconds(1)),
            .cause = Cause::timed_out};
  if (killed_)
    return {.text = fmt::format("penstock::Killed: it did not stop within {} ms",
                                task_.options.limits.grace / std::chrono::milliseconds(1)),
            .cause = Cause::killed};
  if (!end)
    return {.text = "penstock::Killed: " + end.error().message, .cause = Cause::worker_lost};
  if (!ended)
    return {.text = "penstock::Killed: it closed the way to its worker", .cause = Cause::killed};
  return failure_of(*end);
}

ProcessPool::ProcessPool(Core& core, std::shared_ptr<Zygote> zygote,
                         const IsolationOptions& options)
    : core_(core), zygote_(std::move(zygote)), options_(options) {}

ProcessPool::~ProcessPool() {
  for (const auto& process : idle_) (void)end(*process).has_value();
}

void ProcessPool::prepare(std::uint32_t count) {
  for (std::uint32_t n = 0; n < count; ++n) {
    auto process = spawn();
    if (process == nullptr) return;
    const std::lock_guard lock(mutex_);
    idle_.insert(idle_.begin(), std::move(process));
  }
}

void ProcessPool::run(const TaskDefinition& task, Attempt& attempt, std::string& result) {
  const auto attempts = attempt.delivery().attempts;
  const auto number = zygote_->find(task);
  auto process = number ? take() : nullptr;
  if (process == nullptr)
    throw IsolatedFailure({.text = "penstock::Killed: no process could be made for it",
                           .cause = engine::Cause::worker_lost},
                          attempts);
  Run run(*this, *process, task, attempt);
  std::uint64_t resident_bytes = 0;
  if (run.go(*number, result, resident_bytes)) {
    give_back(std::move(process), resident_bytes);
  } else {
    const std::lock_guard lock(mutex_);
    ++statistics_.died;
  }
  if (!run.ended_well()) throw IsolatedFailure(run.take_failure(), attempts);
}

// One that died while it waited (somebody killed it) is not the next task's failure.
std::unique_ptr<ProcessPool::Process> ProcessPool::take() {
  while (true) {
    std::unique_ptr<Process> process;
    {
      const std::lock_guard lock(mutex_);
      if (idle_.empty()) break;
      process = std::move(idle_.back());
      idle_.pop_back();
    }
    pollfd fd{process->os.pidfd.get(), POLLIN, 0};
    if (::poll(&fd, 1, 0) == 0) return process;
    (void)end(*process).has_value();
  }
  return spawn();
}

std::unique_ptr<ProcessPool::Process> ProcessPool::spawn() {
  auto spawned = zygote_->spawn();
  if (!spawned) return nullptr;
  auto process = std::make_unique<Process>();
  process->os = std::move(*spawned);
  const std::lock_guard lock(mutex_);
  ++statistics_.started;
  return process;
}

void ProcessPool::give_back(std::unique_ptr<Process> process, std::uint64_t resident_bytes) {
  if (++process->tasks == 1) process->resident_at_first = resident_bytes;
  const bool grew = resident_bytes > process->resident_at_first + options_.recycle_growth_bytes;
  {
    const std::lock_guard lock(mutex_);
    if (process->tasks < options_.recycle_after && !grew) {
      idle_.push_back(std::move(process));
      return;
    }
    ++statistics_.recycled;
  }
  (void)end(*process).has_value();
}

Result<ProcessEnd> ProcessPool::end(Process& process) {
  return zygote_->reap(process.os.pid);
}

ProcessPoolStatistics ProcessPool::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace penstock::detail

#include "client/api.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "client/decode.h"
#include "wire/resp/reply_writer.h"

namespace penstock::client {
namespace {

// A command, word by word.
class Words {
 public:
  explicit Words(std::string_view name) { add(name); }

  Words& add(std::string_view word) {
    wire::resp::ReplyWriter(words_).bulk(word);
    largest_ = std::max(largest_, word.size());
    ++count_;
    return *this;
  }
  Words& number(std::uint64_t value) { return add(std::to_string(value)); }
  Words& real(double value) {
    char text[32];
    const auto [end, error] = std::to_chars(text, text + sizeof text, value);
    return add({text, static_cast<std::size_t>(end - text)});
  }
  // Options that say nothing are left out.
  Words& option(std::string_view word, std::string_view value) {
    return value.empty() ? *this : add(word).add(value);
  }
  Words& option(std::string_view word, Duration value) {
    return value == Duration(0) ? *this : add(word).add(format_duration(value));
  }
  Words& option(std::string_view word, std::optional<Duration> value) {
    return value ? add(word).add(format_duration(*value)) : *this;
  }
  template <class Number>
  requires std::is_unsigned_v<Number> Words& option(std::string_view word,
                                                    std::optional<Number> value) {
    return value ? add(word).number(*value) : *this;
  }

  template <class T>
  [[nodiscard]] Request<T> request(Answer<T> (*read)(Reply&), Duration wait = Duration(0)) const {
    std::string command;
    command.reserve(words_.size() + 16);
    wire::resp::ReplyWriter(command).array(count_);
    command.append(words_);
    return {std::move(command), read, largest_, wait};
  }

 private:
  std::string words_;
  std::uint64_t count_ = 0;
  std::size_t largest_ = 0;
};

void add_send_options(Words& words, const SendOptions& options) {
  words.option("DELAY", options.delay);
  if (options.at != Time{})
    words.add("AT").number(static_cast<std::uint64_t>(micros(options.at) / 1000));
  words.option("PRIORITY", options.priority);
  words.option("KEY", options.key);
  if (!options.key.empty() && options.key_from > 0) words.add("KEYFROM").number(options.key_from);
  words.option("GROUP", options.group);
  words.option("EXPIRES", options.expires);
  for (const auto& [name, value] : options.headers) words.add("HEADER").add(name).add(value);
  words.option("WAIT", options.wait);
  if (!options.unique.empty())
    words.add("UNIQUE").add(options.unique).add(options.until.empty() ? "done" : options.until);
  if (!options.debounce.empty())
    words.add("DEBOUNCE").add(options.debounce).add(format_duration(options.debounce_delay));
  if (!options.throttle.empty())
    words.add("THROTTLE").add(options.throttle).add(options.throttle_rate);
  words.option("MAXWAIT", options.max_wait).option("ONCONFLICT", options.on_conflict);
}

std::string backoff_text(const flow::Backoff& backoff) {
  using Kind = flow::Backoff::Kind;
  if (backoff.kind == Kind::none) return "none";
  std::string text = backoff.kind == Kind::fixed ? "fixed:" : "exponential:";
  text.append(format_duration(backoff.base));
  if (backoff.kind == Kind::exponential) text.append(":").append(format_duration(backoff.cap));
  if (!backoff.jitter) text.append(":nojitter");
  return text;
}

void add_task_options(Words& words, std::string_view kwargs, const TaskOptions& options) {
  words.option("KWARGS", kwargs);
  words.option("QUEUE", options.queue);
  add_send_options(words, options);
  words.option("MAXATTEMPTS", options.max_attempts);
  if (options.backoff) words.add("BACKOFF").add(backoff_text(*options.backoff));
  words.option("LEASE", options.lease);
  words.option("RESULTTTL", options.result_ttl);
}

Words take_command(std::string_view name, std::span<const std::string> queues,
                   const TakeOptions& options) {
  Words words(name);
  for (const auto& queue : queues) words.add(queue);
  words.add("MAX").number(options.max);
  words.option("WAIT", options.wait).option("LEASE", options.lease);
  if (options.slots != 0) words.add("SLOTS").number(options.slots);
  return words;
}

Words of_leases(std::string_view name, std::span<const std::string_view> leases) {
  Words words(name);
  for (const auto lease : leases) words.add(lease);
  return words;
}

// Of several leases lost ones are only not counted; of a single one it is an error, and here it is
// not.
Answer<std::uint64_t> read_settled(Reply& reply) {
  auto count = read_count(reply);
  if (!count && count.error().error.code == ErrorCode::conflict) return 0;
  return count;
}

}  // namespace

Request<MessageId> send(std::string_view queue, std::string_view body, const SendOptions& options) {
  Words words("SEND");
  words.add(queue).add(body);
  add_send_options(words, options);
  return words.request(read_id, options.wait);
}

Request<std::vector<MessageId>> send_many(std::string_view queue,
                                          std::span<const std::string_view> bodies,
                                          const SendOptions& options) {
  Words words("SENDMANY");
  words.add(queue);
  add_send_options(words, options);
  words.add("BODIES").number(bodies.size());
  for (const auto body : bodies) words.add(body);
  return words.request(read_ids, options.wait);
}

Request<std::vector<Message>> receive(std::span<const std::string> queues,
                                      const TakeOptions& options) {
  return take_command("RECEIVE", queues, options).request(read_messages, options.wait);
}

Request<std::vector<Message>> receive(std::string_view queue, const TakeOptions& options) {
  const std::string name(queue);
  return receive({&name, 1}, options);
}

Request<std::string> receive_packed(std::span<const std::string> queues,
                                    const TakeOptions& options) {
  return take_command("RECEIVE", queues, options).add("PACKED").request(read_text, options.wait);
}

Request<std::uint64_t> ack(std::span<const std::string_view> leases) {
  return of_leases("ACK", leases).request(read_settled);
}
Request<std::uint64_t> give_back(std::span<const std::string_view> leases) {
  return of_leases("GIVEBACK", leases).request(read_settled);
}
Request<std::uint64_t> ack(std::string_view lease) {
  return of_leases("ACK", {&lease, 1}).request(read_count);
}
Request<std::uint64_t> give_back(std::string_view lease) {
  return of_leases("GIVEBACK", {&lease, 1}).request(read_count);
}
Request<std::uint64_t> nack(std::string_view lease, std::optional<Duration> delay,
                            std::string_view error, std::string_view cause) {
  return Words("NACK")
      .add(lease)
      .option("DELAY", delay)
      .option("ERROR", error)
      .option("CAUSE", cause)
      .request(read_count);
}
Request<std::uint64_t> reject(std::string_view lease, std::string_view error,
                              std::string_view cause) {
  return Words("REJECT")
      .add(lease)
      .option("ERROR", error)
      .option("CAUSE", cause)
      .request(read_count);
}
Request<Extended> extend(std::string_view lease, Duration duration) {
  return Words("TASK.EXTEND").add(lease).add(format_duration(duration)).request(read_extended);
}

Request<MessageId> submit(std::string_view name, std::string_view args, std::string_view kwargs,
                          const TaskOptions& options) {
  Words words("TASK.SUBMIT");
  words.add(name).add(args);
  add_task_options(words, kwargs, options);
  return words.request(read_id, options.wait);
}

Request<std::vector<MessageId>> submit_many(std::string_view name,
                                            std::span<const std::string_view> args,
                                            const TaskOptions& options, std::string_view kwargs) {
  Words words("TASK.SUBMITMANY");
  words.add(name);
  add_task_options(words, kwargs, options);
  words.add("ARGS").number(args.size());
  for (const auto one : args) words.add(one);
  return words.request(read_ids, options.wait);
}

Request<std::vector<TakenTask>> take_tasks(std::span<const std::string> queues,
                                           const TakeOptions& options) {
  return take_command("TASK.TAKE", queues, options).request(read_tasks, options.wait);
}

Request<std::uint64_t> done(std::string_view lease, std::string_view result) {
  return Words("TASK.DONE").add(lease).add(result.empty() ? "null" : result).request(read_count);
}

Request<std::uint64_t> done_many(std::span<const Finished> tasks) {
  Words words("TASK.DONEMANY");
  for (const auto& task : tasks)
    words.add(task.lease).add(task.result.empty() ? "null" : task.result);
  return words.request(read_count);
}

Request<std::uint64_t> done_packed(std::string_view rows) {
  return Words("TASK.DONEPACKED").add(rows).request(read_count);
}

Request<std::uint64_t> fail_task(std::string_view lease, std::string_view error, bool retry,
                                 std::optional<Duration> delay, std::string_view cause) {
  return Words("TASK.FAIL")
      .add(lease)
      .add(error)
      .add("RETRY")
      .add(retry ? "yes" : "no")
      .option("DELAY", delay)
      .option("CAUSE", cause)
      .request(read_count);
}

Request<bool> progress(std::string_view lease, double value, double total, std::string_view text) {
  return Words("TASK.PROGRESS").add(lease).real(value).real(total).add(text).request(read_flag);
}

Request<TaskStatus> task(MessageId id, Duration wait) {
  return Words("TASK.GET").number(id.value).option("WAIT", wait).request(read_task_status, wait);
}

Request<std::uint64_t> cancel_task(MessageId id) {
  return Words("TASK.CANCEL").number(id.value).request(read_count);
}

Request<std::uint64_t> decline_task(std::string_view lease, std::string_view why) {
  return Words("TASK.DECLINE").add(lease).add(why).request(read_count);
}
Request<bool> log_task(std::string_view lease, std::span<const std::string> lines) {
  Words words("TASK.LOG");
  words.add(lease);
  for (const auto& line : lines) words.add(line);
  return words.request(read_flag);
}
Request<TaskLog> task_log(MessageId id, std::uint64_t after, Duration wait) {
  return Words("TASK.LOGS")
      .number(id.value)
      .add("AFTER")
      .number(after)
      .option("WAIT", wait)
      .request(read_task_log, wait);
}
Request<std::uint64_t> retry_task(MessageId id) {
  return Words("TASK.RETRY").number(id.value).request(read_count);
}
Request<Redriven> redrive_some(std::string_view queue, const RedriveOptions& options) {
  Words words("TASK.REDRIVE");
  words.add(queue).option("ERROR", options.error).option("TASK", options.task);
  if (options.max != 0) words.add("MAX").number(options.max);
  if (options.after) words.add("AFTER").number(options.after.value);
  return words.request(read_redriven);
}

Request<WorkerTold> announce_worker(std::string_view json) {
  return Words("WORKER.ANNOUNCE").add(json).request(read_told);
}
Request<WorkerTold> beat_worker(std::string_view json) {
  return Words("WORKER.BEAT").add(json).request(read_told);
}
Request<std::string> workers() {
  return Words("WORKER.LIST").request(read_text);
}
Request<std::string> worker_orders() {
  return Words("WORKER.ORDERS").request(read_text);
}
Request<WorkersOrdered> order_workers(const WorkerOrder& order) {
  Words words("WORKER.ORDER");
  words.add(order.order);
  if (order.slots != 0) words.add("SLOTS").number(order.slots);
  words.option("NAME", order.name).option("QUEUE", order.queue).option("VERSION", order.version);
  return words.request(read_ordered);
}
Request<std::uint64_t> forget_worker_order(std::uint64_t number) {
  return Words("WORKER.FORGET").number(number).request(read_count);
}

Request<MessageId> submit_workflow(std::string_view json, std::string_view key) {
  return Words("WORKFLOW.SUBMIT").add(json).option("KEY", key).request(read_id);
}
Request<std::uint64_t> resume_workflow(MessageId id) {
  return Words("WORKFLOW.RESUME").number(id.value).request(read_count);
}
Request<std::vector<TaskStatus>> workflows(MessageId after, std::uint32_t limit) {
  Words words("WORKFLOW.LIST");
  if (after) words.add("AFTER").number(after.value);
  return words.add("LIMIT").number(limit).request(read_task_statuses);
}
Request<std::uint64_t> replace_task(std::string_view lease, std::string_view json) {
  return Words("TASK.REPLACE").add(lease).add(json).request(read_count);
}

Request<bool> put_schedule(std::string_view name, std::string_view when,
                           const ScheduleOptions& options) {
  Words words("SCHEDULE.PUT");
  words.add(name).add(when).option("ZONE", options.zone).option("QUEUE", options.queue);
  words.option("TASK", options.task).option("ARGS", options.args).option("BODY", options.body);
  words.option("PRIORITY", options.priority);
  words.option("KEY", options.key).option("GROUP", options.group);
  for (const auto& [header, value] : options.headers) words.add("HEADER").add(header).add(value);
  words.option("MAXATTEMPTS", options.max_attempts);
  if (options.backoff) words.add("BACKOFF").add(backoff_text(*options.backoff));
  words.option("LEASE", options.lease).option("RESULTTTL", options.result_ttl);
  words.option("MISSED", options.missed).option("OVERLAP", options.overlap);
  if (options.paused) words.add("PAUSED").add(*options.paused ? "yes" : "no");
  return words.request(read_flag);
}
Request<bool> remove_schedule(std::string_view name) {
  return Words("SCHEDULE.DELETE").add(name).request(read_ok);
}
Request<bool> pause_schedule(std::string_view name) {
  return Words("SCHEDULE.PAUSE").add(name).request(read_ok);
}
Request<bool> resume_schedule(std::string_view name) {
  return Words("SCHEDULE.RESUME").add(name).request(read_ok);
}
Request<std::vector<Schedule>> schedules() {
  return Words("SCHEDULE.LIST").request(read_schedules);
}
Request<MessageId> trigger_schedule(std::string_view name) {
  return Words("SCHEDULE.TRIGGER").add(name).request(read_id);
}

Request<bool> declare(std::string_view queue, std::span<const OptionText> options) {
  Words words("QUEUE.DECLARE");
  words.add(queue);
  for (const auto& [name, value] : options) words.add(name).add(value);
  return words.request(read_ok);
}

Request<std::uint64_t> remove_queue(std::string_view queue) {
  return Words("QUEUE.DELETE").add(queue).request(read_count);
}
Request<std::uint64_t> purge(std::string_view queue) {
  return Words("QUEUE.PURGE").add(queue).request(read_count);
}
Request<std::uint64_t> redrive(std::string_view queue, std::uint32_t max) {
  return Words("QUEUE.REDRIVE").add(queue).add("MAX").number(max).request(read_count);
}
Request<bool> pause(std::string_view queue) {
  return Words("QUEUE.PAUSE").add(queue).request(read_ok);
}
Request<bool> resume(std::string_view queue) {
  return Words("QUEUE.RESUME").add(queue).request(read_ok);
}
Request<QueueStatistics> queue_statistics(std::string_view queue) {
  return Words("QUEUE.STATS").add(queue).request(read_queue);
}
Request<std::vector<QueueStatistics>> all_queue_statistics() {
  return Words("QUEUE.STATS").request(read_queues);
}
Request<std::vector<std::string>> queue_names() {
  return Words("QUEUE.LIST").request(read_texts);
}

Request<std::uint64_t> set_group(std::string_view queue, std::string_view group,
                                 std::span<const OptionText> settings) {
  Words words("QUEUE.GROUP");
  words.add(queue).add(group);
  for (const auto& [name, value] : settings) words.add(name).add(value);
  return words.request(read_count);
}
Request<bool> reset_group(std::string_view queue, std::string_view group) {
  return Words("QUEUE.UNGROUP").add(queue).add(group).request(read_ok);
}
Request<std::vector<GroupStatus>> groups(std::string_view queue) {
  return Words("QUEUE.GROUPS").add(queue).request(read_groups);
}

Request<std::vector<Browsed>> browse(std::string_view queue, std::uint32_t limit) {
  return Words("QUEUE.BROWSE").add(queue).add("LIMIT").number(limit).request(read_browsed);
}

Request<std::vector<OptionText>> server_status() {
  return Words("STATUS").request(read_fields);
}
Request<std::string> ping() {
  return Words("PING").request(read_text);
}

}  // namespace penstock::client

#include "protocol/http/task_inputs.h"

#include "base/text.h"
#include "protocol/http/batch.h"
#include "protocol/http/raw_json.h"

namespace penstock::protocol::http {
namespace {

constexpr std::string_view kFields[] = {"args", "kwargs", "options"};
constexpr std::uint32_t kAttemptsMax = 1'000'000;
constexpr std::size_t kOptionBytesMax = 64u << 10;
constexpr Duration kLeaseMin = std::chrono::milliseconds(1);

// The task's payload, put together from the texts that came.
Result<std::string> payload_of(const RawObject& task) {
  const auto args = task.find("args").value_or("[]");
  const auto kwargs = task.find("kwargs");
  if (args.front() != '[') return fail(ErrorCode::invalid, "args must be a JSON array");
  if (kwargs && kwargs->front() != '{') {
    return fail(ErrorCode::invalid, "kwargs must be a JSON object");
  }
  std::string payload("{\"args\":");
  payload.append(args);
  if (kwargs) payload.append(",\"kwargs\":").append(*kwargs);
  payload.push_back('}');
  return payload;
}

}  // namespace

Result<void> TaskInputs::read_one(std::string_view text, std::string_view queue) {
  if (auto valid = valid_name(queue, "queue name"); !valid) return valid;
  queue_ = queue;
  return read(text, defaults_, true);
}

Result<void> TaskInputs::read_lines(std::string_view text, std::uint32_t lines_max,
                                    std::string_view queue) {
  if (auto valid = valid_name(queue, "queue name"); !valid) return valid;
  queue_ = queue;
  return for_each_line(text, lines_max, [this](std::string_view line) {
    auto fields = defaults_;
    if (!fields.key.empty()) {
      fields.key = texts_.emplace_back(
          std::string(fields.key).append("/").append(std::to_string(messages_.size())));
    }
    return read(line, fields, false);
  });
}

Result<void> TaskInputs::read(std::string_view text, MessageFields fields, bool names_queue) {
  const auto task = RawObject::read(text, kFields);
  if (!task) return fail(task.error());
  auto payload = payload_of(*task);
  if (!payload) return fail(std::move(payload.error()));
  auto& message = messages_.emplace_back();
  message.body = as_bytes(texts_.emplace_back(std::move(*payload)));
  message.headers = headers_;
  message.task = true;
  if (const auto options = task->find("options"))
    if (auto good = read_options(*options, fields, message.policy, names_queue); !good) return good;
  return fields.apply(now_, message);
}

Result<void> TaskInputs::read_options(std::string_view text, MessageFields& fields,
                                      engine::Policy& policy, bool names_queue) {
  auto value = wire::json::parse(text, {.max_bytes = kOptionBytesMax});
  if (!value) return fail(std::move(value.error()));
  wire::json::ObjectReader in(values_.emplace_back(std::move(*value)), "options: ");
  read_message_fields(in, fields);
  if (const auto queue = in.text("queue")) {
    if (!names_queue)
      return fail(ErrorCode::invalid, "options: queue: a batch goes to one queue",
                  "name it in the request: ?queue=" + std::string(*queue));
    if (auto valid = valid_name(*queue, "queue name"); !valid) return valid;
    queue_ = *queue;
  }
  if (const auto attempts = in.integer("max_attempts", 0, kAttemptsMax)) {
    policy.max_attempts = static_cast<std::uint32_t>(*attempts);
  }
  if (const auto backoff_text = in.text("backoff")) {
    auto backoff = engine::parse_backoff(*backoff_text);
    if (!backoff) return fail(std::move(backoff.error()).at("backoff"));
    policy.backoff = *backoff;
  }
  policy.lease = in.duration("lease", kLeaseMin);
  policy.result_ttl = in.duration("result_ttl");
  return in.finish();
}

}  // namespace penstock::protocol::http

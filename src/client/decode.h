// From replies to values. A reply of another shape than the command promises is
// ErrorCode::unsupported: the server is of another version.
#pragma once

#include <string_view>

#include "client/api.h"
#include "client/reply.h"

namespace penstock::client {

// What an error reply means: "BUSY retry-after-ms=120 reason=max_wait queue=mail ...", "LOST ...".
[[nodiscard]] Failure failure_of(std::string_view error_reply);
[[nodiscard]] Failure unexpected_reply(const Reply& reply);

[[nodiscard]] Answer<MessageId> read_id(Reply& reply);
[[nodiscard]] Answer<std::vector<MessageId>> read_ids(Reply& reply);
[[nodiscard]] Answer<std::vector<Message>> read_messages(Reply& reply);
[[nodiscard]] Answer<std::vector<TakenTask>> read_tasks(Reply& reply);
[[nodiscard]] Answer<std::uint64_t> read_count(Reply& reply);
[[nodiscard]] Answer<bool> read_flag(Reply& reply);
[[nodiscard]] Answer<bool> read_ok(Reply& reply);
[[nodiscard]] Answer<std::string> read_text(Reply& reply);
[[nodiscard]] Answer<std::vector<std::string>> read_texts(Reply& reply);
[[nodiscard]] Answer<Extended> read_extended(Reply& reply);
[[nodiscard]] Answer<std::vector<Schedule>> read_schedules(Reply& reply);
[[nodiscard]] Answer<TaskStatus> read_task_status(Reply& reply);
[[nodiscard]] Answer<std::vector<TaskStatus>> read_task_statuses(Reply& reply);
[[nodiscard]] Answer<TaskLog> read_task_log(Reply& reply);
[[nodiscard]] Answer<Redriven> read_redriven(Reply& reply);
[[nodiscard]] Answer<WorkerTold> read_told(Reply& reply);
[[nodiscard]] Answer<WorkersOrdered> read_ordered(Reply& reply);
[[nodiscard]] Answer<QueueStatistics> read_queue(Reply& reply);
[[nodiscard]] Answer<std::vector<QueueStatistics>> read_queues(Reply& reply);
[[nodiscard]] Answer<std::vector<Browsed>> read_browsed(Reply& reply);
[[nodiscard]] Answer<std::vector<GroupStatus>> read_groups(Reply& reply);
[[nodiscard]] Answer<std::vector<OptionText>> read_fields(Reply& reply);

}  // namespace penstock::client

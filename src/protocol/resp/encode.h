// The broker's answers as RESP. Each function is an Encode of reply_queue.h: what it is given is of
// the kind that its command asks for; refusals and errors have been dealt with before.
#pragma once

#include <string>

#include "broker/reply.h"
#include "protocol/resp/reply_queue.h"
#include "wire/resp/reply_writer.h"

namespace penstock::protocol::resp {

// ---- errors
// "<CODE> <message>; <hint>": ERR, NOTFOUND, CONFLICT, LOST, BUSY, NOPERM.
[[nodiscard]] std::string error_text(const Error& error);
// "BUSY retry-after-ms=120 reason=max_wait queue=mail <message>"; a space or '%' in the name is
// %20, %25.
[[nodiscard]] std::string refusal_text(const broker::Refused& refused);

// ---- Published
void encode_id(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
void encode_ids(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
// ---- Delivered
void encode_messages(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
void encode_tasks(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
// Rows of wire/resp/packed.h, in one bulk string.
void encode_packed(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
// ---- Settled
// 1, or -LOST.
void encode_settled_one(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
// How many, over all parts.
void encode_settled_many(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
void encode_deadline(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
void encode_extended(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
void encode_go_on(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
// ---- TaskStatus
void encode_task_status(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
void encode_task_statuses(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
// ---- Queues, Browsed, Done
void encode_queue(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
void encode_queues(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
void encode_queue_names(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
void encode_browsed(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
void encode_count(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);
void encode_ok(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);

}  // namespace penstock::protocol::resp

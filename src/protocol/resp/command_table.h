// All commands there are: what dispatch, COMMAND, COMMAND DOCS and docs/protocols/native.md go by.
// A new command is a function and a line in command_table.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/resp/session.h"

namespace penstock::protocol::resp {

// Answers the command, or asks the broker to; an error is answered as "-<CODE> <message>".
using Handler = Result<void> (*)(Session& session, Args args);

struct Command {
  std::string_view name;  // upper case
  int arity;              // words, the name included; negative: at least so many
  Handler handler;
  std::string_view
      group;  // "connection", "queues", "messages", "leases", "tasks", "schedules", "server"
  std::string_view syntax;   // what follows the name
  std::string_view summary;  // one line
  std::string_view example;
  std::string_view reply;      // what comes back
  bool for_everybody = false;  // also for who is not logged in, while there are users
};

// In the order of their documentation.
[[nodiscard]] std::span<const Command> commands();
// By its name in any case.
[[nodiscard]] const Command* find_command(std::string_view name);

// The section of docs/protocols/native.md that lists them; a test compares.
[[nodiscard]] std::string commands_as_markdown();

// ---- connection.cc
Result<void> hello(Session& session, Args args);
Result<void> ping(Session& session, Args args);
Result<void> echo(Session& session, Args args);
Result<void> auth(Session& session, Args args);
Result<void> client(Session& session, Args args);
Result<void> select_database(Session& session, Args args);
Result<void> quit(Session& session, Args args);
Result<void> reset(Session& session, Args args);
// ---- queues.cc
Result<void> queue_declare(Session& session, Args args);
Result<void> queue_delete(Session& session, Args args);
Result<void> queue_purge(Session& session, Args args);
Result<void> queue_pause(Session& session, Args args);
Result<void> queue_resume(Session& session, Args args);
Result<void> queue_redrive(Session& session, Args args);
Result<void> queue_stats(Session& session, Args args);
Result<void> queue_list(Session& session, Args args);
Result<void> queue_browse(Session& session, Args args);
// limits.cc
Result<void> queue_group(Session& session, Args args);
Result<void> queue_ungroup(Session& session, Args args);
Result<void> queue_groups(Session& session, Args args);
// ---- messages.cc
Result<void> send(Session& session, Args args);
Result<void> send_many(Session& session, Args args);
Result<void> receive(Session& session, Args args);
// ---- leases.cc
Result<void> ack(Session& session, Args args);
Result<void> nack(Session& session, Args args);
Result<void> reject(Session& session, Args args);
Result<void> give_back(Session& session, Args args);
Result<void> extend(Session& session, Args args);
// ---- tasks.cc
Result<void> task_submit(Session& session, Args args);
Result<void> task_submit_many(Session& session, Args args);
Result<void> task_take(Session& session, Args args);
Result<void> task_done(Session& session, Args args);
Result<void> task_done_many(Session& session, Args args);
Result<void> task_done_packed(Session& session, Args args);
Result<void> task_fail(Session& session, Args args);
Result<void> task_progress(Session& session, Args args);
Result<void> task_extend(Session& session, Args args);
Result<void> task_get(Session& session, Args args);
Result<void> task_cancel(Session& session, Args args);
// ---- workers.cc
Result<void> task_decline(Session& session, Args args);
Result<void> task_log(Session& session, Args args);
Result<void> task_logs(Session& session, Args args);
Result<void> task_retry(Session& session, Args args);
Result<void> task_redrive(Session& session, Args args);
Result<void> worker_announce(Session& session, Args args);
Result<void> worker_beat(Session& session, Args args);
Result<void> worker_list(Session& session, Args args);
Result<void> worker_order(Session& session, Args args);
Result<void> worker_orders(Session& session, Args args);
Result<void> worker_forget(Session& session, Args args);
// workflows.cc
Result<void> task_replace(Session& session, Args args);
Result<void> workflow_submit(Session& session, Args args);
Result<void> workflow_resume(Session& session, Args args);
Result<void> workflow_list(Session& session, Args args);
// ---- schedules.cc
Result<void> schedule_put(Session& session, Args args);
Result<void> schedule_delete(Session& session, Args args);
Result<void> schedule_pause(Session& session, Args args);
Result<void> schedule_resume(Session& session, Args args);
Result<void> schedule_trigger(Session& session, Args args);
Result<void> schedule_get(Session& session, Args args);
Result<void> schedule_list(Session& session, Args args);
// ---- status.cc
Result<void> status(Session& session, Args args);
Result<void> info(Session& session, Args args);
Result<void> command(Session& session, Args args);

}  // namespace penstock::protocol::resp

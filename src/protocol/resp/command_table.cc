#include "protocol/resp/command_table.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace penstock::protocol::resp {
namespace {

constexpr Command kCommands[] = {
    // ---- connection
    {"HELLO", -1, hello, "connection", "[2|3] [AUTH user password] [SETNAME name]",
     "Chooses RESP2 or RESP3, logs in, and says who the server is.", "HELLO 3", "map", true},
    {"PING", -1, ping, "connection", "[message]", "Answers, and shows that the server lives.",
     "PING", "PONG, or the message"},
    {"ECHO", 2, echo, "connection", "message", "Answers the message.", "ECHO hello", "the message"},
    {"AUTH", -2, auth, "connection", "[user] password",
     "Logs in; without a user as the one named default. An error while there are no users.",
     "AUTH app secret", "OK, or -WRONGPASS", true},
    {"CLIENT", -2, client, "connection",
     "SETNAME name | GETNAME | SETINFO LIB-NAME|LIB-VER value | ID | INFO | LIST | UNBLOCK id",
     "Names this connection, lists all, ends the waits of one (its own, too).",
     "CLIENT SETNAME worker-1", "OK, or what was asked for"},
    {"SELECT", 2, select_database, "connection", "0", "There is one database, 0.", "SELECT 0",
     "OK"},
    {"RESET", 1, reset, "connection", "",
     "Back to RESP2, no name and no user; ends this connection's waits.", "RESET", "RESET", true},
    {"QUIT", 1, quit, "connection", "", "Answers what is owed, and closes the connection.", "QUIT",
     "OK", true},
    // ---- queues
    {"QUEUE.DECLARE", -2, queue_declare, "queues", "queue [option value]...",
     "Creates a queue, or changes its options while it runs.",
     "QUEUE.DECLARE mail max_wait 2s max_length 10000", "OK"},
    {"QUEUE.DELETE", 2, queue_delete, "queues", "queue", "Deletes a queue and all that is in it.",
     "QUEUE.DELETE mail", "integer: messages that went with it"},
    {"QUEUE.PURGE", 2, queue_purge, "queues", "queue",
     "Deletes the ready and scheduled messages; leased ones stay.", "QUEUE.PURGE mail",
     "integer: messages deleted"},
    {"QUEUE.PAUSE", 2, queue_pause, "queues", "queue",
     "Delivers nothing from it until it is resumed.", "QUEUE.PAUSE mail", "OK"},
    {"QUEUE.RESUME", 2, queue_resume, "queues", "queue", "Delivers again.", "QUEUE.RESUME mail",
     "OK"},
    {"QUEUE.REDRIVE", -2, queue_redrive, "queues", "queue [MAX n]",
     "Brings dead letters back to the queues that they came from.",
     "QUEUE.REDRIVE mail.dead MAX 100", "integer: messages moved"},
    {"QUEUE.STATS", -1, queue_stats, "queues", "[queue]",
     "Figures and options of one queue, or of all.", "QUEUE.STATS mail", "map, or array of maps"},
    {"QUEUE.LIST", 1, queue_list, "queues", "", "The names of all queues.", "QUEUE.LIST",
     "array of names"},
    {"QUEUE.BROWSE", -2, queue_browse, "queues", "queue [LIMIT n]",
     "Shows messages without taking them; 20 unless told.", "QUEUE.BROWSE mail.dead LIMIT 5",
     "array of maps"},
    {"QUEUE.GROUP", -5, queue_group, "queues",
     "queue group [weight n] [rate n|default] [limit n|default]",
     "Sets a group's share, its deliveries per second and its leases at a time.",
     "QUEUE.GROUP mail customer-3 weight 3 rate 5", "integer: 1 when nothing was set before"},
    {"QUEUE.UNGROUP", 3, queue_ungroup, "queues", "queue group",
     "The group goes by the queue's options again.", "QUEUE.UNGROUP mail customer-3", "OK"},
    {"QUEUE.GROUPS", 2, queue_groups, "queues", "queue",
     "The groups for which something is set, and how they stand.", "QUEUE.GROUPS mail",
     "array of maps"},
    // ---- messages
    {"SEND", -3, send, "messages",
     "queue body [DELAY d] [AT ms] [PRIORITY 0..9] [KEY k] [GROUP g] [EXPIRES d] "
     "[HEADER name value]... [WAIT d] [UNIQUE k start|done|d | DEBOUNCE k d [MAXWAIT d] | "
     "THROTTLE k n/d] [ONCONFLICT reject|return|replace|delay]",
     "Publishes a message; the answer comes when it is safe on disk.", "SEND mail hello PRIORITY 7",
     "id"},
    {"SENDMANY", -5, send_many, "messages", "queue [options of SEND] BODIES n body...",
     "Publishes all the messages or none; KEY k gives them the keys k/0, k/1 ..., KEYFROM n k/n "
     "...",
     "SENDMANY mail BODIES 2 one two", "array of ids"},
    {"RECEIVE", -2, receive, "messages",
     "queue [queue...] [MAX n] [WAIT d] [LEASE d] [SLOTS n] [PACKED]",
     "Takes messages, of the first queue that has some; waits for one as long as told.",
     "RECEIVE mail MAX 10 WAIT 20s", "array of maps; empty when there is none. PACKED: rows"},
    // ---- leases
    {"ACK", -2, ack, "leases", "lease [lease...]", "Done: the message ends.", "ACK 17-1-8871234",
     "integer: how many; -LOST when the only one is lost"},
    {"NACK", -2, nack, "leases", "lease [DELAY d] [ERROR text] [CAUSE c]",
     "Failed: again after the delay, or the queue's backoff.", "NACK 17-1-8871234 DELAY 5s",
     "1, or -LOST"},
    {"REJECT", -2, reject, "leases", "lease [ERROR text] [CAUSE c]",
     "Never again: to the dead letters.", "REJECT 17-1-8871234 ERROR unreadable", "1, or -LOST"},
    {"GIVEBACK", -2, give_back, "leases", "lease [lease...]",
     "Not tried at all: ready again at once, and the attempt does not count.",
     "GIVEBACK 17-1-8871234", "integer: how many; -LOST when the only one is lost"},
    {"EXTEND", 3, extend, "leases", "lease duration", "Holds a lease so long from now.",
     "EXTEND 17-1-8871234 30s", "integer: its new deadline in ms, or -LOST"},
    // ---- tasks
    {"TASK.SUBMIT", -3, task_submit, "tasks",
     "name args [KWARGS json] [QUEUE q] [options of SEND] [MAXATTEMPTS n] "
     "[BACKOFF none|fixed:d|exponential:d:d[:nojitter]] [LEASE d] [RESULTTTL d]",
     "Submits a task; args is a JSON array.", "TASK.SUBMIT resize '[\"cat.png\",320]' QUEUE images",
     "id"},
    {"TASK.SUBMITMANY", -5, task_submit_many, "tasks",
     "name [options of TASK.SUBMIT] ARGS n args...",
     "Submits all or none; KEY k gives them the keys k/0, k/1 ..., KEYFROM n k/n ...",
     "TASK.SUBMITMANY resize QUEUE images ARGS 2 '[1]' '[2]'", "array of ids"},
    {"TASK.TAKE", -2, task_take, "tasks",
     "queue [queue...] [MAX n] [WAIT d] [LEASE d] [SLOTS n] [PACKED]",
     "Takes tasks to run; as RECEIVE.", "TASK.TAKE default MAX 8 WAIT 20s",
     "array of maps; empty when there is none. PACKED: rows"},
    {"TASK.DONE", -2, task_done, "tasks", "lease [result]", "The task is done; result is JSON.",
     "TASK.DONE 17-1-8871234 '\"small.png\"'", "1, or -LOST"},
    {"TASK.DONEMANY", -3, task_done_many, "tasks", "lease result [lease result]...",
     "Many tasks are done, each with its result.", "TASK.DONEMANY 17-1-8871234 1 18-1-5512 null",
     "integer: how many"},
    {"TASK.DONEPACKED", 2, task_done_packed, "tasks", "rows",
     "The same in one string of bytes, for those who settle hundreds.", "TASK.DONEPACKED ...",
     "integer: how many"},
    {"TASK.FAIL", -3, task_fail, "tasks", "lease error [RETRY yes|no] [DELAY d] [CAUSE c]",
     "The task failed: again after the delay or its backoff, or never again.",
     "TASK.FAIL 17-1-8871234 'timeout: no answer' DELAY 10s", "1, or -LOST"},
    {"TASK.PROGRESS", -4, task_progress, "tasks", "lease value total [text]",
     "How far the task is.", "TASK.PROGRESS 17-1-8871234 3 10 resizing",
     "1: go on, 0: it was cancelled, stop; or -LOST"},
    {"TASK.EXTEND", 3, task_extend, "tasks", "lease duration",
     "Holds the task so long from now, and tells whether it was cancelled.",
     "TASK.EXTEND 17-1-8871234 30s", "map: deadline, cancelled; or -LOST"},
    {"TASK.GET", -2, task_get, "tasks", "id [WAIT d]",
     "A task's state and result; waits for its end as long as told.", "TASK.GET 17 WAIT 10s",
     "map"},
    {"TASK.CANCEL", 2, task_cancel, "tasks", "id",
     "Ends a waiting task; a running one is told by PROGRESS and EXTEND.", "TASK.CANCEL 17", "1"},
    {"TASK.REPLACE", 3, task_replace, "tasks", "lease workflow",
     "The task is done; a workflow is in its place, and gives its result.",
     "TASK.REPLACE 17-1-8871234 '{\"run\":{\"chain\":[]}}'", "1, or -LOST"},
    {"TASK.DECLINE", -2, task_decline, "tasks", "lease [reason]",
     "This worker cannot run it: later, for another; the attempt does not count.",
     "TASK.DECLINE 17-1-8871234 'unknown task resize'", "1, or -LOST"},
    {"TASK.LOG", -3, task_log, "tasks", "lease line [line...]", "What the running task says.",
     "TASK.LOG 17-1-8871234 'opened cat.png'", "1: go on, 0: it was cancelled, stop; or -LOST"},
    {"TASK.LOGS", -2, task_logs, "tasks", "id [AFTER n] [WAIT d]",
     "The last lines that a task said, those behind line n; waits for one as long as told.",
     "TASK.LOGS 17 AFTER 3 WAIT 10s", "map: lines, and whether it has ended"},
    {"TASK.RETRY", 2, task_retry, "tasks", "id", "Tries a task anew that failed for good.",
     "TASK.RETRY 17", "1"},
    {"TASK.REDRIVE", -2, task_redrive, "tasks", "queue [ERROR text] [TASK name] [MAX n] [AFTER id]",
     "Brings dead letters back whose last error has that text, and whose task that name; looks at "
     "1,000 of them, in the order of their ids.",
     "TASK.REDRIVE mail ERROR timeout", "map: moved, and next: AFTER which to go on, or empty"},
    // ---- workers
    {"WORKER.ANNOUNCE", 2, worker_announce, "workers", "worker",
     "This connection is that worker's; JSON, as docs/concepts/workers.md has it.",
     "WORKER.ANNOUNCE '{\"id\":\"a1\",\"name\":\"web-1\",\"queues\":[\"default\"]}'",
     "map: quiet, stop, slots (0: as it likes), cancelled (ids)"},
    {"WORKER.BEAT", 2, worker_beat, "workers", "beat",
     "What the worker does; JSON. Said every second.",
     "WORKER.BEAT '{\"state\":\"working\",\"slots\":8}'", "as of WORKER.ANNOUNCE"},
    {"WORKER.LIST", 1, worker_list, "workers", "", "The workers that are there.", "WORKER.LIST",
     "JSON"},
    {"WORKER.ORDER", -2, worker_order, "workers",
     "quiet|resume|stop|resize [SLOTS n] [NAME pattern] [QUEUE pattern] [VERSION pattern]",
     "Tells those that are there, and but for a stop those that come.",
     "WORKER.ORDER quiet NAME web-*", "map: number, and how many workers it is for now"},
    {"WORKER.ORDERS", 1, worker_orders, "workers", "", "What workers are told.", "WORKER.ORDERS",
     "JSON"},
    {"WORKER.FORGET", 2, worker_forget, "workers", "number", "An order holds no more.",
     "WORKER.FORGET 3", "1"},
    // ---- workflows
    {"WORKFLOW.SUBMIT", -2, workflow_submit, "workflows", "workflow [KEY k]",
     "Submits tasks that follow from each other; JSON, as over HTTP. KEY k makes a repeat "
     "harmless. "
     "TASK.GET tells how far it is, TASK.CANCEL cancels all of it.",
     "WORKFLOW.SUBMIT '{\"run\":{\"chain\":[{\"task\":\"load\"},{\"task\":\"store\"}]}}'", "id"},
    {"WORKFLOW.RESUME", 2, workflow_resume, "workflows", "id",
     "Does again what failed, and what follows from it.", "WORKFLOW.RESUME 17", "1"},
    {"WORKFLOW.LIST", -1, workflow_list, "workflows", "[AFTER id] [LIMIT n]",
     "Workflows in the order of their ids, without trees and values.", "WORKFLOW.LIST LIMIT 20",
     "array of maps"},
    // ---- schedules
    {"SCHEDULE.PUT", -3, schedule_put, "schedules",
     "name when [ZONE z] [QUEUE q] [BODY body | TASK name [ARGS json] [KWARGS json]] "
     "[PRIORITY 0..9] [KEY k] [GROUP g] [HEADER name value]... [MAXATTEMPTS n] [BACKOFF b] "
     "[LEASE d] [RESULTTTL d] [MISSED skip|once|all] [OVERLAP allow|skip|queue] [PAUSED yes|no]",
     "Makes a schedule, or changes the one of that name; when is a cron line, @every or @at.",
     "SCHEDULE.PUT nightly '30 3 * * *' ZONE Europe/Berlin TASK report",
     "integer: 1 when it is new"},
    {"SCHEDULE.DELETE", 2, schedule_delete, "schedules", "name", "Deletes a schedule.",
     "SCHEDULE.DELETE nightly", "OK"},
    {"SCHEDULE.PAUSE", 2, schedule_pause, "schedules", "name", "Fires no more until resumed.",
     "SCHEDULE.PAUSE nightly", "OK"},
    {"SCHEDULE.RESUME", 2, schedule_resume, "schedules", "name",
     "Fires again; what came meanwhile is not made up for.", "SCHEDULE.RESUME nightly", "OK"},
    {"SCHEDULE.TRIGGER", 2, schedule_trigger, "schedules", "name", "Fires once more, now.",
     "SCHEDULE.TRIGGER nightly", "id"},
    {"SCHEDULE.GET", 2, schedule_get, "schedules", "name", "A schedule, and what became of it.",
     "SCHEDULE.GET nightly", "map"},
    {"SCHEDULE.LIST", 1, schedule_list, "schedules", "",
     "All schedules, without what they publish.", "SCHEDULE.LIST", "array of maps"},
    // ---- server
    {"STATUS", 1, status, "server", "", "Figures of the whole server.", "STATUS", "map"},
    {"INFO", -1, info, "server", "[section]", "The same as text, in the form of Redis.",
     "INFO server", "text"},
    {"COMMAND", -1, command, "server", "[COUNT | LIST | INFO [name...] | DOCS [name...]]",
     "This list.", "COMMAND DOCS send", "array or map"},
};

constexpr std::size_t kNameBytesMaxOfAll =
    std::ranges::max(kCommands, {}, [](const Command& c) { return c.name.size(); }).name.size();

// The places of kCommands in the order of their names.
constexpr auto kByName = [] {
  std::array<std::uint8_t, std::size(kCommands)> order{};
  for (std::size_t n = 0; n < order.size(); ++n) order[n] = static_cast<std::uint8_t>(n);
  std::ranges::sort(order, {}, [](std::uint8_t n) { return kCommands[n].name; });
  return order;
}();

// For a table cell of Markdown.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped.push_back('\\');
    escaped.push_back(c);
  }
  return escaped;
}

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

const Command* find_command(std::string_view name) {
  if (name.size() > kNameBytesMaxOfAll) return nullptr;
  char buffer[kNameBytesMaxOfAll];
  for (std::size_t n = 0; n < name.size(); ++n)
    buffer[n] = name[n] >= 'a' && name[n] <= 'z' ? static_cast<char>(name[n] - 'a' + 'A') : name[n];
  const std::string_view upper(buffer, name.size());
  const auto found = std::ranges::lower_bound(kByName, upper, {},
                                              [](std::uint8_t n) { return kCommands[n].name; });
  if (found == kByName.end() || kCommands[*found].name != upper) return nullptr;
  return &kCommands[*found];
}

std::string commands_as_markdown() {
  std::string text;
  std::string_view group;
  for (const auto& command : kCommands) {
    if (group != command.group) {
      group = command.group;
      text.append("\n### ").append(group).append("\n\n");
      text.append("| command | what it does | answer | example |\n|---|---|---|---|\n");
    }
    text.append("| `").append(command.name).append(command.syntax.empty() ? "" : " ");
    text.append(cell(command.syntax)).append("` | ").append(cell(command.summary));
    text.append(" | ").append(cell(command.reply)).append(" | `").append(cell(command.example));
    text.append("` |\n");
  }
  return text;
}

}  // namespace penstock::protocol::resp

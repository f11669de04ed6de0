#include "protocol/http/routes.h"

#include "protocol/http/handlers.h"
#include "wire/http/target.h"

namespace penstock::protocol::http {
namespace {

using enum wire::http::Method;
using enum BodyLimit;
using enum RouteAccess;
using wire::http::Method;

// The busiest first: the table is searched in order.
constexpr Route kRoutes[] = {
    {post, "/v1/queues/{q}/messages", message, post_messages,
     "publish one body of any type, or a batch as `application/x-ndjson`; 202 when it is on disk"},
    {post, "/v1/leases/{lease}/ack", message, ack_lease,
     "done; `{\"result\"}` is kept as the task's result"},
    {post, "/v1/queues/{q}/lease", control, lease_messages,
     "take messages: `{\"max\",\"wait\",\"lease\"}`; waits for the first one"},
    {post, "/v1/tasks/{name}", message, post_task,
     "submit a task: `{\"args\",\"kwargs\",\"options\"}`; 202 and `Location`. As "
     "`application/x-ndjson`: many, one a line, all or none. To `?queue=`, or `default`",
     users, "queue"},
    {get, "/v1/tasks/{id}", control, get_task,
     "state, result and error of a task; `?wait=10s` waits for its end", users, "wait"},
    {post, "/v1/leases/{lease}/nack", control, nack_lease,
     "try again: `{\"delay\",\"error\",\"cause\"}`"},
    {post, "/v1/leases/{lease}/extend", control, extend_lease,
     "hold it longer: `{\"lease\"}`, from now on"},
    {post, "/v1/leases/{lease}/reject", control, reject_lease,
     "never again, to the dead letters: `{\"error\"}`"},
    {post, "/v1/leases/{lease}/give_back", control, give_back_lease,
     "not tried at all: ready again at once, the attempt does not count"},
    {post, "/v1/leases/{lease}/progress", control, progress_lease,
     "tell how far a task is: `{\"value\",\"total\",\"text\"}`; learns whether it was cancelled"},
    {post, "/v1/leases/{lease}/log", control, log_lease,
     "say something while a task runs: `{\"lines\"}`; learns whether it was cancelled"},
    {post, "/v1/leases/{lease}/decline", control, decline_lease,
     "a task that this worker cannot run: later, for another: `{\"error\"}`"},
    {put, "/v1/queues/{q}", control, put_queue, "create a queue, or change the options given"},
    {get, "/v1/queues/{q}", control, get_queue, "options and statistics of a queue"},
    {del, "/v1/queues/{q}", control, delete_queue, "delete a queue and its messages"},
    {get, "/v1/queues", control, get_queues, "all queues by name: `?limit=`, `?after=`", users,
     "limit after"},
    {get, "/v1/queues/{q}/messages", control, browse_messages,
     "look at messages without taking them: `?limit=`", users, "limit"},
    {post, "/v1/queues/{q}/pause", control, pause_queue,
     "deliver nothing more; publishing goes on"},
    {post, "/v1/queues/{q}/resume", control, resume_queue, "deliver again"},
    {post, "/v1/queues/{q}/purge", control, purge_queue, "drop what is ready or scheduled"},
    {post, "/v1/queues/{q}/redrive", control, redrive_queue,
     "send dead letters back to where they came from: `{\"max\",\"error\",\"task\",\"after\"}`"},
    {put, "/v1/queues/{q}/groups", control, put_group,
     "set what one group has of its own: `{\"name\",\"weight\",\"rate\",\"limit\"}`"},
    {get, "/v1/queues/{q}/groups", control, get_groups, "the groups for which something is set"},
    {del, "/v1/queues/{q}/groups", control, delete_group,
     "a group goes by the queue's options again: `?name=`", users, "name"},
    {del, "/v1/tasks/{id}", control, delete_task, "cancel a task"},
    {get, "/v1/tasks/{id}/log", control, get_task_log,
     "what a task says: `?after=` the number of a line, `?wait=10s` for the next one", users,
     "after wait"},
    {post, "/v1/tasks/{id}/retry", control, retry_task, "try a task anew that failed for good"},
    {get, "/v1/workers", control, get_workers, "the workers that are there, and what they do"},
    {get, "/v1/workers/orders", control, get_worker_orders, "what workers are told"},
    {post, "/v1/workers/orders", control, post_worker_order,
     "tell those that are there, and those that come: "
     "`{\"order\",\"slots\",\"name\",\"queue\",\"version\"}`"},
    {del, "/v1/workers/orders/{number}", control, delete_worker_order, "an order holds no more"},
    {put, "/v1/schedules/{s}", message, put_schedule,
     "make a schedule, or change it: "
     "`{\"when\",\"zone\",\"queue\",\"task\",\"args\",\"body\",...}`"},
    {get, "/v1/schedules/{s}", control, get_schedule, "a schedule, and what became of it"},
    {del, "/v1/schedules/{s}", control, delete_schedule, "delete a schedule"},
    {get, "/v1/schedules", control, get_schedules, "all schedules by name: `?limit=`, `?after=`",
     users, "limit after"},
    {post, "/v1/schedules/{s}/pause", control, pause_schedule, "fire no more"},
    {post, "/v1/schedules/{s}/resume", control, resume_schedule, "fire again, from now on"},
    {post, "/v1/schedules/{s}/trigger", control, trigger_schedule, "fire once more, now"},
    {get, "/v1/users", control, get_users, "all users and what they may"},
    {get, "/v1/users/{user}", control, get_user, "one user"},
    {put, "/v1/users/{user}", control, put_user,
     "make a user, or change it: `{\"password\",\"tags\"}`"},
    {del, "/v1/users/{user}", control, delete_user, "delete a user; its connections end"},
    {put, "/v1/users/{user}/permissions", control, put_permission,
     "`{\"vhost\",\"configure\",\"write\",\"read\"}`: patterns of names"},
    {del, "/v1/users/{user}/permissions", control, delete_permission,
     "take them away: `?vhost=`; its connections end", users, "vhost"},
    {put, "/v1/users/{user}/topic_permissions", control, put_topic_permission,
     "`{\"vhost\",\"exchange\",\"write\",\"read\"}`: patterns of keys"},
    {del, "/v1/users/{user}/topic_permissions", control, delete_topic_permission,
     "allow all keys again: `?vhost=`, `?exchange=`", users, "vhost exchange"},
    {get, "/v1/vhosts", control, get_vhosts, "the virtual hosts that one may see"},
    {put, "/v1/vhosts/{vhost}", control, put_vhost, "make a virtual host"},
    {del, "/v1/vhosts/{vhost}", control, delete_vhost,
     "delete a virtual host, its queues and its exchanges"},
    {post, "/v1/workflows", message, post_workflow,
     "submit a workflow of tasks: `{\"run\"}`; 202 and `Location`. `Idempotency-Key` as for tasks"},
    {get, "/v1/workflows", control, get_workflows, "workflows by id: `?limit=`, `?after=`", users,
     "limit after"},
    {get, "/v1/workflows/{id}", control, get_workflow,
     "a workflow's tree and value; `?wait=10s` waits for its end", users, "wait"},
    {del, "/v1/workflows/{id}", control, delete_workflow, "cancel all that has not ended"},
    {post, "/v1/workflows/{id}/resume", control, resume_workflow,
     "do again what failed, and what follows from it"},
    {post, "/v1/leases/{lease}/replace", message, replace_lease,
     "done, with a workflow in its place that gives the task's result: `{\"run\"}`"},
    {get, "/healthz", control, get_healthz, "200 while the process runs", everybody, kAnyQuery},
    {get, "/readyz", control, get_readyz,
     "200 while work is accepted, 503 when the server is stopping", everybody, kAnyQuery},
    {get, "/metrics", control, get_metrics, "counters and gauges, as Prometheus reads them",
     monitoring, kAnyQuery},
    {get, "/v1/status", control, get_status, "statistics of the server", monitoring},
    {get, "/v1/events", control, get_events, "what happens, as server-sent events: `?queue=`",
     monitoring, "queue"},
    {get, "/", control, get_root, "name, version, and where to read on", everybody, kAnyQuery},
};

constexpr auto kPatterns = split_patterns(kRoutes);
constexpr std::string_view kManagementPrefix = "/api/";

constexpr bool is_parameter(std::string_view segment) {
  return !segment.empty() && segment.front() == '{';
}

using Parameters = decltype(Match::parameters);

bool matches(const Segments& pattern, const Segments& path, Parameters& parameters) {
  if (pattern.count != path.count) return false;
  std::size_t count = 0;
  for (std::size_t i = 0; i < path.count; ++i) {
    if (is_parameter(pattern.text[i])) {
      if (path.text[i].empty()) return false;
      parameters[count++] = path.text[i];
    } else if (pattern.text[i] != path.text[i]) {
      return false;
    }
  }
  return true;
}

// Whether `name` is among `names`, as "limit after".
bool takes(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const auto end = std::min(names.find(' '), names.size());
    if (names.substr(0, end) == name) return true;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}

constexpr std::uint16_t bit(Method method) {
  return static_cast<std::uint16_t>(1u << static_cast<unsigned>(method));
}

}  // namespace

const RouteTable& native_routes() {
  static constexpr RouteTable table{kRoutes, kPatterns};
  return table;
}

Match match_route(Method method, std::string_view path) {
  Match match;
  match.management = path.starts_with(kManagementPrefix);
  const auto& table = match.management ? management_routes() : native_routes();
  const auto first = match.management ? native_routes().routes.size() : 0;
  Segments segments;
  if (!split_path(path, segments)) return match;
  const auto wanted = method == head ? get : method;
  for (std::size_t i = 0; i < table.routes.size(); ++i) {
    Parameters found;
    if (!matches(table.patterns[i], segments, found)) continue;
    match.methods |= bit(table.routes[i].method);
    if (table.routes[i].method != wanted) continue;
    match.route = &table.routes[i];
    match.number = first + i;
    match.parameters = found;
    return match;
  }
  if (match.methods != 0) match.methods |= bit(options);
  if (match.methods & bit(get)) match.methods |= bit(head);
  return match;
}

std::optional<std::string> unknown_in_query(const Route& route, std::string_view raw_query) {
  if (raw_query.empty() || route.query == kAnyQuery) return std::nullopt;
  const auto pairs = wire::http::parse_form(raw_query);
  if (!pairs) return std::string(raw_query);
  for (const auto& [name, value] : *pairs)
    if (!takes(route.query, name)) return name;
  return std::nullopt;
}

std::string allowed_methods(std::uint16_t methods) {
  std::string allowed;
  for (const auto method : {get, head, post, put, del, patch, options}) {
    if (!(methods & bit(method))) continue;
    if (!allowed.empty()) allowed.append(", ");
    allowed.append(wire::http::name_of(method));
  }
  return allowed;
}

std::string routes_as_markdown(const RouteTable& table) {
  std::string text = "| method | path | what it does |\n|---|---|---|\n";
  for (const auto& route : table.routes) {
    text.append("| `").append(wire::http::name_of(route.method)).append("` | `");
    text.append(route.pattern).append("` | ").append(route.meaning).append(" |\n");
  }
  return text;
}

}  // namespace penstock::protocol::http

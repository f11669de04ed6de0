// The handlers of the route table, one group a file.
//
// Each is called with a request that is whole, and either answers or asks the broker.
#pragma once

namespace penstock::protocol::http {

class Exchange;

// queues.cc
void put_queue(Exchange&);
void get_queue(Exchange&);
void delete_queue(Exchange&);
void get_queues(Exchange&);
void pause_queue(Exchange&);
void resume_queue(Exchange&);
void purge_queue(Exchange&);
void redrive_queue(Exchange&);

// messages.cc
void post_messages(Exchange&);
void browse_messages(Exchange&);

// leases.cc
void lease_messages(Exchange&);
void ack_lease(Exchange&);
void replace_lease(Exchange&);
void nack_lease(Exchange&);
void reject_lease(Exchange&);
void give_back_lease(Exchange&);
void extend_lease(Exchange&);
void progress_lease(Exchange&);
void decline_lease(Exchange&);
void log_lease(Exchange&);

// tasks.cc
void post_task(Exchange&);
void get_task(Exchange&);
void delete_task(Exchange&);
void get_task_log(Exchange&);
void retry_task(Exchange&);

// workers.cc
void get_workers(Exchange&);
void get_worker_orders(Exchange&);
void post_worker_order(Exchange&);
void delete_worker_order(Exchange&);

// limits.cc
void put_group(Exchange&);
void get_groups(Exchange&);
void delete_group(Exchange&);
// schedules.cc
void put_schedule(Exchange&);
void get_schedule(Exchange&);
void get_schedules(Exchange&);
void delete_schedule(Exchange&);
void pause_schedule(Exchange&);
void resume_schedule(Exchange&);
void trigger_schedule(Exchange&);

// users.cc
void get_users(Exchange&);
void get_user(Exchange&);
void put_user(Exchange&);
void delete_user(Exchange&);
void put_permission(Exchange&);
void delete_permission(Exchange&);
void put_topic_permission(Exchange&);
void delete_topic_permission(Exchange&);
void get_vhosts(Exchange&);
void put_vhost(Exchange&);
void delete_vhost(Exchange&);

// workflows.cc
void post_workflow(Exchange&);
void get_workflow(Exchange&);
void get_workflows(Exchange&);
void delete_workflow(Exchange&);
void resume_workflow(Exchange&);

// health.cc
void get_root(Exchange&);
void get_healthz(Exchange&);
void get_readyz(Exchange&);
void get_status(Exchange&);

// metrics.cc
void get_metrics(Exchange&);

// events.cc
void get_events(Exchange&);

}  // namespace penstock::protocol::http

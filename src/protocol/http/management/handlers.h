// The handlers of RabbitMQ's management routes, one group a file.
//
// Each is called with a request that is whole, of somebody who may ask it (admission.h).
#pragma once

namespace penstock::protocol::http {
class Exchange;
}

namespace penstock::protocol::http::management {

// overview.cc
void get_overview(Exchange&);
void get_whoami(Exchange&);
void get_nodes(Exchange&);
void get_cluster_name(Exchange&);
void get_aliveness(Exchange&);
void get_nothing(Exchange&);  // an empty list

// queues.cc
void get_queues(Exchange&);
void get_queues_of_host(Exchange&);
void get_queue(Exchange&);
void put_queue(Exchange&);
void delete_queue(Exchange&);
void purge_queue(Exchange&);

// messages.cc
void get_messages(Exchange&);
void publish_message(Exchange&);

// exchanges.cc
void get_exchanges(Exchange&);
void get_exchanges_of_host(Exchange&);
void get_exchange(Exchange&);
void put_exchange(Exchange&);
void delete_exchange(Exchange&);

// bindings.cc
void get_bindings(Exchange&);
void get_bindings_of_host(Exchange&);
void get_bindings_of_queue(Exchange&);
void get_bindings_from_exchange(Exchange&);
void get_bindings_to_exchange(Exchange&);
// Between an exchange and a queue, or another exchange.
void get_queue_bindings(Exchange&);
void get_exchange_bindings(Exchange&);
void post_queue_binding(Exchange&);
void post_exchange_binding(Exchange&);
void get_queue_binding(Exchange&);
void get_exchange_binding(Exchange&);
void delete_queue_binding(Exchange&);
void delete_exchange_binding(Exchange&);

// connections.cc
void get_connections(Exchange&);
void get_connections_of_host(Exchange&);
void get_connection(Exchange&);
void delete_connection(Exchange&);
void get_channels_of_connection(Exchange&);
void get_channels(Exchange&);
void get_channel(Exchange&);
void get_consumers(Exchange&);
void get_consumers_of_host(Exchange&);

// users.cc
void get_users(Exchange&);
void get_users_without_permissions(Exchange&);
void get_user(Exchange&);
void put_user(Exchange&);
void delete_user(Exchange&);

// permissions.cc
void get_permissions(Exchange&);
void get_permissions_of_host(Exchange&);
void get_permissions_of_user(Exchange&);
void get_permission(Exchange&);
void put_permission(Exchange&);
void delete_permission(Exchange&);
void get_topic_permissions(Exchange&);
void get_topic_permissions_of_host(Exchange&);
void get_topic_permissions_of_user(Exchange&);
void get_topic_permissions_there(Exchange&);
void put_topic_permission(Exchange&);
void delete_topic_permissions(Exchange&);

// hosts.cc
void get_hosts(Exchange&);
void get_host(Exchange&);
void put_host(Exchange&);
void delete_host(Exchange&);

// definitions.cc
void get_definitions(Exchange&);
void get_definitions_of_host(Exchange&);
void post_definitions(Exchange&);
void post_definitions_of_host(Exchange&);

}  // namespace penstock::protocol::http::management

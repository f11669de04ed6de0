// RabbitMQ's management API: what is served under /api/.
#include "protocol/http/routes.h"

#include "protocol/http/management/admission.h"
#include "protocol/http/management/handlers.h"

namespace penstock::protocol::http {
namespace {

using namespace management;
using enum wire::http::Method;
using enum BodyLimit;

constexpr Route kRoutes[] = {
    {get, "/api/queues/{vhost}", control, admitted<get_queues_of_host>,
     "the queues of a virtual host"},
    {get, "/api/overview", control, admitted<get_overview>, "versions, totals, listeners"},
    {get, "/api/queues", control, admitted<get_queues>, "all queues"},
    {get, "/api/queues/{vhost}/{name}", control, admitted<management::get_queue>,
     "a queue and its counts"},
    {put, "/api/queues/{vhost}/{name}", control, admitted<management::put_queue>,
     "declare it: `{\"durable\",\"auto_delete\",\"arguments\"}`; 400 when it is another"},
    {del, "/api/queues/{vhost}/{name}", control, admitted<management::delete_queue>,
     "delete it: `?if-empty=true`, `?if-unused=true`"},
    {del, "/api/queues/{vhost}/{name}/contents", control, admitted<management::purge_queue>,
     "drop its messages"},
    {get, "/api/queues/{vhost}/{name}/bindings", control, admitted<get_bindings_of_queue>,
     "the bindings that lead to it"},
    {post, "/api/queues/{vhost}/{name}/get", control, admitted<get_messages>,
     "get messages: `{\"count\",\"ackmode\",\"encoding\",\"truncate\"}`"},
    {post, "/api/exchanges/{vhost}/{name}/publish", message, admitted<publish_message>,
     "publish: `{\"properties\",\"routing_key\",\"payload\",\"payload_encoding\"}`; tells whether "
     "a queue took it"},
    {get, "/api/exchanges", control, admitted<get_exchanges>, "all exchanges"},
    {get, "/api/exchanges/{vhost}", control, admitted<get_exchanges_of_host>,
     "the exchanges of a virtual host"},
    {get, "/api/exchanges/{vhost}/{name}", control, admitted<get_exchange>, "an exchange"},
    {put, "/api/exchanges/{vhost}/{name}", control, admitted<put_exchange>,
     "declare it: `{\"type\",\"durable\",\"auto_delete\",\"internal\",\"arguments\"}`"},
    {del, "/api/exchanges/{vhost}/{name}", control, admitted<delete_exchange>,
     "delete it: `?if-unused=true`"},
    {get, "/api/exchanges/{vhost}/{name}/bindings/source", control,
     admitted<get_bindings_from_exchange>, "the bindings that start from it"},
    {get, "/api/exchanges/{vhost}/{name}/bindings/destination", control,
     admitted<get_bindings_to_exchange>, "the bindings that lead to it"},
    {get, "/api/bindings", control, admitted<get_bindings>, "all bindings"},
    {get, "/api/bindings/{vhost}", control, admitted<get_bindings_of_host>,
     "the bindings of a virtual host"},
    {get, "/api/bindings/{vhost}/e/{exchange}/q/{queue}", control, admitted<get_queue_bindings>,
     "the bindings between an exchange and a queue"},
    {post, "/api/bindings/{vhost}/e/{exchange}/q/{queue}", control, admitted<post_queue_binding>,
     "bind them: `{\"routing_key\",\"arguments\"}`; 201 and `Location`"},
    {get, "/api/bindings/{vhost}/e/{exchange}/q/{queue}/{key}", control,
     admitted<get_queue_binding>, "one of them, by its `properties_key`"},
    {del, "/api/bindings/{vhost}/e/{exchange}/q/{queue}/{key}", control,
     admitted<delete_queue_binding>, "take it away"},
    {get, "/api/bindings/{vhost}/e/{source}/e/{destination}", control,
     admitted<get_exchange_bindings>, "the same between two exchanges"},
    {post, "/api/bindings/{vhost}/e/{source}/e/{destination}", control,
     admitted<post_exchange_binding>, "bind them"},
    {get, "/api/bindings/{vhost}/e/{source}/e/{destination}/{key}", control,
     admitted<get_exchange_binding>, "one of them"},
    {del, "/api/bindings/{vhost}/e/{source}/e/{destination}/{key}", control,
     admitted<delete_exchange_binding>, "take it away"},
    {get, "/api/connections", control, admitted<get_connections>, "who is connected by AMQP"},
    {get, "/api/connections/{name}", control, admitted<get_connection>, "one connection"},
    {del, "/api/connections/{name}", control, admitted<delete_connection>,
     "close it; `X-Reason` is told to the client"},
    {get, "/api/connections/{name}/channels", control, admitted<get_channels_of_connection>,
     "its channels"},
    {get, "/api/vhosts/{vhost}/connections", control, admitted<get_connections_of_host>,
     "the connections to a virtual host"},
    {get, "/api/channels", control, admitted<get_channels>, "all channels"},
    {get, "/api/channels/{name}", control, admitted<get_channel>, "one channel"},
    {get, "/api/consumers", control, admitted<get_consumers>, "all consumers"},
    {get, "/api/consumers/{vhost}", control, admitted<get_consumers_of_host>,
     "the consumers of a virtual host"},
    {get, "/api/vhosts", control, admitted<get_hosts>, "the virtual hosts"},
    {get, "/api/vhosts/{vhost}", control, admitted<get_host>, "one of them"},
    {put, "/api/vhosts/{vhost}", control, admitted<put_host>, "make one"},
    {del, "/api/vhosts/{vhost}", control, admitted<delete_host>,
     "delete it with all that is in it, and close its connections"},
    {get, "/api/definitions", control, admitted<get_definitions, engine::Role::administrator>,
     "all that was declared, as one document"},
    {post, "/api/definitions", message, admitted<post_definitions, engine::Role::administrator>,
     "declare what it has"},
    {get, "/api/definitions/{vhost}", control,
     admitted<get_definitions_of_host, engine::Role::administrator>,
     "the same of one virtual host"},
    {post, "/api/definitions/{vhost}", message,
     admitted<post_definitions_of_host, engine::Role::administrator>, "declare it there"},
    {get, "/api/whoami", control, admitted<get_whoami>, "who asks"},
    {get, "/api/nodes", control, admitted<get_nodes, engine::Role::monitoring>,
     "this server, as the only node"},
    {get, "/api/cluster-name", control, admitted<get_cluster_name>, "its name"},
    {get, "/api/aliveness-test/{vhost}", control, admitted<get_aliveness>,
     "sends a message to the queue `aliveness-test` there, and takes it back"},
    {get, "/api/policies", control, admitted<get_nothing>, "none: policies are not supported"},
    {get, "/api/policies/{vhost}", control, admitted<get_nothing>, "none"},
    {get, "/api/operator-policies", control, admitted<get_nothing>, "none"},
    {get, "/api/parameters", control, admitted<get_nothing>, "none"},
    {get, "/api/parameters/{component}", control, admitted<get_nothing>, "none"},
    {get, "/api/global-parameters", control, admitted<get_nothing>, "none"},
    {get, "/api/vhost-limits", control, admitted<get_nothing>, "none"},
    {get, "/api/extensions", control, admitted<get_nothing>, "none"},
};

constexpr auto kPatterns = split_patterns(kRoutes);

}  // namespace

const RouteTable& management_routes() {
  static constexpr RouteTable table{kRoutes, kPatterns};
  return table;
}

}  // namespace penstock::protocol::http

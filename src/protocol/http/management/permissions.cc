// What users may do, for administrators: by virtual host, and by topic exchange there.
#include <fmt/format.h>

#include <vector>

#include "base/text.h"
#include "protocol/http/management/answers.h"
#include "protocol/http/management/handlers.h"
#include "protocol/http/management/user_declarations.h"

namespace penstock::protocol::http::management {
namespace {

using Write = void (*)(JsonText& json, const engine::User& user, std::string_view only_host);

void answer_list(Exchange& exchange, const engine::User& user, std::string_view host, Write write) {
  JsonText json(exchange.text());
  json.begin_array();
  write(json, user, host);
  json.end_array();
  exchange.answer_json_when_durable(200);
}

// Of all users, in all virtual hosts or in one.
void list(Exchange& exchange, std::string_view only_host, Write write) {
  const auto access = exchange.broker().access(exchange.session().id());
  if (!access) return exchange.answer_error(access.error());
  JsonText json(exchange.text());
  json.begin_array();
  for (const auto& [name, user] : (*access)->users()) write(json, *user, only_host);
  json.end_array();
  exchange.answer_json_when_durable(200);
}

// Of the user "{vhost}/{user}" in the path; nothing, and answered, when one of them is not there.
struct Place {
  std::string host;
  const engine::User* user = nullptr;
};
std::optional<Place> place_in_path(Exchange& exchange) {
  const auto host = host_in_path(exchange);
  if (!host) return std::nullopt;
  const auto* user = user_in_path(exchange, 1);
  if (user == nullptr) return std::nullopt;
  return Place{*host, user};
}

void on_put(Exchange& exchange, const broker::Done&) {
  exchange.answer_nothing(exchange.number != 0 ? 201 : 204);
}
void on_gone(Exchange& exchange, const broker::Done&) {
  exchange.answer_nothing(204);
}
void on_one_gone(Exchange& exchange, const broker::Reply&) {
  if (--exchange.number == 0) exchange.answer_nothing(204);
}

}  // namespace

void get_permissions(Exchange& exchange) {
  list(exchange, {}, write_permissions);
}
void get_permissions_of_host(Exchange& exchange) {
  if (const auto host = host_in_path(exchange)) list(exchange, *host, write_permissions);
}
void get_permissions_of_user(Exchange& exchange) {
  if (const auto* user = user_in_path(exchange))
    answer_list(exchange, *user, {}, write_permissions);
}

void get_permission(Exchange& exchange) {
  const auto place = place_in_path(exchange);
  if (!place) return;
  if (place->user->permission(place->host) == nullptr)
    return answer_when_durable(exchange,
                               Error{ErrorCode::not_found,
                                     fmt::format("user {} has no permission in vhost {}",
                                                 quoted(place->user->name), quoted(place->host)),
                                     {}});
  JsonText json(exchange.text());
  write_permissions(json, *place->user, place->host);
  exchange.answer_json_when_durable(200);
}

void put_permission(Exchange& exchange) {
  const auto place = place_in_path(exchange);
  if (!place) return;
  const auto body = body_of(exchange);
  if (!body) return;
  const auto permission =
      PermissionDeclaration::read(place->user->name, place->host, *body, "the body");
  if (!permission) return exchange.answer_error(permission.error());
  exchange.number = place->user->permission(place->host) == nullptr ? 1 : 0;
  const auto tag = exchange.expect<on_put>();
  permission->declare(exchange.broker(), exchange.session().id(), tag);
}

void delete_permission(Exchange& exchange) {
  const auto place = place_in_path(exchange);
  if (!place) return;
  const auto tag = exchange.expect<on_gone>();
  exchange.broker().revoke(exchange.session().id(), tag, place->user->name, place->host);
}

void get_topic_permissions(Exchange& exchange) {
  list(exchange, {}, write_topic_permissions);
}
void get_topic_permissions_of_host(Exchange& exchange) {
  if (const auto host = host_in_path(exchange)) list(exchange, *host, write_topic_permissions);
}
void get_topic_permissions_of_user(Exchange& exchange) {
  if (const auto* user = user_in_path(exchange))
    answer_list(exchange, *user, {}, write_topic_permissions);
}

void get_topic_permissions_there(Exchange& exchange) {
  if (const auto place = place_in_path(exchange))
    answer_list(exchange, *place->user, place->host, write_topic_permissions);
}

void put_topic_permission(Exchange& exchange) {
  const auto place = place_in_path(exchange);
  if (!place) return;
  const auto body = body_of(exchange);
  if (!body) return;
  const auto permission =
      TopicPermissionDeclaration::read(place->user->name, place->host, *body, "the body");
  if (!permission) return exchange.answer_error(permission.error());
  exchange.number = permission->is_new(*place->user) ? 1 : 0;
  const auto tag = exchange.expect<on_put>();
  permission->declare(exchange.broker(), exchange.session().id(), tag);
}

// All that the user has there.
void delete_topic_permissions(Exchange& exchange) {
  const auto place = place_in_path(exchange);
  if (!place) return;
  std::vector<std::string> exchanges;
  for (const auto& [where, permission] : place->user->topic_permissions)
    if (where.first == place->host) exchanges.push_back(where.second);
  exchange.number = exchanges.size();
  if (exchanges.empty())
    return answer_when_durable(exchange,
                               Error{ErrorCode::not_found,
                                     fmt::format("user {} has no topic permission in vhost {}",
                                                 quoted(place->user->name), quoted(place->host)),
                                     {}});
  const std::string user = place->user->name;
  for (const auto& name : exchanges) {
    const auto tag = exchange.expect_each(on_one_gone);
    exchange.broker().revoke_topic(exchange.session().id(), tag, user, place->host, name);
  }
}

}  // namespace penstock::protocol::http::management

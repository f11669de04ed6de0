// Events about users and permissions, to and from bytes.
#include "engine/event.h"

namespace penstock::engine {

void encode(Bytes& head, const UserSetEvent& event) {
  Encoder(head).text(event.user.name).text(event.user.password).integer(event.user.roles);
}
bool decode(ByteView head, UserSetEvent& event, IdList&) {
  Cursor in(head);
  event.user.name = in.text();
  event.user.password = in.text();
  event.user.roles = in.integer<std::uint8_t>();
  return in.ok();
}

void encode(Bytes& head, const UserGoneEvent& event) {
  Encoder(head).text(event.name);
}
bool decode(ByteView head, UserGoneEvent& event, IdList&) {
  Cursor in(head);
  event.name = in.text();
  return in.ok();
}

void encode(Bytes& head, const PermissionSetEvent& event) {
  const auto& permission = event.permission;
  Encoder(head)
      .text(permission.user)
      .text(permission.host)
      .text(permission.configure)
      .text(permission.write)
      .text(permission.read);
}
bool decode(ByteView head, PermissionSetEvent& event, IdList&) {
  Cursor in(head);
  event.permission.user = in.text();
  event.permission.host = in.text();
  event.permission.configure = in.text();
  event.permission.write = in.text();
  event.permission.read = in.text();
  return in.ok();
}

void encode(Bytes& head, const PermissionGoneEvent& event) {
  Encoder(head).text(event.user).text(event.host);
}
bool decode(ByteView head, PermissionGoneEvent& event, IdList&) {
  Cursor in(head);
  event.user = in.text();
  event.host = in.text();
  return in.ok();
}

void encode(Bytes& head, const TopicPermissionSetEvent& event) {
  const auto& permission = event.permission;
  Encoder(head)
      .text(permission.user)
      .text(permission.host)
      .text(permission.exchange)
      .text(permission.write)
      .text(permission.read);
}
bool decode(ByteView head, TopicPermissionSetEvent& event, IdList&) {
  Cursor in(head);
  event.permission.user = in.text();
  event.permission.host = in.text();
  event.permission.exchange = in.text();
  event.permission.write = in.text();
  event.permission.read = in.text();
  return in.ok();
}

void encode(Bytes& head, const TopicPermissionGoneEvent& event) {
  Encoder(head).text(event.user).text(event.host).text(event.exchange);
}
bool decode(ByteView head, TopicPermissionGoneEvent& event, IdList&) {
  Cursor in(head);
  event.user = in.text();
  event.host = in.text();
  event.exchange = in.text();
  return in.ok();
}

}  // namespace penstock::engine

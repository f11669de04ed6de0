#include "protocol/http/event_hub.h"

#include <algorithm>

#include "protocol/http/json_text.h"
#include "wire/http/response_writer.h"

namespace penstock::protocol::http {

void EventHub::unsubscribe(Subscriber& subscriber) {
  std::erase(subscribers_, &subscriber);
}

void EventHub::tell(const broker::Happening& happening) {
  if (subscribers_.empty()) return;
  text_.clear();
  JsonText json(text_);
  json.begin_object().key("queue").string(happening.queue);
  if (happening.id) json.key("id").id(happening.id);
  if (!happening.detail.empty()) json.key("detail").string(happening.detail);
  json.key("at").time(happening.at).end_object();
  frame_.clear();
  // Not yet in chunks: that depends on the subscriber's version of HTTP.
  wire::http::StreamWriter(frame_, /*http_1_0=*/true).event(happening.kind, text_);
  for (auto* subscriber : subscribers_) subscriber->on_event(happening.queue, frame_);
}

}  // namespace penstock::protocol::http

#include "cli/demo/executors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "cli/worker/arguments.h"
#include "cli/worker/curl_handles.h"
#include "cli/worker/result_text.h"

namespace penstock::cli {

namespace json = boost::json;

namespace {

using namespace std::chrono_literals;

constexpr Duration kHoldFor = 5s;
constexpr long kTimeoutMs = 10'000;
constexpr std::size_t kEncodedWordBytes = 39;  // 64 characters; "Subject: " fits before them
constexpr std::size_t kBodyLineBytes = 57;     // makes 76

std::string_view text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string()) : "";
}

std::string_view field_of(std::string_view channel) {
  if (channel == "sms") return "phone";
  return channel == "push" ? "device" : "email";
}

// The first at most `bytes` bytes of `text` that are whole characters.
std::string_view first_characters(std::string_view text, std::size_t bytes) {
  std::size_t end = std::min(bytes, text.size());
  while (end > 0 && end < text.size() && (text[end] & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

// RFC 2047: words of base64, a line each.
std::string encoded_words(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto part = first_characters(text, kEncodedWordBytes);
    if (part.empty()) break;  // no UTF-8
    if (!result.empty()) result += "\r\n ";
    result += "=?UTF-8?B?" + base64_encode(as_bytes(part)) + "?=";
    text.remove_prefix(part.size());
  }
  return result;
}

client::Request<MessageId> submit_request(std::string_view channel, const json::object& notice,
                                          const client::TaskOptions& options) {
  return client::submit(channel, json::serialize(json::array{notice}), {}, options);
}

struct Upload {
  std::string_view left;
};

std::size_t give_bytes(char* to, std::size_t size, std::size_t count, void* from) {
  auto& upload = *static_cast<Upload*>(from);
  const std::size_t bytes = std::min(size * count, upload.left.size());
  std::memcpy(to, upload.left.data(), bytes);
  upload.left.remove_prefix(bytes);
  return bytes;
}

}  // namespace

Ending FanOut::run(const Work& work, std::stop_token stop) {
  json::error_code error;
  const json::value value = json::parse(work.payload, error);
  if (error || !value.is_object()) return Ending::hopeless("event: no JSON object");
  const json::object& event = value.as_object();
  const std::string id(text_of(event, "id"));
  for (const std::string_view channel : kChannels) {
    client::TaskOptions options;
    options.queue = channel;
    options.key = fmt::format("{}:{}", id, channel);
    options.result_ttl = Duration(0);
    const json::object notice{{"id", options.key},
                              {"to", text_of(event, field_of(channel))},
                              {"name", text_of(event, "name")},
                              {"subject", text_of(event, "subject")},
                              {"text", text_of(event, "text")}};
    auto submitted = client_.call(submit_request(channel, notice, options));
    if (!submitted && submitted.error().refusal) {
      ++held_back_;
      // Over a connection of its own: the server holds the answer until there is room.
      options.wait = kHoldFor;
      submitted = client_.call_waiting(submit_request(channel, notice, options), stop);
      if (stop.stop_requested()) return Ending::stopped();
    }
    if (submitted) continue;
    Ending failed = Ending::failed("submit: " + submitted.error().error.message);
    if (submitted.error().refusal) failed.delay = submitted.error().refusal->retry_after;
    return failed;
  }
  return Ending::done("null");
}

Ending SmtpExecutor::run(const Work& work, std::stop_token stop) {
  const Arguments arguments = Arguments::of(work.payload);
  if (arguments.args.size() != 1 || !arguments.args[0].is_object()) {
    return Ending::hopeless("arguments: one object is wanted");
  }
  const json::object& notice = arguments.args[0].as_object();
  const std::string_view to = text_of(notice, "to");
  const std::string mail =
      mail_text(text_of(notice, "id"), to, text_of(notice, "subject"), text_of(notice, "text"));
  CurlHandles& handles = CurlHandles::of_this_thread();
  if (!handles.ok()) return Ending::failed("smtp: out of memory");
  CurlList receivers;
  receivers.add(fmt::format("<{}>", printable(to)));
  Upload upload{mail};
  CURL* easy = handles.easy();
  ::curl_easy_reset(easy);
  ::curl_easy_setopt(easy, CURLOPT_URL, url_.c_str());
  ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(easy, CURLOPT_MAIL_FROM, "<no-reply@shop.example.com>");
  ::curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, receivers.get());
  ::curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  ::curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_bytes);
  ::curl_easy_setopt(easy, CURLOPT_READDATA, &upload);
  ::curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, kTimeoutMs);

  const CURLcode code = handles.perform(stop);
  if (code == CURLE_OK) return Ending::done("null");
  if (code == CURLE_ABORTED_BY_CALLBACK) return Ending::stopped();
  long reply = 0;
  ::curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply);
  if (reply >= 500) return Ending::hopeless(fmt::format("smtp: {}", reply));
  if (reply >= 400) return Ending::failed(fmt::format("smtp: {}", reply));
  return Ending::failed(std::string("smtp: ") + ::curl_easy_strerror(code));
}

std::string mail_text(std::string_view id, std::string_view to, std::string_view subject,
                      std::string_view text) {
  std::string mail = fmt::format(
      "From: Shop <no-reply@shop.example.com>\r\n"
      "To: <{}>\r\n"
      "Subject: {}\r\n"
      "X-Notification-Id: {}\r\n"
      "MIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\n",
      printable(to), encoded_words(subject), printable(id));
  for (std::size_t at = 0; at < text.size(); at += kBodyLineBytes) {
    mail += base64_encode(as_bytes(text.substr(at, kBodyLineBytes))) + "\r\n";
  }
  return mail;
}

std::string notification_id(std::string_view payload) {
  const Arguments arguments = Arguments::of(payload);
  if (arguments.args.empty() || !arguments.args[0].is_object()) return {};
  return std::string(text_of(arguments.args[0].as_object(), "id"));
}

}  // namespace penstock::cli

#include "cli/demo/executors.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <future>
#include <memory>
#include <vector>

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

// The only argument; empty where that is no object.
json::object notice_of(std::string_view payload) {
  const Arguments arguments = Arguments::of(payload);
  if (arguments.args.size() != 1) return {};
  json::error_code error;
  const json::value value = json::parse(arguments.args.front(), error);
  return !error && value.is_object() ? value.as_object() : json::object();
}

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

using SubmitAnswer = client::Answer<MessageId>;

struct Submission {
  std::string_view channel;
  std::string arguments;  // JSON
  client::TaskOptions options;
};

Submission submission_of(const json::object& event, std::string_view channel) {
  Submission submission;
  submission.channel = channel;
  submission.options.queue = channel;
  submission.options.key = fmt::format("{}:{}", text_of(event, "id"), channel);
  submission.options.result_ttl = Duration(0);
  const json::object notice{{"id", submission.options.key},
                            {"to", text_of(event, field_of(channel))},
                            {"name", text_of(event, "name")},
                            {"subject", text_of(event, "subject")},
                            {"text", text_of(event, "text")}};
  submission.arguments = json::serialize(json::array{notice});
  return submission;
}

client::Request<MessageId> request_of(const Submission& submission) {
  return client::submit(submission.channel, submission.arguments, {}, submission.options);
}

std::future<SubmitAnswer> start(client::Client& client, const Submission& submission) {
  const auto promise = std::make_shared<std::promise<SubmitAnswer>>();
  auto answer = promise->get_future();
  const auto request = request_of(submission);
  const auto started =
      client.start(request, [promise](SubmitAnswer said) { promise->set_value(std::move(said)); });
  // Full, or no connection: this way waits for room, or says so.
  if (started != client::Started::taken) promise->set_value(client.call(request));
  return answer;
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

// All channels at once, so that one event costs one sync and not three.
Ending FanOut::run(const Work& work, std::stop_token stop) {
  json::error_code error;
  const json::value value = json::parse(work.payload, error);
  if (error || !value.is_object()) return Ending::hopeless("event: no JSON object");
  std::vector<Submission> submissions;
  for (const std::string_view channel : kChannels) {
    submissions.push_back(submission_of(value.as_object(), channel));
  }
  std::vector<std::future<SubmitAnswer>> answers;
  for (const Submission& submission : submissions) answers.push_back(start(client_, submission));
  std::vector<SubmitAnswer> said;
  for (auto& answer : answers) said.push_back(answer.get());
  for (std::size_t i = 0; i < said.size(); ++i) {
    if (!said[i] && said[i].error().refusal) {
      ++held_back_;
      // Over a connection of its own: the server holds the answer until there is room.
      submissions[i].options.wait = kHoldFor;
      said[i] = client_.call_waiting(request_of(submissions[i]), stop);
      if (stop.stop_requested()) return Ending::stopped();
    }
    if (said[i]) continue;
    Ending failed = Ending::failed("submit: " + said[i].error().error.message);
    if (said[i].error().refusal) failed.delay = said[i].error().refusal->retry_after;
    return failed;
  }
  return Ending::done("null");
}

Ending SmtpExecutor::run(const Work& work, std::stop_token stop) {
  const json::object notice = notice_of(work.payload);
  if (notice.empty()) return Ending::hopeless("arguments: one object is wanted");
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
  return std::string(text_of(notice_of(payload), "id"));
}

}  // namespace penstock::cli

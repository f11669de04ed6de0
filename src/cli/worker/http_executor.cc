#include "cli/worker/http_executor.h"

#include <curl/curl.h>

#include "base/text.h"
#include "cli/worker/curl_handles.h"
#include "cli/worker/result_text.h"

namespace penstock::cli {
namespace {

constexpr long kConnectTimeoutMs = 10'000;

struct Answer {
  std::string body;
  std::size_t bytes_max;
};

// Curl's write callback: taking fewer bytes than offered ends the transfer.
std::size_t take_bytes(char* data, std::size_t size, std::size_t count, void* to) {
  auto& answer = *static_cast<Answer*>(to);
  const std::size_t bytes = size * count;
  if (bytes > answer.bytes_max - answer.body.size()) return 0;
  answer.body.append(data, bytes);
  return bytes;
}

void set_request(CURL* easy, const HttpOptions& options, const Work& work, const CurlList& headers,
                 Answer& answer) {
  ::curl_easy_reset(easy);  // keeps the connections
  ::curl_easy_setopt(easy, CURLOPT_URL, options.url.c_str());
  ::curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(easy, CURLOPT_USERAGENT, "penstock-worker");
  ::curl_easy_setopt(easy, CURLOPT_POST, 1L);
  ::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, work.payload.data());
  ::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(work.payload.size()));
  ::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  ::curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(
                                           work.timeout_within(options.timeout))
                                           .count()));
  ::curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
  ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
}

std::string about(long status, std::string_view body) {
  std::string error = "http: " + std::to_string(status);
  const std::string said = printable(body.substr(0, 500));
  if (!said.empty()) error.append(": ").append(said);
  return error;
}

}  // namespace

Ending ending_of(long status, std::string_view body, Duration retry_after) {
  if (status >= 200 && status < 300) return Ending::done(result_json(body));
  switch (status) {
    case 429:
    case 503: {
      Ending ending = Ending::failed(about(status, body));
      if (retry_after.count() > 0) ending.delay = retry_after;
      return ending;
    }
    case 400:
    case 413:
    case 415:
    case 422:
      return Ending::hopeless(about(status, body));
    default:
      return Ending::failed(about(status, body));
  }
}

Result<std::unique_ptr<HttpExecutor>> HttpExecutor::make(HttpOptions options) {
  const std::string hint = "as in --http http://127.0.0.1:8080/thumbs";
  const std::unique_ptr<CURLU, decltype(&::curl_url_cleanup)> url(::curl_url(), ::curl_url_cleanup);
  if (::curl_url_set(url.get(), CURLUPART_URL, options.url.c_str(), 0) != CURLUE_OK) {
    return fail(ErrorCode::invalid, "no URL: " + quoted(options.url), hint);
  }
  char* scheme = nullptr;
  ::curl_url_get(url.get(), CURLUPART_SCHEME, &scheme, 0);
  const std::string spoken = scheme == nullptr ? "" : scheme;
  ::curl_free(scheme);
  if (spoken != "http" && spoken != "https") {
    return fail(ErrorCode::invalid, "a web hook is http or https, not " + quoted(spoken), hint);
  }
  return std::unique_ptr<HttpExecutor>(new HttpExecutor(std::move(options)));
}

Ending HttpExecutor::run(const Work& work, std::stop_token stop) {
  CurlHandles& handles = CurlHandles::of_this_thread();
  if (!handles.ok()) return Ending::failed("http: out of memory");
  CurlList headers;
  headers.add(work.name.empty() ? "Content-Type: application/octet-stream"
                                : "Content-Type: application/json");
  headers.add("Penstock-Task-Id: " + work.id);
  headers.add("Idempotency-Key: " + work.id);
  if (!work.name.empty()) headers.add("Penstock-Task: " + work.name);
  headers.add("Penstock-Queue: " + work.queue);
  headers.add("Penstock-Attempt: " + std::to_string(work.attempt));
  if (work.expires_at != Time{})
    headers.add("Penstock-Expires-At: " + std::to_string(micros(work.expires_at) / 1000));
  if (!work.traceparent.empty()) headers.add("traceparent: " + work.traceparent);
  if (!work.tracestate.empty()) headers.add("tracestate: " + work.tracestate);
  // Curl would wait for a "100 Continue" before larger bodies.
  headers.add("Expect:");
  Answer answer{{}, options_.answer_bytes_max};
  set_request(handles.easy(), options_, work, headers, answer);

  const CURLcode code = handles.perform(stop);
  if (code == CURLE_ABORTED_BY_CALLBACK) return Ending::stopped();
  if (code == CURLE_WRITE_ERROR) {
    return Ending::hopeless("http: the answer is longer than " +
                            format_bytes(options_.answer_bytes_max));
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return Ending::failed(
        "timeout: no answer within " + format_duration(work.timeout_within(options_.timeout)),
        engine::Cause::timed_out);
  }
  if (code != CURLE_OK) return Ending::failed(std::string("http: ") + ::curl_easy_strerror(code));
  long status = 0;
  curl_off_t retry_after = 0;
  ::curl_easy_getinfo(handles.easy(), CURLINFO_RESPONSE_CODE, &status);
  ::curl_easy_getinfo(handles.easy(), CURLINFO_RETRY_AFTER, &retry_after);
  return ending_of(status, answer.body, std::chrono::seconds(retry_after));
}

}  // namespace penstock::cli

// Posts each task to a web hook: `penstock worker --http http://127.0.0.1:8080/thumbs`.
//
// The request is a POST of the payload, with Penstock-Task-Id, Penstock-Task, Penstock-Queue and
// Penstock-Attempt, and the id as Idempotency-Key, so that the hook can tell a repeat. The answer
// decides:
//
//   2xx                       done; the body is the result (as of a program: result_text.h)
//   429, 503                  tried again after Retry-After where there is one, else after the
//   backoff 400, 413, 415, 422        this very task is what is wrong with it: not tried again
//   anything else, 3xx too    tried again with the backoff: a 404 or 401 is often a hook half
//   deployed no answer                 the same; "http: Couldn't connect to server"
//
// Redirects are not followed, and nothing but http and https is spoken.
#pragma once

#include <memory>

#include "base/result.h"
#include "cli/worker/executor.h"

namespace penstock::cli {

struct HttpOptions {
  std::string url;
  Duration timeout = std::chrono::seconds(30);  // of one attempt
  std::size_t answer_bytes_max = 1 << 20;
};

class HttpExecutor final : public Executor {
 public:
  // Error::invalid when `url` is no http or https URL.
  [[nodiscard]] static Result<std::unique_ptr<HttpExecutor>> make(HttpOptions options);

  [[nodiscard]] Ending run(const Work& work, std::stop_token stop) override;

 private:
  explicit HttpExecutor(HttpOptions options) : options_(std::move(options)) {}
  HttpOptions options_;
};

// The rules above. `retry_after` is zero when the answer did not say.
[[nodiscard]] Ending ending_of(long status, std::string_view body, Duration retry_after);

}  // namespace penstock::cli

#include "cli/worker/curl_handles.h"

namespace penstock::cli {

CurlHandles& CurlHandles::of_this_thread() {
  static const CURLcode once = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(once);
  thread_local CurlHandles handles;
  return handles;
}

CurlHandles::CurlHandles() : easy_(::curl_easy_init()), multi_(::curl_multi_init()) {}

CurlHandles::~CurlHandles() {
  ::curl_easy_cleanup(easy_);
  ::curl_multi_cleanup(multi_);
}

CURLcode CurlHandles::perform(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] { ::curl_multi_wakeup(multi_); });
  ::curl_multi_add_handle(multi_, easy_);
  CURLcode result = CURLE_ABORTED_BY_CALLBACK;
  while (!stop.stop_requested()) {
    int running = 0;
    if (::curl_multi_perform(multi_, &running) != CURLM_OK) {
      result = CURLE_OUT_OF_MEMORY;
      break;
    }
    int left = 0;
    if (const CURLMsg* message = ::curl_multi_info_read(multi_, &left)) {
      result = message->data.result;
      break;
    }
    ::curl_multi_poll(multi_, nullptr, 0, 1000, nullptr);
  }
  ::curl_multi_remove_handle(multi_, easy_);
  return result;
}

}  // namespace penstock::cli

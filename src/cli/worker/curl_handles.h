// What libcurl gives, held by objects: a thread's handles and lists of lines.
#pragma once

#include <curl/curl.h>

#include <stop_token>
#include <string>

namespace penstock::cli {

// One thread's handles: curl keeps their connections between transfers, and wakes up from a wait
// when it is told to.
class CurlHandles {
 public:
  // Made at first use, ended with the thread.
  [[nodiscard]] static CurlHandles& of_this_thread();

  CurlHandles(const CurlHandles&) = delete;
  CurlHandles& operator=(const CurlHandles&) = delete;
  ~CurlHandles();

  // False when there was no memory for them.
  [[nodiscard]] bool ok() const { return easy_ != nullptr && multi_ != nullptr; }
  [[nodiscard]] CURL* easy() const { return easy_; }

  // Carries out what easy() was set to; CURLE_ABORTED_BY_CALLBACK when `stop` came first.
  [[nodiscard]] CURLcode perform(const std::stop_token& stop);

 private:
  CurlHandles();
  CURL* easy_;
  CURLM* multi_;
};

// Header lines, receivers.
class CurlList {
 public:
  CurlList() = default;
  CurlList(const CurlList&) = delete;
  CurlList& operator=(const CurlList&) = delete;
  ~CurlList() { ::curl_slist_free_all(list_); }

  void add(const std::string& line) {
    if (curl_slist* longer = ::curl_slist_append(list_, line.c_str())) list_ = longer;
  }
  [[nodiscard]] curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

}  // namespace penstock::cli

// The demonstration: 20,000 events become e-mails, text messages and push notices, at twice the
// workers' capacity and through the death of the server. The receivers' own records prove the end.
//
//                       ┌────────┐   ┌───────────┐  email  ┌──────┐ SMTP  ┌───────────┐
//   clients ──HTTP──▶   │ events │ ▶ │ fan-out   │ ───────▶│ 16   │──────▶│ mail sink │─▶ record
//   (503: come back)    └────────┘   │ workers   │ sms,push│ each │ HTTP  ├───────────┤
//                         max_wait   └───────────┘ ───────▶│      │──────▶│ hook sink │─▶ record
//                                      overflow=block      └──────┘       └───────────┘
#pragma once

#include <cstddef>
#include <filesystem>

#include "base/clock.h"

namespace penstock::cli {

struct NotificationsOptions {
  std::filesystem::path events;                 // empty = those that come with the program
  std::size_t count = 20'000;                   // of the file's events, at most
  Duration seconds = std::chrono::seconds(40);  // after which the clients bring nothing new
  bool crash = true;
  bool keep = false;  // the folder with data, records and logs
};

// The exit code: kExitOk when every accepted notification arrived.
[[nodiscard]] int demo_notifications(const NotificationsOptions& options);

}  // namespace penstock::cli

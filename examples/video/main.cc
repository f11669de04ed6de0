// A video on its way: it is split, its parts are encoded at once, and what came of them is joined.
// The workflow is durable: kill this program while it runs and start it again, and it goes on.
#include <chrono>
#include <cstdio>
#include <penstock/penstock.hpp>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

struct Part {
  std::string file;
  int first_second = 0, seconds = 0;
};
BOOST_DESCRIBE_STRUCT(Part, (), (file, first_second, seconds))

struct Encoded {
  std::string file;
  int kilobytes = 0;
};
BOOST_DESCRIBE_STRUCT(Encoded, (), (file, kilobytes))

const auto encode =
    penstock::task("encode",
                   [](penstock::Context& context, Part part) {
                     for (int second = 0; second < part.seconds; ++second) {
                       std::this_thread::sleep_for(2ms);  // in the place of a second's frames
                       if (!context.progress(second + 1, part.seconds, part.file))
                         throw penstock::Cancelled("told to stop");
                     }
                     return Encoded{part.file + ".av1", part.seconds * 120};
                   },
                   {.max_attempts = 3, .backoff = penstock::exponential(100ms, 5s)});

const auto join = penstock::task("join", [](std::vector<Encoded> parts) {
  int kilobytes = 0;
  for (const auto& part : parts) kilobytes += part.kilobytes;
  return Encoded{"film.av1", kilobytes};
});

const auto publish = penstock::task("publish", [](Encoded film) {
  return "https://video.example/" + film.file + " (" + std::to_string(film.kilobytes) + " kB)";
});

const auto report = penstock::task("report", [](penstock::StepFailure failure) {
  std::printf("the film is not there: %s failed with %s\n", failure.error.task.c_str(),
              failure.error.message.c_str());
});

// How many parts there are is known only once the film was looked at: so this task ends with a
// workflow in its place.
const auto process =
    penstock::task("process", [](std::string film, int seconds) -> penstock::Flow<std::string> {
      std::vector<std::tuple<Part>> parts;
      for (int at = 0; at < seconds; at += 10)
        parts.emplace_back(Part{film + "." + std::to_string(at), at, std::min(10, seconds - at)});
      return penstock::chain(penstock::map(encode, parts), penstock::step(join),
                             penstock::step(publish));
    });

}  // namespace

int main() {
  auto app = penstock::App::embedded("video-jobs");
  app.add(encode, join, publish, report, process);
  const auto workers = app.work({.threads = {1, 4}});

  const auto film =
      app.start(penstock::step(process, "film.mkv", 75).on_error(penstock::step(report)),
                {.name = "film.mkv"});
  for (auto status = film.progress(); !penstock::is_final(status.state); status = film.progress()) {
    std::printf("%s: %u of %u steps done\n", status.name.c_str(), status.done, status.steps);
    (void)film.wait(20ms);
  }
  std::printf("%s\n", film.get(1min).c_str());
  return film.progress().failed == 0 ? 0 : 1;
}

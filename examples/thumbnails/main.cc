// Image thumbnails: slow work off the request path, many at a time, on all processors.
//
// Images are portable graymaps (PGM), so that there is no library to install; a real program would
// call its own in `shrink`.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <penstock/penstock.hpp>
#include <string>
#include <tuple>
#include <vector>

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

struct Image {
  int width = 0, height = 0;
  std::vector<unsigned char> pixels = {};  // one byte each, row by row
};

// Trying again does not make it an image.
struct NoImage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Image read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string magic;
  Image image;
  int most = 0;
  if (!(in >> magic >> image.width >> image.height >> most) || magic != "P5" || image.width <= 0 ||
      image.height <= 0 || image.width > 20'000 || image.height > 20'000 || most != 255)
    throw NoImage(path.string() + " is no PGM image");
  in.get();
  image.pixels.resize(static_cast<std::size_t>(image.width) * image.height);
  in.read(reinterpret_cast<char*>(image.pixels.data()),
          static_cast<std::streamsize>(image.pixels.size()));
  if (!in) throw NoImage(path.string() + " is cut short");
  return image;
}

// In one step, so that a task that is run a second time, or killed, leaves no half of a file.
void write(const fs::path& path, const Image& image) {
  const fs::path unfinished = path.string() + ".part";
  std::ofstream out(unfinished, std::ios::binary);
  out << "P5\n" << image.width << " " << image.height << "\n255\n";
  out.write(reinterpret_cast<const char*>(image.pixels.data()),
            static_cast<std::streamsize>(image.pixels.size()));
  out.close();
  if (!out) throw std::runtime_error("cannot write " + unfinished.string());
  fs::rename(unfinished, path);
}

// The mean of the pixels that become one.
Image shrink(const Image& image, int width) {
  width = std::min(width, image.width);
  Image small{.width = width, .height = std::max(1, image.height * width / image.width)};
  for (int y = 0; y < small.height; ++y) {
    for (int x = 0; x < small.width; ++x) {
      const int left = x * image.width / width, right = (x + 1) * image.width / width;
      const int top = y * image.height / small.height;
      const int bottom = std::max(top + 1, (y + 1) * image.height / small.height);
      int sum = 0;
      for (int v = top; v < bottom; ++v)
        for (int u = left; u < right; ++u)
          sum += image.pixels[static_cast<std::size_t>(v) * image.width + u];
      small.pixels.push_back(static_cast<unsigned char>(sum / ((bottom - top) * (right - left))));
    }
  }
  return small;
}

const auto thumbnail = penstock::task(
    "thumbnail",
    [](const std::string& path, int width) {
      const fs::path to = fs::path(path).replace_extension("." + std::to_string(width) + ".pgm");
      write(to, shrink(read(path), width));
      return to.string();
    },
    {.queue = "thumbnails",
     .max_attempts = 5,
     .backoff = penstock::exponential(1s, 60s),
     .retry = {penstock::never<NoImage>()},
     .timeout = 30s});

std::vector<std::string> make_images() {
  fs::create_directories("images");
  std::vector<std::string> paths;
  for (int n = 0; n < 8; ++n) {
    Image image{.width = 640, .height = 480};
    for (int i = 0; i < image.width * image.height; ++i)
      image.pixels.push_back(static_cast<unsigned char>((i % image.width + n * 20) / 3));
    paths.push_back("images/cat-" + std::to_string(n) + ".pgm");
    write(paths.back(), image);
  }
  return paths;
}

}  // namespace

int main() {
  auto app = penstock::App::embedded("jobs");
  app.add(thumbnail);
  const auto workers = app.work({.queues = {"thumbnails"}, .threads = {1, 4}});

  // Two sizes of each: one call, and a few syncs for all of them.
  std::vector<std::tuple<std::string, int>> wanted;
  for (const auto& path : make_images())
    for (const int width : {320, 64}) wanted.emplace_back(path, width);
  for (const auto& job : app.enqueue_many(thumbnail, wanted)) std::cout << job.get(30s) << "\n";

  std::ofstream("images/broken.pgm") << "not an image";
  try {
    (void)app.enqueue(thumbnail, "images/broken.pgm", 64).get(30s);
    return 1;
  } catch (const penstock::TaskError& error) {
    std::cout << "failed at once: " << error.what() << "\n";
    return error.is<NoImage>() && error.attempts() == 1 ? 0 : 1;
  }
}

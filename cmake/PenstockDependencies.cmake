# What we stand on, found once and for every folder. The packages' Debian names are in packages.txt.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(OpenSSL REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CURL REQUIRED)
find_package(ZLIB REQUIRED)
# Those that bring no package of CMake's are linked by their names.
find_library(RE2_LIBRARY re2 REQUIRED)
find_library(CCTZ_LIBRARY cctz REQUIRED)
find_library(ARGON2_LIBRARY argon2 REQUIRED)

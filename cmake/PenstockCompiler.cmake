# How everything of ours is compiled: C++23, every warning an error, hardened.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()
find_program(MOLD mold)
find_program(LLD ld.lld)
if(MOLD)
  add_link_options(-fuse-ld=mold)
elseif(LLD)
  add_link_options(-fuse-ld=lld)
endif()

# Clang, which builds only the fuzzers and what is measured, warns of other things than GCC.
add_library(penstock_flags INTERFACE)
target_compile_options(penstock_flags INTERFACE
  -Wall -Wextra "$<$<CXX_COMPILER_ID:GNU>:-Werror>"
  -Wshadow -Wnon-virtual-dtor -Wconversion -Wno-sign-conversion
  -fstack-protector-strong -fcf-protection -fno-plt)
target_compile_definitions(penstock_flags INTERFACE _GLIBCXX_ASSERTIONS BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_CONCEPTS)
target_link_options(penstock_flags INTERFACE -Wl,-z,relro,-z,now)
if(PENSTOCK_COVERAGE)
  # Clang counts what is written in the source; GCC counts what it made of it.
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping -fprofile-update=atomic -O1)
  add_link_options(-fprofile-instr-generate)
endif()
if(PENSTOCK_SANITIZE)
  add_compile_options(-fsanitize=${PENSTOCK_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer -O1 -g)
  # Asio's fences are not understood by GCC's thread sanitizer; it says so, once per file.
  if(PENSTOCK_SANITIZE MATCHES thread)
    add_compile_options(-Wno-tsan)
  endif()
  if(PENSTOCK_FUZZ)
    # Loads are counted (fuzz/support/meter.h).
    add_compile_options(-fsanitize-coverage=trace-loads -O2)
  endif()
  add_link_options(-fsanitize=${PENSTOCK_SANITIZE})
else()
  add_compile_options("$<$<CONFIG:Release>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>")
endif()
# The checksum and the bit scans want these; every x86-64 since 2009 has them.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
  target_compile_options(penstock_flags INTERFACE -msse4.2 -mpopcnt)
endif()
# Without NDEBUG: what is tested is what ships, assertions on in both.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")

# What `cmake --install` puts on a machine: the program `penstock`, and the library as one archive,
# libpenstock.a, with include/penstock and the CMake package that gives `penstock::penstock`.
include(CMakePackageConfigHelpers)

# Collects into ${layers_out} every penstock_* target that ${target} links, itself included, and
# into ${externals_out} everything else that they link. A layer without sources counts too.
function(penstock_closure target layers_out externals_out)
  set(layers "")
  set(externals "")
  set(queue ${target})
  while(queue)
    list(POP_FRONT queue item)
    if(item MATCHES "^penstock_")
      if(item IN_LIST layers OR NOT TARGET ${item})
        continue()
      endif()
      list(APPEND layers ${item})
      get_target_property(type ${item} TYPE)
      foreach(property LINK_LIBRARIES INTERFACE_LINK_LIBRARIES)
        if(type STREQUAL "INTERFACE_LIBRARY" AND property STREQUAL "LINK_LIBRARIES")
          continue()
        endif()
        get_target_property(linked ${item} ${property})
        if(linked)
          # $<LINK_ONLY:x> is x to whoever links; $<BUILD_INTERFACE:x> concerns this build alone,
          # and ::@ only marks the folder that an item was named in.
          list(TRANSFORM linked REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1")
          list(FILTER linked EXCLUDE REGEX "BUILD_INTERFACE|^::@")
          list(APPEND queue ${linked})
        endif()
      endforeach()
    else()
      list(APPEND externals ${item})
    endif()
  endwhile()
  list(REMOVE_DUPLICATES externals)
  set(${layers_out} "${layers}" PARENT_SCOPE)
  set(${externals_out} "${externals}" PARENT_SCOPE)
endfunction()

# The find_dependency line of each package that one of ${externals} comes from.
function(penstock_find_lines externals out)
  set(known
    "Threads::=Threads"
    "Boost::=Boost 1.81 COMPONENTS json"
    "OpenSSL::=OpenSSL"
    "fmt::=fmt"
    "spdlog::=spdlog"
    "ZLIB::=ZLIB"
    "CURL::=CURL"
    "tomlplusplus::=tomlplusplus"
    "CLI11::=CLI11")
  set(lines "")
  foreach(pair IN LISTS known)
    string(REGEX MATCH "^(.*)=(.*)$" _ "${pair}")
    if(";${externals}" MATCHES ";${CMAKE_MATCH_1}")
      string(REGEX REPLACE "^.*=" "" arguments "${pair}")
      string(APPEND lines "find_dependency(${arguments})\n")
    endif()
  endforeach()
  set(${out} "${lines}" PARENT_SCOPE)
endfunction()

# All that is installed, and nothing else: nobody needs the tests for that.
add_custom_target(installables)

if(TARGET penstock)
  add_dependencies(installables penstock)
  set_target_properties(penstock PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
  install(TARGETS penstock RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

if(TARGET penstock_task AND EXISTS "${CMAKE_SOURCE_DIR}/include/penstock/penstock.hpp")
  penstock_closure(penstock_task layers externals)
  set(objects "")
  foreach(layer IN LISTS layers)
    get_target_property(type ${layer} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
      list(APPEND objects $<TARGET_OBJECTS:${layer}>)
    endif()
  endforeach()

  add_library(penstock_library STATIC ${objects})
  add_library(penstock::penstock ALIAS penstock_library)
  set_target_properties(penstock_library PROPERTIES
    OUTPUT_NAME penstock EXPORT_NAME penstock LINKER_LANGUAGE CXX
    ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
  target_compile_features(penstock_library INTERFACE cxx_std_23)
  target_include_directories(penstock_library INTERFACE
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(penstock_library INTERFACE ${externals})

  set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/penstock")
  penstock_find_lines("${externals}" PENSTOCK_FIND_LINES)
  configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/penstockConfig.cmake.in"
    "${CMAKE_BINARY_DIR}/penstockConfig.cmake" INSTALL_DESTINATION "${package_dir}")
  # Before 1.0 a minor version may break the interface.
  write_basic_package_version_file("${CMAKE_BINARY_DIR}/penstockConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
  add_dependencies(installables penstock_library)
  install(TARGETS penstock_library EXPORT penstock ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  foreach(database sqlite postgres)
    if(TARGET penstock_outbox_${database})
      add_dependencies(installables penstock_outbox_${database})
      install(TARGETS penstock_outbox_${database} EXPORT penstock
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    endif()
  endforeach()
  install(EXPORT penstock NAMESPACE penstock:: FILE penstockTargets.cmake
    DESTINATION "${package_dir}")
  install(FILES "${CMAKE_BINARY_DIR}/penstockConfig.cmake"
    "${CMAKE_BINARY_DIR}/penstockConfigVersion.cmake" DESTINATION "${package_dir}")
  install(DIRECTORY "${CMAKE_SOURCE_DIR}/include/penstock"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
endif()

install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

include(PenstockDependencies)

# penstock_layer(NAME DEPENDS a b ... LINK lib ...)
# The folder that calls this is one layer: all its .cc files make the static library penstock_NAME,
# which sees only the layers it names.
function(penstock_layer name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  if(sources)
    add_library(penstock_${name} STATIC ${sources})
    set(scope PUBLIC)
    # Our own flags are not the business of whoever links the installed library.
    target_link_libraries(penstock_${name} PRIVATE $<BUILD_INTERFACE:penstock_flags>)
  else()
    add_library(penstock_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(penstock_${name} ${scope} "${CMAKE_SOURCE_DIR}/src")
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(penstock_${name} ${scope} penstock_${dependency})
  endforeach()
  if(ARG_LINK)
    target_link_libraries(penstock_${name} ${scope} ${ARG_LINK})
  endif()
endfunction()

# The layers without sockets: what the sanitizers run by default, and CI in every run.
set(PENSTOCK_UNIT_LAYERS base os flow wire engine journal broker)
add_custom_target(unit_tests)

# penstock_test(NAME LAYERS a b ...): all *_test.cc of the folder make one program, test_NAME; its
# tests carry the label "unit" where NAME is one of the layers above, else "integration".
function(penstock_test name)
  cmake_parse_arguments(ARG "" "" "LAYERS;LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  target_include_directories(test_${name} PRIVATE "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/src")
  target_compile_definitions(test_${name} PRIVATE PENSTOCK_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(test_${name} PRIVATE
    penstock_flags GTest::gtest GTest::gtest_main ${ARG_LINK})
  foreach(layer IN LISTS ARG_LAYERS)
    target_link_libraries(test_${name} PRIVATE penstock_${layer})
  endforeach()
  set(label integration)
  if(name IN_LIST PENSTOCK_UNIT_LAYERS)
    add_dependencies(unit_tests test_${name})
    set(label unit)
  endif()
  gtest_discover_tests(test_${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300 LABELS ${label})
endfunction()

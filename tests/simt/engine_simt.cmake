# The emulator, and engine_add_simt_test(): CUDA sources compiled as C++ and linked with it.

# What both the emulator and kernels compile with.
add_library(engine_simt_headers INTERFACE)
target_include_directories(engine_simt_headers INTERFACE
  ${CMAKE_CURRENT_LIST_DIR}/emulator/include ${PROJECT_BINARY_DIR}/include)
target_include_directories(engine_simt_headers SYSTEM INTERFACE ${ENGINE_CUDA_HEADERS})
target_compile_definitions(engine_simt_headers INTERFACE ENGINE_SIMT)

# One library serves both builds: its checks are on once instrumented kernels are linked in. What the
# launch helper needs of the library comes along, so that tests need not link all of it.
file(GLOB engine_simt_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/emulator/*.cpp)
set_source_files_properties(${PROJECT_SOURCE_DIR}/core/cuda/check.cu PROPERTIES LANGUAGE CXX)
add_library(engine_simt_emulator STATIC ${engine_simt_sources}
  ${PROJECT_SOURCE_DIR}/core/cuda/check.cu)
engine_add_flags(engine_simt_emulator)
# The checks of every access are the time of a check build, whatever the build type.
target_compile_options(engine_simt_emulator PRIVATE -O3 -g1 -Wno-psabi)
find_package(Threads REQUIRED)
target_link_libraries(engine_simt_emulator PUBLIC engine_simt_headers PRIVATE Threads::Threads)

# How kernels are compiled. fast: optimised, with memory poisoned. check: the compiler calls a hook of
# the emulator at every access (linked without libtsan and libubsan). Protected visibility is how the
# emulator tells __shared__ variables from other thread-local ones.
add_library(engine_simt_fast INTERFACE)
target_compile_options(engine_simt_fast INTERFACE -O2 -g1 -fvisibility=protected
  -Wno-unknown-pragmas -Wno-psabi)
target_link_libraries(engine_simt_fast INTERFACE engine_simt_emulator)

add_library(engine_simt_check INTERFACE)
target_compile_options(engine_simt_check INTERFACE -fsanitize=thread
  -fsanitize=bounds-strict,alignment,shift,signed-integer-overflow,integer-divide-by-zero
  -ftrivial-auto-var-init=pattern --param tsan-instrument-func-entry-exit=0 -Wno-tsan)
target_link_libraries(engine_simt_check INTERFACE engine_simt_fast)

# engine_add_simt_executable(name MODE fast|check KERNELS a.cu... [TESTS a.cpp...] [LIBRARIES ...])
# Only the kernels are instrumented.
function(engine_add_simt_executable name)
  cmake_parse_arguments(arg "" "MODE" "KERNELS;TESTS;LIBRARIES" ${ARGN})
  if(NOT arg_MODE MATCHES "^(fast|check)$")
    message(FATAL_ERROR "${name}: MODE is fast or check, not '${arg_MODE}'")
  endif()
  set_source_files_properties(${arg_KERNELS} PROPERTIES LANGUAGE CXX)
  add_library(${name}_kernels OBJECT ${arg_KERNELS})
  engine_add_flags(${name}_kernels)
  target_link_libraries(${name}_kernels PRIVATE engine_simt_${arg_MODE} ${arg_LIBRARIES})
  add_executable(${name} ${arg_TESTS} $<TARGET_OBJECTS:${name}_kernels>)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  engine_add_flags(${name})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE engine_simt_emulator ${arg_LIBRARIES})
endfunction()

# engine_add_simt_test(name MODE fast|check KERNELS a.cu... TESTS a.cpp... [LIBRARIES ...])
# The same with gtest; ctest knows its cases with the label simt. A case of more than 2 s of CPU time
# fails (case_time.h).
function(engine_add_simt_test name)
  engine_add_simt_executable(${name} ${ARGN} LIBRARIES GTest::gtest_main)
  target_sources(${name} PRIVATE ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/case_time.cpp)
  target_compile_definitions(${name} PRIVATE
    ENGINE_SIMT_KERNELS="${CMAKE_CURRENT_SOURCE_DIR}/kernels")
  gtest_discover_tests(${name} TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS simt TIMEOUT 180)
endfunction()

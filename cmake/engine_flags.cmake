# Warnings and sanitizers, the same for every target of the project.
set(ENGINE_SANITIZE OFF CACHE STRING
  "OFF, address (with undefined behaviour; ON means this too), or thread")
set_property(CACHE ENGINE_SANITIZE PROPERTY STRINGS OFF address thread)

if(ENGINE_SANITIZE STREQUAL "thread")
  set(engine_sanitizers thread)
elseif(ENGINE_SANITIZE)
  set(engine_sanitizers address,undefined)
else()
  set(engine_sanitizers)
endif()

option(ENGINE_FUZZ "Build the fuzz targets and instrument the library for them (clang only)" OFF)
if(ENGINE_FUZZ AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "ENGINE_FUZZ needs clang: -DCMAKE_CXX_COMPILER=clang++")
endif()

function(engine_add_flags target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wno-missing-field-initializers)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
    # Takes what a loop sets for unset where it cannot see that the loop runs.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
  if(ENGINE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(ENGINE_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  if(engine_sanitizers)
    target_compile_options(${target} PRIVATE -fsanitize=${engine_sanitizers} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=undefined
      -Wno-maybe-uninitialized)  # false alarms in instrumented library code
    target_link_options(${target} PUBLIC -fsanitize=${engine_sanitizers})
  endif()
endfunction()

# For what runs once a command or once an epoch: a third less time to compile.
function(engine_compile_quickly target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

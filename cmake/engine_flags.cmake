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

function(engine_add_flags target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wno-missing-field-initializers)
  if(ENGINE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(engine_sanitizers)
    target_compile_options(${target} PRIVATE -fsanitize=${engine_sanitizers} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=undefined)
    target_link_options(${target} PUBLIC -fsanitize=${engine_sanitizers})
  endif()
endfunction()

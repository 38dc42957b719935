# Warnings and sanitizers, the same for every target of the project.
function(engine_add_flags target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wno-missing-field-initializers)
  if(ENGINE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(ENGINE_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=address,undefined -fno-omit-frame-pointer
                                            -fno-sanitize-recover=undefined)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
endfunction()

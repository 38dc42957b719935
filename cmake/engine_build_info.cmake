# What --version tells, known only to the build: kept in one small header that core/version.cpp includes.
# It is looked at in every build and rewritten when it changed, so a commit recompiles one file.
function(engine_add_build_info target)
  set(header ${PROJECT_BINARY_DIR}/generated/engine_build_info.h)
  add_custom_target(engine_build_info
    COMMAND ${CMAKE_COMMAND}
      -DHEADER=${header}
      -DSOURCE_DIR=${PROJECT_SOURCE_DIR}
      -DENGINE_VERSION=${PROJECT_VERSION}
      "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
      -DBUILD_TYPE=$<CONFIG>
      "-DSANITIZERS=${engine_sanitizers}"
      -P ${PROJECT_SOURCE_DIR}/cmake/write_build_info.cmake
    BYPRODUCTS ${header}
    COMMENT "Looking at the revision" VERBATIM)
  add_dependencies(${target} engine_build_info)
  set_property(SOURCE ${PROJECT_SOURCE_DIR}/core/version.cpp APPEND PROPERTY
    INCLUDE_DIRECTORIES ${PROJECT_BINARY_DIR}/generated)
endfunction()

# cmake --install: headers under include/engine, the library, and the package that find_package(engine)
# finds. Nothing in it names the prefix, so an installed tree may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(engine_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/engine)

# What only the library's own sources include. tests/consumer checks that engine.h reaches the rest.
set(engine_private_headers
  core/backend core/cpu_clones core/cpu_info core/executable_impl core/gpu core/graph_data
  core/host_device core/no_such core/random core/safetensors_header core/source_ops
  core/storage_plan core/structural_kernels
  kernels/binary_code kernels/cast_all kernels/ceil_div kernels/conv2d_algorithms
  kernels/conv2d_choice kernels/conv2d_special kernels/line_search kernels/line_search_code
  kernels/matmul_choice kernels/schedule kernels/unary_code)
list(JOIN engine_private_headers "|" engine_private_pattern)

install(FILES engine.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/engine)
foreach(folder core kernels layers optim)
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/engine
    FILES_MATCHING PATTERN "*.h"
    PATTERN "cpu" EXCLUDE PATTERN "cuda" EXCLUDE PATTERN "fusion" EXCLUDE PATTERN "no_*" EXCLUDE
    REGEX "/(${engine_private_pattern})\\.h$" EXCLUDE)
endforeach()

install(TARGETS engine EXPORT engine_targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT engine_targets FILE engine_targets.cmake NAMESPACE engine::
  DESTINATION ${engine_package_dir})

if(BUILD_SHARED_LIBS)
  set(engine_is_static OFF)
else()
  set(engine_is_static ON)
endif()
configure_package_config_file(cmake/engine-config.cmake.in ${PROJECT_BINARY_DIR}/engine-config.cmake
  INSTALL_DESTINATION ${engine_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/engine-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/engine-config.cmake
  ${PROJECT_BINARY_DIR}/engine-config-version.cmake cmake/FindOneDNN.cmake
  DESTINATION ${engine_package_dir})

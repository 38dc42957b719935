# The CUDA half of the library: engine_cuda (nvcc), or the sources that stand in for it.
#   ENGINE_CUDA                 AUTO (where a toolkit is found), ON (fails without one), OFF: the
#                               default until every op has its CUDA kernel
#   ENGINE_CUDA_ARCHITECTURES   what to build for: 80, 90a; a number alone means machine code
#                               for it, the lowest one also gives PTX for newer GPUs
set(ENGINE_CUDA OFF CACHE STRING "Build the CUDA backend: AUTO, ON or OFF")
set(ENGINE_CUDA_ARCHITECTURES "80;90a" CACHE STRING "Compute capabilities to build for")

set(engine_has_cuda OFF)
if(NOT ENGINE_CUDA STREQUAL "OFF")
  if(NOT CMAKE_CUDA_COMPILER AND EXISTS /usr/local/cuda/bin/nvcc)
    set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc)
  endif()
  # enable_language() asks for architectures; ours are given per target.
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    if(CUDAToolkit_VERSION VERSION_LESS 12.6)
      set(engine_cuda_reason "CUDA ${CUDAToolkit_VERSION} is too old: 12.6 is needed")
    else()
      set(engine_has_cuda ON)
    endif()
  else()
    set(engine_cuda_reason "no nvcc was found")
  endif()
  if(ENGINE_CUDA STREQUAL "ON" AND NOT engine_has_cuda)
    message(FATAL_ERROR "ENGINE_CUDA=ON, but ${engine_cuda_reason}")
  endif()
endif()
if(engine_has_cuda)
  message(STATUS "CUDA backend: CUDA ${CUDAToolkit_VERSION}, for ${ENGINE_CUDA_ARCHITECTURES}")
else()
  message(STATUS "CUDA backend: none (ENGINE_CUDA=${ENGINE_CUDA} ${engine_cuda_reason})")
endif()

# -gencode options for a list of architectures; "90a" stays as it is.
function(engine_gencode_options result architectures)
  set(options "")
  foreach(architecture ${architectures})
    list(APPEND options "-gencode=arch=compute_${architecture},code=sm_${architecture}")
  endforeach()
  list(GET architectures 0 lowest)
  if(NOT lowest MATCHES "[a-z]$")
    list(APPEND options "-gencode=arch=compute_${lowest},code=compute_${lowest}")
  endif()
  set(${result} ${options} PARENT_SCOPE)
endfunction()

# "8.0, 9.0a", for messages.
function(engine_architecture_names result architectures)
  set(names "")
  foreach(architecture ${architectures})
    string(REGEX REPLACE "^([0-9]+)([0-9][a-z]?)$" "\\1.\\2" name ${architecture})
    list(APPEND names ${name})
  endforeach()
  string(JOIN ", " text ${names})
  set(${result} ${text} PARENT_SCOPE)
endfunction()

# Adds engine_cuda to the library `target`.
function(engine_add_cuda target)
  if(NOT engine_has_cuda)
    file(GLOB sources CONFIGURE_DEPENDS core/no_cuda/*.cpp kernels/no_cuda/*.cpp)
    target_sources(${target} PRIVATE ${sources})
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS core/cuda/*.cu kernels/cuda/*.cu)
  add_library(engine_cuda OBJECT ${sources})
  engine_gencode_options(gencode "${ENGINE_CUDA_ARCHITECTURES}")
  engine_architecture_names(names "${ENGINE_CUDA_ARCHITECTURES}")
  # CMake 3.25 takes CMAKE_CUDA_STANDARD 20 for 17 with nvcc 13, so the flag is given by hand.
  target_compile_options(engine_cuda PRIVATE -std=c++20 ${gencode} 
    $<$<BOOL:${ENGINE_WERROR}>:-Werror=all-warnings>)
  target_compile_definitions(engine_cuda PRIVATE ENGINE_CUDA_TARGETS="${names}")
  set_target_properties(engine_cuda PROPERTIES POSITION_INDEPENDENT_CODE ON CUDA_ARCHITECTURES OFF
    CUDA_STANDARD_REQUIRED OFF)
  target_include_directories(engine_cuda PRIVATE ${PROJECT_BINARY_DIR}/include)
  target_include_directories(engine_cuda SYSTEM PRIVATE ${Random123_INCLUDE_DIR})
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:engine_cuda>)
  target_link_libraries(${target} PRIVATE CUDA::cudart_static)
endfunction()

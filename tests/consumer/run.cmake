# Builds the consumer's programs in WORK_DIR and runs them. MODE static: against BUILD_DIR's engine,
# installed and then moved; MODE shared: with the engine as a shared library of its own project, then
# against that library, installed and moved; the same once more with CUDA=ON.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    string(REPLACE ";" " " command "${ARGV}")
    message(FATAL_ERROR "${command}: ${result}")
  endif()
endfunction()

function(build_and_run folder)
  run(${CMAKE_COMMAND} -S ${SOURCE_DIR}/tests/consumer -B ${folder} -G ${GENERATOR}
    -DCMAKE_CXX_COMPILER=${CXX} ${ARGN})
  run(${CMAKE_COMMAND} --build ${folder} -j 2)
  run(${folder}/own_memory)
  run(${folder}/predict ${SOURCE_DIR}/tests/data/torch/predict.safetensors)
  if(EXISTS ${folder}/capture)
    run(${folder}/capture)
  endif()
endfunction()

function(install_and_move folder)
  file(REMOVE_RECURSE ${WORK_DIR}/first ${WORK_DIR}/moved)
  run(${CMAKE_COMMAND} --install ${folder} --prefix ${WORK_DIR}/first)
  file(RENAME ${WORK_DIR}/first ${WORK_DIR}/moved)
endfunction()

if(MODE STREQUAL "static")
  install_and_move(${BUILD_DIR})
  build_and_run(${WORK_DIR}/build -DCMAKE_PREFIX_PATH=${WORK_DIR}/moved)
  return()
endif()
# The cheapest builds that tell: it is about targets and symbols, not speed. The second one compiles
# the kernels and what else knows of CUDA.
set(without_cuda -DENGINE_CUDA=OFF)
set(with_cuda -DENGINE_CUDA=ON -DENGINE_CUDA_ARCHITECTURES=80
  "-DCMAKE_CUDA_FLAGS=-Xcicc -O0 -Xptxas -O0 -Xcompiler -O0")
set(builds without_cuda)
if(CUDA)
  list(APPEND builds with_cuda)
endif()
foreach(build ${builds})
  build_and_run(${WORK_DIR}/part -DENGINE_SOURCE_DIR=${SOURCE_DIR} -DBUILD_SHARED_LIBS=ON
    -DENGINE_INSTALL=ON -DCMAKE_CXX_FLAGS=-O0 ${${build}})
  install_and_move(${WORK_DIR}/part)
  build_and_run(${WORK_DIR}/build -DCMAKE_PREFIX_PATH=${WORK_DIR}/moved)
endforeach()

# Builds the consumer's programs in WORK_DIR and runs them. MODE static: against BUILD_DIR's engine,
# installed and then moved; MODE shared: with the engine as a shared library of its own project, then
# against that library, installed and moved.
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
else()
  # The cheapest build that tells: it is about targets and symbols, not speed.
  build_and_run(${WORK_DIR}/part -DENGINE_SOURCE_DIR=${SOURCE_DIR} -DBUILD_SHARED_LIBS=ON
    -DENGINE_INSTALL=ON -DENGINE_CUDA=OFF -DCMAKE_CXX_FLAGS=-O0)
  install_and_move(${WORK_DIR}/part)
endif()
build_and_run(${WORK_DIR}/build -DCMAKE_PREFIX_PATH=${WORK_DIR}/moved)

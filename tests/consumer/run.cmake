# Builds the consumer in WORK_DIR and runs it. MODE installed: against BUILD_DIR's engine, installed and
# then moved; MODE subdirectory: with the engine as a shared library of its own project.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    string(REPLACE ";" " " command "${ARGV}")
    message(FATAL_ERROR "${command}: ${result}")
  endif()
endfunction()

if(MODE STREQUAL "installed")
  file(REMOVE_RECURSE ${WORK_DIR})
  run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/first)
  file(RENAME ${WORK_DIR}/first ${WORK_DIR}/moved)
  set(how -DCMAKE_PREFIX_PATH=${WORK_DIR}/moved)
else()
  # The cheapest build that tells: it is about targets and symbols, not speed.
  set(how -DENGINE_SOURCE_DIR=${SOURCE_DIR} -DBUILD_SHARED_LIBS=ON -DCMAKE_CXX_FLAGS=-O0)
endif()
run(${CMAKE_COMMAND} -S ${SOURCE_DIR}/tests/consumer -B ${WORK_DIR}/build -G ${GENERATOR}
  -DCMAKE_CXX_COMPILER=${CXX} ${how})
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build --target consumer -j 2)
run(${WORK_DIR}/build/consumer)

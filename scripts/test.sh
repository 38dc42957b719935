#!/bin/bash
# Installs what is missing, builds everything, runs all tests. Arguments go to ctest: scripts/test.sh -R Conv2d
#   ENGINE_WERROR=ON     warnings are errors
#   ENGINE_CUDA=OFF      without the CUDA backend; AUTO, the default: with it where there is a toolkit
#   ENGINE_SHARED_DATA   where the test data lies, if not in ../shared/data
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/install_dependencies.sh test
generator=()
[[ ! -f build/CMakeCache.txt ]] && command -v ninja >/dev/null && generator=(-G Ninja)
cmake -S . -B build "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DENGINE_APPS=ON -DENGINE_TESTS=ON \
  -DENGINE_BENCH=ON -DENGINE_WERROR="${ENGINE_WERROR:-OFF}" -DENGINE_CUDA="${ENGINE_CUDA:-AUTO}"
cmake --build build -j "$(nproc)"
# Two tests at once share the cores: threads that wait must not spin.
OMP_WAIT_POLICY=passive ctest --test-dir build -j 2 --output-on-failure --no-tests=error "$@"

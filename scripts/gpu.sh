#!/bin/bash
# Builds, tests and measures on a machine with an NVIDIA GPU, in stages that can be called one by one:
#   scripts/gpu.sh check                      what this machine offers, and what is missing for which stage
#   scripts/gpu.sh build                      library, tests and benchmarks for the GPU that is here
#   scripts/gpu.sh test [--shard I/N]         PTX conformance first, then the library's tests on the GPU
#   scripts/gpu.sh sanitize [--shard I/N] [--tool memcheck|racecheck|synccheck|initcheck]
#   scripts/gpu.sh bench [--shard I/N] [--quick] [-- engine_bench's options]
#                                             kernels beside cuDNN, then (shard 1) steps beside PyTorch and JAX
#   scripts/gpu.sh report                     bench/RESULTS.md and a roofline from the JSON of all shards
#   scripts/gpu.sh pack                       elsewhere: collects the packages that a bare machine lacks into
#                                             build-gpu/dependencies, to be copied along with the tree
# A call ends within 8 minutes; one that had to stop exits with 75 and goes on where it was when called
# again with the same options: tests run in parts, and those that are done are remembered until all are.
# --quick takes at most 4 minutes from a finished build. --device cpu tries the script without a GPU.
#   ENGINE_GPU_SECONDS      another limit than 460     ENGINE_GPU_BUILD   another folder than build-gpu
#   ENGINE_BENCH_RESULTS    another folder than bench/results
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly root=$PWD
limit=${ENGINE_GPU_SECONDS:-460}
readonly quick_limit=230  # and 10 s for what does not end when it is told to
readonly build=${ENGINE_GPU_BUILD:-$root/build-gpu}
readonly dependencies=$root/build-gpu/dependencies
readonly results=${ENGINE_BENCH_RESULTS:-$root/bench/results}
readonly not_finished=75

say() { echo "gpu.sh: $*" >&2; }
fail() { say "$@"; exit 1; }
usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$root/scripts/gpu.sh" >&2; exit 2; }
seconds_left() { echo $((limit > SECONDS ? limit - SECONDS : 1)); }

stage=${1:-}
[[ -n $stage ]] && shift
device=cuda shard=1/1 quick='' tool=memcheck extra=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --device | --shard | --tool)
      [[ $# -gt 1 ]] || usage
      declare "${1#--}=$2"; shift 2 ;;
    --quick) quick=--quick; shift ;;
    --) shift; extra=("$@"); break ;;
    *) usage ;;
  esac
done
[[ $shard =~ ^([1-9][0-9]*)/([1-9][0-9]*)$ && ${BASH_REMATCH[1]} -le ${BASH_REMATCH[2]} ]] ||
  fail "--shard $shard is not I/N, as in 1/4"
if [[ -n $quick ]] && ((limit > quick_limit)); then limit=$quick_limit; fi
readonly limit shard_index=${BASH_REMATCH[1]} shard_count=${BASH_REMATCH[2]}
[[ $device == cuda || $device == cpu ]] || fail "--device is cuda or cpu"

# Whether a command of `timeout` ended so because of it. 130: by the signal, said by the program itself.
was_stopped() { [[ $1 == 124 || $1 == 130 || $1 == 137 ]]; }

# Runs a command until the limit; says so and exits with 75 when it had to stop it.
within_limit() {
  local status=0
  timeout --signal=INT --kill-after=10 "$(seconds_left)" "$@" || status=$?
  if was_stopped "$status"; then
    say "stopped after $SECONDS s; call again to go on"
    exit $not_finished
  fi
  return $status
}

find_nvcc() {
  command -v nvcc || { [[ -x /usr/local/cuda/bin/nvcc ]] && echo /usr/local/cuda/bin/nvcc; } || true
}

# "90a": what to build for. The wgmma kernels need the a.
gpu_architecture() {
  local capability
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 || true)
  case $capability in
    9.0) echo 90a ;;
    [0-9]*.[0-9]*) echo "${capability/./}" ;;
    *) echo '80;90a' ;;
  esac
}

gpu_name() {
  if [[ $device == cpu ]]; then
    sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1
  else
    nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -1
  fi
}

device_folder() {
  local name
  name=$({ gpu_name || true; } | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9' '-' | sed 's/^-*//; s/-*$//')
  echo "$results/${name:-$device}"
}

has_header() {  # header
  local folder
  for folder in "$dependencies/usr/include" /usr/local/include /usr/include /usr/include/*-linux-gnu; do
    if [[ -e $folder/$1 ]]; then return 0; fi
  done
  return 1
}

# cuDNN as pip installs it for PyTorch; cuDNN beside the toolkit is found by CMake.
pip_cudnn() {
  python3 -c 'import nvidia.cudnn as c; print(list(c.__path__)[0])' 2>/dev/null || true
}

has_cudnn() {
  local found
  found=$(pip_cudnn)
  [[ -e ${found:-/nowhere}/include/cudnn.h ]] && return 0
  has_header cudnn.h || [[ -e /usr/local/cuda/include/cudnn.h ]]
}

has_module() { python3 -c "import $1" >/dev/null 2>&1; }

check() {
  local required=()
  if [[ $device == cuda ]]; then
    say "GPU: $(gpu_name || true) (built for $(gpu_architecture)); nvcc: $(find_nvcc)"
    [[ -n $(find_nvcc) ]] || required+=("nvcc (CUDA 12.6 or newer)")
    nvidia-smi >/dev/null 2>&1 || say "no GPU or driver: build works, test and bench do not"
  fi
  command -v cmake >/dev/null || required+=("cmake (3.22 or newer)")
  command -v g++ >/dev/null || required+=("g++ (11 or newer)")
  has_header nlohmann/json.hpp || required+=("nlohmann/json.hpp (package nlohmann-json3-dev, headers only)")
  has_header Random123/philox.h || required+=("Random123/philox.h (package librandom123-dev, headers only)")
  has_header gtest/gtest.h || say "no GoogleTest (libgtest-dev, libgmock-dev): test runs the PTX conformance only, sanitize nothing"
  has_header oneapi/dnnl/dnnl.hpp || say "no oneDNN (libdnnl-dev): built without, the CPU has no convolutions"
  has_header benchmark/benchmark.h || say "no Google Benchmark (libbenchmark-dev): engine_bench lacks the --benchmark_* options"
  if [[ $device == cuda ]]; then
    has_cudnn || say "no cuDNN 9: bench measures ours alone"
    command -v compute-sanitizer >/dev/null || say "no compute-sanitizer: sanitize is skipped"
  fi
  command -v python3 >/dev/null || say "no python3: report and whole steps are skipped"
  has_module torch || say "no PyTorch under python3: bench leaves steps beside it out"
  has_module jax || say "no JAX under python3: bench leaves steps beside it out"
  if [[ ${#required[@]} -gt 0 ]]; then
    printf 'gpu.sh: missing, needed by every stage: %s\n' "${required[@]}" >&2
    say "where nothing can be installed: 'scripts/gpu.sh pack' on a Debian or Ubuntu machine, then copy build-gpu/dependencies here"
    return 1
  fi
}

configure() {
  local options=(-DCMAKE_BUILD_TYPE=Release -DENGINE_APPS=OFF -DENGINE_BENCH=ON -DENGINE_INSTALL=OFF) found
  if [[ ! -f $build/CMakeCache.txt ]] && command -v ninja >/dev/null; then options+=(-G Ninja); fi
  if [[ $device == cuda ]]; then
    options+=(-DENGINE_CUDA=ON "-DENGINE_CUDA_ARCHITECTURES=$(gpu_architecture)"
              "-DCMAKE_CUDA_COMPILER=$(find_nvcc)")
  fi
  if has_header gtest/gtest.h; then options+=(-DENGINE_TESTS=ON); else options+=(-DENGINE_TESTS=OFF); fi
  if has_header oneapi/dnnl/dnnl.hpp; then options+=(-DENGINE_ONEDNN=ON); else options+=(-DENGINE_ONEDNN=OFF); fi
  if [[ -d $dependencies/usr ]]; then
    options+=("-DCMAKE_PREFIX_PATH=$dependencies/usr")
    # CMake looks into Debian's folders by itself only on Debian.
    found=$(find "$dependencies" -type d -path '*/cmake/GTest' | head -1)
    if [[ -n $found ]]; then options+=("-DGTest_DIR=$found"); fi
  fi
  found=$(pip_cudnn)
  if [[ -n $found && ! -e /usr/local/cuda/include/cudnn.h ]]; then
    options+=("-DCUDNN_INCLUDE_DIR=$found/include" "-DCUDNN_LIBRARY=$found/lib/libcudnn.so.9")
  fi
  cmake -S . -B "$build" "${options[@]}" >"$build.configure.log" 2>&1 ||
    { tail -20 "$build.configure.log" >&2; fail "CMake could not configure; $build.configure.log has it all"; }
}

build_stage() {
  check
  mkdir -p "$build"
  configure
  within_limit cmake --build "$build" -j "$(nproc)" --target engine_bench block_timer
  if has_header gtest/gtest.h; then
    within_limit cmake --build "$build" -j "$(nproc)" --target engine_tests
  fi
  if [[ $device == cuda ]] && has_header gtest/gtest.h; then
    within_limit cmake --build "$build" -j "$(nproc)" --target ptx_conformance_nvcc
  fi
  say "built in $SECONDS s"
}

need() {  # program
  [[ -x $build/$1 ]] || fail "no $build/$1: scripts/gpu.sh build comes first"
}

# Runs the library's tests in parts, as many as fit into this call. What became of a part is kept until the
# last one is done or the tests are built anew; returns 1 then where one failed.
tests_in_parts() {  # filter [command that runs them...]
  local filter=$1 parts=16 part index began status key kept failed='' program=$build/tests/engine_tests
  shift
  key=$(printf '%s\n' "$device" "$filter" "$@" "${extra[@]}" | cksum | cut -d ' ' -f 1)
  kept=$build/tests-done/$stage-${shard_index}of$shard_count-$key
  mkdir -p "$kept"
  [[ $kept/begun -nt $program ]] || { rm -f "$kept"/*; touch "$kept/begun"; }
  for ((part = 1; part <= parts; part++)); do
    [[ ! -e $kept/$part ]] || continue
    # The parts of all shards are all tests, each once.
    index=$((shard_index - 1 + shard_count * (part - 1))) began=$SECONDS status=0
    ENGINE_TEST_DEVICES=$device GTEST_TOTAL_SHARDS=$((shard_count * parts)) GTEST_SHARD_INDEX=$index \
      timeout --signal=INT --kill-after=10 "$(seconds_left)" "$@" "$program" --gtest_brief=1 \
      --gtest_filter="$filter" "${extra[@]}" || status=$?
    if was_stopped "$status"; then
      ((began > limit / 10)) ||
        fail "part $part of $parts takes more than the limit of $limit s by itself: take more shards"
      say "stopped after $SECONDS s, $((part - 1)) of $parts parts are done; call again to go on"
      exit $not_finished
    fi
    echo "$status" >"$kept/$part"
  done
  for ((part = 1; part <= parts; part++)); do
    [[ $(cat "$kept/$part") == 0 ]] || failed+=" $part"
  done
  rm -r "$kept"  # the next call begins anew
  [[ -z $failed ]] || { say "of $parts parts these failed:$failed"; return 1; }
  say "all $parts parts passed"
}

# Once, before the first part: a wrong operand layout would show as noise in everything else.
conformance() {
  local program=$build/tests/simt/ptx_conformance kept=$build/tests-done/ptx_conformance
  [[ -x $program ]] || { say "no ptx_conformance (it is built with the tests): skipped"; return 0; }
  [[ ! $kept -nt $program ]] || return 0
  within_limit "$program" || return
  mkdir -p "${kept%/*}" && touch "$kept"
}

test_stage() {
  local status=0
  if [[ $device == cuda && $shard_index == 1 ]]; then conformance || status=1; fi
  if ! has_header gtest/gtest.h; then
    say "no GoogleTest: the library's tests are skipped"
    return $status
  fi
  need tests/engine_tests
  # Without oneDNN only the cases that carry the GPU's name can pass.
  local filter='*'
  if [[ $device == cuda ]] && ! has_header oneapi/dnnl/dnnl.hpp; then filter='*_cuda0*'; fi
  tests_in_parts "$filter" || status=1
  rm -f "$build/tests-done/ptx_conformance"
  return $status
}

sanitize_stage() {
  [[ $device == cuda ]] || { say "compute-sanitizer needs a GPU: skipped"; return 0; }
  command -v compute-sanitizer >/dev/null || { say "no compute-sanitizer: skipped"; return 0; }
  has_header gtest/gtest.h || { say "no GoogleTest: sanitize has nothing to run"; return 0; }
  need tests/engine_tests
  # Cases on the GPU carry its name.
  tests_in_parts '*_cuda0*' compute-sanitizer --tool "$tool" --error-exitcode 9
}

bench_stage() {
  need bench/engine_bench
  local folder status=0 time_limit=$((limit > 80 ? limit - 40 : limit / 2)) name
  folder=$(device_folder)
  mkdir -p "$folder"
  name=engine_bench-${shard_index}of$shard_count
  if [[ -n $quick ]]; then time_limit=150 name=engine_bench-quick; fi
  # Rows that are there already are kept: calling again finishes the rest.
  within_limit "$build/bench/engine_bench" --device "$device" --shard "$shard" ${quick:+"$quick"} \
    --json "$folder/$name.json" --continue --time-limit "$time_limit" "${extra[@]}" || status=$?
  [[ $status == 0 || $status == 4 ]] || fail "engine_bench ended with $status"
  if [[ $shard_index == 1 && -z $quick ]]; then steps "$folder"; fi
  if grep -q 'not reached within --time-limit' "$folder/$name.json"; then
    say "rows are left; call again to go on"
    exit $not_finished
  fi
  return $status
}

# Steps beside PyTorch and JAX, once.
steps() {  # folder
  local network
  if ! command -v python3 >/dev/null || ! { has_module torch || has_module jax; }; then
    say "neither PyTorch nor JAX under python3: whole steps are skipped"
    return 0
  fi
  [[ -x $build/bench/block_timer ]] || { say "no block_timer: whole steps are skipped"; return 0; }
  for network in daynight lenet5; do
    # Those of another build are measured anew.
    if grep -qsF "\"$("$build/bench/block_timer" version)\"" "$1/steps-$network.json"; then continue; fi
    within_limit python3 bench/compare.py training-step --network "$network" --device "$device" \
      --peers pytorch,jax --steps 50 --build "$build" --python "$(command -v python3)" \
      --json "$1/steps-$network.json" || say "steps of $network failed"
  done
}

report_stage() {
  command -v python3 >/dev/null || fail "no python3: copy $results to a machine that has it, and run this there"
  local out=$root/bench/RESULTS.md
  [[ $results == "$root/bench/results" ]] || out=$results/../RESULTS.md
  python3 bench/report.py --results "$results" --out "$out"
}

# Debian's packages that are headers and static libraries; Google Benchmark is shared, and can be done without.
pack_stage() {
  local package packages=(nlohmann-json3-dev librandom123-dev libgtest-dev libgmock-dev)
  command -v dpkg-query >/dev/null || fail "pack needs Debian's or Ubuntu's packages"
  scripts/install_dependencies.sh test
  rm -rf "$dependencies"
  mkdir -p "$dependencies"
  for package in "${packages[@]}"; do
    dpkg-query -L "$package" | grep -E '^/usr/(include|lib|share/cmake|share/pkgconfig)/' |
      while read -r file; do [[ -d $file && ! -L $file ]] || echo "$file"; done |
      tar -C / --files-from=<(sed 's:^/::') -c | tar -C "$dependencies" -x
  done
  say "$(du -sh "$dependencies" | cut -f1) in $dependencies; copy it along with the tree"
}

case $stage in
  check) check ;;
  build) build_stage ;;
  test) test_stage ;;
  sanitize) sanitize_stage ;;
  bench) bench_stage ;;
  report) report_stage ;;
  pack) pack_stage ;;
  *) usage ;;
esac

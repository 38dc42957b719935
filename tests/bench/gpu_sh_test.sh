#!/bin/bash
# scripts/gpu.sh on a machine without a GPU: gpu_sh_test.sh SOURCE_FOLDER BUILD_FOLDER
set -euo pipefail
gpu_sh=$1/scripts/gpu.sh build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ENGINE_GPU_BUILD=$build ENGINE_BENCH_RESULTS=$work/results

expect() {  # status command...
  local want=$1 got=0
  shift
  "$@" >"$work/out" 2>&1 || got=$?
  [[ $got == "$want" ]] || { cat "$work/out"; echo "status $got, not $want: $*"; exit 1; }
}
says() { grep -q -e "$1" "$work/out" || { cat "$work/out"; echo "does not say: $1"; exit 1; }; }

expect 2 "$gpu_sh"
expect 2 "$gpu_sh" bench --colour
expect 1 "$gpu_sh" bench --shard 3/2
says 'is not I/N'
expect 1 env ENGINE_GPU_BUILD="$work/absent" "$gpu_sh" bench --device cpu
says 'build comes first'
expect 0 "$gpu_sh" sanitize --device cpu
says 'skipped'
expect 1 "$gpu_sh" report
says 'no such folder'

shape='n=1,h=4,c=8,k=8,r=1'
rows=(--conv "$shape" --dtype f32 --seconds 0.01 --threads 1)
expect 0 "$gpu_sh" bench --device cpu --quick --shard 1/1 -- "${rows[@]}"
# A limit that no row can meet: the call says that it is not finished.
expect 75 "$gpu_sh" bench --device cpu --shard 2/2 -- "${rows[@]}" --time-limit 1e-9
says 'call again'
expect 0 "$gpu_sh" report
grep -q "conv2d_forward/f32/$shape" "$work/RESULTS.md"
[[ $(find "$work/results" -name 'engine_bench-*.json' | wc -l) == 2 ]]
[[ -s $(find "$work/results" -name roofline.svg) ]]

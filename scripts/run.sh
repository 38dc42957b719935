#!/bin/bash
# From a fresh clone to a trained model: installs what is missing, builds the cnn app, trains it on the
# built-in scenes, on the GPU where there are one and a toolkit for it.
# Arguments go to `cnn train`: scripts/run.sh --epochs 3 --out runs/mine
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build

"$root/scripts/install_dependencies.sh" build
mapfile -t options < <("$root/scripts/cuda_options.sh")
options+=(-DENGINE_APPS=ON)
if [[ ! -f $build/CMakeCache.txt ]]; then
  options+=(-DCMAKE_BUILD_TYPE=Release -DENGINE_TESTS=OFF -DENGINE_BENCH=OFF)
  if command -v ninja >/dev/null; then options+=(-G Ninja); fi
fi

# Whether the build folder is there, with these options.
is_configured() {
  [[ -f $build/build.ninja || -f $build/Makefile ]] || return 1
  local option
  for option in "${options[@]#-D}"; do
    grep -qxE "${option%%=*}:[A-Z]+=${option#*=}" "$build/CMakeCache.txt" || return 1
  done
}
is_configured || cmake -S "$root" -B "$build" "${options[@]}" >&2
cmake --build "$build" --target cnn -j "$(nproc)" >&2

status=0
results=$("$build/bin/cnn" train "$@") || status=$?
[[ -z $results ]] || printf '%s\n' "$results"
run=$(sed -n 's:^report\: \(.*\)/report\.html$:\1:p' <<<"$results")
if [[ $status != 0 || -z $run ]]; then exit "$status"; fi

cnn=$build/bin/cnn
[[ $PWD == "$root" ]] && cnn=build/bin/cnn
printf '\nNext:\n'
printf '  %q predict --model %q PHOTO.jpg\n      what a photograph of yours shows\n' "$cnn" "$run"
printf '  xdg-open %q\n      the report in a browser: curves, mistakes, filters\n' "$run/report.html"
printf '  %q train --data DIR\n      your own classes: DIR/class_a/*.jpg, DIR/class_b/*.jpg\n' "$cnn"

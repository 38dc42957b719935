#!/bin/bash
# From a fresh clone to a trained model: installs what is missing, builds the cnn app, trains it on the
# built-in scenes. Arguments go to `cnn train`: scripts/run.sh --epochs 3 --out runs/mine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/install_dependencies.sh build
if [[ ! -f build/build.ninja && ! -f build/Makefile ]]; then
  generator=()
  command -v ninja >/dev/null && generator=(-G Ninja)
  cmake -S . -B build "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DENGINE_APPS=ON -DENGINE_TESTS=OFF \
    -DENGINE_BENCH=OFF >&2
fi
cmake --build build --target cnn -j "$(nproc)" >&2
cnn=build/apps/cnn

out=''
previous=''
for argument in "$@"; do
  [[ $previous == --out ]] && out=$argument
  [[ $argument == --out=* ]] && out=${argument#--out=}
  previous=$argument
done
given=("$@")
if [[ -z $out ]]; then
  number=1
  while out=$(printf 'runs/scenes-%03d' "$number"); [[ -e $out ]]; do number=$((number + 1)); done
  given+=(--out "$out")
fi

"$cnn" train "${given[@]}"

cat <<END

Report:  $out/report.html

Next:
  $cnn predict --model $out PHOTO.jpg     # day or night? a photograph of yours
  xdg-open $out/report.html               # curves, mistakes, filters, in a browser
  $cnn train --data DIR                   # your classes: DIR/class_a/*.jpg, DIR/class_b/*.jpg
END

#!/bin/bash
# Fails when clang-format 14 would change a C++ or CUDA file of the tree; --fix changes it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

clang_format=''
for candidate in clang-format-14 clang-format; do
  if [[ $("$candidate" --version 2>/dev/null) == *'version 14.'* ]]; then
    clang_format=$candidate
    break
  fi
done
if [[ -z $clang_format ]]; then
  echo "check-format.sh: needs clang-format 14 (other versions format differently): scripts/install_dependencies.sh format" >&2
  exit 1
fi

how=(--dry-run -Werror)
[[ ${1:-} == --fix ]] && how=(-i)
mapfile -d '' -t files < <(git ls-files -z -co --exclude-standard -- '*.h' '*.cpp' '*.cu' '*.cuh')
printf '%s\0' "${files[@]}" | xargs -0 -n 50 "$clang_format" --style=file "${how[@]}"
echo "check-format.sh: ${#files[@]} files"

#!/bin/bash
# Prints the CMake options, one a line, that build the engine for the GPUs of this machine, or without
# CUDA. Where there is a GPU that cannot be used, one line on standard error says why and what helps.
set -euo pipefail

readonly oldest_toolkit=12.6 oldest_gpu=8.0

without_cuda() {  # [why]
  [[ $# == 0 ]] || echo "The NVIDIA GPU is not used, training uses the CPU: $1" >&2
  echo -DENGINE_CUDA=OFF
  exit 0
}

is_older() {  # version than
  [[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]
}

# A driver that does not answer is as good as none.
command -v nvidia-smi >/dev/null || without_cuda
gpus=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null) || without_cuda
gpus=$(tr -d ' \r' <<<"$gpus" | grep -E '^[0-9]+\.[0-9]+$' | sort -uV) || without_cuda
driver=$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9][0-9.]*\).*/\1/p' | head -n 1) || true

usable=()
for gpu in $gpus; do
  is_older "$gpu" "$oldest_gpu" || usable+=("$gpu")
done
[[ ${#usable[@]} -gt 0 ]] ||
  without_cuda "it is of compute capability ${gpus//$'\n'/, }; the engine needs $oldest_gpu or later"

how="get CUDA $oldest_toolkit or later${driver:+ (this driver runs up to $driver)} from https://developer.nvidia.com/cuda-downloads, then run this again"
if [[ -n ${CUDACXX:-} ]]; then  # a path, or a name on PATH
  nvcc=$(command -v "$CUDACXX") || without_cuda "there is no $CUDACXX, which CUDACXX names; $how"
else
  nvcc=$(command -v nvcc) || nvcc=${CUDA_PATH:-/usr/local/cuda}/bin/nvcc
  [[ -x $nvcc ]] || without_cuda "there is no nvcc; $how"
fi
toolkit=$("$nvcc" --version 2>/dev/null | sed -n 's/.*release \([0-9][0-9.]*\).*/\1/p' | head -n 1) || true
[[ -n $toolkit ]] || without_cuda "$nvcc does not run; $how"
! is_older "$toolkit" "$oldest_toolkit" || without_cuda "$nvcc is of CUDA $toolkit; $how"
if [[ -n $driver ]] && ((${driver%%.*} < ${toolkit%%.*})); then
  without_cuda "the driver runs CUDA up to $driver, $nvcc is of $toolkit: update the driver, or set CUDACXX to the nvcc of a CUDA ${driver%%.*}.x"
fi

# What this nvcc does not know yet runs PTX for 8.0. wgmma is in 9.0a only.
known=$("$nvcc" --list-gpu-arch 2>/dev/null || true)
architectures=()
for gpu in "${usable[@]}"; do
  number=${gpu/./}
  if [[ $gpu == 9.0 ]]; then
    number=90a
  elif ! grep -qx "compute_$number" <<<"$known"; then
    number=80
  fi
  [[ " ${architectures[*]-} " == *" $number "* ]] || architectures+=("$number")
done
echo -DENGINE_CUDA=AUTO
echo "-DENGINE_CUDA_ARCHITECTURES=$(IFS=';' && echo "${architectures[*]}")"

#!/bin/bash
# Fetches torchvision's VGG-19 (548 MB), checks its hash and converts its convolutions for style_transfer:
#   scripts/fetch_vgg19.sh [TARGET]       default vgg19.safetensors
# The only script that opens the network by itself. Needs curl and python3-torch.
set -euo pipefail

readonly url=https://download.pytorch.org/models/vgg19-dcbb9e9d.pth
readonly hash=dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44  # SHA-256
readonly target=${1:-vgg19.safetensors}
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() { echo "fetch_vgg19.sh: $*" >&2; exit 1; }

# All that can be missing is told before the long download.
command -v curl >/dev/null || fail "curl is missing"
python=''
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import numpy, torch' >/dev/null 2>&1; then python=$candidate; break; fi
done
[[ -n $python ]] || fail "PyTorch for python3 is missing: install python3-torch"
[[ -d $(dirname "$target") && -w $(dirname "$target") ]] || fail "$target: cannot be written there"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
curl --fail --location --output "$folder/vgg19.pth" "$url"
"$python" "$scripts/convert_vgg.py" --input torch --sha256 "$hash" "$folder/vgg19.pth" "$target"

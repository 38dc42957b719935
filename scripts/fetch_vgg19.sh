#!/bin/bash
# Fetches torchvision's VGG-19 (548 MB), checks its hash and converts its convolutions for style_transfer:
#   scripts/fetch_vgg19.sh [TARGET]       default vgg19.safetensors
# The only script that opens the network by itself. Needs curl and python3-torch.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly url=https://download.pytorch.org/models/vgg19-dcbb9e9d.pth
readonly hash=dcbb9e9d  # the beginning of its SHA-256: torchvision's file names carry it
readonly target=${1:-vgg19.safetensors}

for program in curl sha256sum python3; do
  command -v "$program" >/dev/null || { echo "fetch_vgg19.sh: $program is missing" >&2; exit 1; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
curl --fail --location --output "$folder/vgg19.pth" "$url"
found=$(sha256sum "$folder/vgg19.pth" | cut -c1-${#hash})
if [[ $found != "$hash" ]]; then
  echo "fetch_vgg19.sh: SHA-256 of $url begins with $found, not $hash; nothing was kept" >&2
  exit 1
fi
/usr/bin/python3 scripts/convert_vgg.py --input torch "$folder/vgg19.pth" "$target"

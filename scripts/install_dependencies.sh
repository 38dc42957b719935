#!/bin/bash
# Installs what is missing, with apt: scripts/install_dependencies.sh [build|test|bench|format]...
#   build   compiler, CMake and the libraries of the engine and the cnn app (default)
#   test    build, and what the tests and benchmarks compile against
#   bench   test, and the peers that the benchmarks run beside
#   format  the clang-format whose output the tree follows
# Nothing missing: no network, no root. Elsewhere than on Debian or Ubuntu: names what is missing and fails.
set -euo pipefail

# package, then how to recognise it where dpkg does not know it: a program or a header.
readonly build_packages='
g++                 program g++
cmake               program cmake
ninja-build         program ninja
libdnnl-dev         header  oneapi/dnnl/dnnl.hpp
librandom123-dev    header  Random123/philox.h
libcli11-dev        header  CLI/CLI.hpp
nlohmann-json3-dev  header  nlohmann/json.hpp
libturbojpeg0-dev   header  turbojpeg.h
libpng-dev          header  png.h
zlib1g-dev          header  zlib.h
libarchive-dev      header  archive.h'
readonly test_packages="$build_packages
libgtest-dev        header  gtest/gtest.h
libgmock-dev        header  gmock/gmock.h
libbenchmark-dev    header  benchmark/benchmark.h
python3             program python3"
readonly bench_packages="$test_packages
python3-torch       file    /usr/lib/python3/dist-packages/torch/__init__.py"
readonly format_packages='
git                 program git
clang-format-14     program clang-format-14'

is_present() {  # package kind what
  if dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; then return 0; fi
  local folder
  case $2 in
    program) command -v "$3" >/dev/null ;;
    file) [[ -e $3 ]] ;;
    header)
      for folder in /usr/local/include /usr/include /usr/include/*-linux-gnu; do
        [[ -e $folder/$3 ]] && return 0
      done
      return 1 ;;
  esac
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

apt() {  # quiet while it works; all of its output when it fails
  local log
  log=$(mktemp)
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
      -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

wanted=''
for group in "${@:-build}"; do
  case $group in
    build | test | bench | format) list=${group}_packages; wanted+=${!list} ;;
    *) echo "install_dependencies.sh: unknown group '$group' (build, test, bench, format)" >&2; exit 2 ;;
  esac
done

missing=() described=()
while read -r package kind what; do
  [[ -z $package ]] && continue
  is_present "$package" "$kind" "$what" && continue
  missing+=("$package")
  described+=("  $package ($kind $what)")
done <<<"$wanted"
[[ ${#missing[@]} == 0 ]] && exit 0

complain() {
  echo "$1" >&2
  printf '%s\n' "${described[@]}" >&2
  exit 1
}
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  complain "This is not Debian or Ubuntu. Install these (Debian's names) and run this again:"
fi
if [[ $(id -u) != 0 ]] && ! command -v sudo >/dev/null; then
  complain "Neither root nor sudo. Have these packages installed and run this again:"
fi

echo "Installing ${missing[*]}" >&2
apt update || echo "apt-get update failed; trying with the package lists at hand" >&2
apt install -y --no-install-recommends "${missing[@]}" ||
  complain "apt-get could not install all of these:"

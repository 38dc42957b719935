#!/bin/bash
# Runs the two commands on fresh systems: scripts/run.sh (again without network), then scripts/test.sh, from a
# clean copy of the tree in debootstrapped chroots; prints a table. Needs root, debootstrap and apt's mirror.
#   scripts/check-distributions.sh [SUITE[=MIRROR]]...   default: bookworm trixie jammy noble
#   ENGINE_DISTRIBUTIONS_DIR        where chroots and logs go (default /tmp/engine-distributions)
#   ENGINE_DISTRIBUTIONS_KEYRINGS   where the archives' keyrings are (default /usr/share/keyrings)
# The mirror is the one that apt uses here; a suite that it does not serve is skipped and said so. Exits with 1
# where something failed, where a suite that was named could not be tried, and where none could.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly source_dir=$PWD
readonly work=${ENGINE_DISTRIBUTIONS_DIR:-/tmp/engine-distributions}
readonly keyrings=${ENGINE_DISTRIBUTIONS_KEYRINGS:-/usr/share/keyrings}

for tool in debootstrap unshare wget; do
  command -v "$tool" >/dev/null || { echo "check-distributions.sh: needs $tool" >&2; exit 1; }
done
[[ $(id -u) == 0 ]] || { echo "check-distributions.sh: chroots need root" >&2; exit 1; }

# The mirror of Debian itself among apt's sources here, and Ubuntu's beside it on the same host.
host_mirror() {  # debian|ubuntu
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed 's:/*$::' |
    grep -m 1 -E '/(debian|ubuntu)$' | sed -E "s:/(debian|ubuntu)\$:/$1:"
}

# Sets family, components, keyring of a suite.
describe_suite() {
  case $1 in
    jammy | noble) family=ubuntu components=main,universe ;;
    *) family=debian components=main ;;
  esac
  keyring=$keyrings/$family-archive-keyring.gpg
}

# Runs a command in the chroot; the mounts end with it. `offline` first: without network.
in_chroot() {  # [offline] root command...
  local namespaces=(--mount --propagation private --pid --fork --kill-child)
  [[ $1 == offline ]] && { namespaces+=(--net); shift; }
  local root=$1
  shift
  unshare "${namespaces[@]}" bash -c '
    root=$1; shift
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
      exec chroot "$root" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        ${http_proxy+http_proxy="$http_proxy"} ${https_proxy+https_proxy="$https_proxy"} "$@"
  ' - "$root" "$@" </dev/null
}

# Called as a condition, where `set -e` does not hold.
make_root() {  # suite mirror root
  debootstrap --variant=minbase --components="$components" --keyring="$keyring" "$1" "$3" "$2" || return
  # The host's way to its mirror (proxies, certificates, dates); not its sources, which are another suite's.
  local file
  for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/* /etc/apt/auth.conf /etc/apt/auth.conf.d/*; do
    if [[ -f $file ]] && grep -qE '^ *(Acquire::|machine )' "$file"; then
      cp "$file" "$3$(dirname "$file")/" || return
    fi
  done
  cp /etc/resolv.conf "$3/etc/resolv.conf" || return
  # The tree lies at a path with a space, as a user's may.
  mkdir -p "$3/home/some user/engine" || return
  git -C "$source_dir" ls-files -z | tar -C "$source_dir" --null -T - -c |
    tar -C "$3/home/some user/engine" -x
}

timed() {  # result_variable log command...: seconds, or "failed"
  local -n result=$1
  local log=$2 start=$SECONDS
  shift 2
  if "$@" >"$log" 2>&1; then result=$((SECONDS - start)); else result=failed; fi
}

check() {  # suite mirror; appends a row, sets status where something failed
  local suite=$1 mirror=$2 root=$work/$1 logs=$work/$1-logs
  local run again tests version compiler counts
  rm -rf --one-file-system "$root" "$logs"
  mkdir -p "$logs"
  if ! make_root "$suite" "$mirror" "$root" >"$logs/debootstrap" 2>&1; then
    rows+=("| $suite | debootstrap failed: $logs/debootstrap | | | | |")
    status=1
    return
  fi
  local here=(bash -c 'cd "/home/some user/engine" && exec "$@"' -)
  timed run "$logs/run" in_chroot "$root" "${here[@]}" scripts/run.sh
  timed again "$logs/run-again" in_chroot offline "$root" "${here[@]}" scripts/run.sh
  timed tests "$logs/test" in_chroot "$root" "${here[@]}" scripts/test.sh
  counts=$(grep -E 'tests passed|No tests' "$logs/test" | tail -1 || true)
  version=$(in_chroot "$root" dpkg-query -W -f '${Version}' libdnnl-dev 2>/dev/null || echo none)
  compiler=$(in_chroot "$root" g++ -dumpfullversion 2>/dev/null || echo none)
  # shellcheck disable=SC1091
  rows+=("| $(. "$root/etc/os-release" && echo "$PRETTY_NAME") | ${version%%[+-]*} | $compiler | $run | $again | ${tests}: ${counts:-see $logs/test} |")
  if [[ $run$again$tests == *failed* ]]; then status=1; else rm -rf --one-file-system "$root"; fi
}

skip() {  # suite why; appends a row
  rows+=("| $1 | $2 | | | | |")
  [[ -z $are_named ]] || status=1
}

suites=("$@") are_named=yes
[[ $# != 0 ]] || { suites=(bookworm trixie jammy noble); are_named=''; }
mkdir -p "$work"
rows=() status=0 tried=0
for given in "${suites[@]}"; do
  suite=${given%%=*}
  describe_suite "$suite"
  if [[ $given == *=* ]]; then mirror=${given#*=}; else mirror=$(host_mirror "$family") || mirror=''; fi
  if [[ -z $mirror ]] || ! wget -q -T 20 -t 1 --spider "$mirror/dists/$suite/Release"; then
    skip "$suite" "not on this machine's mirror"
  elif [[ ! -f $keyring ]]; then
    skip "$suite" "no $keyring: install $family-archive-keyring or ubuntu-keyring"
  else
    echo "$suite" >&2
    tried=$((tried + 1))
    check "$suite" "$mirror"
  fi
done

echo "| distribution | oneDNN | g++ | run.sh, s | again, offline, s | test.sh, s: result |"
echo "|---|---|---|---|---|---|"
printf '%s\n' "${rows[@]}"
[[ $tried -gt 0 ]] || status=1
exit "$status"

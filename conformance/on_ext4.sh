#!/bin/sh
# Runs the conformance binary with an ext4 directory: an image on a loop device, mounted in a private mount namespace.
#   on_ext4.sh BINARY [argument…]
# Where the machine cannot do that it says why, and the tests that need ext4 are skipped. Exit code: that of the binary.
set -eu
binary=$1
shift

if [ "${ON_EXT4_INSIDE:-}" = "" ]; then
  scratch=$(mktemp -d)
  chmod 755 "$scratch"  # children that have become another uid reach their files
  trap 'rm -rf "$scratch"' EXIT
  if [ "$(id -u)" != 0 ]; then
    why="not root"
  elif ! command -v mkfs.ext4 >/dev/null; then
    why="no mkfs.ext4 (package e2fsprogs)"
  elif ! { truncate -s 64M "$scratch/image" && mkfs.ext4 -q -F -m 0 "$scratch/image"; }; then
    why="mkfs.ext4 failed"
  else
    mkdir "$scratch/mount"
    status=0
    ON_EXT4_INSIDE=$scratch unshare --mount --propagation private "$0" "$binary" "$@" || status=$?
    exit "$status"
  fi
  echo "on_ext4: no ext4: $why" >&2
  "$binary" "$@"
elif mount -o loop "$ON_EXT4_INSIDE/image" "$ON_EXT4_INSIDE/mount"; then
  # The loop device goes with its last mount, which goes with this namespace.
  "$binary" --dir-ext4="$ON_EXT4_INSIDE/mount" "$@"
else
  echo "on_ext4: no ext4: no loop mount" >&2
  "$binary" "$@"
fi

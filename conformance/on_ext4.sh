#!/bin/sh
# Runs the conformance binary with an ext4 directory: an image on a loop device, mounted in a private mount namespace.
#   on_ext4.sh BINARY [argument…]
# Exit code 77 when the machine cannot do that (CTest takes it for a skip), else that of the binary.
set -eu
binary=$1
shift

skip() {
  echo "on_ext4: skipped: $1"
  exit 77
}

if [ "${ON_EXT4_INSIDE:-}" = "" ]; then
  [ "$(id -u)" = 0 ] || skip "not root"
  command -v mkfs.ext4 >/dev/null || skip "no mkfs.ext4"
  scratch=$(mktemp -d)
  chmod 755 "$scratch"  # children that have become another uid reach their files
  trap 'rm -rf "$scratch"' EXIT
  truncate -s 64M "$scratch/image"
  mkfs.ext4 -q -F -m 0 "$scratch/image" || skip "mkfs.ext4 failed"
  mkdir "$scratch/mount"
  ON_EXT4_INSIDE=$scratch unshare --mount --propagation private "$0" "$binary" "$@"
else
  # The loop device goes with its last mount, which goes with this namespace.
  mount -o loop "$ON_EXT4_INSIDE/image" "$ON_EXT4_INSIDE/mount" || skip "no loop mount"
  "$binary" --dir-ext4="$ON_EXT4_INSIDE/mount" "$@"
fi

#!/bin/sh
# Runs a command with --dir-ext4=DIRECTORY added, where DIRECTORY is an ext4 file system that lives in memory: a loop
# device on a tmpfs, in a mount namespace that takes both away. Where the machine cannot do that it says why, and the
# command runs as it is; the tests that need ext4 are then skipped. Exit code: that of the command.
#   on_ext4.sh COMMAND [argument…]
set -eu

alone() {
  echo "on_ext4: no ext4: $1" >&2
  shift
  exec "$@"
}

if [ "${ON_EXT4_INSIDE:-}" = "" ]; then
  [ "$(id -u)" = 0 ] || alone "not root" "$@"
  command -v mkfs.ext4 >/dev/null || alone "no mkfs.ext4 (package e2fsprogs)" "$@"
  ON_EXT4_INSIDE=$(mktemp -d)
  export ON_EXT4_INSIDE
  chmod 755 "$ON_EXT4_INSIDE"  # children that have become another uid reach their files
  trap 'rmdir "$ON_EXT4_INSIDE"' EXIT
  status=0
  unshare --mount --propagation private "$0" "$@" || status=$?
  exit "$status"
fi
mount -t tmpfs -o size=80m,mode=755 tmpfs "$ON_EXT4_INSIDE" || alone "no tmpfs" "$@"
cd "$ON_EXT4_INSIDE"
truncate -s 64M image
mkfs.ext4 -q -F -m 0 image || alone "mkfs.ext4 failed" "$@"
mkdir mount
# The loop device goes with its last mount, which goes with this namespace.
mount -o loop image mount || alone "no loop device" "$@"
cd - >/dev/null
"$@" --dir-ext4="$ON_EXT4_INSIDE/mount"

#!/bin/sh
# Runs a command with --dir-ext4=DIRECTORY added, where DIRECTORY is an ext4 file system that lives in memory: a
# loop device on a tmpfs, in a mount namespace that takes both away. Without root or mkfs.ext4 the command runs
# as it is, and says itself what it lacks.
#   on_ext4.sh COMMAND [argument…]
set -eu

alone() {
  echo "on_ext4: no ext4: $1" >&2
  shift
  exec "$@"
}

if [ "${LIAR_EXT4:-}" = "" ]; then
  [ "$(id -u)" = 0 ] || alone "not root" "$@"
  command -v mkfs.ext4 >/dev/null || alone "no mkfs.ext4" "$@"
  LIAR_EXT4=$(mktemp -d)
  export LIAR_EXT4
  chmod 755 "$LIAR_EXT4" # children that have become another uid reach their files
  trap 'rmdir "$LIAR_EXT4"' EXIT
  unshare --mount --propagation private "$0" "$@"
else
  mount -t tmpfs -o size=80m,mode=755 tmpfs "$LIAR_EXT4"
  truncate -s 64M "$LIAR_EXT4/image"
  mkfs.ext4 -q -F -m 0 "$LIAR_EXT4/image"
  mkdir "$LIAR_EXT4/mount"
  mount -o loop "$LIAR_EXT4/image" "$LIAR_EXT4/mount" || alone "no loop device" "$@"
  "$@" --dir-ext4="$LIAR_EXT4/mount"
fi

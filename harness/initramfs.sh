#!/bin/sh
# initramfs.sh ARCHIVE EXECUTOR CONFORMANCE: packs the initramfs of guests, with the executor as /init.
set -eu
archive=$1 executor=$2 conformance=$3
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
cp "$executor" "$room/init"
cp "$conformance" "$room/conformance"
chmod 755 "$room/init" "$room/conformance"
(cd "$room" && printf 'init\nconformance\n' | cpio --quiet --reproducible -R 0:0 -o -H newc) > "$archive.part"
mv "$archive.part" "$archive"

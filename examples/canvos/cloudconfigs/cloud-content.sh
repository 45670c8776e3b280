#!/bin/sh
# Copies what came with the disk of a cloud to where the agent looks.
set -eu
mount LABEL=COS_CONTENT /mnt
mkdir -p /usr/local/spectrocloud
cp -a /mnt/. /usr/local/spectrocloud/
umount /mnt

#!/usr/bin/env python3
"""Splits a rootfs tar into the layers a Dockerfile would give, as an OCI layout with gzip layers.

    layers.py ROOTFS.tar OUTPUT ARCHITECTURE

1. the distribution
2. kernel, modules, initrd and boot loaders
3. configuration: deletes what must not be shared between machines (whiteouts, an opaque folder)
"""
import hashlib
import json
import os
import subprocess
import sys
import tarfile
from datetime import datetime, timezone

BLOCK = 512
BOOT = ("boot", "usr/lib/modules", "usr/lib/shim", "usr/lib/grub", "vmlinuz", "initrd.img")
CONFIG = ("etc/kairos-release", "etc/machine-id")
# Made by the distribution's packages and logs, deleted by the last layer.
DELETED = ("etc/ssh/ssh_host_ecdsa_key", "etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_rsa_key")
EMPTIED = ("var/log", "var/cache/apt")


def within(name, prefixes):
    return any(name == p or name.startswith(p + "/") or name == p + ".old" for p in prefixes)


def layer_of(name):
    return 2 if within(name, CONFIG) else 1 if within(name, BOOT) else 0


class Layer:
    """A gzip layer that is hashed on both sides while it is written."""

    def __init__(self, blobs, number):
        self.path = os.path.join(blobs, f"layer-{number}")
        self.out = open(self.path, "wb")
        self.gzip = subprocess.Popen(["gzip", "-n", "-6"], stdin=subprocess.PIPE, stdout=self.out)
        self.diff = hashlib.sha256()

    def write(self, data):
        self.diff.update(data)
        self.gzip.stdin.write(data)

    def add(self, name, kind=tarfile.REGTYPE, mode=0o644):
        info = tarfile.TarInfo(name)
        info.type, info.mode = kind, mode
        self.write(info.tobuf(tarfile.USTAR_FORMAT))

    def close(self):
        self.write(bytes(2 * BLOCK))
        self.gzip.stdin.close()
        self.out.close()
        if self.gzip.wait() != 0:
            sys.exit("gzip failed")
        return "sha256:" + self.diff.hexdigest()


def put(blobs, media_type, data=None, path=None):
    if path is None:
        path = os.path.join(blobs, "new")
        with open(path, "wb") as file:
            file.write(data)
    hasher = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    digest = hasher.hexdigest()
    size = os.path.getsize(path)
    os.rename(path, os.path.join(blobs, digest))
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": size}


def split(tar_path, layers):
    """Copies members as they are: extended headers with binary values stay byte for byte."""
    raw = open(tar_path, "rb")
    newest = 0
    with tarfile.open(tar_path, "r:") as tar:
        for member in tar:
            name = member.name.removeprefix("./").rstrip("/")
            newest = max(newest, int(member.mtime))
            raw.seek(member.offset)
            left = tar.offset - member.offset
            layer = layers[layer_of(name)]
            while left:
                chunk = raw.read(min(left, 1 << 20))
                left -= len(chunk)
                layer.write(chunk)
    return newest


def main():
    tar_path, output, architecture = sys.argv[1:]
    blobs = os.path.join(output, "blobs", "sha256")
    os.makedirs(blobs)
    layers = [Layer(blobs, number) for number in range(3)]
    newest = split(tar_path, layers)
    for name in DELETED:
        folder, base = os.path.split(name)
        layers[2].add(f"{folder}/.wh.{base}")
        layers[2].add(f"{folder}/.wh.{base}.pub")
    for name in EMPTIED:
        layers[2].add(name, tarfile.DIRTYPE, 0o755)
        layers[2].add(f"{name}/.wh..wh..opq")
    diffs = [layer.close() for layer in layers]

    created = datetime.fromtimestamp(newest, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    oci = "application/vnd.oci.image."
    config = put(blobs, oci + "config.v1+json", json.dumps({
        "created": created, "architecture": architecture, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diffs},
        "history": [{"created_by": text} for text in ("distribution", "kernel and boot", "configuration")],
    }).encode())
    descriptors = [put(blobs, oci + "layer.v1.tar+gzip", path=layer.path) for layer in layers]
    manifest = put(blobs, oci + "manifest.v1+json", json.dumps({
        "schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": descriptors,
    }).encode())
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    index = {"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [manifest]}
    for name, value in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(output, name), "w", encoding="utf-8") as file:
            json.dump(value, file)


main()

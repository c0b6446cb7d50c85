"""What a bundle is: the paths in it, and bundle.json, which describes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kubeparcel.model import Arch, Format
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.json_document import parse_json

FORMAT = 1
"""The version of the format; others are not read."""

TOP = "kubernetes-bundle"
"""The folder that all members are in."""

MANIFEST, SUMS, SIGNATURE, INSTALLER = "bundle.json", "SHA256SUMS", "SHA256SUMS.asc", "install.sh"
KEY, KEYRING = "keys/kubernetes.asc", "keys/kubernetes.gpg"
REPOSITORY, DEPENDENCIES = "repository", "dependencies"
IMAGES = "images/control-plane.tar"
SUITE = "kubernetes"
"""The suite of the packages in the repository; the suite of a host's dependencies has the host's name."""

INDEX_FOLDERS: Mapping[Format, str] = {Format.DEB: "apt", Format.RPM: "yum"}
_NAME = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,99}", re.IGNORECASE)
_OS = re.compile(r"[A-Za-z0-9:._+ -]{1,100}")


@dataclass(frozen=True)
class HostEntry:
    """A host of a bundle.

    `os` is what install.sh recognizes it by. `extras` are packages of the distribution that are installed by default.
    `dependencies` are file names of the distribution's packages, `expects` the requirements that the host itself meets.
    """

    format: Format
    manager: str
    os: str
    extras: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    expects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """bundle.json. `packages` are versions by format and name; `created` is in Unix time.

    `images` are the names of the control-plane images in the bundle, `missing_images` of those that kubeadm also needs.
    """

    version: str
    arch: Arch
    created: int
    packages: Mapping[str, Mapping[str, str]]
    hosts: Mapping[str, HostEntry]
    images: tuple[str, ...] = ()
    missing_images: tuple[str, ...] = ()
    bundle: int = field(default=FORMAT)

    def dump(self) -> bytes:
        """Return the manifest as JSON."""
        return f"{json.dumps(asdict(self), indent=2, sort_keys=True)}\n".encode()


def parse_manifest(data: bytes) -> Manifest:
    """Return the manifest in bundle.json, which others may have written. Raises MalformedData."""
    document = parse_json(data, MANIFEST)
    try:
        if document["bundle"] != FORMAT:
            raise MalformedData(f"{MANIFEST} has format {document['bundle']!r:.20}, expected {FORMAT}")
        hosts = {_text(name, _NAME): _host(entry) for name, entry in document["hosts"].items()}
        return Manifest(
            _text(document["version"], _NAME),
            Arch(document["arch"]),
            int(document["created"]),
            {
                str(Format(f)): {_text(n, _NAME): str(v) for n, v in own.items()}
                for f, own in document["packages"].items()
            },
            hosts,
            tuple(map(str, document["images"])),
            tuple(map(str, document["missing_images"])),
        )
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, MalformedData):
            raise
        raise MalformedData(f"{MANIFEST} is not valid ({error!r:.150})") from None


def _host(entry: Any) -> HostEntry:
    extras = tuple(_text(name, _NAME) for name in entry["extras"])
    lists = {name: tuple(map(str, entry[name])) for name in ("dependencies", "expects")}
    return HostEntry(Format(entry["format"]), _text(entry["manager"], _NAME), _text(entry["os"], _OS), extras, **lists)


def _text(value: object, pattern: re.Pattern[str]) -> str:
    if not (isinstance(value, str) and pattern.fullmatch(value)):
        raise ValueError(f"{value!r:.50}")
    return value

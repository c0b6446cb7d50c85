"""Read a repository as clients do, and verify every signature, digest and size."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from kubeparcel.packages.payload_stream import plain_blocks

Suites = dict[str, dict[str, str]]
"""The SHA-256 of packages by file name, in each suite."""

_REPO = "{http://linux.duke.edu/metadata/repo}"
_COMMON = "{http://linux.duke.edu/metadata/common}"


def verify_signature(root: Path, *files: Path) -> None:
    completed = subprocess.run(
        ["gpgv", "--keyring", root / "key.gpg", *files], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr


def verify_signature_of(root: Path, signature: bytes, data: bytes | None = None) -> None:
    """Verify a signature from memory; without `data` it is an inline signature."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, "signature"), Path(folder, "data")][: 1 if data is None else 2]
        for file, content in zip(files, (signature, data), strict=False):
            file.write_bytes(content or b"")
        verify_signature(root, *files)


def read_apt_suite(root: Path, suite: str) -> dict[str, str]:
    """Verify a suite; return the SHA-256 of its packages by file name."""
    folder = root / "apt/dists" / suite
    verify_signature(root, folder / "InRelease")
    verify_signature(root, folder / "Release.gpg", folder / "Release")
    release = (folder / "Release").read_text()
    assert release in (folder / "InRelease").read_text()
    packages: dict[str, str] = {}
    for line in release.partition("SHA256:\n")[2].splitlines():
        digest, size, name = line.split()
        by_hash = (folder / name).parent / "by-hash/SHA256" / digest
        for path in (folder / name, by_hash):
            data = path.read_bytes()
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (digest, int(size)), path
        if name.endswith(".gz"):
            packages |= _debs(root, b"".join(plain_blocks(name, [(folder / name).read_bytes()])).decode())
    return packages


def _debs(root: Path, text: str) -> dict[str, str]:
    packages = {}
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if not line.startswith(" "))
        data = (root / "apt" / fields["Filename"]).read_bytes()
        assert len(data) == int(fields["Size"])
        assert hashlib.sha256(data).hexdigest() == fields["SHA256"]
        packages[Path(fields["Filename"]).name] = fields["SHA256"]
    return packages


def read_yum_suite(root: Path, suite: str) -> dict[str, str]:
    """Verify a suite; return the SHA-256 of its packages by file name."""
    base = root / "yum" / suite
    verify_signature(root, base / "repodata/repomd.xml.asc", base / "repodata/repomd.xml")
    texts: dict[str, bytes] = {}
    for element in ElementTree.parse(base / "repodata/repomd.xml").getroot().iter(f"{_REPO}data"):
        facts = {child.tag.removeprefix(_REPO): child for child in element}
        href = facts["location"].attrib["href"]
        data = (base / href).read_bytes()
        plain = b"".join(plain_blocks(href, [data]))
        assert hashlib.sha256(data).hexdigest() == facts["checksum"].text
        assert hashlib.sha256(plain).hexdigest() == facts["open-checksum"].text
        assert (str(len(data)), str(len(plain))) == (facts["size"].text, facts["open-size"].text)
        texts[element.attrib["type"]] = plain
    return _rpms(base, texts)


def _rpms(base: Path, texts: Mapping[str, bytes]) -> dict[str, str]:
    packages = {}
    for package in ElementTree.fromstring(texts["primary"]).iter(f"{_COMMON}package"):
        href = package.find(f"{_COMMON}location").attrib["href"]
        digest = package.findtext(f"{_COMMON}checksum")
        assert hashlib.sha256((base / href).read_bytes()).hexdigest() == digest
        packages[Path(href).name] = str(digest)
    for kind in ("filelists", "other"):
        ids = {element.attrib["pkgid"] for element in ElementTree.fromstring(texts[kind])}
        assert ids == set(packages.values())
    return packages


def read_repository(root: Path) -> Suites:
    """Verify all suites; return their packages."""
    packages: Suites = {}
    for entry in sorted(root.glob("apt/dists/*/InRelease")):
        packages[f"apt {entry.parent.name}"] = read_apt_suite(root, entry.parent.name)
    for entry in sorted(root.glob("yum/*/repodata/repomd.xml")):
        packages[f"yum {entry.parent.parent.name}"] = read_yum_suite(root, entry.parent.parent.name)
    return packages


def read_files(root: Path) -> dict[str, bytes]:
    """Return the content of every file but the lock, by path."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "lock"
    }

"""What is fuzzed: each reader with its seeds. A reader returns, or raises MalformedData; nothing else."""

from __future__ import annotations

import functools
import gzip
import io
import json
import random
import struct
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kubeparcel.config import catalog as catalogs
from kubeparcel.doctor.package_contents import FileCheck, contents_faults, read_bytes
from kubeparcel.model import Format
from kubeparcel.packages import compression, elf, limits
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.deb import reader as deb_reader
from kubeparcel.packages.deb.control import parse_control_archive
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.packages.payload_stream import FileSection, open_payload
from kubeparcel.packages.rpm import header as rpm_header
from kubeparcel.packages.rpm import reader as rpm_reader
from kubeparcel.packages.rpm import rpm_metadata
from kubeparcel.repository.package import Package
from kubeparcel.repository.yum import package_xml
from kubeparcel.verify import systemd_unit
from kubeparcel.verify.layout import level
from kubeparcel.verify.layout.expected import expected_from_package
from kubeparcel.verify.layout.path_owners import PathOwners, contents_paths
from tests.fuzz.index_targets import INDEX_TARGETS
from tests.fuzz.mutator import NUMBERS, damage_document, mutate
from tests.fuzz.own_files import OWN_FILES
from tests.support import package_builders
from tests.support.archive_builders import CONTROL, File, cpio, deb, header, member, rpm, rpm_file, tar, tar_archive
from tests.support.elf_files import Go
from tests.support.elf_files import elf as elf_file

SCRIPT = """\
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
"""
RECORD = json.dumps(
    {
        "package": "kubelet 1.36.3-1",
        "source": "go",
        "binaries": {"kubelet": {"sha256": "0" * 64}},
        "contents": {"files": {"/usr/bin/kubelet": {"mode": "0755"}}, "relations": {"depends": ["a (>= 1)"]}},
    }
).encode()


UNIT = b"""\
# a comment
[Service]
EnvironmentFile=-/etc/default/kubelet
Environment="A=b c" 'D=e'
ExecStart=/usr/bin/kubelet \\
    $ARGS "quoted \\" word"
KUBELET_EXTRA_ARGS="--v=4" --x='y' \\
    more
"""


class Target(NamedTuple):
    """A reader, its seeds, and how a seed is damaged."""

    read: Callable[[bytes], object]
    seeds: Sequence[bytes]
    damage: Callable[[bytes, random.Random], bytes] = mutate


def _built(build: Callable[..., Path], **more: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return build(Path(folder), "kubelet", "1:1.36.3-1", depends="a (>= 1:2.0-1), b", **more).read_bytes()


def _control(fields: str = "") -> dict[str, str]:
    return {
        "control": CONTROL.replace("small", "kubelet") + f"Installed-Size: 1\nDepends: a (>= 1:2) | b\n{fields}",
        "postinst": SCRIPT,
        "conffiles": "/etc/a\n",
        "md5sums": "00000000000000000000000000000000  usr/bin/kubelet\n",
    }


def _tree() -> tuple[bytes, ...]:
    return (
        member("./usr/bin/", kind=tarfile.DIRTYPE, mode=0o755),
        member("./usr/bin/kubelet", elf_file(go=Go(), needs=["libc.so.6"]), mode=0o755),
        member("./usr/bin/again", kind=tarfile.LNKTYPE, linkname="./usr/bin/kubelet"),
        member("./etc/a", kind=tarfile.SYMTYPE, linkname="../b"),
        member("./usr/share/doc/kubelet/provenance.json", RECORD),
    )


@functools.cache
def debs() -> tuple[bytes, ...]:
    """Return debs of all compressions, most of them none: then damage reaches what is inside."""
    long_names = tar_archive({"./" + "a" * 200: b"x", "./b": b"y"}, "w:")
    return (
        deb(*_tree(), control=_control()),
        deb(control=_control("Conflicts: c\n"), payload=("data.tar", long_names)),
        deb(payload=("data.tar.gz", gzip.compress(tar(*_tree()), mtime=0))),
        _built(package_builders.deb),
    )


_EXTRA_TAGS: Mapping[int, str | Sequence[str] | Sequence[int]] = {
    1024: SCRIPT,
    1086: "/bin/sh",
    1065: ["exit 0"],
    1092: ["/bin/sh"],
    1047: ["kubelet", "config(kubelet)"],
    1112: [8, 8],
    1113: ["1.0-1", "1.0-1"],
    1003: [2],
    1044: "a.src.rpm",
}


@functools.cache
def rpms() -> tuple[bytes, ...]:
    """Return rpms whose payload is plain, but for one."""
    files = (
        File("/usr/bin/kubelet", elf_file(go=Go()), 0o100755),
        File("/etc/a", b"../b", 0o120777),
        File("/usr/share/doc/kubelet/provenance.json", RECORD),
    )
    return (
        rpm(*files, payload=cpio(*files), values={**_EXTRA_TAGS, 1000: "kubelet", 1125: "none"}),
        rpm(File("/a"), values={1044: "a.src.rpm", 5092: ["0" * 64], 5093: [8]}),
        _built(package_builders.rpm),
    )


def damage_rpm(data: bytes, chance: random.Random) -> bytes:
    """Change a row of a header: its tag, type, offset or count; or anything, as in other files."""
    starts = [at for at in range(len(data) - 16) if data[at : at + 4] == rpm_header.HEADER_MAGIC]
    if not starts or chance.random() < 0.4:
        return mutate(data, chance)
    start = chance.choice(starts)
    count = min(struct.unpack_from(">I", data, start + 8)[0], 200)
    for _ in range(chance.randint(1, 3)):
        at = start + 16 + 16 * chance.randrange(count + 1) + 4 * chance.randrange(4)
        value = chance.choice((*NUMBERS, 1000, 1028, 1117, 1116, 16, 64, 100))
        data = data[:at] + struct.pack(">I", value) + data[at + 4 :]
    return data


def _read_deb(data: bytes) -> object:
    return deb_reader.read(Path("a.deb"), io.BytesIO(data), InspectionCache())


def _read_rpm(data: bytes) -> object:
    return rpm_reader.read(Path("a.rpm"), io.BytesIO(data), InspectionCache())


def _index_deb(data: bytes) -> object:
    deb_metadata.head_length(data)
    text = deb_metadata.control_text(data, len(data))
    fields = deb_metadata.parse_fields(text)
    deb_metadata.dependencies(fields)
    name, version, arch = deb_metadata.identity(fields)
    return deb_metadata.index_stanza(text, deb_metadata.pool_path(name, version, arch), 1, "")


def _index_rpm(data: bytes) -> object:
    rpm_header.head_length(data)
    headers = rpm_header.read_headers(data, len(data))
    rpm_metadata.dependencies(headers.main)
    package_xml.render_entry(headers, "1-1", "", len(data), "a.rpm")
    return rpm_metadata.file_name(*rpm_metadata.identity(headers.main))


def _examine(data: bytes) -> object:
    """Read a package as the doctor does, in small blocks."""
    format_ = Format.DEB if data.startswith(b"!<arch>") else Format.RPM
    package = Package(format_, "kubelet", "1", "amd64", "", len(data), "", "", "a")
    check = FileCheck(package, "a", {"sha256": ""})
    blocks = (data[start : start + 999] for start in range(0, len(data), 999))
    return list(contents_faults(check, read_bytes(check, blocks)))


def _control_archive(data: bytes) -> object:
    section = FileSection(io.BytesIO(data), 0, len(data))
    return parse_control_archive(open_payload(section, "none", "control.tar", limits.CONTROL))


def _unit(data: bytes) -> object:
    """Read a unit and an environment file, and the words of their values."""
    text = data.decode("utf-8", "backslashreplace")
    values = [setting.value for setting in systemd_unit.parse_unit(text).settings]
    values += [value for _, value, _ in systemd_unit.parse_environment_file(text)]
    return [*map(systemd_unit.split_words, values), systemd_unit.joined_variables(text)]


def _check(data: bytes) -> object:
    """Run all checks on a package that can be read."""
    package = (_read_deb if data.startswith(b"!<arch>") else _read_rpm)(data)
    return check(package)


def check(package: object) -> object:
    """Run all checks of a package."""
    catalog = _catalog()
    expected = expected_from_package(package, catalog, None)
    owners = PathOwners.of(contents_paths(package))
    return level.check_package(package, "a", expected, catalog, owners)


@functools.cache
def _catalog() -> catalogs.Catalog:
    return catalogs.load()


def _decompress(data: bytes) -> object:
    name = next(
        (n for n, codec in compression.COMPRESSIONS.items() if codec.magic and data.startswith(codec.magic)), "lzma"
    )
    return compression.decompress(data, name, "it", limits.CONTROL)


def damage_inside(data: bytes, chance: random.Random) -> bytes:
    """Damage what a package is made of, and pack it again, so that sizes around it are right."""
    if data.startswith(b"!<arch>"):
        control = _control()
        name = chance.choice([*control])
        control[name] = mutate(control[name].encode(), chance).decode("latin-1")
        return deb(*(mutate(part, chance) if chance.random() < 0.2 else part for part in _tree()), control=control)
    binary, record = elf_file(go=Go(), needs=["libc.so.6"]), RECORD
    files = [
        File("/usr/bin/kubelet", mutate(binary, chance), 0o100755),
        File("/a/provenance.json", mutate(record, chance)),
    ]
    main = header({**_EXTRA_TAGS, 1000: "kubelet", 1001: "1", 1002: "1", 1022: "x86_64", 1125: "none"})
    payload = cpio(*files)
    return rpm_file(main, payload, header({1000: [len(main) + len(payload)]}))


TARGETS: Mapping[str, Target] = {
    "deb": Target(_read_deb, debs()),
    "deb-inside": Target(_read_deb, debs()[:1], damage_inside),
    "rpm": Target(_read_rpm, rpms(), damage_rpm),
    "rpm-inside": Target(_read_rpm, rpms()[:1], damage_inside),
    "apt-index": Target(_index_deb, debs()),
    "yum-index": Target(_index_rpm, rpms(), damage_rpm),
    "elf": Target(elf.read, (elf_file(go=Go()), elf_file(needs=["libc.so.6"]), elf_file(machine=22, go=Go()))),
    "decompress": Target(_decompress, tuple(gzip.compress(part, mtime=0) for part in (b"a" * 99, RECORD))),
    "doctor": Target(_examine, (*debs(), *rpms())),
    "control-archive": Target(_control_archive, (tar(*(member(n, t.encode()) for n, t in _control().items())),)),
    "unit": Target(_unit, (UNIT,)),
    "layout": Target(_check, (debs()[0], rpms()[0]), damage_inside),
    **{name: Target(read, (seed,), damage_document) for name, (read, seed) in OWN_FILES.items()},
    **{name: Target(*target) for name, target in INDEX_TARGETS.items()},
}
"""The readers by the names that findings have."""

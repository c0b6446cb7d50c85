"""What is fuzzed of the files that kubeparcel writes itself, and others may have damaged or edited."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable
from pathlib import Path

from kubeparcel.attest.materials import compare_materials
from kubeparcel.build.lock import document as lock_document
from kubeparcel.build.lock import lockfile, parser
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format
from kubeparcel.packages.deb import reader
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.record_key import seal, unseal
from kubeparcel.repository import state_file
from kubeparcel.repository.model import State
from kubeparcel.repository.package import Package
from kubeparcel.repository.signing import keys
from kubeparcel.repository.state_file import StateFileError
from kubeparcel.repository.storage import s3_lease
from kubeparcel.repository.storage.base import check_path
from kubeparcel.trust.document import serialize
from kubeparcel.trust.dsse import Envelope, EnvelopeSignature, parse_envelope
from kubeparcel.trust.package_statement import artifact_material, unverified_materials
from kubeparcel.trust.sbom_files import FORMATS, contradictions, file_contradictions, parse_sbom
from kubeparcel.trust.statement import PACKAGE_BUILD_TYPE, Resource, Statement, parse_statement
from kubeparcel.trust.subject import Subject
from tests.support.archive_builders import deb, member
from tests.support.fake_sources import locked

PACKAGE = Package(Format.DEB, "own", "1-1", "amd64", "f" * 64, 3, "e" * 64, "a (>= 1),\n b", "pool/o/own.deb")
STATE = state_file.dump(
    State(
        4,
        "me",
        {"stable": frozenset({PACKAGE}), "v1.36": frozenset({PACKAGE})},
        {"apt/dists/stable": (("main/binary-amd64/by-hash/SHA256/x",),)},
        {"apt/pool/own.deb": (3, PACKAGE)},
        renew_at=7,
        signing_keys=("A" * 40 + ":0",),
        side_files={"f" * 64: {".cdx.json": "e" * 64}},
        index_digests={"apt/dists/stable/Release": "d" * 64},
    )
)
LOCK = lockfile.dump(locked()).encode()
LEASE = json.dumps({"token": 3, "holder": "process 1 on a since b", "until": 1.5}).encode()
KEY = json.dumps({"current": "A" * 40, "previous": "", "until": 0}).encode()
RECORD = seal("go/key", b'{"kubelet": "ff"}')


STATEMENT = Statement(
    (Resource("kubelet.deb", digest={"sha256": "f" * 64}),),
    PACKAGE_BUILD_TYPE,
    {"package": "kubelet", "settings": {"layout": "etc"}},
    {"lock": lock_document.document(locked()), "time": 1_700_000_000},
    tuple(map(artifact_material, locked().artifacts)),
    (Resource("kubelet", digest={"sha256": "e" * 64}),),
)
ENVELOPE = Envelope(STATEMENT.dump(), (EnvelopeSignature("A" * 40, b"signature"),)).dump()


def read_state(data: bytes) -> object:
    """Parse a state, and use it as a publish does."""
    try:
        state = state_file.parse(data, "repo")
    except (StateFileError, ConfigurationError) as error:
        raise MalformedData(error.message) from None
    for path in (*state.packages_by_path, *state.retired_packages, *state.retained_indexes):
        check_path(path)
    return state_file.parse(state_file.dump(state), "repo"), state.formats_by_suite


def read_lock(data: bytes) -> object:
    """Parse a lock, and write it again."""
    try:
        return lockfile.parse(lockfile.dump(*lockfile.parse(data)).encode())
    except parser.INVALID as error:
        raise MalformedData(str(error)[:100]) from None


def read_envelope(data: bytes) -> object:
    """Read a signed statement."""
    return parse_envelope(data, "kubelet.intoto.jsonl").dump()


def read_statement(data: bytes) -> object:
    """Read a statement about a package, and what is done with a signed one."""
    statement = parse_statement(data, "kubelet.intoto.json", PACKAGE_BUILD_TYPE)
    try:
        difference, not_run = compare_materials(statement, locked())
    except ConfigurationError as error:
        raise MalformedData(error.message) from None
    return statement.dump(), unverified_materials(statement), difference, not_run


def read_lease(data: bytes) -> object:
    """Read a lease as another publisher does."""
    record = s3_lease._parse(data)
    return s3_lease._record(s3_lease._token(record) + 1, 1.0), s3_lease._is_free(record)


def read_key(data: bytes) -> object:
    """Read the record of a signing key."""
    try:
        return keys._named_key("default", Path(), json.loads(data)).signing_fingerprints
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MalformedData("the record is damaged") from None


def read_record(data: bytes) -> object:
    """Read a record of the cache: only what was sealed is accepted."""
    value = unseal("go/key", data)
    assert value is None or data == RECORD
    return value


SBOM_SUBJECT = Subject(
    reader.read(Path("a.deb"), io.BytesIO(deb(member("./a", b"x"))), InspectionCache(sha1=True)), "f" * 64, "a.deb"
)


def read_sbom(suffix: str, data: bytes) -> object:
    """Parse an SBOM, and compare it with a package."""
    claims = parse_sbom(data, f"a.deb{suffix}")
    return [*contradictions(claims, "a", "1", "f" * 64), *file_contradictions(claims, SBOM_SUBJECT.contents)]


OWN_FILES: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    **{
        f"sbom-{suffix.split('.')[1]}": (
            functools.partial(read_sbom, suffix),
            serialize(format_.package_document(SBOM_SUBJECT)),
        )
        for suffix, format_ in FORMATS.items()
    },
    "envelope": (read_envelope, ENVELOPE),
    "statement": (read_statement, STATEMENT.dump()),
    "state": (read_state, STATE),
    "lock": (read_lock, LOCK),
    "lease": (read_lease, LEASE),
    "key": (read_key, KEY),
    "record": (read_record, RECORD),
}

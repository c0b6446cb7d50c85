"""The settings `patches` and `version-suffix`: changes to the source, and the versions that name them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from kubeparcel.config.field_types import KubernetesRange, StrictModel, VersionRange, parse_range
from kubeparcel.config.yaml_file import YamlFile
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import BuildVariant, Patch
from kubeparcel.model import Version

MAX_PATCH_SIZE = 16 << 20
"""Bytes; the largest commits of Kubernetes have some megabytes."""

MAX_FUZZ = 2
"""The default of GNU patch; git writes three lines of context, and with 3 none of them would count."""

_DIGEST = re.compile(r"sha256=([0-9a-f]{64})")
_SUFFIX = re.compile(r"\+[0-9A-Za-z]+(\.[0-9A-Za-z]+)*")
_LONGEST_SUFFIX = 40


class PatchSpec(StrictModel):
    """A patch of a component: the output of `git format-patch` or `git diff` in the component's repository."""

    file: str = Field(description="path relative to kubeparcel.yaml, or https://…#sha256=DIGEST")
    versions: KubernetesRange = Field(
        VersionRange(), description="only for these versions of the component, such as >=1.36.0 <1.36.4"
    )
    fuzz: int = Field(
        0,
        ge=0,
        le=MAX_FUZZ,
        strict=True,
        description="lines at each end of a hunk's context that need not match, as with patch --fuzz",
    )

    @field_validator("file")
    @classmethod
    def _check_file(cls, file: str) -> str:
        if "://" in file:
            return _check_url(file)
        if not file or not file.isprintable() or file.startswith(("/", "~")):
            raise ValueError(
                f"invalid path {file!r}: expected one relative to kubeparcel.yaml, because kubeparcel.lock records it"
            )
        return file

    @property
    def location(self) -> str:
        """The path, or the URL without the digest."""
        return self.file.partition("#")[0] if self.url_digest else self.file

    @property
    def url_digest(self) -> str:
        """The SHA-256 of a URL, in hexadecimal; empty for a local file."""
        return _DIGEST.fullmatch(urlsplit(self.file).fragment)[1] if "://" in self.file else ""  # type: ignore[index]


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username is not None or not url.isprintable():
        raise ValueError(f"invalid URL of a patch: expected https://HOST/PATH#sha256=DIGEST, not {parts.scheme}://…")
    if not _DIGEST.fullmatch(parts.fragment):
        raise ValueError(
            f"{parts.path.rpartition('/')[2]}: the digest of the patch is missing, so that anyone who can change the "
            "file could change the packages: add #sha256= and the 64 digits that sha256sum prints"
        )
    return url


def _file_names(value: Any) -> Any:
    """Return the rows of a list, in which a patch for all versions may be only the name of its file."""
    rows = [value] if isinstance(value, str) else value
    return [{"file": row} if isinstance(row, str) else row for row in rows] if isinstance(rows, list | tuple) else rows


def _quoted(value: Any) -> Any:
    if isinstance(value, int | float):
        raise ValueError(f'write the suffix in quotes, such as "+{value}"')  # noqa: TRY004
    return value


def version_suffix(text: str) -> str:
    """Return a suffix of versions, such as `+acme.1`, or empty text; raise ValueError."""
    if text and not text.startswith("+"):
        raise ValueError(f"invalid suffix {text!r}: {_wrong_start(text)}; expected build metadata like +acme.1")
    if text and (not _SUFFIX.fullmatch(text) or len(text) > _LONGEST_SUFFIX):
        raise ValueError(
            f"invalid suffix {text!r}: expected + and at most {_LONGEST_SUFFIX - 1} letters and digits, in words "
            "with dots between, like +acme.1 (packages and semantic versions have no other characters in common)"
        )
    words = text[1:].split(".")
    if zeros := next((word for word in words if re.fullmatch(r"0[0-9]+", word)), ""):
        raise ValueError(f"invalid suffix {text!r}: dpkg and rpm do not tell {zeros} from {int(zeros)}")
    if words[0] == "fips":
        raise ValueError(f"invalid suffix {text!r}: +fips marks binaries with go.fips")
    return text


def _wrong_start(text: str) -> str:
    if text.startswith("-"):
        return "1.36.3-X is a pre-release, which kubeadm takes for older than 1.36.3, and rpm permits no dash"
    if text.startswith("~"):
        return "~ sorts before the release, so that nobody would be upgraded to it"
    return "it would be a part of the number before it, or sort after later releases"


Patches = Annotated[
    tuple[PatchSpec, ...], BeforeValidator(_file_names, json_schema_input_type=str | tuple[str | PatchSpec, ...])
]
VersionSuffix = Annotated[str, BeforeValidator(_quoted, json_schema_input_type=str), AfterValidator(version_suffix)]


def check_patches(patches: Mapping[str, Collection[PatchSpec]], suffix: str, file: YamlFile, *, trees: bool) -> None:
    """Raise ConfigurationError for patches or a suffix without the other; a suffix may also be that of git trees."""
    if any(patches.values()) and not suffix:
        raise file.error(
            ("patches",),
            "version-suffix is missing. Patched packages need versions that differ from upstream's.",
            "Add for example: version-suffix: +acme.1 (and count up with each change of the patches)",
        )
    if suffix and not any(patches.values()) and not trees:
        key = "version-suffix"
        place = f"{file.locate((key,))}: {key}" if key in file.data else "KUBEPARCEL_VERSION_SUFFIX"
        raise ConfigurationError(
            f"{place}: nothing is patched, so that no version would end in {suffix}.",
            "Add patches or trees, or remove the setting.",
        )


def read_patches(patches: Mapping[str, Collection[PatchSpec]], base: Path) -> tuple[Patch, ...]:
    """Return the patches with their digests; raise ConfigurationError for a file that cannot be read."""
    return tuple(
        Patch(component, spec.location, digest, spec.versions.notation, spec.fuzz)
        for component, specs in patches.items()
        for spec in specs
        for digest in [spec.url_digest or hashlib.sha256(read_patch(base / spec.file, component)).hexdigest()]
    )


def read_patch(path: Path, component: str) -> bytes:
    """Return the content of a local patch; raise ConfigurationError."""
    try:
        problem = "not a file" if path.exists() else "no such file"
        if path.is_file():
            with path.open("rb") as file:
                data = file.read(MAX_PATCH_SIZE + 1)
            if len(data) <= MAX_PATCH_SIZE:
                return data
            problem = f"larger than {MAX_PATCH_SIZE:,} bytes"
    except OSError as error:
        problem = error.strerror or str(error)
    raise ConfigurationError(
        f"kubeparcel.yaml: patches.{component}: {path}: {problem}.",
        "Paths are relative to the folder of kubeparcel.yaml.",
    )


def applicable_patches(variant: BuildVariant, component: str, version: Version) -> tuple[Patch, ...]:
    """Return the patches of a version of a component, in the order in which they are applied."""
    return tuple(
        patch
        for patch in variant.patches
        if patch.component == component and (not patch.versions or parse_range(patch.versions).contains(version))
    )


def stamped_version(variant: BuildVariant, component: str, version: Version) -> Version:
    """Return the version that binaries and packages have: with what differs from upstream, as build metadata."""
    patched = bool(applicable_patches(variant, component, version.release))
    return version.with_suffix(variant.version_suffix(patched=patched))


def unused_patches(variant: BuildVariant, component: str, version: Version) -> tuple[str, ...]:
    """Return a remark about the patches of a component that a version does not need."""
    used = applicable_patches(variant, component, version)
    unused = [p for p in variant.patches if p.component == component and p not in used]
    names = ", ".join(f"{patch.name} ({patch.versions})" for patch in unused)
    return (f"patches.{component}: not applied to {version}: {names}.",) if unused else ()

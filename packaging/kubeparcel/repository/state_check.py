"""Check the values of a state file: others may have damaged or edited it, and its paths are written to."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.model import MetadataCompression, RepositoryOptions, State, validate_suite_name
from kubeparcel.repository.package import SIDE_SUFFIXES, Package

_MAX_NUMBER = 1 << 53
_UNSAFE = ("/../", "/./", "//", "\\")
_HEX_DIGITS = "0123456789abcdef"


def require_valid(state: State) -> None:
    """Raise ValueError, which names the value, for a state that no version has written."""
    for name, value in (("generation", state.generation), ("renew", state.renew_at)):
        _require_number(name, value)
    _require_texts("identity", [state.identity])
    _require_texts("signers", state.signing_keys)
    _require_options(state.options)
    for name in state.suites:
        try:
            validate_suite_name(name)
        except ConfigurationError as error:
            raise ValueError(error.message) from None
    retired = [package for _, package in state.retired_packages.values()]
    _require_packages([*state.packages, *retired])
    for generation, _ in state.retired_packages.values():
        _require_number("gone", generation)
    _require_paths("gone", state.retired_packages)
    _require_side_files(state)
    _require_paths("indexes", state.index_digests)
    _require_texts("indexes", state.index_digests.values())
    _require_paths("kept", state.retained_indexes)
    _require_paths("kept", chain.from_iterable(chain.from_iterable(state.retained_indexes.values())))


def _require_side_files(state: State) -> None:
    suffixes = {suffix for files in state.side_files.values() for suffix in files}
    if unknown := suffixes.difference(SIDE_SUFFIXES):
        raise ValueError(f"beside has the unknown suffix {min(unknown)!r}")
    _require_texts("beside", [digest for files in state.side_files.values() for digest in files.values()])


def _require_packages(packages: list[Package]) -> None:
    """Check the packages field by field: there may be ten thousand."""
    if not packages:
        return
    fields = dict(zip(Package._fields, zip(*packages, strict=True), strict=True))
    if {*map(type, fields["size"])} != {int}:
        raise ValueError("size is not a number")
    for size in (min(fields["size"]), max(fields["size"])):
        _require_number("size", size)
    for name in ("name", "version", "arch", "sha256", "content_digest"):
        _require_texts(name, fields[name])
    if {*map(type, fields["dependencies"])} != {str}:
        raise ValueError("dependencies is not text")
    if {*map(len, fields["sha256"])} != {64} or "".join(fields["sha256"]).strip(_HEX_DIGITS):
        raise ValueError("a sha256 is not a digest")
    _require_paths("packages", fields["path"])


def _require_options(options: RepositoryOptions) -> None:
    names = ("origin", "label", "description", "base_url", "required")
    _require_texts("terms", [getattr(options, name) for name in names])
    _require_number("terms", options.valid_days)
    _require_number("terms", options.generations)
    if options.sign_rpms not in (True, False) or options.metadata_compression not in tuple(MetadataCompression):
        raise ValueError(f"invalid terms {options}")


def _require_number(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_NUMBER:
        raise ValueError(f"{name} is {str(value)[:40]!r}, not a number")


def _require_texts(name: str, values: Iterable[str]) -> None:
    values = [*values]
    if not {*map(type, values)} <= {str}:
        raise ValueError(f"{name} is not text")
    if not "".join(values).isprintable():
        raise ValueError(f"{name} contains control characters")


def _require_paths(name: str, paths: Iterable[str]) -> None:
    """Check relative paths of files: those of ten thousand packages take a millisecond."""
    paths = [*paths]
    _require_texts(name, paths)
    text = "/\n/".join(["", *paths, ""])
    if any(part in text for part in _UNSAFE):
        raise ValueError(f"{name} has a path that is not inside the repository")

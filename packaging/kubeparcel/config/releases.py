"""Several releases in one run: the rows of `releases`, and the versions of `--kubernetes 1.35,1.36`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeparcel.config.setting_layers import ENV_PREFIX
from kubeparcel.config.setting_types import kubernetes_request
from kubeparcel.config.settings import FILE_NAME, Settings, load_settings, settings_of
from kubeparcel.config.yaml_file import YamlFile
from kubeparcel.errors import ConfigurationError, UsageError

RELEASES, KUBERNETES = "releases", "kubernetes"
FILE_WIDE = ("out", RELEASES, "vulnerability-database", "audit-fail-on", "vex")
"""Settings that a row cannot have: they are not about a release."""


@dataclass(frozen=True)
class Releases:
    """The settings of each release, and which of them are selected; `fixed` if they are rows of kubeparcel.yaml."""

    settings: tuple[Settings, ...]
    numbers: tuple[int, ...]
    fixed: bool = False

    @property
    def selected(self) -> tuple[Settings, ...]:
        return tuple(self.settings[number] for number in self.numbers)


@dataclass(frozen=True)
class _Row(YamlFile):
    """A row of `releases` merged over the rest of the file; errors of its own values are located in the row."""

    own: frozenset[str] = frozenset()
    number: int = 0

    def locate(self, loc: Any) -> str:
        return super().locate((RELEASES, self.number, *loc) if loc and loc[0] in self.own else loc)


def load_releases(options: Mapping[str, Any], base: Path | None = None) -> Releases:
    """Return the releases of the folder `base` that options select; a single one without `releases` and lists.

    `--kubernetes` selects rows by version, such as 1.36.3 or 1.36.3+acme.1. Raises errors as `load_settings` does.
    """
    base = base or Path.cwd()
    file = YamlFile.read(base / FILE_NAME)
    if RELEASES not in file.data:
        settings = load_settings(options, base)
        expanded = tuple(map(_without_stamp, _expand(settings)))
        return Releases(expanded, tuple(range(len(expanded))))
    load_settings({**options, KUBERNETES: ""}, base)
    own = {name: value for name, value in options.items() if name != KUBERNETES}
    rows = tuple(s for row in _rows(file) for s in _expand(settings_of(own, row, base, without=(KUBERNETES,))))
    _reject_duplicates(rows, file)
    origin = f"{ENV_PREFIX}{KUBERNETES.upper()}"
    requested = options.get(KUBERNETES) or os.environ.get(origin, "")
    if not requested:
        return Releases(rows, tuple(range(len(rows))), fixed=True)
    return _select(rows, requested, f"--{KUBERNETES}" if options.get(KUBERNETES) else origin)


def _rows(file: YamlFile) -> Iterator[_Row]:
    rows = file.data[RELEASES]
    if not isinstance(rows, list) or not rows:
        problem = "is empty" if rows in ([], None) else "expected a list of rows"
        hint = 'Add a row for each release, such as - kubernetes: "1.36", or remove the setting.'
        raise file.error((RELEASES,), f"{problem}.", hint)
    for number, row in enumerate(rows):
        place = file.locate((RELEASES, number))
        if not isinstance(row, dict) or not all(isinstance(name, str) for name in row):
            raise ConfigurationError(f"{place}: {RELEASES}: expected `name: value` lines, not {row!r}.")
        for name in FILE_WIDE:
            if name in row:
                raise ConfigurationError(
                    f"{file.locate((RELEASES, number, name))}: {RELEASES}: a release cannot have {name} of its own.",
                    "Set it for all releases, above them.",
                )
        shared = {name: value for name, value in file.data.items() if name not in (*row, RELEASES)}
        yield _Row(file.path, {KUBERNETES: "stable", **shared, **row}, file.root, frozenset(row), number)


def _expand(settings: Settings) -> Iterator[Settings]:
    """Yield the settings for each of their versions of Kubernetes."""
    versions = settings.kubernetes.split(",")
    if len(versions) == 1:
        yield settings
    else:
        yield from (settings.model_copy(update={KUBERNETES: version}) for version in versions)


def _reject_duplicates(rows: tuple[Settings, ...], file: YamlFile) -> None:
    for number, settings in enumerate(rows):
        if settings in rows[:number]:
            problem = f"Kubernetes {settings.kubernetes} is there twice, with the same settings."
            raise file.error((RELEASES,), problem, "Remove one of the rows.")


def _select(rows: tuple[Settings, ...], requested: str, origin: str) -> Releases:
    """Return the rows with each of the requested versions, exact where the request is."""
    chosen: dict[int, Settings] = {}
    for text in requested.split(","):
        try:
            word = kubernetes_request(text)
        except ValueError as error:
            raise UsageError(f"{origin}: {error}") from None
        matching = {number: row for number, row in enumerate(rows) if _matches(row, word)} or {
            number: row for number, row in enumerate(rows) if row.kubernetes in ("stable", "latest")
        }
        if not matching:
            raise UsageError(
                f"{origin} {text.strip()}: {FILE_NAME} has no such release.",
                f"It has {', '.join(dict.fromkeys(map(_title, rows)))}.",
            )
        version = word.partition("+")[0]
        is_exact = version.count(".") > 1
        for number, row in matching.items():
            chosen[number] = row.model_copy(update={KUBERNETES: version}) if is_exact else row
    numbers = tuple(sorted(chosen))
    return Releases(tuple(chosen.get(number, row) for number, row in enumerate(rows)), numbers, fixed=True)


def _matches(row: Settings, word: str) -> bool:
    version, _, stamp = word.partition("+")
    if stamp and stamp != version_stamp(row):
        return False
    of_minor = version.count(".") == 1 and row.kubernetes.startswith(f"{version}.")
    return row.kubernetes == version or f"{version}.".startswith(f"{row.kubernetes}.") or of_minor


def version_stamp(settings: Settings) -> str:
    """Return the build metadata of the versions of patched components, such as `fips.acme.1`."""
    return ".".join(filter(None, ["fips" if settings.go.fips else "", settings.version_suffix.removeprefix("+")]))


def _without_stamp(settings: Settings) -> Settings:
    """Return settings for 1.36.3 if 1.36.3+acme.1 is requested, and +acme.1 is the suffix of patched versions."""
    version, plus, stamp = settings.kubernetes.partition("+")
    if plus and stamp == version_stamp(settings):
        return settings.model_copy(update={KUBERNETES: version})
    return settings


def _title(settings: Settings) -> str:
    stamp = version_stamp(settings)
    return f"{settings.kubernetes}+{stamp}" if stamp else settings.kubernetes

"""Compares units as systemd reads them: each unit of a set of packages with all its drop-ins (systemd.unit(5))."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kubeparcel.diff.model import Change, ContentsPair, Name, Topic
from kubeparcel.packages.model import FileType, PackageEntry
from kubeparcel.verify.systemd_unit import Setting, parse_unit, split_words

_FOLDERS = (
    "/etc/systemd/system/",
    "/usr/local/lib/systemd/system/",
    "/usr/lib/systemd/system/",
    "/lib/systemd/system/",
)
"""The folders of units, the first that has a file of a name wins."""

_UNIT = re.compile(r"[^/]+\.(?:service|socket|target|timer|path|mount|automount|swap|slice|scope|device)")
_DROP_IN = re.compile(rf"({_UNIT.pattern})\.d/([^/]+\.conf)")

_DEPENDENCIES = re.compile(
    r"Wants|Requires|Requisite|BindsTo|PartOf|Upholds|Conflicts|Before|After|OnFailure|OnSuccess|"
    r"PropagatesReloadTo|ReloadPropagatedFrom|PropagatesStopTo|StopPropagatedFrom|JoinsNamespaceOf|"
    r"RequiresMountsFor|WantedBy|RequiredBy|UpheldBy|Also|Alias"
)
"""Lists of units: their order does not matter, and drop-ins can only add to them."""

_LISTS = re.compile(
    r"Exec(?:Condition|Start|StartPre|StartPost|Reload|Stop|StopPost)|Environment|EnvironmentFile|PassEnvironment|"
    r"UnsetEnvironment|Documentation|Listen\w+|On\w+Sec|OnCalendar|Path\w+|DirectoryNotEmpty|Supplementary\w+|"
    r"ReadWritePaths|ReadOnlyPaths|InaccessiblePaths|DeviceAllow|SystemCallFilter|CapabilityBoundingSet|"
    r"AmbientCapabilities|\w+Directory|LoadCredential\w*|SetCredential\w*"
)
_CONDITIONS = re.compile(r"(Condition|Assert)\w+")
_ALIASES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("Unit", "StartLimitInterval"): ("Unit", "StartLimitIntervalSec"),
    ("Service", "StartLimitInterval"): ("Unit", "StartLimitIntervalSec"),
    ("Service", "StartLimitBurst"): ("Unit", "StartLimitBurst"),
    ("Service", "StartLimitAction"): ("Unit", "StartLimitAction"),
}
"""Old names of settings, which systemd still accepts."""

_SECONDS = re.compile(r"(\d+)(?:s|sec|second|seconds)?")

Effective = Mapping[tuple[str, str], tuple[str, ...]]
"""The values of a unit in effect, by section and key."""


def is_unit_path(path: str) -> bool:
    """Return whether systemd reads a path as a unit or a drop-in."""
    return _split_path(path) is not None


def _split_path(path: str) -> tuple[int, str, str] | None:
    """Return the rank of the folder, the unit and the name of the drop-in, empty for the unit itself."""
    for rank, folder in enumerate(_FOLDERS):
        name = path.removeprefix(folder)
        if name != path and _UNIT.fullmatch(name):
            return rank, name, ""
        if name != path and (match := _DROP_IN.fullmatch(name)):
            return rank, match[1], match[2]
    return None


@dataclass
class _UnitFiles:
    """The files of a unit by name, empty for the unit itself; of each name the one that systemd reads."""

    files: dict[str, tuple[int, PackageEntry]] = field(default_factory=dict)
    packages: dict[Name, None] = field(default_factory=dict)

    def add(self, rank: int, drop_in: str, entry: PackageEntry, package: Name) -> None:
        self.packages[package] = None
        if drop_in not in self.files or rank < self.files[drop_in][0]:
            self.files[drop_in] = rank, entry

    def effective(self) -> Effective:
        """Return the values in effect: of the unit, then of its drop-ins in the order of their names."""
        masked = [entry.target for _, (_, entry) in sorted(self.files.items()) if entry.kind is FileType.SYMLINK]
        if "" in self.files and masked:
            return {("", "link"): tuple(masked)}
        texts = (entry.text for _, (_, entry) in sorted(self.files.items()))
        return effective_settings(setting for text in texts for setting in parse_unit(text).settings)


def effective_settings(settings: Iterable[Setting]) -> Effective:
    """Return the values in effect after all assignments, in order.

    An empty assignment clears a list; one of conditions clears all conditions; units that a unit depends on can only
    be added.
    """
    values: dict[tuple[str, str], tuple[str, ...]] = {}
    for setting in settings:
        key = _ALIASES.get((setting.section, setting.key), (setting.section, setting.key))
        words = split_words(setting.value)
        if _DEPENDENCIES.fullmatch(setting.key):
            values[key] = tuple(sorted({*values.get(key, ()), *(word.text for word in words)}))
        elif not setting.value:
            _clear(values, key)
        elif _LISTS.fullmatch(setting.key) or _CONDITIONS.fullmatch(setting.key):
            values[key] = (*values.get(key, ()), " ".join(word.raw for word in words))
        else:
            values[key] = (_plain(setting.key, setting.value),)
    return {key: value for key, value in values.items() if value}


def _clear(values: dict[tuple[str, str], tuple[str, ...]], key: tuple[str, str]) -> None:
    condition = _CONDITIONS.fullmatch(key[1])
    for other in [*values]:
        if other == key or (condition and other[1].startswith(condition[1])):
            del values[other]


def _plain(key: str, value: str) -> str:
    """Return a value as it is compared: seconds without a unit."""
    match = _SECONDS.fullmatch(value) if key.endswith("Sec") else None
    return match[1] if match else value


def compare_units(pairs: Sequence[ContentsPair]) -> Iterator[tuple[Change, Sequence[Name]]]:
    """Yield the differences of units, with the packages that they come from.

    A unit and its drop-ins may be in several packages: all of a format and architecture belong together.
    """
    groups: dict[tuple[str, str], list[ContentsPair]] = {}
    for pair in pairs:
        groups.setdefault((pair.name.format, pair.name.arch), []).append(pair)
    for group in groups.values():
        old = _units((pair.name, entry) for pair in group for entry in pair.old.entries)
        new = _units((pair.name, entry) for pair in group for entry in pair.new.entries)
        across = any(pair.across for pair in group)
        for unit in sorted(old.keys() & new.keys()):  # files of other units are listed as added or removed
            before, after = old[unit], new[unit]
            names = sorted({*before.packages, *after.packages})
            for change in _compare(unit, before.effective(), after.effective(), across=across):
                yield change, names


def _units(entries: Iterable[tuple[Name, PackageEntry]]) -> dict[str, _UnitFiles]:
    units: dict[str, _UnitFiles] = {}
    for name, entry in entries:
        if entry.kind is not FileType.DIR and (place := _split_path(entry.path)):
            rank, unit, drop_in = place
            units.setdefault(unit, _UnitFiles()).add(rank, drop_in, entry, name)
    return units


def _compare(unit: str, old: Effective, new: Effective, *, across: bool) -> Iterator[Change]:
    for section, key in dict.fromkeys((*old, *new)):
        before, after = (_text(values.get((section, key), ()), across=across) for values in (old, new))
        if before != after:
            label = f"[{section}] {key}" if section else key
            yield Change(Topic.UNITS, unit, label, before or "not set", after or "not set")


def _text(values: Sequence[str], *, across: bool) -> str:
    text = "\n".join(values)
    return text.replace("/etc/sysconfig/", "/etc/default/") if across else text

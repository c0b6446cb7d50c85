"""What a repository contains: suites, packages, keys and generations. Nothing is verified or changed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from kubeparcel.console import Log
from kubeparcel.doctor import apt, yum
from kubeparcel.doctor.apt_suite import SuiteContext, parse_date, read_fields
from kubeparcel.doctor.discovery import Discovery, Suite, nothing_found
from kubeparcel.doctor.findings import Subject
from kubeparcel.doctor.locations import open_reader
from kubeparcel.doctor.mirrors import find_repository
from kubeparcel.doctor.reader import RepositoryReader, doctor_hint
from kubeparcel.doctor.selection import Selection
from kubeparcel.model import Format
from kubeparcel.packages.versions import split_version
from kubeparcel.repository import state_file
from kubeparcel.repository.model import DAY, State
from kubeparcel.repository.package import Package
from kubeparcel.repository.state_file import StateFileError
from kubeparcel.repository.suites import require_suite
from kubeparcel.sanitize import printable, redact_url
from kubeparcel.times import utc_date

_IDENTITY = ("origin", "label", "description")


@dataclass(frozen=True)
class Expiry:
    """When something expires, in Unix time, seen from `now`; 0 if it does not expire."""

    time: float
    now: float

    @property
    def days_left(self) -> int:
        """Return the days until then, negative afterwards."""
        return round((self.time - self.now) / DAY)

    @property
    def date(self) -> str:
        """Return the date, as in `2029-11-26`."""
        return utc_date(self.time)


@dataclass(frozen=True)
class ListedSuite:
    """A suite in one format. `architectures` are the format's names of them.

    `packages` is None if the indexes were not read, `valid_until` if an expiry does not apply or is unknown.
    """

    name: str
    format: Format
    architectures: tuple[str, ...]
    packages: frozenset[Package] | None
    valid_until: Expiry | None = None


@dataclass(frozen=True)
class Inventory:
    """The content of a repository. Of one that others published, fewer values are known.

    `identity` has origin, label, description and address, as far as known; `generation` is 0 if
    unknown. `earlier_generations` can be restored. `keys` have the fingerprints of the signing keys.
    """

    location: str
    suites: tuple[ListedSuite, ...]
    identity: Mapping[str, str]
    generation: int = 0
    earlier_generations: tuple[int, ...] = ()
    keys: Mapping[str, Expiry] = field(default_factory=dict)

    @property
    def package_count(self) -> int | None:
        """Return the number of different packages in all suites; None if not all could be read."""
        if any(suite.packages is None for suite in self.suites):
            return None
        packages = chain.from_iterable(suite.packages or () for suite in self.suites)
        return len({package.identity for package in packages})


def read_inventory(location: str, suites: Sequence[str], log: Log, follow: Sequence[str] = ()) -> Inventory:
    """Return what is in the repository at a URL or in a folder: all suites, or these.

    Without a state file it is read from the indexes. Redirects may lead to the hosts in `follow`. Raises UsageError
    if there is no repository or suite, and as `open_reader` and the reader do.
    """
    reader, names = open_reader(location, follow, suites)
    now = time.time()
    state = _load_state(reader, log)
    if state is not None:
        return _from_state(reader, state, names, now)
    reader, discovery = find_repository(reader, names, log)
    if not discovery:
        raise nothing_found(reader, location, names)
    return _from_indexes(reader, discovery, now, log)


def _load_state(reader: RepositoryReader, log: Log) -> State | None:
    """Return the state; None if there is none, or a damaged one."""
    try:
        state = state_file.load(reader)
        damage = "" if state is None or _is_consistent(state) else f"{reader.location} has an invalid state file."
    except StateFileError as error:
        state, damage = None, error.message
    if damage:
        log.warn(f"{redact_url(damage)} What follows is from the indexes.")
    return None if damage else state


def _is_consistent(state: State) -> bool:
    """Return whether the values are usable: the file may be from any web server."""
    values = (isinstance(state.generation, int), *map(_parse_key, state.signing_keys))
    return all(values) and all(map(_is_valid, state.packages))


def _is_valid(package: Package) -> bool:
    """Return whether name, version and architecture are text, and the version can be compared."""
    try:
        return bool("".join(package[1:4]) and split_version(package.version))
    except (TypeError, ValueError):
        return False


def _parse_key(tag: str) -> tuple[str, int] | None:
    """Return fingerprint and expiry of one of `State.signing_keys`; None for an invalid one."""
    try:
        fingerprint, _, expires = tag.partition(":")
        return (fingerprint, int(expires)) if utc_date(int(expires)) else None
    except (AttributeError, ValueError, OverflowError, OSError):
        return None


def _from_state(reader: RepositoryReader, state: State, names: Sequence[str], now: float) -> Inventory:
    for name in names:
        require_suite(state.suites, name)
    options = state.options
    identity = {
        "origin": options.origin,
        "label": options.label or options.origin,
        "description": options.description,
        "address": options.base_url,
    }
    return Inventory(
        redact_url(reader.location),
        tuple(_suites_of_state(reader, state, names or sorted(state.suites), now)),
        {name: str(value) for name, value in identity.items() if value},
        state.generation,
        tuple(number for number in state_file.stored_generations(reader) if number < state.generation),
        {key[0]: Expiry(key[1], now) for key in map(_parse_key, state.signing_keys) if key},
    )


def _suites_of_state(reader: RepositoryReader, state: State, names: Sequence[str], now: float) -> Iterator[ListedSuite]:
    for name in names:
        for format_ in sorted(state.formats_by_suite[name]):
            packages = frozenset(package for package in state.suites[name] if package.format is format_)
            valid_until = None
            if format_ is Format.DEB:
                context = SuiteContext(reader, Suite("apt", name), Subject(name), Selection())
                valid_until = _valid_until(read_fields(context), now)
            yield ListedSuite(name, format_, _architectures(packages), packages, valid_until)


def _from_indexes(reader: RepositoryReader, discovery: Discovery, now: float, log: Log) -> Inventory:
    releases: list[Mapping[str, str]] = []
    suites = []
    for suite in discovery.suites:
        context = SuiteContext(reader, suite, Subject(discovery.subject_name(suite)), Selection())
        fields = read_fields(context)
        releases.append(fields)
        suites.append(_apt_suite(context, fields, now, log))
    for folder in discovery.yum_folders:
        subject = yum.check_yum_repository(
            reader, folder, discovery.subject_name(folder), None, Selection(), yum.PRIMARY
        )
        packages = _readable_packages(subject, subject.packages, reader, log)
        suites.append(ListedSuite(_label(subject), Format.RPM, _architectures(packages or ()), packages))
    values = {name: {fields[name] for fields in releases if fields.get(name)} for name in _IDENTITY}
    common = {name: next(iter(different)) for name, different in values.items() if len(different) == 1}
    return Inventory(redact_url(reader.location), tuple(sorted(suites, key=lambda s: (s.name, s.format))), common)


def _apt_suite(context: SuiteContext, fields: Mapping[str, str], now: float, log: Log) -> ListedSuite:
    """Return a suite with the architectures that its Release names, or else those of its packages."""
    packages = apt.read_packages(context, fields)
    if packages is None:
        log.warn(f"{context.subject.name}: its indexes are too large to be listed.")
    else:
        packages = _readable_packages(context.subject, packages, context.reader, log)
    named = tuple(sorted(fields.get("architectures", "").split()))
    return ListedSuite(
        _label(context.subject),
        Format.DEB,
        named or _architectures(packages or ()),
        packages,
        _valid_until(fields, now),
    )


def _readable_packages(
    subject: Subject, packages: Iterable[Package], reader: RepositoryReader, log: Log
) -> frozenset[Package] | None:
    """Return the packages with valid entries; None if an index could not be read. Warns of both."""
    valid = frozenset(filter(_is_valid, packages))
    if subject.findings or len(valid) < len(frozenset(packages)):
        missing = "some entries are invalid and not listed" if subject.complete else "its indexes cannot be read"
        log.warn(printable(f"{subject.name}: {missing}. {doctor_hint(reader)}"))
    return valid if subject.complete else None


def _label(subject: Subject) -> str:
    """Return the name of a suite without its kind."""
    return subject.name.partition(" ")[2] or "."


def _architectures(packages: Iterable[Package]) -> tuple[str, ...]:
    return tuple(sorted({package.arch for package in packages}))


def _valid_until(fields: Mapping[str, str], now: float) -> Expiry | None:
    """Return when a suite expires; None if its Release could not be read, or not its date."""
    if not fields:
        return None
    try:
        return Expiry(parse_date(fields.get("valid-until", "")) or 0, now)
    except ValueError:
        return None

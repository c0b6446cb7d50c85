"""What may not be published: what does not resolve, and other bytes under a known name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain

from kubeparcel.config.kubernetes_packages import KubernetesPackages, kubernetes_packages
from kubeparcel.errors import CheckFailed
from kubeparcel.model import Format
from kubeparcel.packages.relations import Relation, parse, suits
from kubeparcel.repository.model import Package, State, SuiteChange, Suites

ARCH_INDEPENDENT = {Format.DEB: "all", Format.RPM: "noarch"}
_MOST = 20


class PolicyViolation(CheckFailed):
    """The repository would no longer be sound; nothing was changed."""


def reject_changed_content(new: Iterable[Package], state: State) -> None:
    """Refuse a package that was published with other bytes; raises Refusal."""
    packages = tuple(new)
    names = {p.name for p in packages}
    before = {p.identity: p for p in state.stored_packages if p.name in names}
    for package in packages:
        old = before.get(package.identity)
        if old and old.content_digest != package.content_digest:
            raise PolicyViolation(
                f"{package.label} was published with other bytes: its sha256 was "
                f"{old.sha256[:12]}…, now it is {package.sha256[:12]}….",
                "Clients would refuse one of the two. Build it with a higher --revision.",
            )


def reject_duplicates(packages: Iterable[Package]) -> None:
    """Refuse two files of one name, version and architecture; raises Refusal."""
    found: dict[tuple[str, ...], Package] = {}
    for package in packages:
        other = found.setdefault(package.identity, package)
        if other.content_digest != package.content_digest:
            raise PolicyViolation(
                f"There are two different files of {package.label}: "
                f"{other.sha256[:12]}… and {package.sha256[:12]}….",
                "Take the wrong one away.",
            )


def require_resolvable(after: Suites, changes: Sequence[SuiteChange]) -> None:
    """Refuse suites in which our own packages cannot be installed; raises Refusal."""
    if not changes:
        return
    ours = kubernetes_packages().names | {p.name for packages in after.values() for p in packages}
    wrong = []
    for change in changes:
        packages = after.get(change.suite, frozenset())
        suspects = packages if change.removed else frozenset(change.added)
        wrong += [
            f"{change.suite}: {text}" for text in unmet_requirements(packages, suspects, ours)
        ]
    if wrong:
        more = f"\nand {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
        raise PolicyViolation(
            "This would not resolve, so nothing was published.",
            "\n".join(wrong[:_MOST])
            + f"{more}\nPublish what is missing together with it, or remove what needs it too.",
        )


def unmet_requirements(
    packages: frozenset[Package], suspects: Collection[Package], ours: Iterable[str]
) -> Iterator[str]:
    """What of `ours` the suspects need and the suite does not have, in sentences."""
    yield from unmet_dependencies(packages, suspects, ours)
    yield from _missing_companions(packages, kubernetes_packages())


def unmet_dependencies(
    packages: frozenset[Package], suspects: Collection[Package], ours: Iterable[str]
) -> Iterator[str]:
    """The dependencies of the suspects that nothing in the suite fulfils, in sentences."""
    known = frozenset(ours)
    wishes = {
        needs: [group for group in parse(needs) if all(wish.name in known for wish in group)]
        for needs in {package.dependencies for package in suspects}
    }
    every = chain.from_iterable(chain.from_iterable(wishes.values()))
    have = _having(packages, {wish.name for wish in every})
    for package in sorted(p for p in suspects if wishes[p.dependencies]):
        for group in wishes[package.dependencies]:
            if not any(_there(package, wish, have) for wish in group):
                yield f"{package.label} needs {_said(group)}, which is not there"


Having = Mapping[tuple[Format, str], Sequence[Package]]


def _having(packages: Iterable[Package], names: Set[str]) -> Having:
    have: dict[tuple[Format, str], list[Package]] = defaultdict(list)
    for package in packages:
        if package.name in names:
            have[package.format, package.name].append(package)
    return have


def _there(package: Package, wish: Relation, have: Having) -> bool:
    fits = {package.arch, ARCH_INDEPENDENT[package.format]}
    anywhere = package.arch == ARCH_INDEPENDENT[package.format]
    return any(
        (anywhere or other.arch in fits) and suits(other.format, other.version, wish)
        for other in have.get((package.format, wish.name), ())
    )


def _missing_companions(packages: frozenset[Package], kin: KubernetesPackages) -> Iterator[str]:
    """Nodes need the companions of some version, also where no dependency says so."""
    have = _having(packages, kin.companions)
    nodes = {(p.format, p.arch, p.name) for p in packages if p.name in kin.node_packages}
    for form, arch in sorted({node[:2] for node in nodes}):
        who = " and ".join(sorted(n[2] for n in nodes if n[:2] == (form, arch)))
        for name in sorted(kin.companions):
            if not any(
                p.arch in (arch, ARCH_INDEPENDENT[form]) for p in have.get((form, name), ())
            ):
                yield f"there is no {name} for {arch} ({form}) beside {who}"


def _said(group: Sequence[Relation]) -> str:
    return " or ".join(
        f"{w.name} ({w.operator} {w.version})" if w.operator else w.name for w in group
    )

"""The ten real packages: how fast and how small, next to nfpm alone, dpkg-deb and rpmbuild."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from kubeparcel import paths, store
from kubeparcel.build import planner
from kubeparcel.build.lock import lockfile
from kubeparcel.build.manifests import finalize
from kubeparcel.build.release_build import fetch
from kubeparcel.config import catalog, settings
from kubeparcel.console import QuietLog
from kubeparcel.model import Format
from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import PackageManifest
from tests.bench.figures import Figure, median, megabytes, timed
from tests.support.one_release import read_lock

KUBERNETES = "1.36.3"
PROGRAM = [sys.executable, "-m", "kubeparcel"]
HERE = Path(__file__).resolve().parents[2]


class Ground:
    """A folder with a finished build of the real packages, and their descriptions."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.store = store.Store(paths.cache_dir())

    @functools.cached_property
    def folder(self) -> Path:
        """The folder; the packages are built when the first part asks for them."""
        self.place.mkdir()
        timed([*PROGRAM, "build", "--kubernetes", KUBERNETES, "--source", "go"], self.place)
        return self.place

    def packages(self, compression: str = "balanced") -> list[PackageManifest]:
        lock = read_lock(self.folder / lockfile.NAME)
        assert lock
        loaded = settings.load_settings({"compression": compression}, self.folder)
        binaries = fetch(lock, loaded, self.store, QuietLog())
        planned = planner.plan_packages(loaded, lock, catalog.load())
        return [finalize(plan, lock, binaries, self.store) for plan in planned]

    def cache_with_binaries_only(self, target: Path) -> dict[str, str]:
        """A cache as `inv fetch` leaves it: nothing was packaged yet."""
        shutil.copytree(self.store.root / "memory/go", target / "memory/go")
        fetched = store.Store(target)
        for digest in {f.sha256 for p in self.packages() for f in p.files if f.mode & 0o111}:
            if digest:
                place = fetched.path(digest)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.store.path(digest), place)
                fetched.cache_digests(digest)
        return {"KUBEPARCEL_CACHE": str(target)}

    def fresh_build(self, compression: str, scratch: Path, *options: str) -> tuple[float, float]:
        """Seconds and megabytes of ten packages from binaries that are there."""
        site = scratch / f"site-{compression}"
        site.mkdir()
        shutil.copy(self.folder / lockfile.NAME, site)
        env = self.cache_with_binaries_only(scratch / f"cache-{compression}")
        argv = [*PROGRAM, "build", "--locked", "--compression", compression, *options]
        os.sync()  # the copies above are not to be written while the clock runs
        seconds = timed(argv, site, env)
        return seconds, megabytes([*site.glob("dist/*/*.deb"), *site.glob("dist/*/*.rpm")])

    def nfpm_alone(self, compression: str | None, scratch: Path) -> tuple[float, float]:
        """The same ten packages by nfpm, one after another, at its default or another setting."""
        folder = Path(tempfile.mkdtemp(dir=scratch))
        jobs = []
        for number, package in enumerate(self.packages()):
            sources = {f.sha256: self.store.path(f.sha256) for f in package.files if f.sha256}
            texts = folder / f"texts-{number}"
            texts.mkdir()
            scripts = {at: str(texts / at) for at in package.scripts}
            for at, text in package.scripts.items():
                (texts / at).write_text(text)
            document = nfpm.config(package, sources, scripts, "")
            del document["changelog"]
            for format_ in Format:
                document[format_].pop("compression")
                if compression:
                    document[format_]["compression"] = compression
            (folder / f"{number}.yaml").write_text(yaml.safe_dump(document))
            target = folder / Path(package.file_name).name
            command = [nfpm.program(), "package", "-f", f"{number}.yaml"]
            jobs.append([*command, "-p", package.format, "-t", target])
        seconds = sum(timed(job, folder) for job in jobs)
        return seconds, megabytes([*folder.glob("*.deb"), *folder.glob("*.rpm")])


def balanced(ground: Ground, scratch: Path) -> Iterator[Figure]:
    """`balanced` next to nfpm with its defaults, which takes so long that once is enough."""
    rounds = []
    for number in range(3):
        place = scratch / f"balanced-{number}"
        place.mkdir()
        rounds.append(ground.fresh_build("balanced", place))
        shutil.rmtree(place)
    ours, size = sorted(rounds)[1]
    theirs, their_size = ground.nfpm_alone(None, scratch)
    faster, smaller = theirs / ours, size / their_size
    yield Figure(
        "balanced",
        f"ten packages {ours:.1f} s, {size:.1f} MB; nfpm's defaults {theirs:.1f} s, {their_size:.1f} MB",
        f"{faster:.1f} times faster, {smaller:.3f} of the size",
        "≥ 8, ≤ 0.95",
        faster >= 8 and smaller <= 0.95,
    )


def small(ground: Ground, scratch: Path) -> Iterator[Figure]:
    """`small` next to nfpm's xz, dpkg-deb and rpmbuild."""
    ours, size = ground.fresh_build("small", scratch)
    theirs, their_size = ground.nfpm_alone("xz", scratch)
    faster, smaller = theirs / ours, size / their_size
    yield Figure(
        "small",
        f"ten packages {ours:.1f} s, {size:.1f} MB; nfpm xz {theirs:.1f} s, {their_size:.1f} MB",
        f"{faster:.1f} times faster, {smaller:.3f} of the size",
        "≥ 4, ≤ 1",
        faster >= 4 and smaller <= 1,
    )
    debs, deb_size = dpkg_deb(ground, scratch)
    rpms, rpm_size = rpmbuild(ground, scratch)
    yield Figure(
        "small",
        f"the same files: dpkg-deb's default {debs:.1f} s, {deb_size:.1f} MB (5 debs); "
        f"rpmbuild's default {rpms:.1f} s, {rpm_size:.1f} MB (5 rpms)",
        f"{(debs + rpms) / ours:.1f} times faster, {size / (deb_size + rpm_size):.3f} of the size",
        "shown",
        True,
    )


def dpkg_deb(ground: Ground, scratch: Path) -> tuple[float, float]:
    seconds, written = 0.0, []
    (scratch / "debs").mkdir()
    for deb in sorted((ground.folder / "dist/deb").iterdir()):
        tree = scratch / "debs" / deb.stem
        subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
        written.append(scratch / "debs" / deb.name)
        seconds += timed(["dpkg-deb", "--root-owner-group", "-b", tree, written[-1]], scratch)
    return seconds, megabytes(written)


def rpmbuild(ground: Ground, scratch: Path) -> tuple[float, float]:
    seconds = 0.0
    top = scratch / "rpms"
    for rpm in sorted((ground.folder / "dist/rpm").iterdir()):
        tree = top / rpm.stem
        tree.mkdir(parents=True)
        with subprocess.Popen(["rpm2cpio", rpm], stdout=subprocess.PIPE) as payload:
            subprocess.run(["cpio", "-idm", "--quiet"], stdin=payload.stdout, cwd=tree, check=True)
        spec = top / f"{rpm.stem}.spec"
        spec.write_text(
            f"Name: {rpm.stem.rsplit('-', 2)[0]}\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\n"
            f"AutoReqProv: no\n%global __os_install_post %nil\n%description\nx\n"
            f"%install\ncp -a {tree}/. %buildroot/\n%files\n/\n"
        )
        defines = ["--define", f"_topdir {top}", "--define", "debug_package %nil"]
        seconds += timed(["rpmbuild", "--quiet", "-bb", *defines, spec], scratch)
    return seconds, megabytes(list(top.glob("RPMS/*/*.rpm")))


def sboms(ground: Ground, scratch: Path) -> Iterator[Figure]:
    """The same build with and without SBOMs, in turn."""
    seconds: dict[str, list[float]] = {"": [], "--no-sbom": []}
    for number in range(3):
        for option, rounds in seconds.items():
            place = scratch / f"sboms{option}-{number}"
            place.mkdir()
            rounds.append(ground.fresh_build("balanced", place, *filter(None, [option]))[0])
            shutil.rmtree(place)
    with_sboms, without = map(min, seconds.values())  # noise only adds to the seconds
    slower = with_sboms / without - 1
    yield Figure(
        "sboms",
        f"ten packages {with_sboms:.1f} s, without SBOMs {without:.1f} s",
        f"{slower:.1%} slower",
        "≤ 15%",
        slower <= 0.15,
    )


def again(ground: Ground, _: Path) -> Iterator[Figure]:
    """Build once more, with nothing changed, no network and no nfpm."""
    argv = ["unshare", "--net", *PROGRAM, "build", "--locked"]
    seconds = median(5, lambda: timed(argv, ground.folder))
    yield Figure("again", "nothing changed", f"{seconds:.2f} s", "≤ 1.0 s", seconds <= 1.0)


def template(ground: Ground, scratch: Path) -> Iterator[Figure]:
    """Change one template: only the packages that hold it are made again."""
    site = scratch / "site-template"
    site.mkdir()
    shutil.copy(ground.folder / lockfile.NAME, site)
    timed([*PROGRAM, "build", "--locked"], site)
    (site / "kubeparcel.yaml").write_text("kubelet-extra-args: --v=3\n")
    started = time.monotonic()
    completed = subprocess.run(
        [*PROGRAM, "build", "--locked", "--json"], cwd=site, capture_output=True, text=True, check=True
    )
    seconds = time.monotonic() - started
    changed = sorted(Path(name).name for name in json.loads(completed.stdout)["changed"])
    yield Figure(
        "template",
        f"the environment file's content changed: {', '.join(changed)}",
        f"{len(changed)} of 10 made, {seconds:.2f} s",
        "2 of 10",
        len(changed) == 2,
    )


def startup(ground: Ground, scratch: Path) -> Iterator[Figure]:
    """The first thing that a user sees."""
    listing = median(7, lambda: timed([HERE / "inv", "--list"], HERE))
    yield Figure("startup", "./inv --list", f"{listing:.2f} s", "≤ 0.4 s", listing <= 0.4)
    command = Path(sys.executable).with_name("kubeparcel")
    helped = median(7, lambda: timed([command, "--help"], scratch))
    yield Figure("startup", "kubeparcel --help", f"{helped:.2f} s", "≤ 0.3 s", helped <= 0.3)

"""Which worker makes a package, if all are idle."""

from __future__ import annotations

from kubeparcel.build.workers.dask_workers import preferred_worker
from tests.build.assembled import manifests

WORKERS = ("tcp://10.0.0.2:1", "tcp://10.0.0.1:1")


def test_the_deb_and_the_rpm_of_a_program_are_made_by_one_worker(lock, binaries, store):
    preferred = [(m.name, preferred_worker(m, WORKERS)) for m in manifests(lock, binaries, store, format="deb,rpm")]
    assert len(preferred) == 2 * len(set(preferred)) == 10


def test_packages_are_spread_over_the_workers_in_whatever_order_these_are_listed(lock, binaries, store):
    packages = manifests(lock, binaries, store, format="deb")
    preferred = [preferred_worker(package, WORKERS) for package in packages]
    assert set(preferred) == set(WORKERS)
    assert preferred == [preferred_worker(package, WORKERS[::-1]) for package in packages]

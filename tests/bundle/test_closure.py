"""Which requirements of packages none of them meets."""

import dataclasses

import pytest

from kubeparcel.bundle.closure import unmet_requirements
from kubeparcel.packages import limits
from kubeparcel.packages.errors import LimitExceeded
from tests.support.package_builders import deb, rpm


@pytest.mark.parametrize("make", [deb, rpm])
@pytest.mark.parametrize(
    ("depends", "unmet"),
    [("b", set()), ("b (>= 1.0)", set()), ("b (>= 2.0)", {"b (>= 2.0)"}), ("c", {"c"}), ("b, c (= 1)", {"c (= 1)"})],
)
def test_versions_of_requirements_are_compared(tmp_path, make, depends, unmet):
    assert unmet_requirements([make(tmp_path, "a", depends=depends), make(tmp_path, "b")]) == unmet


def test_debs_have_alternatives_and_provides(tmp_path):
    a = deb(tmp_path, "a", depends="x | b, mta, y | z, v (>= 2)")
    b = deb(tmp_path, "b", fields="Provides: mta, v (= 2.1)\n")
    assert unmet_requirements([a, b]) == {"y | z"}


def test_number_of_comparisons_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "COMPARISONS", dataclasses.replace(limits.COMPARISONS, default=8))
    a = deb(tmp_path, "a", depends="v (>= 1), v (>= 2), v (>= 3)", fields="Provides: v (= 4), v (= 5), v (= 6)\n")
    with pytest.raises(LimitExceeded, match="above the limit dependency-comparisons"):
        unmet_requirements([a])


def test_rpms_provide_their_files(tmp_path):
    a = rpm(tmp_path, "a", depends="/usr/share/b/file, /bin/sh, rpmlib(FileDigests)")
    assert unmet_requirements([a, rpm(tmp_path, "b")]) == {"/bin/sh"}

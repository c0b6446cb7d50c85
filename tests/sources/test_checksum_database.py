"""Source `go`: digests that the checksum database confirmed are locked, and not mixed with unconfirmed ones."""

import dataclasses

import pytest

from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Arch
from tests.sources.go_world import AMD64, modules, version

GOLANG_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


@pytest.mark.parametrize(
    ("settings", "database"),
    [
        ({}, "sum.golang.org"),
        ({"GOSUMDB": "sum.golang.org https://sum.example.org"}, "sum.golang.org"),
        ({"GOSUMDB": GOLANG_KEY}, "sum.golang.org"),
        ({"GOSUMDB": "sum.golang.org+00000000+AAAA https://sum.example.org"}, "sum.golang.org+00000000+AAAA"),
        ({"GOPROXY": "https://proxy.example.org"}, "sum.golang.org"),
        ({"GOPRIVATE": "github.com/acme"}, "sum.golang.org"),
        ({"GOPRIVATE": "k8s.io", "GONOSUMDB": "none"}, "sum.golang.org"),
        ({"GONOSUMDB": "k8s.io/kube"}, "sum.golang.org"),
        ({"GONOSUMDB": "k8s.io/kubernetes/more"}, "sum.golang.org"),
    ],
)
def test_pin_names_the_checksum_database(published, settings, database):
    published.sets(**settings)
    component = modules().pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    assert ([artifact.checksum for artifact in component.artifacts], component.remarks) == ([database], ())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"GOSUMDB": "off"}, "GOSUMDB=off"),
        ({"GONOSUMDB": "k8s.io/kubernetes"}, "GONOSUMDB=k8s.io/kubernetes"),
        ({"GONOSUMDB": "*.io"}, "GONOSUMDB=*.io"),
        ({"GONOSUMDB": "example.org,k8s.io/*"}, "GONOSUMDB=example.org,k8s.io/*"),
        ({"GOPRIVATE": "*"}, "GOPRIVATE=*"),
        ({"GOPRIVATE": "k8s.io/"}, "GOPRIVATE=k8s.io/"),
        ({"GOPRIVATE": "k8s.io/*", "GONOSUMDB": "k8s.io/*"}, "GOPRIVATE=k8s.io/*"),
        ({"GOPRIVATE": "k[^x]s.io"}, "GOPRIVATE=k[^x]s.io"),
        ({"GONOSUMDB": "k8s.io/client-go"}, "GONOSUMDB=k8s.io/client-go"),
    ],
)
def test_sum_that_no_database_confirmed_is_reported(published, settings, reason):
    """Also for modules that Kubernetes' go.sum does not have."""
    published.sets(**settings)
    component = modules().pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    assert [artifact.checksum for artifact in component.artifacts] == ["none"]
    assert component.remarks == (f"The sums of Go modules are not checked against a checksum database ({reason}).",)


def test_lock_that_was_checked_is_not_compiled_unchecked(published, store, log):
    published.sets(GOSUMDB="off")
    checked = dataclasses.replace(AMD64, checksum="sum.golang.org")
    with pytest.raises(ConfigurationError) as caught:
        modules().fetch([checked], store, log)
    assert caught.value.message == (
        "k8s.io/kubernetes@v1.36.3: kubeparcel.lock was checked against sum.golang.org, and Go would not check its "
        "modules (GOSUMDB=off)."
    )
    assert "inv resolve" in caught.value.hint
    assert not published.recorded_calls("build")


def test_lock_that_was_checked_by_another_database_is_an_error(published, store, log):
    checked = dataclasses.replace(AMD64, checksum="sum.example.org+1+A")
    with pytest.raises(ConfigurationError, match=r"and Go uses sum\.golang\.org"):
        modules().fetch([checked], store, log)


def test_binaries_of_unchecked_modules_are_not_used_for_a_checked_lock(published, store, log):
    checked, unchecked = (dataclasses.replace(AMD64, checksum=name) for name in ("sum.golang.org", "none"))
    published.sets(GOSUMDB="off")
    modules().fetch([unchecked], store, log)
    assert modules().cached(unchecked, store)
    assert modules().cached(checked, store) is None
    assert modules().cached(AMD64, store)  # the lock does not say
    published.sets(GOSUMDB="sum.golang.org")
    modules().fetch([checked], store, log)
    assert len(published.recorded_calls("build")) == 2
    assert modules().cached(checked, store)


def test_checked_binaries_are_used_for_an_unchecked_lock(published, store, log):
    for checksum in ("sum.golang.org", "none", "", "none"):
        modules().fetch([dataclasses.replace(AMD64, checksum=checksum)], store, log)
    assert len(published.recorded_calls("build")) == 1


def test_binaries_that_another_database_confirmed_are_kept_apart(published, store, log):
    other = dataclasses.replace(AMD64, checksum="sum.example.org+1+A")
    published.sets(GOSUMDB="sum.example.org+1+A")
    modules().fetch([other], store, log)
    assert modules().cached(other, store)
    assert modules().cached(dataclasses.replace(AMD64, checksum="sum.golang.org"), store) is None


def test_settings_that_are_written_by_go_env_apply(published, store, log):
    published.sets(GOPROXY="https://proxy.example.org", GOFLAGS="-tags=evil")
    modules().fetch([AMD64], store, log)
    (call,) = published.recorded_calls("build")
    assert call["environment"] == {"GOENV": "off", "GOFLAGS": " ", "GOPROXY": "https://proxy.example.org"}

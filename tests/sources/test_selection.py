"""Selecting the source: upstream, a mirror or Go modules."""

from __future__ import annotations

import pytest

from kubeparcel.config import catalog
from kubeparcel.errors import DownloadError, ToolError, Unreachable
from kubeparcel.lock_models import BuildVariant, InputPolicy, Request
from kubeparcel.sources.selection import create_source, select_source
from tests.support.fake_sources import FakeModules, FakeSource
from tests.support.recording_log import RecordingLog

COMPONENTS = catalog.load().components


@pytest.fixture
def log() -> RecordingLog:
    return RecordingLog()


UNREACHABLE = Unreachable("dl.k8s.io does not answer (timed out after 5 s).")


def test_auto_selects_upstream_if_it_is_reachable(fake_sources, log):
    fake_sources(go=FakeModules(down=ToolError("never probed")))
    assert select_source(Request(), COMPONENTS, log).name == "upstream"
    assert log.messages == []


def test_auto_selects_go_modules_with_a_message_if_upstream_is_unreachable(fake_sources, log):
    fake_sources(upstream=FakeSource(down=UNREACHABLE))
    assert select_source(Request(), COMPONENTS, log).name == "go"
    assert log.messages == [
        (
            "Source",
            (
                "dl.k8s.io does not answer (timed out after 5 s): building from Go modules instead.\n"
                "The same versions. --source upstream requires downloads."
            ),
        )
    ]


def test_error_without_any_source_explains_both_and_names_the_next_step(fake_sources, log):
    go = FakeModules(down=ToolError("Go is not installed.", "Install Go."))
    fake_sources(FakeSource(down=UNREACHABLE), go)
    with pytest.raises(Unreachable) as caught:
        select_source(Request(), COMPONENTS, log)
    assert str(caught.value) == (
        "No source is available.\n"
        "  upstream: dl.k8s.io does not answer (timed out after 5 s).\n"
        "  go: Go is not installed.\n"
        "  Set --mirror to a URL or folder with a copy of upstream's files, or install Go."
    )


def test_auto_does_not_fall_back_if_upstream_answers_with_an_error(fake_sources, log):
    fake_sources(upstream=FakeSource(down=DownloadError("dl.k8s.io answered 500.")))
    with pytest.raises(DownloadError, match="500"):
        select_source(Request(), COMPONENTS, log)


@pytest.mark.parametrize(
    ("request_", "name", "mirror"),
    [
        (Request(source="upstream"), "upstream", ""),
        (Request(source="go"), "go", ""),
        (Request(mirror="/srv/mirror"), "upstream", "/srv/mirror"),
        (Request(source="upstream", mirror="https://m.example"), "upstream", "https://m.example"),
    ],
)
def test_requested_source_is_selected_without_a_probe(fake_sources, log, request_, name, mirror):
    fake_sources(FakeSource(down=UNREACHABLE), FakeModules(down=UNREACHABLE))
    source = select_source(request_, COMPONENTS, log)
    assert (source.name, source.mirror) == (name, mirror)
    assert log.messages == []


def test_create_source_returns_the_source_of_that_name():
    assert create_source("upstream", COMPONENTS).name == "upstream"
    assert create_source("go", COMPONENTS, toolchain="go1.26.8").name == "go"


def test_auto_does_not_fall_back_to_modules_without_signatures_if_they_are_required(fake_sources, log):
    fake_sources(upstream=FakeSource(down=UNREACHABLE))
    with pytest.raises(Unreachable, match=r"dl\.k8s\.io does not answer") as caught:
        select_source(Request(policy=InputPolicy(require_signatures=True)), COMPONENTS, log)
    assert "they have no signatures" in caught.value.hint


def test_required_signatures_do_not_apply_to_go_modules_which_is_reported(fake_sources, log):
    fake_sources()
    select_source(Request(source="go", policy=InputPolicy(require_signatures=True)), COMPONENTS, log)
    assert log.warnings == ["Go modules have no signatures: required ones do not apply to source go."]


def test_files_of_own_components_come_from_the_mirror_next_to_compiled_ones(log):
    row = {"binaries": ["x"], "upstream": [{"archive": "https://a.example/x", "sha256": {"amd64": "a" * 64}}]}
    request = Request(
        "1.36", {"x": "1.0.0"}, mirror="/srv/mirror", variant=BuildVariant(amd64="v3"), components={"x": row}
    )
    source = select_source(request, catalog.for_request(request).components, log)
    assert source.name == "go"
    assert source.other.transport.location("https://a.example/x") == "/srv/mirror/a.example/x"

"""The index page in a real browser, on a desktop and on a phone."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest
from selenium.webdriver import Chrome as Browser
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from kubeparcel.console import QuietLog
from kubeparcel.model import Format
from kubeparcel.repository import client_files
from kubeparcel.repository.model import RepositoryOptions, State
from kubeparcel.repository.package import Package
from kubeparcel.repository.signing.signer import open_signer
from tests.acceptance.browser import chromium, set_screen
from tests.acceptance.clients.conftest import PublishFolder, configured
from tests.support.package_builders import five
from tests.support.waiting import wait_until
from tests.support.web_server import WebServer, serve_folder

VERSIONS = ("1.34.9", "1.35.6", "1.35.7", "1.36.2", "1.36.3")
SCREENS = {"desktop": (1280, 900), "phone": (360, 740)}
HOSTILE = "\"><img src=x onerror=\"document.title='broken into'\"><script>document.title='in'</script>"


@pytest.fixture(scope="module")
def site(web: WebServer, publish: PublishFolder, tmp_path_factory) -> str:
    """The address of a repository with several versions for two architectures."""
    folder = tmp_path_factory.mktemp("site")
    for version in VERSIONS:
        five(folder / "dist", version, ("amd64", "arm64"))
    publish(folder / "dist", folder / "repo", web.address, suite="")
    web.root = folder / "repo"
    return f"{web.address}/"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def open_page(browser: Browser, address: str, screen: str = "desktop") -> Browser:
    """Open an address on a screen of this size."""
    set_screen(browser, *SCREENS[screen])
    browser.get_log("browser")
    browser.get(address)
    return browser


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("path", ["", "apt/", "apt/pool/main/k/kubelet/", "yum/stable/packages/"])
def test_page_fits_the_screen(chrome, site, screen, path):
    page = open_page(chrome, site + path, screen)
    assert page.execute_script("return document.documentElement.scrollWidth") == SCREENS[screen][0]
    for element in page.find_elements(By.CSS_SELECTOR, "h1, h2, h3, p, pre, button, select, li"):
        if element.is_displayed():
            assert element.rect["x"] >= 0
            assert element.rect["x"] + element.rect["width"] <= SCREENS[screen][0], element.text
    for pre in page.find_elements(By.TAG_NAME, "pre"):
        assert page.execute_script("return arguments[0].scrollWidth <= arguments[0].clientWidth", pre)
    assert not page.get_log("browser")


def test_page_shows_the_fingerprint_of_the_key_that_it_links(chrome, site, config):
    page = open_page(chrome, site)
    with configured(config), open_signer("", QuietLog()) as signer:
        fingerprint = signer.fingerprints[0]
        armored = signer.export_public_keys(armored=True)
    assert fingerprint in page.find_element(By.CLASS_NAME, "print").text.replace(" ", "")
    assert fetch(f"{site}key.asc") == armored


def clipboard(page: Browser) -> str:
    """Return the content of the clipboard."""
    script = "navigator.clipboard.readText().then(arguments[0], e => arguments[0](String(e)))"
    return str(page.execute_async_script(script))


@pytest.mark.parametrize("suite", ["stable", "v1.36", "v1.34"])
def test_commands_of_the_selected_suite_can_be_copied(chrome, site, suite):
    page = open_page(chrome, site)
    page.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": site}
    )
    Select(page.find_element(By.ID, "suite")).select_by_value(suite)
    copied = {}
    for block in page.find_elements(By.CLASS_NAME, "copy"):
        heading = page.execute_script("return arguments[0].previousElementSibling.innerText", block)
        shown = block.find_element(By.TAG_NAME, "pre").get_property("textContent")
        block.find_element(By.TAG_NAME, "button").click()
        assert wait_until(lambda text=shown: clipboard(page) == text), clipboard(page)
        copied[heading] = shown
    assert len(copied) == 4
    base = site.rstrip("/")
    assert f"curl -fsSL {base}/{suite}.sources " in copied["Debian, Ubuntu"]
    redhat = next(text for heading, text in copied.items() if heading.startswith("RHEL"))
    assert f"curl -fsSL {base}/{suite}.repo " in redhat
    assert "dnf install" in redhat
    assert f"zypper addrepo --refresh --gpgcheck-strict {base}/{suite}.repo\n" in (copied["SUSE, openSUSE"])
    for address in re.findall(r"http://\S+", "\n".join(copied.values())):
        assert fetch(address)


def test_page_warns_about_a_repository_with_a_local_address(chrome, site, publish, tmp_path):
    assert not open_page(chrome, site).find_element(By.ID, "local-only").is_displayed()
    repo = publish(five(tmp_path / "dist"), tmp_path / "repo", tmp_path.as_uri() + "/repo")
    with serve_folder(repo) as other:
        page = open_page(chrome, f"{other.address}/")
        assert "only work on the publisher's machine" in page.find_element(By.ID, "local-only").text
    assert not open_page(chrome, f"{repo.as_uri()}/index.html").find_element(By.ID, "local-only").is_displayed()


def test_table_has_versions_packages_and_architectures(chrome, site):
    page = open_page(chrome, site)
    table = page.find_element(By.CSS_SELECTOR, "details[open] table")
    names = [cell.text for cell in table.find_elements(By.CSS_SELECTOR, "thead th")]
    rows = {
        row.find_element(By.TAG_NAME, "th").text: dict(
            zip(names[1:], (c.text for c in row.find_elements(By.TAG_NAME, "td")), strict=True)
        )
        for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")
    }
    assert names[1:] == ["cri-tools", "kubeadm", "kubectl", "kubelet", "kubernetes-cni"]
    assert rows["1.36.3-1"]["kubelet"] == "deb amd64 arm64\nrpm amd64 arm64"
    assert rows["1.36.3-1"]["kubernetes-cni"] == ""
    assert list(rows)[:2] == ["1.36.3-1", "1.36.2-1"]
    assert {f"{version}-1" for version in VERSIONS} < set(rows)


def test_every_link_works_and_folders_can_be_browsed(chrome, site):
    seen: dict[str, str] = {}
    pending = [site]
    while pending:
        address = pending.pop()
        page = open_page(chrome, address)
        seen[address] = page.title
        for link in page.find_elements(By.TAG_NAME, "a"):
            target = urljoin(address, link.get_attribute("href"))
            assert urlsplit(target).netloc == urlsplit(site).netloc
            if not target.endswith("/"):
                assert fetch(target), target
            elif target not in seen and target not in pending:
                pending.append(target)
    assert f"{site}apt/pool/main/k/kubelet/" in seen
    assert f"{site}apt/dists/v1.35/main/binary-arm64/" in seen
    assert f"{site}yum/stable/repodata/" in seen


def test_hostile_fields_are_escaped(chrome, config, tmp_path):
    package = Package(Format.DEB, HOSTILE, HOSTILE, HOSTILE, "0" * 64, 1, "", "", "pool/x")
    suites = {"stable": frozenset({package}), HOSTILE: frozenset({package})}
    with serve_folder(tmp_path) as web, configured(config), open_signer("", QuietLog()) as signer:
        state = State(1, "x", suites, options=RepositoryOptions(base_url=f"{web.address}/{HOSTILE}", origin=HOSTILE))
        (tmp_path / "index.html").write_bytes(client_files.render_client_files(state, signer)["index.html"])
        page = open_page(chrome, web.address)
        assert page.title == "Kubernetes packages"
        assert not page.find_elements(By.TAG_NAME, "img")
        assert HOSTILE in page.find_element(By.TAG_NAME, "table").text
        Select(page.find_element(By.ID, "suite")).select_by_index(1)
        assert page.title == "Kubernetes packages"
        assert not page.find_elements(By.TAG_NAME, "img")


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(address) as response:
        return response.read()  # type: ignore[no-any-return]

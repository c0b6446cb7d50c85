"""The report in a real browser: it fits a phone, everything unfolds, nothing hostile runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.reports.results import Check, CheckedPackage, Finding, Report
from kubeparcel.verify.levels import VerifyResult
from tests.acceptance.conftest import Site
from tests.acceptance.engines import needed
from tests.conftest import TIMEOUT, wait_until

STARTED = datetime(2026, 7, 23, 14, 2, tzinfo=UTC)
LONG = "/very" * 60 + " " + "x" * 900
HOSTILE = (
    "</pre></details></dd></title></script><script>document.body.dataset.ran = 1</script>"
    "<img src=x onerror='document.body.dataset.ran = 1'><svg onload='document.body.dataset.ran=1'>"
    "<a href='javascript:document.body.dataset.ran=1' autofocus onfocus='this.click()'>x</a>"
    "<style>body { display: none }</style><meta http-equiv=refresh content='0;url=about:blank'>"
    '" onclick="document.body.dataset.ran=1" x=\' \x1b[31m\0{{ 7 * 7 }}'
)
SIZES = (360, 1280)


def hostile(text: str = HOSTILE) -> VerifyResult:
    """A proof in which everything that comes from outside is the text."""
    finding = Finding(text, text, text, text)
    bad = Check(text, text, 7, text, (finding,) * 12, text, 1.5, {text: text, f"a\n{text}": LONG})
    good = Check("kind", text, 0, text, (), text, 0.5, {text: text})
    layout = Check("modes", "a.deb", 2, "as they should be")
    packages = (CheckedPackage(text, text, text, text, text),)
    reports = (
        Report("layout", (layout,) * 40, 0.8, packages=packages),
        Report("install", (bad, good), 61, environment=text),
        Report("cluster", not_run=text),
    )
    return VerifyResult(reports, STARTED)


@contextmanager
def browser() -> Iterator[Any]:
    """Debian's own browser, without a window."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    needed("chromium", "chromedriver")
    with browser() as driver:
        yield driver


class Page:
    """A proof's page, open in the browser."""

    def __init__(self, driver: Any, file: Path) -> None:
        self.driver, self.file = driver, file

    def show(self, width: int = 1280, scheme: str = "light", scripts: bool = True) -> Page:
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        self.driver.get(self.file.as_uri())
        return self

    def ask(self, script: str) -> Any:
        return self.driver.execute_script(f"return {script}")

    def count(self, selector: str) -> int:
        return int(self.ask(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def shown(self, selector: str) -> int:
        boxes = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return int(self.ask(f"{boxes}.filter((box) => box.checkVisibility()).length"))

    def click(self, selector: str) -> None:
        """Click what is there, or comes within a moment."""
        from selenium.webdriver.support.expected_conditions import element_to_be_clickable
        from selenium.webdriver.support.wait import WebDriverWait

        found = element_to_be_clickable(("css selector", selector))
        WebDriverWait(self.driver, TIMEOUT).until(found).click()

    def write(self, selector: str, text: str) -> None:
        self.driver.find_element("css selector", selector).send_keys(text)

    def said(self) -> list[str]:
        """What the browser complains of."""
        return [row["message"] for row in self.driver.get_log("browser")]


@pytest.fixture
def page(chromium: Any, tmp_path: Path) -> Page:
    file = tmp_path / "verify.html"
    hostile().write_html(file)
    return Page(chromium, file)


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen_even_with_everything_open(page, width, scheme):
    page.show(width, scheme)
    assert page.ask("document.documentElement.scrollWidth") <= width
    page.ask("document.querySelectorAll('details').forEach((box) => { box.open = true })")
    assert page.ask("document.documentElement.scrollWidth") <= width
    assert page.ask("innerWidth") == width
    widest = "Math.max(...[...document.querySelectorAll('pre, dd, p, li')]"
    assert page.ask(f"{widest}.map((box) => box.getBoundingClientRect().right))") <= width


def test_what_packages_printed_is_text_and_does_nothing(page):
    page.show()
    page.click("#unfold")
    assert page.ask("document.body.dataset.ran ?? 'never'") == "never"
    assert page.count("script") == page.count("style") == 1
    assert page.count("img, svg, iframe, meta[http-equiv=refresh]") == 0
    assert page.count("a:not([href^='#'])") == 0
    assert page.count("[onclick], [onload], [onerror], [onfocus]") == 0
    assert "{{ 7 * 7 }}" in page.ask("document.querySelector('.failure').textContent")
    assert page.said() == []


def test_text_can_be_read_in_both_schemes(page):
    for scheme, dark in (("light", False), ("dark", True)):
        page.show(scheme=scheme)
        colours = "getComputedStyle(document.body)"
        back, front = (
            sum(map(int, page.ask(f"{colours}.{name}.match(/[0-9]+/g)")))
            for name in ("backgroundColor", "color")
        )
        assert (back < front) is dark
        assert abs(back - front) > 400


def test_without_scripts_every_check_unfolds_and_no_dead_control_is_shown(page):
    page.show(scripts=False)
    assert page.driver.find_element("css selector", "#filter").is_displayed() is False
    summary = page.driver.find_element("css selector", "#layout .group summary")
    group = page.driver.find_element("css selector", "#layout .group")
    before = group.get_attribute("open")
    summary.click()
    assert group.get_attribute("open") != before
    page.show()


def test_the_search_narrows_what_is_shown_and_opens_it(page):
    page.show()
    page.write("#words", "KIND")
    assert page.shown(".check") == 1
    assert page.ask("document.getElementById('shown').textContent") == "1 of 42"
    page.ask("document.getElementById('words').value = ''")
    page.click("#failing")
    assert page.shown(".check") == 1
    page.click("#failing")
    assert page.ask("document.getElementById('shown').textContent") == ""
    page.write("#words", "as they should layout")
    assert page.shown(".check") == 40


def test_all_can_be_unfolded_and_folded(page):
    page.show()
    page.click("#unfold")
    assert page.shown(".check") == 42
    assert page.ask("document.querySelectorAll('#checks details:not([open])').length") == 0
    page.click("#unfold")
    assert page.shown(".check") == 0


def test_a_failure_leads_to_its_place_among_the_checks_and_back(page):
    page.show()
    page.click(".failure a[href='#check-41']")
    assert wait_until(lambda: page.shown("#check-41") == 1)
    page.click("#check-41 a[href='#failure-41']")
    assert wait_until(lambda: page.ask("location.hash") == "#failure-41")


def test_a_real_report_counts_what_the_json_counts(real: Site, chromium: Any, tmp_path: Path):
    file = tmp_path / "verify.html"
    document = real.json("verify", "--html", str(file))
    page = Page(chromium, file).show()
    assert page.count(".check") == document["count"]
    assert page.count(".check[data-passed=true]") == document["count"] - document["failed"]
    assert page.ask("Number(document.body.dataset.count)") == document["count"]
    assert page.count(".packages li") == 10
    assert "1.36.3-1" in page.ask("document.querySelector('.named').textContent")
    assert file.stat().st_size < 2_000_000
    assert page.said() == []

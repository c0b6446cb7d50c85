"""The HTML report in a real browser: layout on a phone, filter, links, hostile input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.support.expected_conditions import element_to_be_clickable
from selenium.webdriver.support.wait import WebDriverWait

from kubeparcel.reports.output import write_html
from kubeparcel.reports.results import Check, CheckedPackage, Finding, Report
from kubeparcel.verify.levels import VerifyResult
from tests.acceptance.browser import chromium, set_screen
from tests.acceptance.conftest import Site
from tests.support.waiting import TIMEOUT, wait_until

STARTED = datetime(2026, 7, 23, 14, 2, tzinfo=UTC)
LONG = "/very" * 60 + " " + "x" * 900
HOSTILE = (
    "</pre></details></dd></title></script><script>document.body.dataset.ran = 1</script>"
    "<img src=x onerror='document.body.dataset.ran = 1'><svg onload='document.body.dataset.ran=1'>"
    "<a href='javascript:document.body.dataset.ran=1' autofocus onfocus='this.click()'>x</a>"
    "<style>body { display: none }</style><meta http-equiv=refresh content='0;url=about:blank'>"
    '" onclick="document.body.dataset.ran=1" x=\' \x1b[31m\0{{ 7 * 7 }}'
)
WIDTHS = (360, 1280)


def hostile(text: str = HOSTILE) -> VerifyResult:
    """Return a result in which every text from outside is `text`."""
    finding = Finding(text, text, text, text)
    bad = Check(text, text, text, (finding,) * 12, text, 1.5, {text: text, f"a\n{text}": LONG})
    good = Check("kind", text, text, (), text, 0.5, {text: text})
    layout = Check("modes", "a.deb", "as they should be")
    packages = (CheckedPackage(text, text, text, text, text),)
    reports = (
        Report("layout", (layout,) * 40, 0.8, packages=packages),
        Report("install", (bad, good), 61, environment=text),
        Report("cluster", not_run=text),
    )
    return VerifyResult(reports, STARTED)


@pytest.fixture(scope="module")
def driver() -> Iterator[Chrome]:
    with chromium() as driver:
        yield driver


class Page:
    """A report page, open in the browser."""

    def __init__(self, driver: Chrome, file: Path) -> None:
        self.driver, self.file = driver, file

    def open(self, width: int = 1280, scheme: str = "light", scripts: bool = True) -> Page:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        set_screen(self.driver, width)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        self.driver.get(self.file.as_uri())
        return self

    def evaluate(self, script: str) -> Any:
        return self.driver.execute_script(f"return {script}")

    def count(self, selector: str) -> int:
        return int(self.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def count_visible(self, selector: str) -> int:
        elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return int(self.evaluate(f"{elements}.filter((element) => element.checkVisibility()).length"))

    def click(self, selector: str) -> None:
        """Click an element once it is clickable."""
        clickable = element_to_be_clickable(("css selector", selector))
        WebDriverWait(self.driver, TIMEOUT).until(clickable).click()

    def type(self, selector: str, text: str) -> None:
        self.driver.find_element("css selector", selector).send_keys(text)

    def console_messages(self) -> list[str]:
        """Return the messages of the browser's console."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture
def page(driver: Chrome, tmp_path: Path) -> Page:
    file = tmp_path / "verify.html"
    result = hostile()
    write_html(result.reports, result.started, file)
    return Page(driver, file)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_the_screen_with_everything_expanded(page: Page, width: int, scheme: str) -> None:
    page.open(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("innerWidth") == width
    widest = "Math.max(...[...document.querySelectorAll('pre, dd, p, li')]"
    assert page.evaluate(f"{widest}.map((box) => box.getBoundingClientRect().right))") <= width


def test_hostile_package_output_is_shown_as_text_and_never_runs(page: Page) -> None:
    page.open()
    page.click("#expand")
    assert page.evaluate("document.body.dataset.ran ?? 'never'") == "never"
    assert page.count("script") == page.count("style") == 1
    assert page.count("img, svg, iframe, meta[http-equiv=refresh]") == 0
    assert page.count("a:not([href^='#'])") == 0
    assert page.count("[onclick], [onload], [onerror], [onfocus]") == 0
    assert "{{ 7 * 7 }}" in page.evaluate("document.querySelector('.failure').textContent")
    assert page.console_messages() == []


def test_text_has_enough_contrast_in_both_color_schemes(page: Page) -> None:
    for scheme, dark in (("light", False), ("dark", True)):
        page.open(scheme=scheme)
        colors = "getComputedStyle(document.body)"
        back, front = (
            sum(map(int, page.evaluate(f"{colors}.{name}.match(/[0-9]+/g)"))) for name in ("backgroundColor", "color")
        )
        assert (back < front) is dark
        assert abs(back - front) > 400


def test_page_without_javascript_expands_checks_and_hides_the_filter(page: Page) -> None:
    page.open(scripts=False)
    assert page.driver.find_element("css selector", "#filter").is_displayed() is False
    summary = page.driver.find_element("css selector", "#layout .group summary")
    group = page.driver.find_element("css selector", "#layout .group")
    before = group.get_attribute("open")
    summary.click()
    assert group.get_attribute("open") != before
    page.open()


def test_search_filters_and_expands_checks(page: Page) -> None:
    page.open()
    page.type("#search", "KIND")
    assert page.count_visible(".check") == 1
    assert page.evaluate("document.getElementById('shown').textContent") == "1 of 42"
    page.evaluate("document.getElementById('search').value = ''")
    page.click("#failures-only")
    assert page.count_visible(".check") == 1
    page.click("#failures-only")
    assert page.evaluate("document.getElementById('shown').textContent") == ""
    page.type("#search", "as they should layout")
    assert page.count_visible(".check") == 40


def test_expand_all_and_collapse_all(page: Page) -> None:
    page.open()
    page.click("#expand")
    assert page.count_visible(".check") == 42
    assert page.evaluate("document.querySelectorAll('#checks details:not([open])').length") == 0
    page.click("#expand")
    assert page.count_visible(".check") == 0


def test_failure_and_its_check_link_to_each_other(page: Page) -> None:
    page.open()
    page.click(".failure a[href='#check-41']")
    assert wait_until(lambda: page.count_visible("#check-41") == 1)
    page.click("#check-41 a[href='#failure-41']")
    assert wait_until(lambda: page.evaluate("location.hash") == "#failure-41")


def test_page_and_json_have_the_same_counts(real: Site, driver: Chrome, tmp_path: Path) -> None:
    file = tmp_path / "verify.html"
    document = real.json("verify", "--html", str(file))
    page = Page(driver, file).open()
    assert page.count(".check") == document["count"]
    assert page.count(".check[data-state=passed]") == document["count"] - document["failed"]
    assert page.evaluate("Number(document.body.dataset.count)") == document["count"]
    assert page.count(".packages li") == 10
    assert "1.36.3-1" in page.evaluate("document.querySelector('.versions').textContent")
    assert file.stat().st_size < 2_000_000
    assert page.console_messages() == []

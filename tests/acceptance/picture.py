"""Take the screenshot for the README: python -m tests.acceptance.picture PAGE PICTURE."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.acceptance.browser import chromium, set_screen
from tests.acceptance.test_report_page import Page


def take(report: Path, picture: Path) -> None:
    """Save the top of a report as a picture."""
    with chromium() as driver:
        page = Page(driver, report.absolute()).open()
        set_screen(driver, 1000, 1060, 1.5)
        page.evaluate("document.documentElement.style.overflow = 'hidden'")
        driver.save_screenshot(str(picture))


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))

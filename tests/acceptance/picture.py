"""Take the screenshot for the README: python -m tests.acceptance.picture PAGE PICTURE."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.acceptance.test_report_page import Page, browser

SIZE = {"width": 1000, "height": 1060, "deviceScaleFactor": 1.5, "mobile": False}


def take(report: Path, picture: Path) -> None:
    """Save the top of a report as a picture of SIZE."""
    with browser() as driver:
        page = Page(driver, report.absolute()).open()
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SIZE)
        page.evaluate("document.documentElement.style.overflow = 'hidden'")
        driver.save_screenshot(str(picture))


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))

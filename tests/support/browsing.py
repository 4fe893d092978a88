"""A real browser: Debian's Chromium, headless, that asks nothing of the internet."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from tests.support.requirements import require

QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-gpu",
)


@contextmanager
def open_page(width: int = 1280, height: int = 900) -> Iterator[Page]:
    """An empty page of a browser of its own. Units: CSS pixels."""
    # Chromium's own sandbox does not work for root.
    words = [*QUIET, "--no-sandbox"] if os.geteuid() == 0 else list(QUIET)
    chromium = require("chromium", "pages are looked at in a real browser")
    with sync_playwright() as browsers, browsers.chromium.launch(executable_path=chromium, args=words) as browser:
        yield browser.new_page(viewport={"width": width, "height": height}, locale="zh-TW")

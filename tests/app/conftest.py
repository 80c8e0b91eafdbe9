"""The app as `python app.py` starts it, and a browser to use it with."""

import shutil
import sys

import pytest
from helpers import ROOT, WAIT, running_app
from playwright.sync_api import sync_playwright

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="session")
def address():
    with running_app(sys.executable, ROOT, HF_HUB_OFFLINE="1") as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.wait_for_selector("#go")
    yield page
    page.close()

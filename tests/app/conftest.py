"""The app as `python app.py` starts it, and a browser to use it with."""

import shutil
import sys

import pytest
from helpers import ROOT, WAIT, running_app
from playwright.sync_api import sync_playwright

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update"),
    "--process-per-site",  # all tabs in one process, which compiles the page's scripts once
]


@pytest.fixture(scope="session")
def address():
    with running_app(sys.executable, ROOT, HF_HUB_OFFLINE="1") as app:
        yield app.address


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser, address):
    """Where tabs are opened; one that stays keeps their process alive from test to test."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(WAIT)
    context.new_page().goto(f"{address}/theme.css")
    yield context
    context.close()


@pytest.fixture
def page(context, address):
    page = context.new_page()
    page.goto(f"{address}/theme.css")
    page.evaluate("localStorage.clear()")  # what tests before it chose
    page.goto(address)
    page.wait_for_selector("#examples .pick")
    yield page
    page.close()

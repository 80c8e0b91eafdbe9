"""What people do on the page, for the tests in a browser."""

import os
import subprocess
import sys

from helpers import ROOT, WAIT
from playwright.sync_api import expect


def upload(page, field, path):
    page.set_input_files(f"#{field} input[type=file]", path)


def drag(page, slider, value):
    """Moves a slider as its number field does."""
    page.locator(f"#{slider} input[type=number]").fill(str(value))
    page.keyboard.press("Enter")
    page.wait_for_timeout(1500)


def save_download(page, button, path):
    """Clicks, waits for the file, and returns its name."""
    with page.expect_download(timeout=WAIT) as download:
        page.click(button)
    download.value.save_as(path)
    return download.value.suggested_filename


def code_on(page, key):
    """What "Show me the code" shows, opened if need be."""
    code = page.locator(f"#{key}-code .cm-content")
    if not code.is_visible():
        page.locator(f"#{key}-recipe button").first.click()
    expect(code).to_be_visible()
    page.wait_for_timeout(500)
    return code.inner_text()


def run_code(code, photo):
    """Runs it where the photo is."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=photo.parent, env=environment, check=True, timeout=300)

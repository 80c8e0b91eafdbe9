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


def save_download(page, button, path):
    """Clicks, waits for the file, and returns its name."""
    with page.expect_download(timeout=WAIT) as download:
        page.click(button)
    download.value.save_as(path)
    return download.value.suggested_filename


def code_on(page, key, wanted="results"):
    """What "Show me the code" shows once it has the wanted text, opened if need be."""
    code = page.locator(f"#{key}-code .cm-content")
    if not code.is_visible():
        page.locator(f"#{key}-recipe button").first.click()
    expect(code).to_contain_text(wanted, timeout=WAIT)
    return code.inner_text()


def run_code(code, photo):
    """Runs it where the photo is."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=photo.parent, env=environment, check=True, timeout=300)

"""Tables that come back: after a reload, a lost connection, a phone that slept."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from typing import Any

import gradio as gr

from cinn_hub.ui.bounds import KEPT_SECONDS
from cinn_hub.ui.events import AT_ONCE, PRIVATE
from cinn_hub.ui.lightbox import Lightbox
from cinn_hub.ui.saving import RECALL
from cinn_hub.ui.table import Table

MOST_TABLES = 2000  # each a few kilobytes; photos and answers are in the memory that all share

# The storage of a tab is of that tab alone. (Where a page may store nothing, the table is new.)
KEYS = """
  const stored = (name, value) => {
    try {
      if (value === undefined) return sessionStorage.getItem(`cinn-hub-${name}`);
      return sessionStorage.setItem(`cinn-hub-${name}`, value);
    } catch { return null; }
  };
"""
READ = f"() => {{ {KEYS} return [null, stored('table') ?? '']; }}"
KEEP = f"""(secret, status) => {{ {KEYS}
  const before = stored("table");
  stored("table", secret);
  const gone = before && before !== secret && Number(stored("photos"));
  return gone ? "The app was started again, or an hour has passed: your photos are gone. \
Please add them again." : status;
}}"""


class Tables:
    """The tables of all tabs, by the secrets that only these tabs have.

    Each is kept for as long as photos are. If there are too many, those without photos go first.
    """

    def __init__(self) -> None:
        self.held: OrderedDict[str, tuple[float, Lightbox]] = OrderedDict()
        self.lock = threading.Lock()

    def find(self, secret: str) -> Lightbox | None:
        with self.lock:
            used, box = self.held.pop(secret, (0.0, None))
            if box is None or time.monotonic() - max(used, box.used) > KEPT_SECONDS:
                return None
            self.held[secret] = time.monotonic(), box
            return box

    def hold(self, box: Lightbox) -> str:
        """A new secret for a table."""
        secret = secrets.token_urlsafe(24)
        with self.lock:
            self.held[secret] = time.monotonic(), box
            while len(self.held) > MOST_TABLES:
                empty = (key for key, (_, other) in self.held.items() if not other.sheets)
                del self.held[next(empty, next(iter(self.held)))]
        return secret


def connect_return(demo: gr.Blocks, table: Table) -> None:
    """Whenever the page is loaded, it shows the table that its tab had, and goes on with it."""
    tables, secret = Tables(), gr.Textbox(visible=False)

    def come_back(box: Lightbox, known: str) -> list[Any]:
        found = tables.find(known)
        if found is None:
            known = tables.hold(box)
        box = found or box
        shown = table.values(box)
        shown[table.outputs.index(table.uploads.photos)]["resume"] = bool(box.queue())
        return [known, *shown]

    inputs, outputs = [table.box, secret], [secret, *table.outputs]
    loaded = demo.load(come_back, inputs, outputs, js=READ, **AT_ONCE, **PRIVATE)
    demo.load(None, None, table.files.format, js=RECALL, **PRIVATE)
    status = table.uploads.status
    loaded.then(None, [secret, status], status, js=KEEP, **PRIVATE)

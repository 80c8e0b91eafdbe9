"""Model cards for the page: others wrote them, so nothing in them may load or run anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token

# Of HTML in a card, only the text is shown; of Markdown, pictures by their texts alone. So the
# result consists of tags that markdown-it writes, and no address is in it but those of links to
# click on.
RENDERER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def text_of_picture(renderer: Any, tokens: Sequence[Token], index: int, *_: Any) -> str:
    """What is shown in place of a picture."""
    return f"<em>Picture: {escapeHtml(tokens[index].content)}</em>"


RENDERER.add_render_rule("image", text_of_picture)


def safe_html(markdown: str) -> str:
    """A card's Markdown as HTML that loads nothing by itself: text, tables, code and links.

    Keys reach what may be wider than the page, to scroll it.
    """
    html = RENDERER.render(markdown)
    for tag in ("pre", "table"):
        html = html.replace(f"<{tag}>", f'<{tag} tabindex="0">')
    return html


def without_metadata(card: str) -> str:
    """A card without the YAML at its beginning."""
    return card.partition("\n---\n")[2] if card.startswith("---\n") else card

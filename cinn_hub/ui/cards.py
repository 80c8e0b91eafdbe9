"""Model cards for the page: others wrote them, so nothing in them may load or run anything."""

from __future__ import annotations

from markdown_it import MarkdownIt

# Of HTML in a card, only the text is shown; of Markdown, all but pictures. So the result consists
# of tags that markdown-it writes, and no address is in it but those of links to click on.
RENDERER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
RENDERER.disable("image")


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

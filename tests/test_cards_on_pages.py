"""Model cards of others: nothing in them loads, runs or hides anything on the page."""

from html.parser import HTMLParser

import pytest

from cinn_hub.ui.models import safe_html, without_metadata

HERE = "http://198.51.100.7/seen"
TAGS = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "a", "code", "pre", "em", "strong", "s", "ul", "ol"),
    *("li", "blockquote", "hr", "br", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"href", "title", "class", "start", "style", "tabindex"}
STYLES = {"text-align:left", "text-align:right", "text-align:center"}  # of the cells of tables

HOSTILE = [
    f"![x]({HERE})",
    f"<IMG SRC={HERE}>",
    f"<div style=\"background:url('{HERE}')\">x</div>",
    f"<style>@import '{HERE}'; body {{ background: url({HERE}) }}</style>",
    f"<svg onload=\"fetch('{HERE}')\">",
    f"<form action='{HERE}'><button autofocus onfocus=submit()>x</button></form>",
    f"<scr<script>ipt>fetch('{HERE}')</script>",
    f"<!--><img src='{HERE}'>-->",
    f"<![CDATA[<img src='{HERE}'>]]>",
    f"| a |\n|---|\n| <img src='{HERE}'> |",
    f"``` \"><img src='{HERE}'>\nx\n```",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](file:///etc/passwd)",
    f'[x](https://example.org "onmouseover=fetch({HERE})")',
]


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_decl(self, text):
        self.found.append(("!", {}))

    unknown_decl = handle_pi = handle_comment = handle_decl


@pytest.mark.parametrize("card", HOSTILE)
def test_only_tags_that_load_nothing_are_left(card):
    tags = Tags()
    tags.feed(safe_html(f"{card}\n"))
    tags.close()
    for tag, attributes in tags.found:
        assert tag in TAGS
        assert attributes.keys() <= ATTRIBUTES
        assert attributes.get("style", "text-align:left") in STYLES
        assert attributes.get("href", "http").startswith(("http", "mailto:", "#"))


def test_texts_tables_code_and_links_stay():
    card = (
        "---\nlicense: mit\n---\n# A model\n\n**Bold** and `code`, [a page](https://example.org).\n"
        "\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```python\nprint('<b>')\n```\n"
    )
    html = safe_html(without_metadata(card))
    assert "license" not in html and "<h1>A model</h1>" in html and "<strong>Bold</strong>" in html
    assert '<a href="https://example.org">a page</a>' in html
    assert "<td>1</td>" in html and "print('&lt;b&gt;')" in html


def test_a_picture_is_named():
    html = safe_html(f"![A <b>cat</b>]({HERE})")
    assert html == "<p><em>Picture: A &lt;b&gt;cat&lt;/b&gt;</em></p>\n"

"""Model cards of others: nothing in them loads, runs or hides anything on the page."""

from html.parser import HTMLParser

import pytest

from cinn_hub.ui.cards import safe_html, without_metadata

HERE = "http://198.51.100.7/seen"
TAGS = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "a", "code", "pre", "em", "strong", "s", "ul", "ol"),
    *("li", "blockquote", "hr", "br", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"href", "title", "class", "start", "style", "tabindex"}
STYLES = {"text-align:left", "text-align:right", "text-align:center"}  # of the cells of tables

HOSTILE = [
    f"![x]({HERE})",
    f"![x][ref]\n\n[ref]: {HERE}",
    f"[![x]({HERE})](https://example.org)",
    f"<IMG SRC={HERE}>",
    f"<img/src='{HERE}'>",
    f"<img srcset='{HERE} 2x'>",
    f"<picture><source srcset='{HERE}'></picture>",
    f"<video src='{HERE}' poster='{HERE}' autoplay></video>",
    f"<audio src='{HERE}' autoplay></audio>",
    f"<div style=\"background:url('{HERE}')\">x</div>",
    f"<p style='background-image:\\75rl({HERE})'>x</p>",
    f"<style>@import '{HERE}'; body {{ background: url({HERE}) }}</style>",
    f"<link rel=stylesheet href='{HERE}'>",
    f"<link rel=prefetch href='{HERE}'>",
    f"<svg><image href='{HERE}'/><use href='{HERE}#x'/></svg>",
    f"<svg onload=\"fetch('{HERE}')\">",
    f"<meta http-equiv=refresh content='0;url={HERE}'>",
    f"<base href='{HERE}'>",
    f"<iframe src='{HERE}'></iframe>",
    f"<iframe srcdoc=\"<img src='{HERE}'>\"></iframe>",
    f"<object data='{HERE}'></object>",
    f"<embed src='{HERE}'>",
    f"<input type=image src='{HERE}'>",
    f"<form action='{HERE}'><button autofocus onfocus=submit()>x</button></form>",
    f"<table background='{HERE}'><tr><td background='{HERE}'>x</td></tr></table>",
    f"<body background='{HERE}' onload=alert(1)>",
    f"<script src='{HERE}'></script>",
    f"<scr<script>ipt>fetch('{HERE}')</script>",
    f"<img src=x onerror=\"fetch('{HERE}')\">",
    f"<math><maction actiontype='statusline' xlink:href='{HERE}'>x</maction></math>",
    f"<!--><img src='{HERE}'>-->",
    f"<![CDATA[<img src='{HERE}'>]]>",
    f"&lt;img src='{HERE}'&gt;",
    f"> <img src='{HERE}'>",
    f"- item\n\n  <img src='{HERE}'>",
    f"| a |\n|---|\n| <img src='{HERE}'> |",
    f"# <img src='{HERE}'>",
    f"``` \"><img src='{HERE}'>\nx\n```",
    "[x](javascript:fetch('//198.51.100.7'))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](vbscript:x)",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](file:///etc/passwd)",
    f'[x](https://example.org "onmouseover=fetch({HERE})")',
    f'[x](https://example.org" onmouseover="fetch({HERE}))',
    f"<a href='https://example.org' ping='{HERE}'>x</a>",
    f"<details open ontoggle=\"fetch('{HERE}')\">x</details>",
    f"$\\includegraphics{{{HERE}}}$",
    f"```mermaid\ngraph LR; A[<img src='{HERE}'>]\n```",
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


def tags(html):
    parser = Tags()
    parser.feed(html)
    parser.close()
    return parser.found


@pytest.mark.parametrize("card", HOSTILE)
def test_only_tags_that_load_nothing_are_left(card):
    for tag, attributes in tags(safe_html(f"{card}\n")):
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

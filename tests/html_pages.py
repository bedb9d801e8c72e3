"""Looking at HTML pages: their elements, what they ask for, and how a browser shows them."""

import html.parser
import re
import shutil
import subprocess

import numpy as np
import pytest

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VOID = {"meta", "img", "line", "circle", "polyline", "rect"}
# Labels that lie on each other or stick out of their picture, as the browser has laid them out.
FIND_COLLISIONS = """
<script>
for (const d of document.querySelectorAll("details")) d.open = true;
const found = [];
for (const picture of document.querySelectorAll("svg")) {
  const frame = picture.getBoundingClientRect();
  const labels = [...picture.querySelectorAll("text")].map(t => [t.textContent, t.getBoundingClientRect()]);
  labels.forEach(([words, a], k) => {
    if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1)
      found.push(words + " sticks out");
    for (const [other, b] of labels.slice(k + 1))
      if (a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)
        found.push(words + " on " + other);
  });
}
document.title = "collisions: " + JSON.stringify(found);
</script>
"""


class Page(html.parser.HTMLParser):
    """Collects elements and texts, and checks that every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    def of(self, tag, **attributes):
        return [a for t, a in self.elements if t == tag and attributes.items() <= a.items()]


def needs_nothing_else(text):
    """Check that a page asks for nothing, runs nothing, and fits light, dark and small screens."""
    assert re.findall(r"https?:|//\w|@import|url\(|<script|<link|<iframe", text) == []
    assert set(re.findall(r'(?:src|href)="(.{5})', text)) <= {"data:"}
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def shot(page, scheme, tmp_path):
    """Show a page on a narrow screen; return the pixels and the colour of the background."""
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "shot.png"
    command = [BROWSER, *OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=420,3000"]
    command += [f"--blink-settings=preferredColorScheme={int(scheme == 'light')}", f"--screenshot={path}"]
    subprocess.run([*command, page.as_uri()], capture_output=True, check=False, timeout=120)
    with image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB"), dtype=np.int64)
    background = pixels[2, 2]
    assert (background.max() < 60) if scheme == "dark" else (background.min() > 240)
    return pixels, background


def collisions(page, tmp_path, width):
    """Let a browser of this width lay a page out; return what is wrong with the labels of its pictures."""
    copy = tmp_path / "measured.html"
    text = re.sub(r"<meta http-equiv.*?>", "", page.read_text(encoding="utf-8"))
    copy.write_text(text.replace("</body>", f"{FIND_COLLISIONS}</body>"), encoding="utf-8")
    command = [BROWSER, *OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},3000"]
    done = subprocess.run(
        [*command, "--dump-dom", copy.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    return re.search(r"<title>collisions: (\[.*?\])</title>", done.stdout)[1]

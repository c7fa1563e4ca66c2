"""The medians as bars on a logarithmic scale, in SVG: readable on light and on dark pages, without any other program."""

import math
from xml.sax.saxutils import escape

from peers import PEERS

# Each colour stands out from white and from near black; ours is the only warm one.
COLOURS = {"ours": "#e8590c", "rclone": "#1c7ed6", "asyncssh": "#7950f2", "paramiko": "#0ca678", "sftp": "#868e96"}
SHOWN = [
    ("pull-small", 0), ("pull-small", 20), ("pull-small", 80), ("pull-100", 80), ("pull-tree", 0), ("pull-large", 0),
    ("pull-large", 20), ("push-large", 0), ("push-large", 20), ("small-push", 0), ("small-push", 80), ("start", 0),
]
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 860, 272, 96, 58, 44
BAR, BAR_STEP, GROUP_GAP = 11, 13, 14
STYLE = """
text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.small { font-size: 10.5px; fill: #59636e }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #8b949e; stroke-opacity: .35 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .small { fill: #9aa4af } }
"""


def drawn(medians, caption):
    groups = [group for group in (group_of(medians, *place) for place in SHOWN) if group[1]]
    if not groups:
        return empty(caption)
    seconds = [value for _, bars in groups for _, value, _ in bars]
    scale = Scale(min(seconds), max(seconds))
    body, top = [], TOP
    for title, bars in groups:
        middle = top + len(bars) * BAR_STEP / 2
        body.append(text(LEFT - 10, middle + 3, title, anchor="end"))
        for peer, value, is_scaled in bars:
            end = scale.x(value)
            body.append(
                f'<rect x="{LEFT}" y="{top}" width="{end - LEFT:.1f}" height="{BAR}" rx="1.5" fill="{COLOURS[peer]}"/>')
            body.append(text(end + 5, top + BAR - 1.5, duration(value) + ("*" if is_scaled else ""), kind="small"))
            top += BAR_STEP
        top += GROUP_GAP
    bottom = top - GROUP_GAP / 2
    grid = []
    for mark in scale.marks():
        x = scale.x(mark)
        grid.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom:.1f}"/>')
        grid.append(text(x, bottom + 13, duration(mark), kind="small", anchor="middle"))
    notes = "Shorter is better; the scale is logarithmic. Medians. * less work was measured, and the time scaled."
    closing = [text(8, bottom + 29, notes, kind="small"), text(8, bottom + 43, caption, kind="small")]
    parts = [*heading(), *grid, *body, *closing]
    return page(bottom + BOTTOM + 6, parts)


class Scale:
    """Seconds to pixels: a tenfold time is always as much longer. It begins at a power of ten."""

    def __init__(self, least, most):
        self.first = math.floor(math.log10(least))
        self.last = math.log10(most)
        if self.last - self.first < 1:
            self.last = self.first + 1

    def x(self, seconds):
        return LEFT + (math.log10(seconds) - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT)

    def marks(self):
        return [10.0**power for power in range(self.first, math.floor(self.last) + 1)]


def group_of(medians, name, round_trip):
    """(title, [(peer, seconds, whether they are scaled up)])"""
    title, bars = "", []
    for peer in PEERS:
        if (name, round_trip, peer) in medians.entries:
            bars.append((peer, medians.whole(name, round_trip, peer), medians.share(name, round_trip, peer) != 1))
    for case, known in medians.rows():
        if (case.name, known) == (name, round_trip):
            title = case.title.replace("`", "") + (f", {round_trip} ms" if case.task != "start" else "")
    return title, bars


def heading():
    parts = [text(8, 20, "Files between SFTP and S3: time for the same work", kind="title")]
    x = 8
    for name, peer in PEERS.items():
        parts.append(f'<rect x="{x}" y="31" width="11" height="11" rx="1.5" fill="{COLOURS[name]}"/>')
        parts.append(text(x + 16, 41, peer.title))
        x += 34 + 6.6 * len(peer.title)
    return parts


def duration(seconds):
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:,.0f} s"


def text(x, y, content, kind=None, anchor=None):
    chosen = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x:.1f}" y="{y:.1f}"{chosen}>{escape(content)}</text>'


def page(height, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" role="img">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>"]) + "\n"


def empty(caption):
    return page(60, [text(8, 20, "Nothing of what this picture shows was measured.", kind="title"),
                     text(8, 44, caption, kind="small")])

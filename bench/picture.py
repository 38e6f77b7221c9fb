"""The table of ratios as a picture: a panel a cell, a dot a server, whiskers for the interval; SVG without anything."""
import math
from html import escape

import field
from report import rows_of
from rounds import CELLS

WIDTH, COLUMNS, LEFT, RIGHT = 960, 2, 104, 50
ROW, PANEL_HEAD, PANEL_FOOT, HEAD, FOOT = 17, 34, 30, 58, 44
LEAST = 0.7
TICKS = (1, 2, 5, 10, 20, 50, 100)
SHAPES = """
text { font: 12px system-ui, sans-serif } .title { font-size: 17px; font-weight: 600 } .cell { font-weight: 600 }
.ours text { font-weight: 600 } .end { text-anchor: end } .mid { text-anchor: middle }
.floor { stroke-dasharray: 3 3 } .whisker { stroke-width: 2 } circle { stroke-width: 1.5 }
"""
# Without custom properties, which not all that show SVG know.
COLOURS = """
.paper {{ fill: {paper} }} text {{ fill: {ink} }} text.dim {{ fill: {dim} }} .ours text {{ fill: {ours} }}
.grid {{ stroke: {faint} }} .floor {{ stroke: {dim} }} .dot {{ fill: {peer}; stroke: {peer} }}
.ours .dot {{ fill: {ours}; stroke: {ours} }} .base .dot {{ fill: {dim}; stroke: {dim} }}
.bad .dot {{ fill: {paper}; stroke: {bad} }}
"""
LIGHT = {"paper": "#ffffff", "ink": "#1f2328", "faint": "#d5dae0", "dim": "#636c76", "ours": "#0550ae",
         "peer": "#9a6700", "bad": "#cf222e"}
DARK = {"paper": "#0d1117", "ink": "#e6edf3", "faint": "#30363d", "dim": "#9198a1", "ours": "#6cb6ff",
        "peer": "#daaa3f", "bad": "#ff7b72"}
STYLE = (SHAPES + COLOURS.format(**LIGHT) + "@media (prefers-color-scheme: dark) {" + COLOURS.format(**DARK) + "}\n")


def kind(name, result):
    if name in (field.OURS, field.OURS_LOGIN):
        return "ours"
    if name in (field.FLOOR, field.NOISE):
        return "base"
    return "bad" if result["exactness"].get(name) else "peer"


class Axis:
    """Logarithmic, from x to x + width."""

    def __init__(self, x, width, most):
        self.x, self.width, self.most = x, width, most

    def at(self, ratio):
        share = math.log(min(max(ratio, LEAST), self.most) / LEAST) / math.log(self.most / LEAST)
        return self.x + self.width * share


def row(axis, y, name, values, result):
    low, mid, high = (axis.at(values[key]) for key in ("ratio_low", "ratio", "ratio_high"))
    said = f"{values['ratio']:.2f}" if values["ratio"] < 9.995 else f"{values['ratio']:.1f}"
    return (f'<g class="{kind(name, result)}"><text class="end" x="{axis.x - 10:.0f}" y="{y + 4}">{escape(name)}</text>'
            f'<line class="dot whisker" x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}"/>'
            f'<circle class="dot" cx="{mid:.1f}" cy="{y}" r="4"/>'
            f'<text class="dim" x="{max(high, mid + 4) + 6:.1f}" y="{y + 4}">{said}</text></g>')


def grid(axis, top, bottom):
    parts = []
    for tick in TICKS:
        if tick <= axis.most:
            x = axis.at(tick)
            parts.append(f'<line class="{"floor" if tick == 1 else "grid"}" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" '
                         f'y2="{bottom}"/><text class="dim mid" x="{x:.1f}" y="{bottom + 15}">{tick}×</text>')
    return parts


def panel(x, y, height, cell, names, most, result):
    rows = result["cells"][cell.name]
    axis = Axis(x + LEFT, WIDTH / COLUMNS - LEFT - RIGHT, most)
    title = f"{cell.connections:,} connection{'s' if cell.connections > 1 else ''} × {size(cell.bytes)}"
    if cell.in_flight > 1:
        title += f", {cell.in_flight} in flight"
    if field.FLOOR in rows:
        title += f" · 1× = {rows[field.FLOOR]['cpu_ns_per_message'] / 1000:.3g} µs"
    parts = [f'<text class="cell" x="{axis.x:.0f}" y="{y + 16}">{title}</text>',
             *grid(axis, y + PANEL_HEAD - 9, y + height - PANEL_FOOT)]
    for i, name in enumerate(names):
        at = y + PANEL_HEAD + ROW * i
        if name in rows:
            parts.append(row(axis, at, name, rows[name], result))
        else:
            parts.append(f'<text class="dim end" x="{axis.x - 10:.0f}" y="{at + 4}">{escape(name)}</text>'
                         f'<text class="dim" x="{axis.at(1) + 6:.1f}" y="{at + 4}">not measured</text>')
    return parts


def size(count):
    for unit, name in ((1048576, "MiB"), (1024, "KiB")):
        if count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} B"


def draw(result):
    names = [n for n in rows_of(result) if n != field.FLOOR]
    cells = [c for c in CELLS if c.name in result["cells"]]
    highest = max(r["ratio_high"] for rows in result["cells"].values() for r in rows.values())
    most = max(4, highest * 1.05)
    panel_height = PANEL_HEAD + ROW * len(names) + PANEL_FOOT
    height = HEAD + panel_height * math.ceil(len(cells) / COLUMNS) + FOOT
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
             'role="img" aria-label="Server CPU per message as a ratio to a bare epoll loop, for echod and other servers">',
             f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{height}" class="paper"/>',
             '<text class="title" x="24" y="26">Server CPU per message, against a bare epoll loop (1×)</text>',
             '<text class="dim" x="24" y="46">Less is better; logarithmic. Dot: median. Bar: its interval '
             f'({result["coverage"]:.0%}, {result["rounds"]} rounds). Hollow: fails the check of exactness.</text>']
    for i, cell in enumerate(cells):
        x, y = WIDTH / COLUMNS * (i % COLUMNS), HEAD + panel_height * (i // COLUMNS)
        parts += panel(x, y, panel_height, cell, names, most, result)
    parts.append(f'<text class="dim" x="24" y="{height - 16}">{escape(result["date"][:10])} · Linux '
                 f'{escape(result["kernel"])} · {escape(result["cpu"])} · one core serves, one loads, loopback · '
                 'script/bench</text></svg>')
    return "\n".join(parts) + "\n"

"""Small charts as inline SVG: no script, readable in print, colour never the only sign."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 720, 220, 56, 30, 14, 150
#: Distinct in grey, too: with the dash of each line.
_LINES = (("#1F3864", ""), ("#C55A11", "7 4"), ("#548235", "2 4"), ("#7F6000", "9 3 2 3"), ("#7030A0", "12 5"))


@dataclass(frozen=True)
class Line:
    """A series: one value for each label; None where there is none."""

    name: str
    values: tuple[int | None, ...]


def line_chart(labels: Sequence[str], lines: Sequence[Line], title: str) -> str:
    """A line chart that begins at zero, with the last value of each line written at its end."""
    top = max((value for line in lines for value in line.values if value is not None), default=0) or 1
    across = _WIDTH - _LEFT - _RIGHT
    step = across / max(1, len(labels) - 1)

    def x(place: int) -> float:
        return _LEFT + (place * step if len(labels) > 1 else across / 2)

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' font-family="system-ui, sans-serif" font-size="11" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
    ]
    for share in (0, 0.5, 1):
        at = y(top * share)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#D9D9D9"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{round(top * share):,}</text>')
    every = max(1, len(labels) // 8 + (len(labels) % 8 > 0))
    for place, label in enumerate(labels):
        last = len(labels) - 1
        if place == last or (place % every == 0 and last - place >= every):
            parts.append(f'<text x="{x(place):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(label)}</text>')
    ends = _apart([y(line.values[-1]) if line.values and line.values[-1] is not None else None for line in lines])
    for number, line in enumerate(lines):
        colour, dash = _LINES[number % len(_LINES)]
        points = [(x(place), y(value)) for place, value in enumerate(line.values) if value is not None]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{path}" {style}/>')
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in points]
        if (end := ends[number]) is not None:
            name = f"{escape(line.name)} {line.values[-1]:,}"
            parts.append(f'<text x="{_WIDTH - _RIGHT + 8}" y="{end + 4:.1f}" fill="{colour}">{name}</text>')
    return "".join([*parts, "</svg>"])


def as_markdown(svg: str, title: str) -> str:
    """An SVG as an image inside Markdown: what shows Markdown in a browser keeps no SVG elements of its own."""
    return f"![{title}](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def sparkline(values: Sequence[int | None], text: str) -> str:
    """The course of a figure, from zero, without axes; its last value is marked."""
    top = max((value for value in values if value is not None), default=0) or 1
    step = 100 / max(1, len(values) - 1)
    points = [(place * step, 18 - 16 * value / top) for place, value in enumerate(values) if value is not None]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    end = f'<circle cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="2.5" fill="#C55A11"/>' if points else ""
    return (
        f'<svg class="spark" viewBox="-3 -1 106 22" role="img" aria-label="{escape(text)}">'
        f'<polyline points="{path}" fill="none" stroke="#1F3864" stroke-width="1.5"/>{end}</svg>'
    )


def share_bar(share: float, text: str) -> str:
    """A bar that is full at 1."""
    width = max(0.0, min(1.0, share)) * 100
    return (
        f'<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{escape(text)}">'
        f'<rect width="100" height="8" fill="#E7E6E6"/><rect width="{width:.2f}" height="8" fill="#C55A11"/></svg>'
    )


def _apart(heights: list[float | None], least: float = 13) -> list[float | None]:
    """Move labels down until none lies over another."""
    placed = dict[int, float]()
    at = float("-inf")
    for place in sorted((i for i, h in enumerate(heights) if h is not None), key=lambda i: heights[i] or 0.0):
        at = max(heights[place] or 0.0, at + least)
        placed[place] = at
    return [placed.get(i) for i in range(len(heights))]

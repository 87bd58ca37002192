# SPDX-License-Identifier: Apache-2.0
"""Draw how time grows with size as an SVG, both axes logarithmic, beside linear growth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bench.picture import colour_of

_LEFT, _TOP, _SIDE, _LOW = 70, 60, 360, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Seconds of one way at several sizes.

    Attributes:
        way: How it was done.
        points: Size and seconds, ascending by size.
    """

    way: str
    points: tuple[tuple[float, float], ...]


def draw_growth(title: str, lines: Sequence[Line]) -> str:
    """Draw a line for each way; a dashed one grows as the data does, from the first point."""
    drawn = [line for line in lines if line.points]
    if drawn:
        sizes = [size for size, _ in drawn[0].points]
        linear = [(size, drawn[0].points[0][1] * size / sizes[0]) for size in sizes]
        body = [*_legend(drawn), *_body(drawn, sizes=sizes, linear=linear)]
    else:
        body = []
    size = f'width="{_LEFT + _SIDE + 20}" height="{_TOP + _SIDE + _LOW}"'
    caption = f"{escape(title)}: seconds by size, geometric means"
    lines_of_file = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="18" font-weight="bold">{caption}</text>',
        *body,
        "</svg>",
    ]
    return "\n".join(lines_of_file) + "\n"


def _legend(lines: Sequence[Line]) -> Iterator[str]:
    place = 8
    for number, line in enumerate(lines):
        yield f'<rect x="{place}" y="27" width="10" height="10" fill="{colour_of(number)}"/>'
        yield f'<text x="{place + 14}" y="36">{escape(line.way)}</text>'
        place += 30 + 7 * len(line.way)
    yield f'<text x="{place}" y="36" fill="#777">dashed: linear</text>'


def _body(
    lines: Sequence[Line], *, sizes: Sequence[float], linear: Sequence[tuple[float, float]]
) -> Iterator[str]:
    seconds = [second for line in lines for _, second in line.points]
    seconds += [second for _, second in linear]
    across, up = _scale(sizes), _scale(seconds)

    def place(point: tuple[float, float]) -> str:
        left = _LEFT + _SIDE * across(point[0])
        return f"{left:.1f},{_TOP + _SIDE * (1 - up(point[1])):.1f}"

    bottom = _TOP + _SIDE
    yield f'<path d="M{_LEFT},{_TOP} V{bottom} H{_LEFT + _SIDE}" fill="none" stroke="#444"/>'
    for size in sizes:
        left = _LEFT + _SIDE * across(size)
        yield f'<text x="{left:.1f}" y="{bottom + 18}" text-anchor="middle">{size:g}</text>'
    for second in sorted({min(seconds), max(seconds)}):
        top = _TOP + _SIDE * (1 - up(second)) + 4
        yield f'<text x="{_LEFT - 6}" y="{top:.1f}" text-anchor="end">{second:.3g}</text>'
    yield _polyline([place(point) for point in linear], 'stroke="#777" stroke-dasharray="5 4"')
    for number, line in enumerate(lines):
        colour = colour_of(number)
        points = [place(point) for point in line.points]
        yield _polyline(points, f'stroke="{colour}" stroke-width="2"')
        for point in points:
            left, top = point.split(",")
            yield f'<circle cx="{left}" cy="{top}" r="3.5" fill="{colour}"/>'


def _scale(values: Sequence[float]) -> Callable[[float], float]:
    least, most = min(values), max(values)
    spread = math.log(most / least) or 1.0
    return lambda value: math.log(value / least) / spread


def _polyline(points: Sequence[str], style: str) -> str:
    return f'<polyline points="{" ".join(points)}" fill="none" {style}/>'

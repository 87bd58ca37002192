# SPDX-License-Identifier: Apache-2.0
"""Draw the ratios of a report as an SVG: a bar for each way, a whisker for the rounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from bench.measure import Case, Report

_COLOURS = ("#2c7fb8", "#e6762d", "#5aa469", "#8e63b5", "#b04a5a", "#7a7a7a")
_BAR, _GAP, _LEFT, _WIDTH, _RIGHT, _TOP = 14, 12, 250, 520, 60, 44
_TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)


def draw(report: Report) -> str:
    """Draw one report; a logarithmic scale, because half and twice are as far from one."""
    ways = list(dict.fromkeys(way for case in report.cases for way in case.others))
    low, high = _range(report)
    bars, height = _bars(report, ways=ways, low=low, high=high)
    size = f'width="{_LEFT + _WIDTH + _RIGHT}" height="{height + 24}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        *_legend(report, ways),
        *_axis(low, high, height),
        *bars,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _range(report: Report) -> tuple[float, float]:
    ends = [end for case in report.cases for way in case.others for end in case.spread(way)]
    return min([0.5, *ends]), max([2.0, *ends])


def _place(ratio: float, low: float, high: float) -> float:
    return _LEFT + _WIDTH * math.log(ratio / low) / math.log(high / low)


def _legend(report: Report, ways: list[str]) -> Iterator[str]:
    baseline = report.cases[0].baseline if report.cases else ""
    title = f"{report.title}: time relative to {baseline}"
    yield f'<text x="8" y="18" font-weight="bold">{escape(title)}</text>'
    place = _LEFT
    for number, way in enumerate(ways):
        yield f'<rect x="{place}" y="25" width="10" height="10" fill="{colour_of(number)}"/>'
        yield f'<text x="{place + 14}" y="34">{escape(way)}</text>'
        place += 30 + 7 * len(way)


def _axis(low: float, high: float, height: float) -> Iterator[str]:
    for tick in _TICKS:
        if low <= tick <= high:
            place = _place(tick, low, high)
            colour = "#444" if tick == 1 else "#ddd"
            yield (
                f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" y2="{height}" '
                f'stroke="{colour}"/>'
            )
            yield f'<text x="{place:.1f}" y="{height + 16}" text-anchor="middle">{tick:g}</text>'


def _bars(report: Report, *, ways: list[str], low: float, high: float) -> tuple[list[str], float]:
    lines, place = [], float(_TOP + _GAP)
    for case in report.cases:
        lines.append(f'<text x="8" y="{place + _BAR - 3}">{escape(case.name)}</text>')
        for way in case.others:
            colour = colour_of(ways.index(way))
            lines += _bar(case, way, top=place, ends=(low, high), colour=colour)
            place += _BAR
        place += _GAP
    return lines, place


def _bar(
    case: Case, way: str, *, top: float, ends: tuple[float, float], colour: str
) -> Iterator[str]:
    one, place = _place(1, *ends), _place(case.ratio(way), *ends)
    left, right = sorted((one, place))
    least, most = (_place(end, *ends) for end in case.spread(way))
    middle = top + _BAR / 2
    yield (
        f'<rect x="{left:.1f}" y="{top + 1}" width="{max(right - left, 1):.1f}" '
        f'height="{_BAR - 2}" fill="{colour}"/>'
    )
    yield f'<line x1="{least:.1f}" x2="{most:.1f}" y1="{middle}" y2="{middle}" stroke="black"/>'
    yield f'<text x="{max(right, most) + 4:.1f}" y="{top + _BAR - 3}">{case.ratio(way):.2f}</text>'


def colour_of(number: int) -> str:
    """Give a way its colour by its place."""
    return _COLOURS[number % len(_COLOURS)]

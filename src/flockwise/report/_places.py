"""The officer's page of sensitive places: a map of what is cut out of the region, by category, in one file without scripts. Public facts only, no pings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt
from h3ronpy.vector import cells_to_wkb_polygons

from flockwise.base.h3bits import parent
from flockwise.base.page import BRAND, plain_page
from flockwise.base.region import Region
from flockwise.governance import places
from flockwise.report._outlines import basemap

__all__ = ["places_page"]

Floats = npt.NDArray[np.float64]

MOST_CELLS = 3000
COLUMNS = 640
WIDTH = 960
ASPECT = 1.45
BANDS = ((0.0, 0.0, "nothing cut"), (0.0, 0.1, "up to 10 %"), (0.1, 0.5, "10 to 50 %"), (0.5, 0.9, "50 to 90 %"), (0.9, 1.0, "more than 90 %"))
_STYLE = """
.choices { display: flex; flex-wrap: wrap; gap: 6px 8px; border: 0; margin: 0 0 12px; padding: 0; }
.choices legend { font-weight: 600; font-size: 0.95rem; padding: 0; margin-bottom: 6px; }
.choices label { display: inline-flex; align-items: center; gap: 6px; border: 1px solid var(--line); border-radius: 999px; padding: 3px 12px 3px 8px; }
.choices label { font-size: 0.86rem; cursor: pointer; }
.choices label:has(input:checked) { border-color: var(--accent); background: var(--tint); }
.choices label:has(input:focus-visible) { outline: 3px solid var(--focus); outline-offset: 2px; }
.choices input { accent-color: var(--accent); margin: 0; }
.cut { display: block; width: 100%; height: auto; background: var(--shade); border: 1px solid var(--line); border-radius: 8px; }
.cut .land { fill: var(--card); stroke: none; }
.cut .border { fill: none; stroke: var(--soft); stroke-opacity: 0.45; stroke-width: 1; }
.card ul.prose { padding-left: 1.2em; }
.cut .cell { stroke: var(--soft); stroke-opacity: 0.3; stroke-width: 0.6; fill: var(--accent); }
.cut .layer { fill: var(--focus); opacity: 0.75; }
.meter { width: 120px; height: 9px; background: var(--shade); color: var(--accent); vertical-align: middle; margin-right: 8px; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 8px; font-size: 0.84rem; color: var(--soft); }
.key span::before { content: ""; display: inline-block; width: 14px; height: 14px; border: 1px solid var(--line); vertical-align: -2px; margin-right: 6px; }
.key .k1::before { background: color-mix(in srgb, var(--accent) 46%, transparent); }
.key .k2::before { background: color-mix(in srgb, var(--accent) 80%, transparent); }
.key .k3::before { background: var(--focus); }
"""


def places_page(name: str, region: Region, current: places.Current, table: places.TagTable) -> str:
    """The page as HTML text.

    Args:
        name: of the study.
        region: its cells.
        current: the list, as it stands.
        table: the categories.
    """
    listing = current.listing
    found = places.coverage(region, listing)
    frame = _Frame.around(region)
    layers = {"all": frame.runs(listing)}
    for category in found.categories:
        own = np.array(listing.categories) == category
        layers[category] = frame.runs(places.Listing(listing.table.filter(own)))
    chosen = "".join(f".card:has(#c-{k}:checked) .layer:not(.l-{k}){{display:none}}" for k in (*layers, "none"))
    title = f"Sensitive places of {name}"
    last = current.last
    state = f"Reviewed on {last.day} by {last.by}; to be reviewed again by {current.review_by}." if last else "Nobody has reviewed this list as it is now."
    facts = [
        ("Places near the region", f"{listing.table.num_rows:,}", f"in {len(listing.counts)} categories, built on {listing.built}"),
        ("Of the region's area cut out", _percent(found.whole), "by all categories together"),
        ("Cells with nothing cut", _percent(float((found.cells == 0).mean())), f"of {len(region):,} cells at H3 resolution {region.resolution}"),
        ("Gatherings", f"{len(current.gatherings) if current.gatherings else 0:,}", "cut at their times only, not on this map"),
    ]
    shown = "".join(f'<div><dt>{a}</dt><dd class="value">{escape(b)}</dd><dd class="more">{escape(c)}</dd></div>' for a, b, c in facts)
    return plain_page(
        title,
        f"""<header>{BRAND}
<div class="masthead"><div><h1>{escape(title)}</h1><p class="where">No ping from these places is stored, whatever zones are published.</p></div>
<div class="promise"><p>{escape(state)}</p><small>Made of public facts. No pings were read for this page.</small></div></div></header>
<dl class="facts">{shown}</dl>
<section class="card"><h2>What is cut out of the region</h2>
<p class="note">Cells are darker the more of their area is cut. Choose a category to see its places with their buffers.</p>
{_choices(listing, table)}{_map(region, found.cells, frame, layers)}</section>
<section class="card"><h2>Categories</h2><p class="note">Categories overlap: their shares do not add up.</p>{_categories(listing, found, table)}</section>
<div class="two"><section class="card"><h2>Cells by how much of them is cut</h2>{_bands(found.cells)}</section>
<section class="card"><h2>Where the list comes from</h2>{_sources(current)}</section></div>
""",
        _STYLE + chosen,
    )


class _Frame:
    """The map's rectangle and its projection: degrees of longitude shrunk to those of latitude in the middle."""

    def __init__(self, extent: places.Extent) -> None:
        self.extent = extent
        shrink = math.cos(math.radians(extent.south + extent.height / 2))
        self.scale = WIDTH / (extent.width * shrink)
        self.shrink, self.height = shrink, extent.height * self.scale

    @classmethod
    def around(cls, region: Region) -> _Frame:
        found = places.Extent.of(region)
        # A high region gets more of its surroundings at both sides, so that the map fills the page.
        more = ASPECT * found.height / math.cos(math.radians(found.south + found.height / 2)) - found.width
        if more <= 0 or found.width + more >= 360:
            return cls(found)
        return cls(places.Extent(found.south, found.west - more / 2, found.height, found.width + more))

    def xy(self, lon: Floats, lat: Floats) -> Floats:
        """Points on the map, (n, 2)."""
        turn = np.round((np.mean(lon) - self.extent.west - self.extent.width / 2) / 360) * 360
        return np.stack([(lon - turn - self.extent.west) * self.shrink * self.scale, (self.extent.south + self.extent.height - lat) * self.scale], axis=1)

    def runs(self, listing: places.Listing) -> str:
        """What a list covers, as rows of rectangles."""
        index = places.PlaceIndex.build(listing.shapes, listing.buffers_m, self.extent)
        step = WIDTH / COLUMNS
        rows = max(1, math.ceil(self.height / step))
        lat = self.extent.south + self.extent.height - (np.arange(rows) + 0.5) * step / self.scale
        lon = self.extent.west + (np.arange(COLUMNS) + 0.5) * step / self.scale / self.shrink
        grid = np.broadcast_to(((lon + 180) % 360 - 180)[None, :], (rows, COLUMNS)), np.broadcast_to(lat[:, None], (rows, COLUMNS))
        x, y = (np.rint(g * 1e6).astype(np.int32).ravel() for g in grid)
        hit = np.zeros((rows, COLUMNS + 2), np.int8)
        hit[:, 1:-1] = index.covers(y, x).reshape(rows, COLUMNS)
        change = np.diff(hit, axis=1)
        (row, begin), (_, end) = np.nonzero(change == 1), np.nonzero(change == -1)
        return "".join(f"M{b * step:.1f} {r * step:.1f}h{(e - b) * step:.1f}v{step:.1f}h{(b - e) * step:.1f}z" for r, b, e in zip(row, begin, end, strict=True))


def _map(region: Region, cut: Floats, frame: _Frame, layers: dict[str, str]) -> str:
    level = region.resolution
    while level > 0 and len(region.at(level)) > MOST_CELLS:
        level -= 1
    drawn = region.at(level)
    place = drawn.index_of(parent(region.cells, level))
    share = np.bincount(place, cut, len(drawn)) / np.bincount(place, minlength=len(drawn))
    cells = []
    for wkb, value in zip(cells_to_wkb_polygons(drawn.cells.astype(np.uint64)).to_pylist(), share, strict=True):
        ring = np.frombuffer(wkb, "<f8", offset=13).reshape(-1, 2)
        lon = np.where(ring[:, 0] - ring[0, 0] > 180, ring[:, 0] - 360, np.where(ring[:, 0] - ring[0, 0] < -180, ring[:, 0] + 360, ring[:, 0]))
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in frame.xy(lon, ring[:, 1]))
        cells.append(f'<polygon class="cell" points="{points}" fill-opacity="{_shade(value):.2f}"><title>{_percent(float(value))} cut</title></polygon>')
    west, south = frame.extent.west, frame.extent.south
    east, north = west + frame.extent.width, south + frame.extent.height
    land = borders = ""
    if west >= -180 and east <= 180:
        base = basemap((west, max(south, -85.0), east, min(north, 85.0)))
        land = "".join(f'<path class="land" d="{_path(ring, frame)}z"/>' for ring in base.land)
        borders = "".join(f'<path class="border" d="{_path(line, frame)}"/>' for lines in base.lines.values() for line in lines)
    drawn_layers = "".join(f'<path class="layer l-{name}" d="{path}"/>' for name, path in layers.items())
    said = f"Map of the region. {_percent(float(cut.mean()))} of its area is cut out around sensitive places. The table below gives each category's share."
    return (
        f'<svg class="cut" viewBox="0 0 {WIDTH} {frame.height:.0f}" role="img" aria-label="{escape(said)}">{land}{"".join(cells)}{borders}{drawn_layers}</svg>'
        '<p class="key"><span class="k0">nothing cut</span><span class="k1">half of the cell cut</span><span class="k2">all of it</span>'
        '<span class="k3">places with their buffers</span></p>'
    )


def _shade(value: float) -> float:
    return 0.0 if value <= 0 else 0.12 + 0.68 * min(value, 1.0)


def _path(flat: Sequence[int], frame: _Frame) -> str:
    at = np.array(flat, float).reshape(-1, 2) * 1e-4
    return "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in frame.xy(at[:, 0], at[:, 1]))


def _choices(listing: places.Listing, table: places.TagTable) -> str:
    names = [("all", "All categories"), *((n, _label(table, n)) for n in listing.counts), ("none", "Cells only")]
    inputs = "".join(
        f'<label><input type="radio" name="category" id="c-{escape(key)}"{" checked" if key == "all" else ""}>{escape(text)}</label>' for key, text in names
    )
    return f'<fieldset class="choices"><legend>Buffers shown</legend>{inputs}</fieldset>'


def _label(table: places.TagTable, name: str) -> str:
    return table[name].label if name in table else name


def _categories(listing: places.Listing, found: places.Coverage, table: places.TagTable) -> str:
    rows = []
    named, buffers = np.array(listing.categories), listing.buffers_m
    missing = [c.name for c in table.categories if c.name not in listing.counts]
    for name, count in listing.counts.items():
        own = buffers[named == name]
        reach = f"{own.min():,} m" if own.min() == own.max() else f"{own.min():,} to {own.max():,} m"
        bar = _bar(found.categories[name], max(found.categories.values()))
        rows.append(f'<tr><th scope="row">{escape(_label(table, name))}</th><td>{count:,}</td><td>{reach}</td><td>{bar}</td></tr>')
    rows += [f'<tr><th scope="row">{escape(_label(table, name))}</th><td>none</td><td>–</td><td>–</td></tr>' for name in missing]
    head = '<tr><th scope="col">Category</th><th scope="col">Places</th><th scope="col">Buffer</th><th scope="col">Of the region\'s area</th></tr>'
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _bar(share: float, longest: float = 1.0) -> str:
    return (
        f'<svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width="{100 * share / (longest or 1.0):.1f}" height="8" '
        f'fill="currentColor"/></svg>{_percent(share)}'
    )


def _bands(cut: Floats) -> str:
    rows = []
    for low, high, text in BANDS:
        n = int((cut == 0).sum()) if high == 0 else int(((cut > low) & (cut <= high)).sum())
        rows.append(f'<tr><th scope="row">{text}</th><td>{n:,}</td><td>{_bar(n / len(cut))}</td></tr>')
    head = '<tr><th scope="col">Cut</th><th scope="col">Cells</th><th scope="col">Of all cells</th></tr>'
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _sources(current: places.Current) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(s.name)}</th><td>{s.read:,}</td><td>{s.kept:,}</td><td>{s.mended:,}</td><td>{s.refused:,}</td></tr>'
        for s in current.listing.sources
    )
    names = ("Source", "Places read", "Near the region", "Mended", "Refused")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    table = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>' if rows else "<p>The list names no source.</p>"
    refused = sum(s.refused for s in current.listing.sources)
    more = f'<p class="note">{refused:,} geometries could not be read: see to them, they are not cut.</p>' if refused else ""
    reviews = "".join(f"<li>{r.day}, {escape(r.by)}</li>" for r in reversed(current.listing.reviews[-8:])) or "<li>none</li>"
    return f'{table}{more}<h2 class="gap">Reviews</h2><ul class="prose">{reviews}</ul>'


def _percent(share: float) -> str:
    return "0 %" if share == 0 else f"{100 * share:.2f} %" if share < 0.01 else f"{100 * share:.1f} %"

"""Pixels of a PNG screenshot, without an image library."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

__all__ = ["near", "pixels"]

Image = npt.NDArray[np.uint8]


def pixels(png: bytes) -> Image:
    """RGB values, height x width x 3, of an 8-bit PNG without interlacing (what a browser writes)."""
    at, parts = 8, []
    width = height = channels = 0
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, color = struct.unpack(">IIBB", body[:10])
            channels = {2: 3, 6: 4}[color]
            assert depth == 8
        elif kind == b"IDAT":
            parts.append(body)
        at += 12 + length
    raw = np.frombuffer(zlib.decompress(b"".join(parts)), dtype=np.uint8).reshape(height, 1 + width * channels)
    out = np.zeros((height, width * channels), dtype=np.uint8)
    for y in range(height):
        out[y] = _unfilter(int(raw[y, 0]), raw[y, 1:], out[y - 1] if y else np.zeros_like(out[0]), channels)
    return out.reshape(height, width, channels)[:, :, :3]


def _unfilter(kind: int, line: Image, above: Image, channels: int) -> Image:
    if kind == 0:
        return line
    if kind == 2:
        return line + above
    if kind == 1:
        return np.cumsum(line.reshape(-1, channels), axis=0, dtype=np.uint8).ravel()
    values, up = line.tolist(), above.tolist()
    done: list[int] = []
    for i, value in enumerate(values):
        left = done[i - channels] if i >= channels else 0
        if kind == 3:
            guess = (left + up[i]) // 2
        else:
            corner = up[i - channels] if i >= channels else 0
            p = left + up[i] - corner
            a, b, c = abs(p - left), abs(p - up[i]), abs(p - corner)
            guess = left if a <= b and a <= c else (up[i] if b <= c else corner)
        done.append((value + guess) & 255)
    return np.array(done, dtype=np.uint8)


def near(image: Image, color: str, reach: int = 12) -> int:
    """How many pixels lie within `reach` of a colour such as "#1d91c0" in every channel."""
    wanted = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(image.astype(np.int64) - wanted).max(axis=2) <= reach).sum())

"""Checks a bill of materials (CycloneDX, JSON) against the hashed requirements it was made of: `python requirements/check_sbom.py SBOM REQUIREMENTS`.

Every pinned package is a component once, with its version, its package URL and its hashes, and there is no other. Reads two files, asks no network.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def pins(text: str) -> dict[str, tuple[str, set[str]]]:
    """Version and hashes by normal name of every package in hashed requirements."""
    found: dict[str, tuple[str, set[str]]] = {}
    for entry in text.replace("\\\n", " ").splitlines():
        if match := PIN.match(entry):
            found[normal(match["name"])] = (match["version"], set(HASH.findall(entry)))
        elif entry.strip() and not entry.startswith("#"):
            raise ValueError(f"not a pin: {entry[:60]}")
    return found


def normal(name: str) -> str:
    """A package's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def faults(sbom: Any, wanted: dict[str, tuple[str, set[str]]]) -> list[str]:
    """What is wrong with a bill of materials, one line each; empty if nothing is."""
    if not isinstance(sbom, dict) or sbom.get("bomFormat") != "CycloneDX" or not re.fullmatch(r"1\.[5-9]", str(sbom.get("specVersion"))):
        return ["it is no CycloneDX bill of version 1.5 or later"]
    out, seen = [], set()
    for part in sbom.get("components", []):
        name, version = normal(str(part.get("name"))), str(part.get("version"))
        if name in seen:
            out.append(f"{name} stands twice")
        seen.add(name)
        if name not in wanted:
            out.append(f"{name} is not in the requirements")
            continue
        hashes = {h["content"] for ref in part.get("externalReferences", []) for h in ref.get("hashes", []) if h["alg"] == "SHA-256"}
        hashes |= {h["content"] for h in part.get("hashes", []) if h["alg"] == "SHA-256"}
        if version != wanted[name][0] or part.get("purl", "").split("?")[0] != f"pkg:pypi/{name}@{version}" or part.get("type") != "library":
            out.append(f"{name}: version, package URL or type")
        if not hashes or hashes != wanted[name][1]:
            out.append(f"{name}: hashes")
    return [*out, *(f"{name} is missing" for name in sorted(set(wanted) - seen))]


def main(words: list[str]) -> int:
    """The command: 0 if the bill is whole."""
    sbom, requirements = (Path(word).read_text(encoding="utf-8") for word in words)
    wanted = pins(requirements)
    found = faults(json.loads(sbom), wanted)
    sys.stdout.write("\n".join(found) + "\n" if found else f"{len(wanted)} packages, each with its hashes.\n")
    return 1 if found or not wanted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

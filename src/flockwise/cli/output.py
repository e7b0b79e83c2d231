"""How commands speak: results on stdout (text or one JSON object), messages and progress on stderr, errors with their exit code."""

from __future__ import annotations

import functools
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, Protocol

import click

from flockwise.errors import FlockwiseError, InternalError

__all__ = ["command_errors", "json_option", "progress", "show"]

P = ParamSpec("P")


class Result(Protocol):
    """What every function of the api gives back."""

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON-ready values."""

    def __str__(self) -> str: ...


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def show(result: Result, as_json: bool) -> None:
    """Prints a result on stdout."""
    click.echo(_as_json(result.as_dict()) if as_json else str(result))


def _as_json(content: dict[str, Any]) -> str:
    """JSON whose letters are as they are and whose control characters are escaped, those of a terminal that JSON allows among them."""
    text = json.dumps(content, ensure_ascii=False, indent=2)
    return "\n".join(re.sub(r"[^\x20-\x7e\w]", lambda found: json.dumps(found[0])[1:-1], line) for line in text.split("\n"))


def command_errors(function: Callable[P, None]) -> Callable[P, None]:
    """Turns an error into its message on stderr and its exit code. A bug of ours is named by place only: its message could carry values."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.get("as_json"))
        try:
            function(*args, **kwargs)
        except FlockwiseError as error:
            _fail(error, as_json)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001  every other exception is our bug, and must not show a traceback with values
            _fail(_bug(error), as_json)

    return wrapped


def _bug(error: Exception) -> InternalError:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "flockwise" in f.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "outside Flockwise"
    return InternalError(
        "INTERNAL",
        what="Flockwise met a bug of its own and stopped.",
        got=f"{type(error).__name__} at {place}",
        state="Stores, ledgers and releases are written in one step each: what stood before stands.",
        fix="Please report this with the code and the place; never attach pings.",
    )


def _fail(error: FlockwiseError, as_json: bool) -> None:
    click.echo(_as_json({"error": error.as_dict()}) if as_json else f"Error: {error}", err=True)
    sys.exit(error.exit_code)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """A progress callback that draws one bar a stage on a terminal; None in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    bars = _Bars()
    try:
        yield bars
    finally:
        bars.close()


class _Bars:
    def __init__(self) -> None:
        self._stage = ""
        self._bar: Any = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = click.progressbar(length=max(total, 1), label=f"{stage:<24}", file=sys.stderr)
            self._bar.__enter__()
        self._bar.length = max(total, 1)
        self._bar.update(max(0, min(done, self._bar.length) - self._bar.pos))

    def close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
        self._bar, self._stage = None, ""

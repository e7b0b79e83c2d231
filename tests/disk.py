"""Disks that fail under a command: full, full only when data are synced, or read-only from a moment on.

The kernel itself refuses the calls (a seccomp filter in a forked child), so that what SQLite, Arrow and numpy write is refused too, for root as for anyone,
without a mount. `mounted` runs a command on a real small file system where this machine permits mounts.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from flockwise.errors import FlockwiseError

Fault = Literal["full", "late", "readonly"]
FAULTS: tuple[Fault, ...] = ("full", "late", "readonly")
STEPS = ("fsync", "rename", "replace", "open", "mkdir", "unlink", "rmdir")
REPORT = 600
"""The file descriptor on which a child reports: it may always be written."""

_X86, _ARM = 0, 1
_NUMBERS = {  # system calls on x86_64 and aarch64; None: there is no such call
    "write": (1, 64),
    "pwrite64": (18, 68),
    "writev": (20, 66),
    "pwritev": (296, 70),
    "pwritev2": (328, 287),
    "sendfile": (40, 71),
    "copy_file_range": (326, 285),
    "fallocate": (285, 47),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "open": (2, None),
    "openat": (257, 56),
    "creat": (85, None),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rmdir": (84, None),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "link": (86, None),
    "linkat": (265, 37),
}
_WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range")
_FLAGS = {"open": 1, "openat": 2}  # which argument holds the flags
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NEW_MOUNTS, _NEW_USER, _PRIVATE, _REMOUNT, _READONLY = 0x20000, 0x10000000, 0x40000 | 0x4000, 0x20, 1


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        code: of the FlockwiseError; "" if it did what it was to do; "BUG" for any other exception.
        steps: steps that it took.
        told: what it said, or the traceback.
    """

    code: str
    steps: int
    told: str


def failing(change: Callable[[], Any], fault: Fault, after: int) -> Ended:
    """Carries out a change in a forked child whose disk fails from after its n-th step on (0: from the start, negative: never)."""

    def run() -> Ended:
        count, lock = 0, threading.Lock()

        def stepping(name: str) -> None:
            real = getattr(os, name)

            def step(*args: Any, **options: Any) -> Any:
                nonlocal count
                try:
                    return real(*args, **options)
                finally:
                    with lock:  # files are synced by several threads
                        count += 1
                        number = count
                    if number == after:
                        _refuse(fault)

            setattr(os, name, step)

        for name in STEPS:
            stepping(name)
        if after == 0:
            _refuse(fault)
        ended = _told(change)
        return replace(ended, steps=count)

    return _forked(run)


def _forked(run: Callable[[], Ended]) -> Ended:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writer, REPORT)
            ended = run()
            os.write(REPORT, f"{ended.code}\n{ended.steps}\n{ended.told}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    code, steps, rest = told.split("\n", 2)
    return Ended(code, int(steps), rest)


def _refuse(fault: Fault) -> None:
    """From here on the kernel refuses this process what such a disk would refuse."""
    which = {"x86_64": _X86, "aarch64": _ARM, "arm64": _ARM}[platform.machine()]
    rules: list[tuple[str, int | None]] = []  # a call, and the flags that make it one that changes the disk
    if fault == "full":
        rules = [(name, None) for name in (*_WRITES, "fallocate", "mkdir", "mkdirat", "creat", "link", "linkat")]
        rules += [(name, os.O_EXCL) for name in _FLAGS]
    elif fault == "late":
        rules = [("fsync", None), ("fdatasync", None)]
    else:
        rules = [(name, None) for name in _NUMBERS if name not in _FLAGS]
        rules += [(name, os.O_WRONLY | os.O_RDWR | os.O_CREAT) for name in _FLAGS]
    answer = errno.EROFS if fault == "readonly" else errno.ENOSPC
    program: list[tuple[int, int, int, int]] = []
    for name, flags in rules:
        number = _NUMBERS[name][which]
        if number is None:
            continue
        refuse = (_RETURN, 0, 0, _ERRNO | answer)
        if flags is not None:  # refused if any of the flags is set
            body = [(_LOAD, 0, 0, 16 + 8 * _FLAGS[name]), (_ANY_BIT, 0, 1, flags), refuse]
        elif name in _WRITES:  # messages and the report go on
            body = [(_LOAD, 0, 0, 16), (_EQUAL, 3, 0, 1), (_EQUAL, 2, 0, 2), (_EQUAL, 1, 0, REPORT), refuse]
        else:
            body = [refuse]
        program += [(_LOAD, 0, 0, 0), (_EQUAL, 0, len(body), number), *body]
    program.append((_RETURN, 0, 0, _ALLOW))
    raw = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(raw)))
    libc = ctypes.CDLL(None, use_errno=True)
    seccomp = (317, 277)[which]
    if libc.prctl(38, 1, 0, 0, 0) or libc.syscall(seccomp, 1, 1, header):  # no new privileges; then the filter, for all threads
        raise OSError(ctypes.get_errno(), "this kernel takes no filter of system calls")


def mounted(change: Callable[[], Any], *, at: str, before: Callable[[], None], readonly: bool, after: Callable[[], None]) -> Ended | None:
    """Carries out a change on a real small file system (tmpfs, 24 MB), mounted at a folder in a child: nobody else sees it.

    Args:
        change: what to do.
        at: the folder.
        before: fills it.
        readonly: whether it is made read-only for the change.
        after: looks at it when it can be written again.

    Returns:
        How the change ended; None where this machine does not permit mounts.
    """

    def run() -> Ended:
        libc = ctypes.CDLL(None, use_errno=True)
        user, group = os.getuid(), os.getgid()
        if libc.unshare(_NEW_MOUNTS | (_NEW_USER if user else 0)):
            return Ended("UNPERMITTED", 0, "")
        if user:
            for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
                Path(f"/proc/self/{name}").write_text(text, encoding="ascii")

        def mount(flags: int) -> bool:
            return not libc.mount(b"tmpfs", at.encode(), b"tmpfs", flags, b"mode=0700,size=24m")

        if libc.mount(b"none", b"/", None, _PRIVATE, None) or not mount(0):
            return Ended("UNPERMITTED", 0, "")
        filled = _told(before)
        if filled.code:
            return filled
        if readonly and not mount(_REMOUNT | _READONLY):
            return Ended("BUG", 0, "it can't be made read-only")
        ended = _told(change)
        if readonly and not mount(_REMOUNT):
            return Ended("BUG", 0, "it can't be made writable")
        found = _told(after)
        return found if found.code else ended

    ended = _forked(run)
    return None if ended.code == "UNPERMITTED" else ended


def _told(change: Callable[[], Any]) -> Ended:
    try:
        change()
    except FlockwiseError as error:
        return Ended(error.code, 0, str(error))
    except BaseException:  # noqa: BLE001  the parent tells of it
        return Ended("BUG", 0, traceback.format_exc())
    return Ended("", 0, "")

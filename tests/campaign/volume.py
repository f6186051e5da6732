"""Model of a file system: the states that a power failure can leave.

Unsynced content may be complete, truncated, zeroed or missing. A change of names (create, rename, exchange, remove)
whose directory was not synced may be lost, independently of the changes before and after it: POSIX promises no more.
A rename and an exchange are atomic.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from mnist_gan.storage import Disk

MAX_SUBSETS: Final = 64
"""Subsets of lost changes tried after one operation; all subsets if there are no more."""

Names: TypeAlias = dict[str, int]
"""Entries of a directory: name -> inode number."""
Tree: TypeAlias = dict[str, bytes | None]
"""Content of a directory: relative path -> content, None for a directory."""
Operation: TypeAlias = tuple[str, tuple[object, ...]]
"""Name and arguments of an operation on the disk."""


@dataclass(frozen=True)
class Change:
    """Directory entries that change atomically: (directory, name, inode, True to add or False to remove)."""

    entries: tuple[tuple[int, str, int, bool], ...]

    @property
    def directories(self) -> set[int]:
        """Inodes of the changed directories."""
        return {directory for directory, *_ in self.entries}

    def apply(self, names: dict[int, Names]) -> None:
        """Change the entries of `names`."""
        for directory, name, number, added in self.entries:
            if added:
                names[directory][name] = number
            elif names[directory].get(name) == number:
                del names[directory][name]


@dataclass
class Inode:
    """A file or a directory, independent of its names."""

    is_directory: bool
    content: bytes = b""
    durable: bool = False
    """The content of a file has been synced."""


@dataclass
class Volume:
    """Current state of a file system, with its durable and pending changes."""

    root: Path
    inodes: list[Inode] = field(default_factory=lambda: [Inode(is_directory=True)])
    names: dict[int, Names] = field(default_factory=lambda: {0: {}})
    """Entries of each directory, as the running system sees them."""
    durable: list[Change] = field(default_factory=list)
    pending: list[Change] = field(default_factory=list)

    def make(self, path: Path, *, content: bytes | None = None) -> None:
        """Create a directory, or a file with unsynced content."""
        self.inodes.append(Inode(is_directory=content is None, content=content or b""))
        number = len(self.inodes) - 1
        if content is None:
            self.names[number] = {}
        directory, name = self._place(path)
        self._change((directory, name, number, True))

    def sync_file(self, path: Path) -> None:
        """Make the content of a file durable, without its name."""
        self.inodes[self._inode(path)].durable = True

    def sync_directory(self, path: Path) -> None:
        """Make the changes of a directory durable."""
        directory = self._inode(path)
        self.durable += [change for change in self.pending if directory in change.directories]
        self.pending = [change for change in self.pending if directory not in change.directories]

    def rename(self, source: Path, target: Path) -> None:
        """Rename atomically."""
        (old_directory, old), (directory, new), moved = self._place(source), self._place(target), self._inode(source)
        self._change((old_directory, old, moved, False), (directory, new, moved, True))

    def exchange(self, one: Path, other: Path) -> None:
        """Exchange two names atomically."""
        places, inodes = (self._place(one), self._place(other)), (self._inode(one), self._inode(other))
        self._change((*places[0], inodes[1], True), (*places[1], inodes[0], True))

    def remove(self, path: Path) -> None:
        """Remove a file, or a directory from the leaves up."""
        number = self._inode(path)
        if self.inodes[number].is_directory:
            for name in list(self.names[number]):
                self.remove(path / name)
        directory, name = self._place(path)
        self._change((directory, name, number, False))

    def crashes(self, random_choice: random.Random) -> Iterator[Tree]:
        """Yield trees that a power failure at this moment can leave."""
        loose = [number for number, inode in enumerate(self.inodes) if not inode.is_directory and not inode.durable]
        for kept in self._subsets(random_choice):
            names = self._names_after([*self.durable, *kept])
            contents = [_possible_contents(self.inodes[number].content) for number in loose]
            # of more than two files, all are lost in the same way
            combinations = itertools.product(*contents) if len(loose) <= 2 else zip(*contents, strict=True)
            for chosen in combinations:
                yield self._tree(names, dict(zip(loose, chosen, strict=True)))

    def _subsets(self, random_choice: random.Random) -> Iterator[list[Change]]:
        """Yield all subsets of the pending changes; of too many, single ones, all but one, and random ones."""
        count = len(self.pending)
        if 2**count <= MAX_SUBSETS:
            picks: Iterator[tuple[bool, ...]] = itertools.product((False, True), repeat=count)
        else:
            singles = [tuple(i == j for j in range(count)) for i in range(count)]
            most = [tuple(not kept for kept in single) for single in singles]
            plain = [(False,) * count, (True,) * count, *singles, *most]
            mixed = [tuple(random_choice.random() < 0.5 for _ in range(count)) for _ in range(MAX_SUBSETS - 2)]
            picks = iter((plain + mixed)[:MAX_SUBSETS] if len(plain) < MAX_SUBSETS else plain)
        for pick in picks:
            yield [change for change, kept in zip(self.pending, pick, strict=True) if kept]

    def _names_after(self, changes: list[Change]) -> dict[int, Names]:
        names: dict[int, Names] = {number: {} for number in self.names}
        for change in changes:
            change.apply(names)
        return names

    def _tree(self, names: dict[int, Names], chosen: dict[int, bytes]) -> Tree:
        tree: Tree = {}

        def walk(directory: int, prefix: str) -> None:
            for name, number in names[directory].items():
                if self.inodes[number].is_directory:
                    tree[prefix + name] = None
                    walk(number, f"{prefix}{name}/")
                else:
                    tree[prefix + name] = chosen.get(number, self.inodes[number].content)

        walk(0, "")
        return tree

    def _change(self, *entries: tuple[int, str, int, bool]) -> None:
        change = Change(entries)
        self.pending.append(change)
        change.apply(self.names)

    def _place(self, path: Path) -> tuple[int, str]:
        return self._inode(path.parent), path.name

    def _inode(self, path: Path) -> int:
        number = 0
        for part in path.relative_to(self.root).parts:
            number = self.names[number][part]
        return number


def write_tree(tree: Tree, folder: Path) -> None:
    """Write a tree to the real disk."""
    folder.mkdir()
    for name, content in tree.items():
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)


class RecordingDisk(Disk):
    """A disk that records its operations."""

    def __init__(self, *, exchanges: bool = True) -> None:
        """Create a disk; without `exchanges`, the system cannot exchange two names."""
        self.exchanges = exchanges
        self.operations: list[Operation] = []

    def make_directory(self, path: Path) -> None:
        super().make_directory(path)
        self.operations.append(("make", (path,)))

    def write(self, path: Path, content: bytes) -> None:
        super().write(path, content)
        self.operations.append(("write", (path, content)))

    def sync_file(self, path: Path) -> None:
        super().sync_file(path)
        self.operations.append(("sync_file", (path,)))

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        self.operations.append(("sync_directory", (path,)))

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.operations.append(("rename", (source, target)))

    def exchange(self, one: Path, other: Path) -> bool:
        done = self.exchanges and super().exchange(one, other)
        if done:
            self.operations.append(("exchange", (one, other)))
        return done

    def remove_file(self, path: Path) -> None:
        if path.exists():
            self.operations.append(("remove", (path,)))
        super().remove_file(path)

    def remove_tree(self, path: Path) -> None:
        if path.exists():
            self.operations.append(("remove", (path,)))
        super().remove_tree(path)

    def mark(self, words: str) -> None:
        """Record a marker between the operations."""
        self.operations.append(("mark", (words,)))


def replay(volume: Volume, operation: Operation) -> None:
    """Apply a recorded operation to the model."""
    name, arguments = operation
    paths = [argument for argument in arguments if isinstance(argument, Path)]
    match name:
        case "make":
            volume.make(paths[0])
        case "write":
            content = arguments[1]
            assert isinstance(content, bytes)
            volume.make(paths[0], content=content)
        case "sync_file" | "sync_directory":
            if paths[0] != volume.root.parent:  # the parent of the run is not in the model
                getattr(volume, name)(paths[0])
        case "rename" | "exchange":
            getattr(volume, name)(*paths)
        case "remove":
            volume.remove(paths[0])


def _possible_contents(content: bytes) -> tuple[bytes, ...]:
    return (content, b"", content[: len(content) // 2], bytes(len(content)))

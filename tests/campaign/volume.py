"""A small model of what a file system may hold after the power fails.

What was written and not synced may be there whole, in part, as zeros, or not at all. A change of names (made, renamed,
exchanged, removed) that was not followed by a sync of its folder may be there or not, whatever happened to the changes
before and after it: that is all that POSIX promises, and more than any one file system takes back. Only a rename and an
exchange are one step each.
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
"""So many choices of lost changes are tried after one operation; all of them, where there are no more."""

Names: TypeAlias = dict[str, int]
Tree: TypeAlias = dict[str, bytes | None]
"""What lies below a folder: relative path -> content, None for a folder."""


@dataclass(frozen=True)
class Change:
    """Entries of folders that change in one step: (folder, name, inode, whether it is put there or taken away)."""

    entries: tuple[tuple[int, str, int, bool], ...]

    @property
    def folders(self) -> set[int]:
        """The folders that it changes."""
        return {folder for folder, *_ in self.entries}


@dataclass
class Inode:
    """A file or folder, whatever it is called."""

    is_folder: bool
    content: bytes = b""
    durable: bool = False
    """Of a file: whether its content was synced."""


@dataclass
class Volume:
    """Everything that was done, and what of it is durable."""

    root: Path
    inodes: list[Inode] = field(default_factory=lambda: [Inode(is_folder=True)])
    names: dict[int, Names] = field(default_factory=lambda: {0: {}})
    """Folder -> name -> inode, as the running system sees it."""
    durable: list[Change] = field(default_factory=list)
    pending: list[Change] = field(default_factory=list)

    def make(self, path: Path, *, content: bytes | None = None) -> None:
        """A new folder, or a new file with content that is not synced."""
        self.inodes.append(Inode(is_folder=content is None, content=content or b""))
        number = len(self.inodes) - 1
        if content is None:
            self.names[number] = {}
        folder, name = self._place(path)
        self._change(Change(((folder, name, number, True),)))

    def sync_file(self, path: Path) -> None:
        """The file's content is durable; its name may not be."""
        self.inodes[self._inode(path)].durable = True

    def sync_directory(self, path: Path) -> None:
        """The changes in the folder are durable."""
        folder = self._inode(path)
        self.durable += [change for change in self.pending if folder in change.folders]
        self.pending = [change for change in self.pending if folder not in change.folders]

    def rename(self, source: Path, target: Path) -> None:
        """Another name, in one step."""
        (old_folder, old), (new_folder, new), moved = self._place(source), self._place(target), self._inode(source)
        self._change(Change(((old_folder, old, moved, False), (new_folder, new, moved, True))))

    def exchange(self, one: Path, other: Path) -> None:
        """Two names change places, in one step."""
        places, inodes = (self._place(one), self._place(other)), (self._inode(one), self._inode(other))
        self._change(Change(((*places[0], inodes[1], True), (*places[1], inodes[0], True))))

    def remove(self, path: Path) -> None:
        """A file's name, or a folder with all in it, from the inside out."""
        number = self._inode(path)
        if self.inodes[number].is_folder:
            for name in list(self.names[number]):
                self.remove(path / name)
        folder, name = self._place(path)
        self._change(Change(((folder, name, number, False),)))

    def exists(self, path: Path) -> bool:
        """Whether the running system sees something there."""
        try:
            self._inode(path)
        except KeyError:
            return False
        return True

    def crashes(self, random_choice: random.Random) -> Iterator[Tree]:
        """What may be there if the power fails now."""
        loose = [number for number, inode in enumerate(self.inodes) if not inode.is_folder and not inode.durable]
        for kept in self._subsets(random_choice):
            names = self._names_after([*self.durable, *kept])
            contents = [_possible(self.inodes[number].content) for number in loose]
            every_way = itertools.product(*contents) if len(loose) <= 2 else zip(*contents, strict=True)
            for chosen in every_way:  # more than two files at once are all lost in the same way
                yield self._tree(names, dict(zip(loose, chosen, strict=True)))

    def _subsets(self, random_choice: random.Random) -> Iterator[list[Change]]:
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
            for folder, name, number, there in change.entries:
                if there:
                    names[folder][name] = number
                elif names[folder].get(name) == number:
                    del names[folder][name]
        return names

    def _tree(self, names: dict[int, Names], chosen: dict[int, bytes]) -> Tree:
        tree: Tree = {}

        def walk(folder: int, prefix: str) -> None:
            for name, number in names[folder].items():
                if self.inodes[number].is_folder:
                    tree[prefix + name] = None
                    walk(number, f"{prefix}{name}/")
                else:
                    tree[prefix + name] = chosen.get(number, self.inodes[number].content)

        walk(0, "")
        return tree

    def _change(self, change: Change) -> None:
        self.pending.append(change)
        for folder, name, number, there in change.entries:
            if there:
                self.names[folder][name] = number
            elif self.names[folder].get(name) == number:
                del self.names[folder][name]

    def _place(self, path: Path) -> tuple[int, str]:
        return self._inode(path.parent), path.name

    def _inode(self, path: Path) -> int:
        number = 0
        for part in path.relative_to(self.root).parts:
            number = self.names[number][part]
        return number


def write_tree(tree: Tree, folder: Path) -> None:
    """Lay a tree out on the real disk."""
    folder.mkdir()
    for name, content in tree.items():
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)


class Recorder(Disk):
    """Does what it is told, and keeps the list of it."""

    def __init__(self, *, exchanges: bool = True) -> None:
        """`exchanges`: whether this system can exchange two names."""
        self.exchanges = exchanges
        self.steps: list[tuple[str, tuple[object, ...]]] = []

    def make_directory(self, path: Path) -> None:
        """As `Disk` does."""
        super().make_directory(path)
        self.steps.append(("make", (path,)))

    def write(self, path: Path, content: bytes) -> None:
        """As `Disk` does."""
        super().write(path, content)
        self.steps.append(("write", (path, content)))

    def sync_file(self, path: Path) -> None:
        """As `Disk` does."""
        super().sync_file(path)
        self.steps.append(("sync_file", (path,)))

    def sync_directory(self, path: Path) -> None:
        """As `Disk` does."""
        super().sync_directory(path)
        self.steps.append(("sync_directory", (path,)))

    def rename(self, source: Path, target: Path) -> None:
        """As `Disk` does."""
        super().rename(source, target)
        self.steps.append(("rename", (source, target)))

    def exchange(self, one: Path, other: Path) -> bool:
        """As `Disk` does."""
        done = self.exchanges and super().exchange(one, other)
        if done:
            self.steps.append(("exchange", (one, other)))
        return done

    def remove_file(self, path: Path) -> None:
        """As `Disk` does."""
        if path.exists():
            self.steps.append(("remove", (path,)))
        super().remove_file(path)

    def remove_tree(self, path: Path) -> None:
        """As `Disk` does."""
        if path.exists():
            self.steps.append(("remove", (path,)))
        super().remove_tree(path)

    def mark(self, what: str) -> None:
        """Put a word into the list."""
        self.steps.append(("mark", (what,)))


def replay(volume: Volume, step: tuple[str, tuple[object, ...]]) -> None:
    """Do a recorded step on the model."""
    name, arguments = step
    paths = [argument for argument in arguments if isinstance(argument, Path)]
    match name:
        case "make":
            volume.make(paths[0])
        case "write":
            content = arguments[1]
            assert isinstance(content, bytes)
            volume.make(paths[0], content=content)
        case "sync_file" | "sync_directory":
            if paths[0] != volume.root.parent:  # what is above the run is not in the model
                getattr(volume, name)(paths[0])
        case "rename" | "exchange":
            getattr(volume, name)(*paths)
        case "remove":
            volume.remove(paths[0])


def _possible(content: bytes) -> tuple[bytes, ...]:
    """What may be read of a file that was not synced."""
    return (content, b"", content[: len(content) // 2], bytes(len(content)))

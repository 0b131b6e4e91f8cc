"""A disk that remembers what was synced, and what a power cut may leave of the rest.

The model is POSIX without favours. The bytes of a file last once the file is synced; a name lasts once its folder is
synced. Until then each write and each change of a name may be there or not, in any combination: dropped, torn (half a
write, or zeros where it should be), or reordered (a later one without an earlier one). A rename is one change.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from tests.runs.disk import Disk


@dataclass
class Node:
    """A file, or a folder (whose `names` lead to nodes)."""

    is_folder: bool
    names: dict = field(default_factory=dict)


class Recording(Disk):
    """Keeps every change as an event on nodes, below a root."""

    def __init__(self, root):
        super().__init__()
        self.root = Node(True)
        self.base = str(root)
        self.events = []
        self.handles = {}

    def after(self, name, arguments, result):
        note = getattr(self, f"_{name}", None)
        if note is not None:
            note(result, *arguments)

    def _open(self, handle, path, flags, mode=0):
        folder, name = self._place(path)
        node = folder.names.get(name) if name else self.root
        if node is None and flags & os.O_CREAT:
            node = Node(False)
            self._happened(("name", folder, name, node))
        self.handles[handle] = node

    def _close(self, result, handle):
        self.handles.pop(handle, None)

    def _write(self, count, handle, content):
        self._happened(("write", self.handles[handle], bytes(content[:count])))

    def _fsync(self, result, handle):
        self._happened(("sync", self.handles[handle]))

    def _ftruncate(self, result, handle, size):
        self._happened(("cut", self.handles[handle], size))

    def _mkdir(self, result, path):
        folder, name = self._place(path)
        self._happened(("name", folder, name, Node(True)))

    def _rename(self, result, old, new):
        self._happened(("move", *self._place(old), *self._place(new)))

    def _unlink(self, result, path):
        self._happened(("forget", *self._place(path)))

    _rmdir = _unlink

    def _place(self, path):
        """The folder that a path's last name is in, and that name."""
        relative = os.path.relpath(path, self.base)
        if relative == ".":
            return self.root, None
        *above, name = relative.split(os.sep)
        folder = self.root
        for one in above:
            # a run is made by calls that we see; the cache of texts, which can be made again, is taken as lasting
            assert one in folder.names or above[0] == "cache", f"{path} was made behind our back"
            folder = folder.names.setdefault(one, Node(True))
        return folder, name

    def _happened(self, event):
        self.events.append(event)
        _apply_name(event, lambda folder: folder.names)


def _apply_name(event, names_of):
    """A change of a name, if it can happen where others did not."""
    match event:
        case "name", folder, name, node:
            names_of(folder)[name] = node
        case "move", folder, name, target, new:
            if name in names_of(folder):
                names_of(target)[new] = names_of(folder).pop(name)
        case "forget", folder, name:
            names_of(folder).pop(name, None)


def after_a_cut(events, choose):
    """What is on the disk when the power goes after these events: the names of each folder, the bytes of each file.

    `choose(count, is_bytes)` says for `count` changes that were not synced which of them last: True, False, or, for
    writes, "torn" or "zeros".
    """
    pending = {}
    for place, event in enumerate(events):
        if event[0] == "sync":
            pending.pop(id(event[1]), None)
        else:
            pending.setdefault(id(event[1]), []).append(place)
    fate = {}
    for places in pending.values():
        is_bytes = events[places[0]][0] in ("write", "cut")
        fate.update(zip(places, choose(len(places), is_bytes), strict=True))
    names, contents = {}, {}
    for place, event in enumerate(events):
        lasts = fate.get(place, True)
        if event[0] == "write":
            _write(contents.setdefault(id(event[1]), [b"", 0]), event[2], lasts)
        elif event[0] == "cut" and lasts:
            content = contents.setdefault(id(event[1]), [b"", 0])
            content[:] = [content[0][: event[2]], event[2]]
        elif event[0] not in ("sync", "cut") and lasts:
            _apply_name(event, lambda folder: names.setdefault(id(folder), {}))
    return names, {key: content for key, (content, _) in contents.items()}


def _write(content, data, lasts):
    """All our writes are at the end of a file: `content` is what is there, and where the next one goes."""
    there, end = content
    if lasts == "torn":
        data = data[: len(data) // 2]
    elif lasts == "zeros":
        data = bytes(len(data))
    if lasts:
        there = there.ljust(end, b"\0") + data
    content[:] = [there, end + len(data)]


def lay_out(path, node, names, contents):
    """Make a folder of what is left."""
    path.mkdir()
    for name, one in names.get(id(node), {}).items():
        if one.is_folder:
            lay_out(path / name, one, names, contents)
        else:
            (path / name).write_bytes(contents.get(id(one), b""))

"""Reading a pickle without running it.

A pickle is a program for a small stack machine, and two of its instructions (look up a global, call it) can run
anything. Checkpoints are such programs, and honest ones name much besides tensors: paths, namespaces, callbacks,
optimizers. This machine knows the instructions up to protocol 5, but imports and calls nothing: names and calls become
the records of `pickle_stubs`. Bounds on size, instructions and copies limit the memory and time of a hostile program.
"""

import pickletools
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

from trajprobe.checkpoints.pickle_stubs import (
    OPAQUE,
    InvalidCheckpoint,
    Storage,
    built,
    called,
    instance,
    named,
    pairs,
    stored,
)

LARGEST_PICKLE = 64 << 20  # bytes; that of the 3 GB Open-MAGVIT2 checkpoint has 70 thousand
MOST_INSTRUCTIONS = 2_000_000  # about 30 for a tensor
MOST_COPIED = 500_000  # items in all calls of OrderedDict together


class BoundedReader:
    """The reading methods that `pickletools` needs; the file ends after LARGEST_PICKLE bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left = LARGEST_PICKLE

    def read(self, size: int) -> bytes:
        if size > self.left:
            raise InvalidCheckpoint("its pickle is too large or cut off")
        data = self.file.read(size)
        self.left -= len(data)
        return data

    def readline(self) -> bytes:
        data = self.file.readline(self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise InvalidCheckpoint("its pickle is too large or cut off")
        return data


def interpret(reader: BoundedReader, storages: dict[str, Storage] | None = None) -> Any:
    """The value of one pickle: None, bool, int, float, str, bytes, tuple, list, dict, or a record of pickle_stubs.

    A dict keeps the items whose keys are text or integers. The reader is left right after the pickle.
    storages: filled with the storages that the pickle refers to, by key.
    Raises InvalidCheckpoint if the pickle is damaged, too large, or names what only an attack would.
    """
    machine = _Machine({} if storages is None else storages)
    try:
        # Python warns about escapes that no pickler writes.
        with warnings.catch_warnings(action="error"):
            for done, (opcode, argument, _) in enumerate(pickletools.genops(reader)):  # type: ignore[arg-type]
                if done == MOST_INSTRUCTIONS:
                    raise InvalidCheckpoint(f"its pickle has more than {MOST_INSTRUCTIONS} instructions")
                machine.step(opcode.name, argument)
        return machine.stack[-1]
    except InvalidCheckpoint:
        raise
    except (ValueError, LookupError, TypeError, DeprecationWarning) as error:
        raise InvalidCheckpoint(f"its pickle is damaged ({type(error).__name__})") from None


class _Machine:
    """The stack machine that Python's Lib/pickletools.py documents."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.copied = 0

    def step(self, name: str, argument: Any) -> None:
        if name in PUSHED:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in TUPLES:
            self.stack.append(tuple(self.take(TUPLES[name])))
        elif name in RECALLED:
            self.stack.append(self.memo[argument])
        elif name in REMEMBERED:
            self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
        elif name not in IGNORED:
            handler = getattr(self, f"do_{name.lower()}", None)
            if handler is None:  # extension registry, text persistent ids, out-of-band buffers
                raise InvalidCheckpoint(f"its pickle has an instruction that no checkpoint needs ({name})")
            handler(argument)

    def take(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise InvalidCheckpoint("its pickle is damaged (empty stack)")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def since_mark(self) -> list[Any]:
        mark = self.marks.pop()
        taken = self.stack[mark:]
        del self.stack[mark:]
        return taken

    def do_mark(self, _: None) -> None:
        self.marks.append(len(self.stack))

    def do_pop(self, _: None) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.stack.pop()

    def do_pop_mark(self, _: None) -> None:
        self.since_mark()

    def do_dup(self, _: None) -> None:
        self.stack.append(self.stack[-1])

    def do_tuple(self, _: None) -> None:
        self.stack.append(tuple(self.since_mark()))

    def do_list(self, _: None) -> None:
        self.stack.append(self.since_mark())

    def do_dict(self, _: None) -> None:
        items = self.since_mark()
        self.stack.append({})
        self.set_items(items)

    def do_frozenset(self, _: None) -> None:
        self.since_mark()
        self.stack.append(OPAQUE)

    def do_additems(self, _: None) -> None:
        self.since_mark()

    def do_append(self, _: None) -> None:
        (item,) = self.take(1)
        self.extend([item])

    def do_appends(self, _: None) -> None:
        self.extend(self.since_mark())

    def extend(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def do_setitem(self, _: None) -> None:
        self.set_items(self.take(2))

    def do_setitems(self, _: None) -> None:
        self.set_items(self.since_mark())

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            target.update(pairs(zip(items[::2], items[1::2], strict=True)))

    def do_global(self, argument: str) -> None:
        module, name = argument.split(" ", 1)
        self.stack.append(named(module, name))

    def do_stack_global(self, _: None) -> None:
        module, name = self.take(2)
        self.stack.append(named(module, name))

    def do_binpersid(self, _: None) -> None:
        (identity,) = self.take(1)
        storage = stored(identity)
        self.stack.append(storage)
        if isinstance(storage, Storage):
            self.storages[storage.key] = storage

    def do_reduce(self, _: None) -> None:
        function, arguments = self.take(2)
        made = called(function, arguments)
        self.copied += len(arguments[0]) if isinstance(made, dict) and arguments else 0
        if self.copied > MOST_COPIED:
            raise InvalidCheckpoint("its pickle copies too many items")
        self.stack.append(made)

    def do_build(self, _: None) -> None:
        value, state = self.take(2)
        self.stack.append(built(value, state))

    def do_newobj(self, _: None) -> None:
        self.stack.append(instance(self.take(2)[0]))

    def do_newobj_ex(self, _: None) -> None:
        self.stack.append(instance(self.take(3)[0]))

    def do_obj(self, _: None) -> None:
        self.since_mark()
        self.stack.append(OPAQUE)

    def do_inst(self, argument: str) -> None:
        module, name = argument.split(" ", 1)
        named(module, name)
        self.since_mark()
        self.stack.append(OPAQUE)


NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
STRINGS = {
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
    "UNICODE",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
}
PUSHED = NUMBERS | STRINGS | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": lambda: OPAQUE,
}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
RECALLED = frozenset(("GET", "BINGET", "LONG_BINGET"))
REMEMBERED = frozenset(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"))
IGNORED = frozenset(("PROTO", "FRAME", "STOP"))

"""Reading a pickle without running it.

A pickle is a program for a small stack machine, and two of its instructions (look up a global, call it) can run
anything. This machine knows the instructions of protocols 2 to 5 that pickles of data have, but imports and calls
nothing: what a name, a call or a state stands for is decided by the `Stubs` of the caller (checkpoints/pickle_stubs.py
for torch, trajectories/sources/object_array.py for NumPy). Protocols 0 and 1, which torch and NumPy have never written
by themselves, are refused. The machine is in Python, as one in C lets a few bytes allocate gigabytes.
"""

import pickletools
import warnings
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, Protocol

LARGEST_PICKLE = 64 << 20  # bytes; that of the 3 GB Open-MAGVIT2 checkpoint has 70 thousand
MOST_INSTRUCTIONS = 2_000_000  # about 30 for a tensor
MOST_COPIED = 500_000  # items in all calls that return mappings together
LARGEST_KEY = 2**48  # of integers


class InvalidPickle(ValueError):
    """The pickle is damaged, too large, or contains what pickles of data do not."""


class _Opaque:
    """Stands for anything that is of no interest; items and state given to it are ignored."""

    __slots__ = ()


OPAQUE = _Opaque()


class Stubs(Protocol):
    """What a pickle may name, made of nothing but records. Each may raise, and its error ends the reading."""

    def named(self, module: str, name: str) -> Any:
        """The class or function `name` of `module`."""

    def called(self, function: Any, arguments: Any) -> Any:
        """The result of calling `function`, which need not be a name."""

    def instance(self, kind: Any) -> Any:
        """A new object of the class `kind`."""

    def built(self, value: Any, state: Any) -> Any:
        """The object `value` with its state."""

    def stored(self, identity: Any) -> Any:
        """What lies outside of the pickle under a persistent id."""


class BoundedReader:
    """The reading methods that `pickletools` needs; the file ends after LARGEST_PICKLE bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left = LARGEST_PICKLE

    def read(self, size: int) -> bytes:
        if size > self.left:
            raise InvalidPickle("its pickle is too large or cut off")
        data = self.file.read(size)
        self.left -= len(data)
        return data

    def readline(self) -> bytes:
        data = self.file.readline(self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise InvalidPickle("its pickle is too large or cut off")
        return data


def interpret(reader: BoundedReader | BinaryIO, stubs: Stubs, most: int | None = None) -> Any:
    """The value of one pickle: None, bool, int, float, str, bytes, tuple, list, dict, OPAQUE, or a record of `stubs`.

    A dict keeps the items whose keys are text or integers. The reader is left right after the pickle.
    most: instructions, MOST_INSTRUCTIONS by default.
    Raises InvalidPickle if the pickle is damaged or too long, and what `stubs` raises.
    """
    machine, most = _Machine(stubs), most or MOST_INSTRUCTIONS
    try:
        # Python warns about escapes that no pickler writes.
        with warnings.catch_warnings(action="error"):
            for done, (opcode, argument, _) in enumerate(pickletools.genops(reader)):  # type: ignore[arg-type]
                if done == most:
                    raise InvalidPickle(f"its pickle has more than {most} instructions")
                machine.step(opcode.name, argument)
        return machine.stack[-1]
    except InvalidPickle:
        raise
    except (ValueError, LookupError, TypeError, OverflowError, DeprecationWarning) as error:
        raise InvalidPickle(f"its pickle is damaged ({type(error).__name__})") from None


def pairs(items: Iterable[Any]) -> dict[Any, Any]:
    """The items whose keys are text or small integers; others could be chosen to make hashing slow."""
    return {
        key: value
        for key, value in items
        if type(key) is str or (type(key) is int and -LARGEST_KEY < key < LARGEST_KEY)
    }


class _Machine:
    """The stack machine that Python's Lib/pickletools.py documents."""

    def __init__(self, stubs: Stubs) -> None:
        self.stubs = stubs
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
            if handler is None:  # protocols 0 and 1, extension registry, out-of-band buffers
                raise InvalidPickle(f"its pickle has an instruction that no data needs ({name})")
            handler(argument)

    def take(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise InvalidPickle("its pickle is damaged (empty stack)")
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

    def do_tuple(self, _: None) -> None:
        self.stack.append(tuple(self.since_mark()))

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
        self.stack.append(self.stubs.named(module, name))

    def do_stack_global(self, _: None) -> None:
        module, name = self.take(2)
        if type(module) is not str or type(name) is not str:
            raise InvalidPickle("its pickle is damaged (a name that is not text)")
        self.stack.append(self.stubs.named(module, name))

    def do_binpersid(self, _: None) -> None:
        (identity,) = self.take(1)
        self.stack.append(self.stubs.stored(identity))

    def do_reduce(self, _: None) -> None:
        function, arguments = self.take(2)
        made = self.stubs.called(function, arguments)
        self.copied += len(arguments[0]) if isinstance(made, dict) and arguments else 0
        if self.copied > MOST_COPIED:
            raise InvalidPickle("its pickle copies too many items")
        self.stack.append(made)

    def do_build(self, _: None) -> None:
        value, state = self.take(2)
        self.stack.append(self.stubs.built(value, state))

    def do_newobj(self, _: None) -> None:
        self.stack.append(self.stubs.instance(self.take(2)[0]))

    def do_newobj_ex(self, _: None) -> None:
        self.stack.append(self.stubs.instance(self.take(3)[0]))


# INT and the two of bytes as text: Python 2 wrote them in protocol 2.
NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"}
STRINGS = {"BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
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
RECALLED = frozenset(("BINGET", "LONG_BINGET"))
REMEMBERED = frozenset(("BINPUT", "LONG_BINPUT", "MEMOIZE"))
IGNORED = frozenset(("PROTO", "FRAME", "STOP"))

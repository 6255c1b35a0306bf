"""Stubs for the things that a pickle names: records without behaviour.

Torch pickles a tensor as a call of one of its rebuilding functions (`torch/_utils.py`) on a storage that lies outside
the pickle (`torch/serialization.py`). Here such a call becomes a `View` of a `Storage`, from the arguments of the call.
An object stays the name of its class, every other call becomes OPAQUE, and a name stays a name.
"""

from dataclasses import dataclass, replace
from typing import Any

from trajprobe.core.unpickle import OPAQUE, InvalidPickle, pairs

LARGEST_NUMBER = 2**48  # of a shape, stride or offset
LONGEST_KEY = 100  # of a storage
LONGEST_NAME = 500  # of a class or function and its module
MOST_AXES = 64  # that torch has
MOST_ARGUMENTS = 16  # of a call; torch's own have up to 9, and a long tuple could serve many calls

# No honest checkpoint names these. They would stay names like all others, but show that the file is an attack.
HOSTILE_MODULES = (
    "os",
    "posix",
    "nt",
    "subprocess",
    "commands",
    "sys",
    "importlib",
    "runpy",
    "shutil",
    "socket",
    "pty",
    "ctypes",
)
BUILTINS = ("builtins", "__builtin__", "io", "_io")
HOSTILE_BUILTINS = ("eval", "exec", "execfile", "compile", "__import__", "open", "input", "breakpoint")

MODULE_STATE = {"_parameters", "_modules"}  # attributes of every torch.nn.Module

STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "UntypedStorage": "uint8",
}


class InvalidCheckpoint(InvalidPickle):
    """The file is damaged, hostile, or not a checkpoint."""


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function that was not looked up."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Instance:
    """An object that was not made. kind: its class. is_module: whether its state is that of a torch.nn.Module."""

    kind: str
    is_module: bool = False


@dataclass(frozen=True, slots=True)
class Storage:
    """A block of values that lies outside the pickle, under `key`."""

    key: str
    dtype: str
    count: int  # elements
    base: int = 0  # elements; the start of a view of another storage (files from before torch 0.4)


@dataclass(frozen=True, slots=True)
class View:
    """A tensor: a strided view into a storage, in elements."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class TorchStubs:
    """The `Stubs` of checkpoints. storages: those that the pickles refer to, by key."""

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}

    def instance(self, kind: Any) -> Any:
        """A new object of the class `kind`."""
        return Instance(f"{kind.module}.{kind.name}") if isinstance(kind, Global) else OPAQUE

    def built(self, value: Any, state: Any) -> Any:
        """The object `value` after it was given its state, of which only the kind is of interest."""
        is_module = isinstance(value, Instance) and isinstance(state, dict) and MODULE_STATE.issubset(state)
        return replace(value, is_module=True) if is_module else value

    def named(self, module: str, name: str) -> Global:
        if len(module) + len(name) > LONGEST_NAME:
            raise InvalidCheckpoint("its pickle has too long a name of a function")
        root = module.split(".")[0]
        if root in HOSTILE_MODULES or (root in BUILTINS and name in HOSTILE_BUILTINS):
            raise InvalidCheckpoint(
                f"its pickle would run {ascii(f'{module}.{name}')[1:-1][:80]}, which no checkpoint needs (nothing was "
                "run)"
            )
        return Global(module, name)

    def stored(self, identity: Any) -> Any:
        """`torch.save`'s persistent id: ("storage", class, key, location, elements[, view])."""
        if isinstance(identity, tuple) and len(identity) > MOST_ARGUMENTS:
            raise InvalidCheckpoint("its pickle names data that is not a tensor's")
        match identity:
            case ("storage", Global(name=kind), str(key), _, int(count), *rest) if (
                0 <= count < LARGEST_NUMBER
            ):
                if kind not in STORAGES or len(key) > LONGEST_KEY:
                    return OPAQUE
                match rest:
                    case [(_, int(base), _)] if 0 <= base < LARGEST_NUMBER:
                        storage = Storage(key, STORAGES[kind], count, base)
                    case _:
                        storage = Storage(key, STORAGES[kind], count)
                self.storages[key] = storage
                return storage
            case ("module", kind, *_):  # torch before 0.4 stores the source of classes, too
                return kind
        raise InvalidCheckpoint("its pickle names data that is not a tensor's")

    def called(self, function: Any, arguments: Any) -> Any:
        """The arguments of one of torch's own rebuilding functions as a record; OPAQUE for any other function."""
        if (
            not isinstance(function, Global)
            or not isinstance(arguments, tuple)
            or len(arguments) > MOST_ARGUMENTS
        ):
            return OPAQUE
        match (function.module, function.name), arguments:
            case ("torch._utils", "_rebuild_tensor_v3"), (
                Storage() as storage,
                offset,
                size,
                stride,
                _,
                _,
                Global() as dtype,
                *rest,
            ):
                return _view(storage, dtype.name, offset, size, stride, rest)
            case ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2"), (
                Storage() as storage,
                offset,
                size,
                stride,
                *rest,
            ):
                return _view(storage, storage.dtype, offset, size, stride, rest[2:])
            case ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state"), (
                View() as view,
                *_,
            ):
                return view
            case ("torch._tensor", "_rebuild_from_type_v2"), (
                Global(module="torch._utils") as inner,
                _,
                tuple(inner_arguments),
                *_,
            ):
                return self.called(inner, inner_arguments)
            case ("collections", "OrderedDict"), ():
                return {}
            case ("collections", "OrderedDict"), (list() | tuple() as items,):
                return pairs(item for item in items if isinstance(item, (list, tuple)) and len(item) == 2)
        return OPAQUE


def _view(storage: Storage, dtype: str, offset: Any, size: Any, stride: Any, metadata: list[Any]) -> Any:
    if any(metadata):  # a lazy conjugate or negative: its values are not those in the file
        return OPAQUE
    lists = isinstance(size, tuple) and isinstance(stride, tuple) and max(len(size), len(stride)) <= MOST_AXES
    numbers = (offset, *size, *stride) if lists else (None,)
    if not all(type(number) is int and 0 <= number < LARGEST_NUMBER for number in numbers):
        raise InvalidCheckpoint("it has a tensor with an impossible shape, stride or offset")
    return View(storage, dtype, storage.base + offset, size, stride)

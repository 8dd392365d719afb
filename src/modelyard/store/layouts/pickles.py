"""What a pickle says, without doing it.

An unpickler of the standard library allocates what a pickle claims (five bytes make it fill sixteen GiB), hashes keys that a stranger chose, and needs
a class of ours for each of theirs. Here the operations are read with ``pickletools`` and played with inert values: nothing is imported, called or
hashed, and what a pickle would have made stands as :class:`Made`, with all it would have been made of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from modelyard.store.layouts.layout import Unsound

OPERATIONS_LIMIT = 4_000_000
"""Then we give up. A tensor of torch takes about forty, so that this is a hundred thousand of them."""


@dataclass(frozen=True, eq=False, slots=True)
class Global:
    """A name that a pickle would import."""

    module: str
    name: str


@dataclass(frozen=True, eq=False, slots=True)
class Persistent:
    """What stands in the pickle for bytes that lie beside it."""

    id: object


@dataclass(eq=False, slots=True)
class Made:
    """What calling ``function`` with ``args`` would have made, then given ``state``, ``elements`` appended and ``items`` set. A dict is one as well."""

    function: object
    args: tuple[object, ...]
    state: object = None
    elements: list[object] = field(default_factory=list)
    items: list[tuple[object, object]] = field(default_factory=list)


DICT = Global("builtins", "dict")


def inert(data: bytes) -> object:
    """What the pickle ``data`` describes: numbers, strings, bytes, None, tuples, lists (for sets as well), and :class:`Made`, :class:`Global` and
    :class:`Persistent`. Objects that a pickle shares are one object; one that contains itself does so. Raises Unsound."""
    from pickletools import genops  # 10 ms to import, and few files need it

    machine = _Machine()
    try:
        for count, (operation, argument, _) in enumerate(genops(data)):
            if count == OPERATIONS_LIMIT:
                raise Unsound
            if operation.name == "STOP":
                return machine.pop()
            machine.do(operation.name, argument)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError, MemoryError):
        raise Unsound from None
    raise Unsound


class _Machine:
    """The stack, the marks in it and the memo. What is malformed raises whatever Python says; the caller turns it into Unsound."""

    def __init__(self) -> None:
        self._stack: list[object] = []
        self._marks: list[list[object]] = []
        self._memo: dict[int, object] = {}

    def do(self, name: str, argument: object) -> None:
        if name in LITERALS:
            self._stack.append(argument)
        elif name in CONSTANTS:
            self._stack.append(CONSTANTS[name]())
        else:
            OPERATIONS[name](self, argument)

    def pop(self) -> object:
        return self._stack.pop()

    def mark(self, _: object) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def to_mark(self) -> list[object]:
        found, self._stack = self._stack, self._marks.pop()
        return found

    def discard(self, _: object) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self.to_mark()

    def discard_to_mark(self, _: object) -> None:
        self.to_mark()

    def duplicate(self, _: object) -> None:
        self._stack.append(self._stack[-1])

    def nothing(self, _: object) -> None:
        """Of the pickle's own framing."""

    # Memo: a dict, in which a number that a stranger chose makes nothing large, nor anything slow below this limit.

    def put(self, index: object) -> None:
        if not isinstance(index, int) or not 0 <= index < OPERATIONS_LIMIT:
            raise Unsound
        self._memo[index] = self._stack[-1]

    def memoize(self, _: object) -> None:
        self.put(len(self._memo))

    def get(self, index: object) -> None:
        if not isinstance(index, int):
            raise Unsound
        self._stack.append(self._memo[index])

    # Containers.

    def tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise Unsound
        self._stack[-count:] = [tuple(self._stack[-count:])]

    def tuple_to_mark(self, _: object) -> None:
        found = tuple(self.to_mark())
        self._stack.append(found)

    def list_to_mark(self, _: object) -> None:
        found = self.to_mark()
        self._stack.append(found)

    def dict_to_mark(self, _: object) -> None:
        found = self.to_mark()
        self._stack.append(_dict())
        self._set(found)

    def append(self, _: object) -> None:
        self._extend([self.pop()])

    def append_to_mark(self, _: object) -> None:
        self._extend(self.to_mark())

    def _extend(self, found: list[object]) -> None:
        target = self._stack[-1]
        (target.elements if isinstance(target, Made) else _list(target)).extend(found)

    def set_item(self, _: object) -> None:
        value, key = self.pop(), self.pop()
        self._set([key, value])

    def set_to_mark(self, _: object) -> None:
        self._set(self.to_mark())

    def _set(self, found: list[object]) -> None:
        _made(self._stack[-1]).items.extend(zip(found[::2], found[1::2], strict=True))

    # What a pickle would import, call and fill.

    def global_in_one(self, argument: object) -> None:
        module, _, name = str(argument).partition(" ")
        self._stack.append(Global(module, name))

    def global_of_two(self, _: object) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Unsound
        self._stack.append(Global(module, name))

    def call(self, _: object) -> None:
        args, function = self.pop(), self.pop()
        self._make(function, args)

    def call_with_keywords(self, _: object) -> None:
        keywords, args, function = self.pop(), self.pop(), self.pop()
        self._make(function, args)
        self._set([word for pair in _made(keywords).items for word in pair])

    def call_to_mark(self, _: object) -> None:
        function, *args = self.to_mark()
        self._make(function, tuple(args))

    def call_global_to_mark(self, argument: object) -> None:
        args = tuple(self.to_mark())
        self.global_in_one(argument)
        self._make(self.pop(), args)

    def _make(self, function: object, args: object) -> None:
        if not isinstance(args, tuple):
            raise Unsound
        self._stack.append(Made(function, args))

    def build(self, _: object) -> None:
        state = self.pop()
        _made(self._stack[-1]).state = state

    def persistent(self, argument: object) -> None:
        self._stack.append(Persistent(argument))

    def persistent_from_stack(self, _: object) -> None:
        self._stack.append(Persistent(self.pop()))


def _dict() -> Made:
    return Made(DICT, ())


def _made(value: object) -> Made:
    if not isinstance(value, Made):
        raise Unsound
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise Unsound
    return value


LITERALS = {
    "INT",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG",
    "LONG1",
    "LONG4",
    "FLOAT",
    "BINFLOAT",
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
    "BINBYTES",
    "SHORT_BINBYTES",
    "BINBYTES8",
    "BYTEARRAY8",
    "UNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
}
CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_DICT": _dict,
}
# What is not here (registered extensions, buffers out of band) no torch writes; its name is a KeyError.
OPERATIONS: dict[str, Callable[[_Machine, object], None]] = {
    "PROTO": _Machine.nothing,
    "FRAME": _Machine.nothing,
    "MARK": _Machine.mark,
    "POP": _Machine.discard,
    "POP_MARK": _Machine.discard_to_mark,
    "DUP": _Machine.duplicate,
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "TUPLE": _Machine.tuple_to_mark,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "LIST": _Machine.list_to_mark,
    "FROZENSET": _Machine.list_to_mark,
    "DICT": _Machine.dict_to_mark,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_to_mark,
    "ADDITEMS": _Machine.append_to_mark,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_to_mark,
    "GLOBAL": _Machine.global_in_one,
    "STACK_GLOBAL": _Machine.global_of_two,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_with_keywords,
    "OBJ": _Machine.call_to_mark,
    "INST": _Machine.call_global_to_mark,
    "BUILD": _Machine.build,
    "PERSID": _Machine.persistent,
    "BINPERSID": _Machine.persistent_from_stack,
}

"""A walk through a pickle that keeps the stack and the memo as the unpickler would, and makes nothing: what would be imported, and what called.

It follows CPython's ``pickle``: the same opcodes, the same marks, the same memo. Where it cannot tell what the unpickler would do, it says
so, and what cannot be told is never safe. Of values it keeps only those that decide something: strings (which may become names), small
numbers and tuples (which say how long a raw array of joblib is); whatever else lies on the stack is ``UNKNOWN``.
"""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import Any

from modelyard.safety.scanning import opcodes as op
from modelyard.safety.scanning.imports import BY_NUMBER, UNSEEN
from modelyard.safety.scanning.limits import Budget, Unreadable
from modelyard.safety.scanning.source import BLOCK, Source
from modelyard.safety.scanning.stack import NAME_LIMIT, TUPLE_LIMIT, Stack
from modelyard.safety.scanning.values import CAREFUL, GETATTR, KEPT, NDARRAY_WRAPPER, UNKNOWN, Global, Made, Walk


class Machine(Stack):
    """One walk, from the first opcode to STOP. ``walk`` gathers over several walks: pickles in pickles, and one behind another."""

    def __init__(self, source: Source, budget: Budget, walk: Walk, *, depth: int = 0, raw_arrays: bool = True) -> None:
        super().__init__(source, walk)
        self.budget, self.depth, self.raw_arrays = budget, depth, raw_arrays

    def run(self) -> None:
        """Walks to STOP. Raises Unreadable where the unpickler would stop with an error, or where it cannot be told what it would do."""
        handlers, count = _HANDLERS, 0
        try:
            while True:
                at = self._at
                if at >= len(self._data):
                    walked, count = count, 0
                    self.budget.operate(walked)
                    self._passed += len(self._data)
                    self._data, at = self.source.read(BLOCK), 0
                    if not self._data:
                        raise Unreadable("it breaks off")
                code = self._data[at]
                self._at = at + 1
                count += 1
                if code == op.STOP:
                    self._pop()
                    return
                handlers[code](self, code)
        finally:
            self.budget.operations -= count

    def twin(self, source: Source) -> Machine:
        """Another walk from the same state, over other bytes, that takes no raw array out."""
        twin = Machine(source, self.budget, Walk(), depth=self.depth, raw_arrays=False)
        twin.stack, twin.marks, twin.proto = list(self.stack), list(self.marks), self.proto
        twin.memo, twin.sparse = list(self.memo), dict(self.sparse)
        twin.begin_frame(self.in_frame())
        return twin

    def nested(self) -> None:
        """Walks a pickle of its own that begins here, and goes on behind it."""
        if self.depth >= self.budget.depth:
            raise Unreadable("it holds pickles in pickles, more than are followed")
        inner = Machine(self.source, self.budget, self.seen, depth=self.depth + 1, raw_arrays=False)
        inner.go_on_behind(self)
        inner.run()
        self.go_on_behind(inner)

    # --- what would be imported, called and filled ---

    def global_lines(self, _: int) -> None:
        self._push(self._import(self.line(), self.line()))

    def global_from_stack(self, _: int) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            if not self.seen.imports:  # nothing has been called yet that could have made a name
                raise Unreadable("it imports by what is no name")
            self._push(self._note(*UNSEEN))
            return
        self._push(self._note(module, name))

    def _import(self, module: bytes, name: bytes) -> Global:
        if len(module) > NAME_LIMIT or len(name) > NAME_LIMIT:
            raise Unreadable("it imports by a name that is too long to be one")
        try:
            return self._note(module.decode(), name.decode())
        except UnicodeDecodeError:
            raise Unreadable("it imports a name that is no text") from None

    def _note(self, module: str, name: str) -> Global:
        if self.proto < 3:
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        found = Global(module, name)
        if found != GETATTR:
            self.seen.imports[found] = None
        return found

    def extension(self, code: int) -> None:
        self.number(op.EXTENSIONS[code])
        if not self.seen.imports:  # nothing has been called yet that could have given the number a meaning
            raise Unreadable("it imports by a number that has no meaning")
        self._push(self._note(*BY_NUMBER))

    def persistent(self, code: int) -> None:
        if code == op.PERSID:
            self.line()
        else:
            self._pop()
        self.stack.append(UNKNOWN)

    def call(self, code: int) -> None:
        keywords = self._pop() if code == op.NEWOBJ_EX else None
        args, function = self._pop(), self._pop()
        known = args if isinstance(args, tuple) and keywords is None else None
        self._make(function, known)

    def call_to_mark(self, _: int) -> None:
        found = self._to_mark()
        if not found:
            raise Unreadable("it takes more from its stack than there is")
        self._make(found[0], tuple(found[1:]) if len(found) <= TUPLE_LIMIT else None)

    def call_lines(self, _: int) -> None:
        function = self._import(self.line(), self.line())
        if function in CAREFUL:
            self.seen.pushed[function] += 1
        args = self._to_mark()
        self._make(function, tuple(args) if len(args) <= TUPLE_LIMIT else None)

    def _make(self, function: Any, args: tuple[Any, ...] | None) -> None:
        if function == GETATTR and args is not None and len(args) == 2:
            owner, name = args
            if isinstance(owner, Global) and isinstance(name, str):
                self.seen.used[GETATTR] += 1
                self._push(self._note(owner.module, f"{owner.name}.{name}"))
                return
        if not isinstance(function, Global):
            self.seen.odd["calls what it has made itself"] = "unknown"
            self.stack.append(UNKNOWN)
            return
        self.seen.called[function] = None
        if function == NDARRAY_WRAPPER:
            self.seen.used[function] += 1
        self.stack.append(Made(function, args) if function in KEPT else UNKNOWN)

    def build(self, _: int) -> None:
        state = self._pop()
        target = self._top()
        if isinstance(target, Global):
            self._change(target)
        elif isinstance(target, Made):
            target.state = state
            if target.function == NDARRAY_WRAPPER and self.raw_arrays:
                from modelyard.safety.scanning.joblib_arrays import pass_over

                self.stack[-1] = UNKNOWN
                pass_over(self, target)


def _table() -> list[Any]:
    table: list[Any] = [Machine._stray] * 256
    for codes, handler in (
        (op.PUSH_NOTHING, Machine.push_nothing),
        (op.NUMBERS, Machine.push_number),
        (op.LENGTHS, Machine.push_long),
        (op.STRINGS, Machine.push_string),
        (op.LINES, Machine.push_line),
        ((op.UNICODE_LINE, op.STRING_LINE), Machine.push_text_line),
        ((op.EMPTY_LIST, op.EMPTY_DICT, op.EMPTY_SET), Machine.push_container),
        ((op.FRAME,), Machine.begin),
        ((op.READONLY_BUFFER,), Machine.ignore),
        (op.TUPLES, Machine.small_tuple),
        ((op.TUPLE,), Machine.tuple_to_mark),
        ((op.LIST, op.DICT, op.FROZENSET), Machine.container_to_mark),
        ((op.APPEND,), Machine.append),
        ((op.APPENDS, op.ADDITEMS), Machine.append_to_mark),
        ((op.SETITEM,), Machine.set_item),
        ((op.SETITEMS,), Machine.set_to_mark),
        (op.GET_MEMO, Machine.get_memo),
        ((op.GET_LINE,), Machine.get_memo_line),
        (op.PUT_MEMO, Machine.put_memo),
        ((op.PUT_LINE,), Machine.put_memo_line),
        ((op.MEMOIZE,), Machine.memoize),
        ((op.MARK,), Machine.mark),
        ((op.POP,), Machine.discard),
        ((op.POP_MARK,), Machine.discard_to_mark),
        ((op.DUP,), Machine.duplicate),
        ((op.PROTO,), Machine.protocol),
        ((op.GLOBAL,), Machine.global_lines),
        ((op.STACK_GLOBAL,), Machine.global_from_stack),
        (op.EXTENSIONS, Machine.extension),
        ((op.PERSID, op.BINPERSID), Machine.persistent),
        ((op.REDUCE, op.NEWOBJ, op.NEWOBJ_EX), Machine.call),
        ((op.OBJ,), Machine.call_to_mark),
        ((op.INST,), Machine.call_lines),
        ((op.BUILD,), Machine.build),
    ):
        for code in codes:
            table[code] = handler
    return table


_HANDLERS = _table()

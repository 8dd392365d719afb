"""The opcodes of pickles, protocols 0 to 5, by what a walk does with them. After ``pickletools`` of the standard library."""

from __future__ import annotations

# Followed by so many bytes, and what they make is of no interest.
PUSH_NOTHING = {
    ord("N"): 0,  # None
    0x88: 0,  # True
    0x89: 0,  # False
    ord("G"): 8,  # float
    0x97: 0,  # the next buffer out of band
}
NUMBERS = {ord("K"): 1, ord("M"): 2, ord("J"): 4}  # integers, the last one signed
LENGTHS = {  # bytes on the stack, after their length in so many bytes
    ord("C"): 1,
    ord("B"): 4,
    0x8E: 8,
    0x96: 8,
    0x8A: 1,  # a long integer
    0x8B: 4,
}
STRINGS = {0x8C: 1, ord("X"): 4, 0x8D: 8, ord("U"): 1, ord("T"): 4}
TEXT_STRINGS = {0x8C, ord("X"), 0x8D}
LINES = {ord("F"), ord("L"), ord("I")}  # numbers as text

TUPLES = {ord(")"): 0, 0x85: 1, 0x86: 2, 0x87: 3}
GET_MEMO = {ord("h"): 1, ord("j"): 4}
PUT_MEMO = {ord("q"): 1, ord("r"): 4}
EXTENSIONS = {0x82: 1, 0x83: 2, 0x84: 4}

NONE = ord("N")
MARK, STOP, POP, POP_MARK, DUP, PROTO = b"(.012\x80"
FRAME, READONLY_BUFFER = b"\x95\x98"
PERSID, BINPERSID = b"PQ"
GET_LINE, PUT_LINE, MEMOIZE = b"gp\x94"
UNICODE_LINE, STRING_LINE = b"VS"
EMPTY_LIST, EMPTY_DICT, EMPTY_SET, LIST, DICT, TUPLE, FROZENSET = b"]}\x8fldt\x91"
APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS = b"aesu\x90"
GLOBAL, STACK_GLOBAL, INST, OBJ, REDUCE, BUILD, NEWOBJ, NEWOBJ_EX = b"c\x93ioRb\x81\x92"

"""The one expression language: of search, of gates, of what a webhook wants to hear. Text in, a tree, an answer out; no SQL here."""

from modelyard.registry.language.evaluation import NOTHING, UNKNOWN, VACUOUS, value
from modelyard.registry.language.mistakes import Mistake, told_as
from modelyard.registry.language.parser import LENGTH_LIMIT, parse, parse_order
from modelyard.registry.language.printing import text
from modelyard.registry.language.tree import Node, conjuncts, names

__all__ = [
    "LENGTH_LIMIT",
    "NOTHING",
    "UNKNOWN",
    "VACUOUS",
    "Mistake",
    "Node",
    "conjuncts",
    "names",
    "parse",
    "parse_order",
    "text",
    "told_as",
    "value",
]

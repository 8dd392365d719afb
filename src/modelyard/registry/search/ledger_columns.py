"""Where the fields of a ledger row are."""

from __future__ import annotations

from modelyard.registry.language.tree import Name
from modelyard.registry.schema import ledger
from modelyard.registry.search import documents
from modelyard.registry.search.fields import Field
from modelyard.registry.search.operands import InDocument, Operand, Plain


class LedgerColumns:
    """For queries over ``ledger``."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect

    def operand(self, field: Field, name: Name) -> Operand:
        if field.type == "document":
            return InDocument(documents.place(self.dialect, ledger.c[field.name], name.path[1:]))
        return Plain(field.type, ledger.c[field.name], nullable=field.name == "origin_yard")

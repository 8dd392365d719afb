"""Search: one language over every stored field of models, versions, data sets and the ledger, with pages that do not slow down."""

from modelyard.registry.search.fields import FIELDS, Field, Subject
from modelyard.registry.search.finding import PAGE_LIMIT, PAGE_SIZE, count, find
from modelyard.registry.search.rows import ModelRow, Page

__all__ = ["FIELDS", "PAGE_LIMIT", "PAGE_SIZE", "Field", "ModelRow", "Page", "Subject", "count", "find"]

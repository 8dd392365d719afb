"""Versions: rows that are made once with the next number, and found by number, label, alias, latest or tags."""

from modelyard.registry.versions.contents import alias_number, aliases_of, dictionary, measured, pair
from modelyard.registry.versions.creation import NewReport, NewVersion, create, require_free_label
from modelyard.registry.versions.details import Details, details
from modelyard.registry.versions.finding import by_id, find, find_any, inputs_of, listing
from modelyard.registry.versions.owners import claim, lock, model_id
from modelyard.registry.versions.row import GONE, VersionRow, selection, to_version

__all__ = [
    "GONE",
    "Details",
    "NewReport",
    "NewVersion",
    "VersionRow",
    "alias_number",
    "aliases_of",
    "by_id",
    "claim",
    "create",
    "details",
    "dictionary",
    "find",
    "find_any",
    "inputs_of",
    "listing",
    "lock",
    "measured",
    "model_id",
    "pair",
    "require_free_label",
    "selection",
    "to_version",
]

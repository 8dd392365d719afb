"""How a live model object becomes files and back. No library is imported before an object or a version needs it."""

from modelyard.flavors.catalog import (
    flavor_named,
    flavor_of,
    flavor_of_files,
    format_of,
    known_flavors,
    predicts,
    runs_code,
)
from modelyard.flavors.flavor import Flavor, Predictor
from modelyard.flavors.trust import may_run, require_trust

__all__ = [
    "Flavor",
    "Predictor",
    "flavor_named",
    "flavor_of",
    "flavor_of_files",
    "format_of",
    "known_flavors",
    "may_run",
    "predicts",
    "require_trust",
    "runs_code",
]

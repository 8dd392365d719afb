"""From yard to yard: versions with their numbers, labels, tags, history, provenance and bytes, by way of a bundle or directly. All arrive equal."""

from modelyard.transfer.bundle.creating import create_bundle
from modelyard.transfer.bundle.importing import import_bundle, show_bundle, verify_bundle
from modelyard.transfer.bundle.presuming import write_inventory
from modelyard.transfer.merging.decisions import Choices
from modelyard.transfer.report import TransferReport
from modelyard.transfer.yards import mirror, pull, push

__all__ = [
    "Choices",
    "TransferReport",
    "create_bundle",
    "import_bundle",
    "mirror",
    "pull",
    "push",
    "show_bundle",
    "verify_bundle",
    "write_inventory",
]

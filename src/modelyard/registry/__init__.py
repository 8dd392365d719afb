"""Models, versions, aliases, ledger and gates, over SQL."""

from modelyard.registry.aliases import AliasMove
from modelyard.registry.database import Database
from modelyard.registry.ledger import LedgerRow
from modelyard.registry.registry import Registry
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions import NewVersion, VersionRow

__all__ = ["AliasMove", "Database", "LedgerRow", "NewVersion", "Registry", "Transaction", "VersionRow"]

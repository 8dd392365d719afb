"""The two contracts of this room: what turns a live object into files and back, and what answers predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modelyard.profiles.signature import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

Facts = dict[str, Any]
"""What a flavor notes in the manifest: JSON without NaN. The keys ``library``, ``library_version``, ``class``, ``file``,
``format`` and ``runs_code`` mean the same in every flavor."""


class Predictor(Protocol):
    """One loaded model that answers. Called from several threads at once; keeps no state between calls."""

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """One value a row in every array that comes out.

        A binary classifier gives ``label`` and ``probability`` (of its second class, the positive one), a multiclass one
        ``label`` and ``probability_<class>`` for each class, a regressor ``prediction``, and a model of several outputs
        ``output_0``, ``output_1`` …. Raises :class:`InvalidRequest` when a column that the model needs is not there.
        """
        ...


class Flavor(Protocol):
    """How the objects of one library become files and back. Stateless; methods may be called in any order, any number of times."""

    @property
    def name(self) -> str:
        """One word, unique, kept in the manifest; never changes."""
        ...

    @property
    def runs_code(self) -> bool:
        """Whether :meth:`load` can run code from the file. Says yes where only some files do."""
        ...

    @property
    def format(self) -> str:
        """The format in words for people, such as ``pickle``."""
        ...

    def owns(self, obj: object) -> bool:
        """Whether this flavor keeps such an object. Looks at the names in ``type(obj).__mro__`` and imports nothing."""
        ...

    def save(self, obj: Any, folder: Path) -> Facts:
        """Writes the object into an existing, empty folder and returns the facts that :meth:`load` will need.

        Raises :class:`ObjectUnusable` when this object cannot be kept, :class:`FlavorMissing` when a package is not there.
        """
        ...

    def load(self, folder: Path, facts: Mapping[str, Any]) -> Any:
        """An object that predicts as the saved one did. The caller has asked :mod:`modelyard.flavors.trust` before.

        Raises :class:`ModelUnreadable` for files that are not what the facts say, :class:`FlavorMissing` for a package.
        """
        ...

    def predictor(self, obj: Any, facts: Mapping[str, Any]) -> Predictor:
        """Something that answers predictions with the loaded object."""
        ...

    def signature(self, obj: Any) -> Signature | None:
        """The columns as the fitted object itself tells them; ``None`` when it tells nothing."""
        ...

"""The list of what a version is made of, as a CycloneDX ML-BOM."""

from modelyard.safety.bom.document import document
from modelyard.safety.bom.subject import Measured, Source, Subject

__all__ = ["Measured", "Source", "Subject", "document"]

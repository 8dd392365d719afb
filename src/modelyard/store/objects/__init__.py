"""The place where the bytes of a store lie: a folder, a bucket, or memory."""

from modelyard.store.objects.cloud import CloudObjects
from modelyard.store.objects.folder import FolderObjects
from modelyard.store.objects.objects import ObjectInfo, Objects, Part
from modelyard.store.objects.patience import Patience
from modelyard.store.objects.place import open_objects
from modelyard.store.objects.retrying import Retrying

__all__ = ["CloudObjects", "FolderObjects", "ObjectInfo", "Objects", "Part", "Patience", "Retrying", "open_objects"]

"""How the bytes of a chunk are made smaller, and back: by themselves, or as the difference from another chunk."""

from modelyard.store.codecs.codec import Codec, Link, decode, decode_one, encode, encode_against, encode_together
from modelyard.store.codecs.elements import Element, element_of

__all__ = [
    "Codec",
    "Element",
    "Link",
    "decode",
    "decode_one",
    "element_of",
    "encode",
    "encode_against",
    "encode_together",
]

"""The words of the language that cannot be defined, and how large a word and a numeral may be."""

from __future__ import annotations

from typing import Final

from prism.vm.term.ops import BY_NAME

DEF: Final = "def"
RESERVED: Final = (*BY_NAME, DEF)
"""The words that cannot be defined, in the order of their indices: the first names of every table."""
MAX_NUMERAL: Final = 1 << 24
"""The largest numeral that may be written [TERMS-4]."""
MAX_WORD: Final = 255
"""The longest word, in characters [TERMS-2]."""

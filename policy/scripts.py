"""Which scripts must be listed: one that names a tool that fetches or interprets, or that hides what it names.

No shell is read. A script is a bag of words, and whatever could make a word at run time hides it, so that a script
either shows all that it names or is listed with its exact text and the reason.
"""

from __future__ import annotations

import re

from policy.settings import Settings

_HIDING = re.compile(r"[^A-Za-z0-9\s_./=:@,+\-'\"\\&|;<>()#!~]")
"""A character by which a word may come to be at run time: expansions, globs, braces, escapes of other shells, and
letters that look like others."""
_WORD = re.compile(r"[a-z0-9_.+-]+")
_VERSION = re.compile(r"(?<=[a-z])[\d.]*(\.exe)?$")


def why_to_list(text: str, settings: Settings) -> str | None:
    """Say why `text` must be listed, or return None if it is listed or shows that it names no listed tool."""
    if text.strip() in settings.scripts:
        return None
    if hidden := _HIDING.search(text):
        return f"{hidden[0]!r} hides what it names"
    named = sorted(_words(text) & settings.tools)
    return f"it names {named[0]}" if named else None


def _words(text: str) -> set[str]:
    """Return the words of a script without path, version and suffix, as quotes may join them and as they may part."""
    joined = text.casefold().replace("\\\n", "").replace("\\", "")
    texts = (re.sub(r"['\"]", "", joined), re.sub(r"['\"]", " ", joined))
    return {_VERSION.sub("", word) for one in texts for word in _WORD.findall(one)}

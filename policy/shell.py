"""A reader of shell scripts (POSIX, with the pipes and groups of PowerShell), as deep as pipelines and substitutions.

It never refuses a text: what is not closed ends with the script. Loops and functions are read as plain commands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SUBSTITUTION = "$()"

# opener, closer, and how the whole shows in the text of its word
_BRACKETS = (("$(", ")", SUBSTITUTION), ("`", "`", SUBSTITUTION), ("<(", ")", ""), (">(", ")", ""), ("(", ")", ""))
_VERBATIM = (("${{", "}}"), ("${", "}"))
_HEREDOC = re.compile(r"<<-?[ \t]*(?P<quote>['\"\\]?)(?P<mark>[\w.]+)['\"]?")


@dataclass(frozen=True, slots=True)
class Word:
    """One word without its quotes; each command substitution inside shows in `text` as `$()`, a group not at all."""

    text: str
    nested: tuple[Script, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command; `line` counts from 0 in its script."""

    words: tuple[Word, ...]
    line: int


Pipeline = tuple[Command, ...]
Script = tuple[Pipeline, ...]


def parse(text: str) -> Script:
    """Read a script into its pipelines, in order. Cost: one pass, and one more for each here-document."""
    return _Reader(text, 0).script("")


@dataclass(slots=True)
class _Builder:
    """The pipelines read so far, and the word, command and pipeline that are still open."""

    pipelines: list[Pipeline] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    nested: list[Script] = field(default_factory=list)
    line: int = 0

    def add(self, text: str, line: int, *nested: Script) -> None:
        if not self.words and not self.letters:
            self.line = line
        self.letters.append(text)
        self.nested.extend(nested)

    def end_word(self) -> None:
        if self.letters:
            self.words.append(Word("".join(self.letters), tuple(self.nested)))
            self.letters, self.nested = [], []

    def end_command(self) -> None:
        self.end_word()
        if self.words:
            self.commands.append(Command(tuple(self.words), self.line))
            self.words = []

    def end_pipeline(self) -> None:
        self.end_command()
        if self.commands:
            self.pipelines.append(tuple(self.commands))
            self.commands = []


class _Reader:
    """One pass over a text; `script` calls itself for what lies inside brackets."""

    def __init__(self, text: str, line: int) -> None:
        self._text, self._at, self._line = text, 0, line
        self._after_heredocs = 0

    def script(self, closer: str) -> Script:
        """Read up to and past `closer`, or to the end of the text when it is empty."""
        build = _Builder()
        while self._at < len(self._text):
            if closer and self._starts(closer):
                self._skip(len(closer))
                break
            if not (self._quoting(build) or self._verbatim(build) or self._bracket(build) or self._heredoc(build)):
                self._letter(build)
        build.end_pipeline()
        return tuple(build.pipelines)

    def _quoting(self, build: _Builder) -> bool:
        if self._starts("\\\n") or self._starts("`\n"):
            self._skip(2)
        elif self._starts("\\"):
            self._take(build, self._text[self._at + 1 : self._at + 2], 2)
        elif self._starts("'"):
            end = self._find("'", 1)
            self._take(build, self._text[self._at + 1 : end], end + 1 - self._at)
        elif self._starts('"'):
            self._take(build, "", 1)
            self._double_quoted(build)
        elif self._starts("#") and not build.letters:
            self._skip(self._find("\n", 0) - self._at)
        else:
            return False
        return True

    def _double_quoted(self, build: _Builder) -> None:
        while self._at < len(self._text) and not self._starts('"'):
            if self._starts("\\"):
                self._take(build, self._text[self._at + 1 : self._at + 2], 2)
            elif self._text[self._at] in "(<>" or not (self._verbatim(build) or self._bracket(build)):
                self._take(build, self._text[self._at], 1)
        self._skip(1)

    def _verbatim(self, build: _Builder) -> bool:
        for opener, closer in _VERBATIM:
            if self._starts(opener):
                end = self._find(closer, len(opener)) + len(closer)
                self._take(build, self._text[self._at : end], end - self._at)
                return True
        return False

    def _bracket(self, build: _Builder) -> bool:
        for opener, closer, shown in _BRACKETS:
            if self._starts(opener):
                line = self._line
                self._skip(len(opener))
                build.add(shown, line, self.script(closer))
                return True
        return False

    def _heredoc(self, build: _Builder) -> bool:
        """Read the body below as a script of its own, nested in the word that asks for it."""
        if self._starts("<<<"):
            self._take(build, "<<<", 3)
            return True
        match = _HEREDOC.match(self._text, self._at)
        if match is None:
            return False
        start = max(self._find("\n", 0) + 1, self._after_heredocs)
        end = re.compile(rf"^[ \t]*{re.escape(match['mark'])}$", re.MULTILINE).search(self._text, start)
        stop, self._after_heredocs = (end.start(), end.end()) if end else (len(self._text),) * 2
        lines_above = self._text.count("\n", self._at, start)
        build.end_word()
        build.add("", self._line, _Reader(self._text[start:stop], self._line + lines_above).script(""))
        build.end_word()
        self._skip(match.end() - self._at)
        return True

    def _letter(self, build: _Builder) -> None:
        letter = self._text[self._at]
        if letter == "\n":
            self._skip(max(1, self._after_heredocs - self._at))
            if build.words or build.letters:  # a line that ends in a pipe goes on
                build.end_pipeline()
        elif letter.isspace():
            self._skip(1)
            build.end_word()
        elif self._starts("||") or self._starts("&&"):
            self._skip(2)
            build.end_pipeline()
        elif letter == "|":
            self._skip(2 if self._starts("|&") else 1)
            build.end_command()
        elif letter == ";" or (letter == "&" and self._text[self._at - 1 : self._at] != ">"):
            self._skip(1)
            build.end_pipeline()
        elif letter == ">":
            build.end_word()
            self._take(build, ">", 2 if self._starts(">>") else 1)
            build.end_word()
        else:
            self._take(build, letter, 1)

    def _starts(self, what: str) -> bool:
        return self._text.startswith(what, self._at)

    def _find(self, what: str, offset: int) -> int:
        found = self._text.find(what, self._at + offset)
        return len(self._text) if found < 0 else found

    def _skip(self, count: int) -> None:
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def _take(self, build: _Builder, text: str, count: int) -> None:
        build.add(text, self._line)
        self._skip(count)

"""Does a shell script run what it has just fetched? Pipes, substitutions, variables and files are followed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import PurePosixPath

from policy import shell

_FETCHER = re.compile(r"curl|wget|fetch|https?|xh|aria2c|iwr|irm|invoke-(webrequest|restmethod)|start-bitstransfer")
_FETCHING_METHOD = re.compile(r"\.download(string|data|file)\b|\bnet\.webclient\b", re.IGNORECASE)
_SHELL = re.compile(
    r"(ba|da|a|z|k|mk|fi|c|tc|pw)?sh|busybox|powershell|cmd|eval|source|\."
    r"|iex|invoke-expression|\[scriptblock\]::create"
)
_LANGUAGE = re.compile(r"(python|perl|ruby|node|deno|bun|php|lua)[\d.]*(\.exe)?")
_WRAPPER = re.compile(r"sudo|doas|env|exec|command|builtin|nohup|time(out)?|nice|stdbuf|xargs|setsid|chroot")
_KEYWORD = re.compile(r"then|do|else|if|elif|while|until|time|[!{&]")
_CLOSER = re.compile(r"}|done|fi|esac")
_CHECK = re.compile(r"sha\d+sum|shasum|gpgv?|cosign|minisign|get-filehash")
_PROGRAM_GIVEN = re.compile(r"-\w*[cempn]$")
_OUTPUT = re.compile(r"--output(-document)?|-outfile|-[a-z]*o", re.IGNORECASE)


def lines_that_run_fetched_code(text: str) -> Iterator[int]:
    """Yield the line, from 0, of each pipeline of `text` that runs what some command of `text` fetched.

    A file that was fetched may be run once the script has called a checksum or signature tool; a pipe never may.
    """
    yield from _findings(shell.parse(text), set())


def _findings(script: shell.Script, tainted: set[str]) -> Iterator[int]:
    has_fetched = False
    for pipeline in script:
        carrying = has_fetched and bool(_CLOSER.fullmatch(_name(pipeline[0])))
        for command in pipeline:
            if (carrying and _runs_input(command)) or _runs_argument(command, tainted):
                yield command.line
            carrying = carrying or _carries(command, tainted)
            for word in command.words:
                for inner in word.nested:
                    yield from _findings(inner, tainted)
            for text in _programs(command):
                yield from (command.line for _ in _findings(shell.parse(text), tainted))
            tainted |= _taints(command, tainted)
            if _CHECK.fullmatch(_name(command)):
                tainted -= {name for name in tainted if not name.startswith("$")}
        has_fetched = has_fetched or carrying


def _programs(command: shell.Command) -> Iterator[str]:
    """Yield the scripts that `command` is given as text: `sh -c TEXT`, `eval TEXT`."""
    if not any(_SHELL.fullmatch(name) for name in _names(command)):
        return
    texts = [word.text for word in command.words]
    if _name(command) == "eval":
        yield " ".join(texts[1:])
    yield from (after for before, after in pairwise(texts) if re.fullmatch(r"-\w*c", before))


def _carries(command: shell.Command, tainted: set[str]) -> bool:
    """Tell whether the output of `command` may be something fetched."""
    if any(_FETCHER.fullmatch(name) for name in _names(command)):
        return True
    return any(
        _FETCHING_METHOD.search(word.text) or _mentions(word, tainted) or _fetches(word) for word in command.words
    )


def _fetches(word: shell.Word) -> bool:
    return any(_carries(command, set()) for inner in word.nested for pipeline in inner for command in pipeline)


def _mentions(word: shell.Word, tainted: set[str]) -> bool:
    return word.text.removeprefix("./") in tainted or any(
        name in word.text or f"${{{name[1:]}" in word.text for name in tainted if name.startswith("$")
    )


def _runs_input(command: shell.Command) -> bool:
    """Tell whether `command` may run its standard input; a name that only a run can know counts as yes."""
    names = _names(command)
    if any(_SHELL.fullmatch(name) or name.startswith("$") for name in names):
        return True
    if any(_runs_anything(inner) for word in command.words for inner in word.nested):
        return True
    if not any(_LANGUAGE.fullmatch(name) for name in names):
        return False
    arguments = [word.text for word in command.words[1:]]
    has_program = any(_PROGRAM_GIVEN.match(text) or (text and text[0] not in "-$<>") for text in arguments)
    return not has_program or bool(_WRAPPER.fullmatch(_name(command)))


def _runs_anything(script: shell.Script) -> bool:
    return any(_runs_input(command) for pipeline in script for command in pipeline)


def _runs_argument(command: shell.Command, tainted: set[str]) -> bool:
    """Tell whether `command` runs, as its name or as a program given to it, something fetched."""
    first, *rest = _after_keywords(command) or [shell.Word("")]
    if (first.text.startswith(shell.SUBSTITUTION) and _fetches(first)) or _mentions(first, tainted):
        return True
    names = _names(command)
    if not any(_SHELL.fullmatch(name) or _LANGUAGE.fullmatch(name) for name in names):
        return any(_WRAPPER.fullmatch(name) for name in names) and any(_mentions(word, tainted) for word in rest)
    return any(_fetches(word) for word in command.words) or any(
        _mentions(word, tainted) or _FETCHING_METHOD.search(word.text) for word in rest
    )


def _taints(command: shell.Command, tainted: set[str]) -> set[str]:
    """Return the variables (`$name`) and files that `command` fills with something fetched."""
    assigned = {
        "$" + name
        for word in command.words
        for name, equals, _ in [word.text.lstrip("$").partition("=")]
        if equals and name.isidentifier() and (_fetches(word) or _mentions(word, tainted))
    }
    if not _carries(command, tainted):
        return assigned
    texts = [word.text for word in command.words]
    redirected = {after for before, after in pairwise(texts) if before == ">" or _OUTPUT.fullmatch(before)}
    named_after_url = {text.rpartition("/")[2] for text in texts if "://" in text}
    return assigned | {name.removeprefix("./") for name in redirected | named_after_url if name}


def _after_keywords(command: shell.Command) -> list[shell.Word]:
    words = list(command.words)
    while words and (_KEYWORD.fullmatch(words[0].text) or _is_assignment(words[0])):
        words.pop(0)
    return words


def _is_assignment(word: shell.Word) -> bool:
    name, equals, _ = word.text.partition("=")
    return bool(equals) and name.isidentifier()


def _name(command: shell.Command) -> str:
    return next(iter(_names(command)), "")


def _names(command: shell.Command) -> list[str]:
    """Return the name of `command`, and after a wrapper such as `sudo` every word that may be the name it runs."""
    words = _after_keywords(command)
    names = [PurePosixPath(word.text).name.casefold() if word.text != "." else "." for word in words]
    return names if names and _WRAPPER.fullmatch(names[0]) else names[:1]

"""A tree as it was at a git revision, read with the settings and the lock that it had there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from docflow import config, corpus, files, git, lock, witness
from docflow.cache import Cache
from docflow.config import Config
from docflow.corpus import Corpus
from docflow.lock import Lock
from docflow.witness import Witnesses


@dataclass(frozen=True, slots=True)
class Change:
    """A tree before and after."""

    old: Corpus
    new: Corpus


def load(new: Corpus, revision: str, rule_ids: frozenset[str]) -> Change:
    """Read the tree of `new` as it was where it left `revision`. Cost: one read of what differs; the rest is shared.

    What `revision` gained since is no matter of this change: the base is the nearest common ancestor.
    Errors: `DocflowError` outside git or for an unknown revision, `ConfigError` for the settings of then.
    """
    root = new.root
    git.require_commit(root, revision)
    revision = git.ancestor(root, revision)
    names, changed = git.listed(root, revision), set(git.changed(root, revision))
    told = git.contents(root, revision, [config.FILE_NAME, lock.FILE_NAME])
    settings = config.parse(told[config.FILE_NAME], rule_ids) if config.FILE_NAME in told else Config()
    paths = files.matching(names, settings.include, settings.exclude)
    is_same = settings.text == new.config.text
    kept = {path for path in paths if is_same and path in new.documents and path not in changed}
    then = git.contents(root, revision, [path for path in paths if path not in kept])
    documents = {
        path: new.documents[path] if path in kept else corpus.read_bytes(path, then[path], settings) for path in paths
    }
    locked = lock.parse(told[lock.FILE_NAME]) if lock.FILE_NAME in told else Lock()
    old = Corpus(
        root,
        settings,
        corpus.resolved(documents, settings),
        locked,
        lock.FILE_NAME in told,
        _witnesses(root, revision, settings, names) if settings.trace else Witnesses(),
    )
    return Change(old, new)


def _witnesses(root: Path, revision: str, settings: Config, names: list[str]) -> Witnesses:
    """Read the witnesses of then; what was not changed since comes from the cache of the present ones."""
    trace = settings.trace
    assert trace is not None
    globs = [f"{folder.rstrip('/')}/**/*.py" for folder in trace.tests]
    then = git.contents(root, revision, files.matching(names, [*globs, *trace.tags], ()))
    cache = Cache(root, corpus.cache_settings(settings))
    manifest = git.contents(root, revision, [trace.commitments]).get(trace.commitments, b"")
    return witness.gathered(cache, trace, then, manifest)

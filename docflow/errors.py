"""Errors that stop a docflow command; what is wrong with a document is a finding, never one of these."""

from __future__ import annotations


class DocflowError(Exception):
    """The command cannot be carried out; the message says what must hold, what was got, and what to do."""


class ConfigError(DocflowError):
    """docflow.toml, the baseline or the commitments manifest cannot be used as it is written."""

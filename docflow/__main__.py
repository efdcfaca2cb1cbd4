"""`python -m docflow` is the `docflow` command."""

from __future__ import annotations

from docflow.cli import main

main()

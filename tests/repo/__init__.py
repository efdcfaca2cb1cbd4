"""Tests about the repository itself [REPO-1] to [REPO-9]."""

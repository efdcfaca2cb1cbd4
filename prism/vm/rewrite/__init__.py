"""Rewriting: rules compiled to cases, candidates, strata, commit, cycles to the fixpoint."""

"""Executors: one file a back end, behind one protocol, chosen by name."""

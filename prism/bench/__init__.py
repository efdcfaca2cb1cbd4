"""Measurements: Prism and its peers on equal work; imported by the command line only."""

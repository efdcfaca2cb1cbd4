"""Kernels: Python kernels and circuits compiled to one portable program form, and the executors that run it."""

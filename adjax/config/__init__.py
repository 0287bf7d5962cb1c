"""The config of a run: its sections, their checks, and what identifies a run.

A config is common settings, those of its task and those of its method, and nothing of any other.
Imports no JAX and no TensorFlow, so that a wrong flag is told at once.
"""

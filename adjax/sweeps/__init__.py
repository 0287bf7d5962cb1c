"""Sweeps: many runs declared in one place, planned as populations, executed by an engine.

A single run (`adjax.experiment`) and tables over many runs (`adjax.reports`) belong elsewhere.
"""

"""Reconstruction-based image anomaly detection as compiled JAX programs."""

__version__ = "0.1.0"

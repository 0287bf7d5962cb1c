"""JAX programs as ONNX graphs: what a detector computes, for runtimes that know no JAX.

A program is walked equation by equation. No room knows what it computes, and it knows no detector.
"""

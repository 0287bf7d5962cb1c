"""How fast the product trains and scores, and how that compares with PyTorch.

`stages` measures the programs of one config. `zoo` measures the networks of `cases` one by one, in
processes of their own, and keeps the tables of `docs/performance.md`. Nothing is imported here: a
process that measures PyTorch must not load JAX.
"""

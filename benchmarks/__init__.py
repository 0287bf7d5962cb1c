"""Benchmarks of adjax, alone and against other libraries; see `python -m benchmarks --help`.

`networks` measures methods of the product, each in its own process, alone and against PyTorch;
`classical` measures detectors against PyOD, `metrics` pixel metrics against public libraries,
`search` AnoGAN's latent search in batches and one by one. `page` keeps the tables of
`docs/performance.md`.

Only what adjax is compared with is implemented here, nothing that it trains or scores with itself.
This file imports nothing: a process that measures PyTorch must not load JAX.
"""

"""Experiments, one file each; `adjax configs` lists them. The wheel has them as `adjax.configs`."""

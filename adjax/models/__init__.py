"""Networks, one file an architecture.

A model maps images `[B, H, W, C]` to `(reconstruction [B, H, W, C], out)`, where `out` is a dict of
named intermediates; an extractor of features, to `(features [B, F], out)`. It knows no loss and no
trainer. Import a model from the module that defines it.
"""

"""Scores of a test split, image and pixel metrics, thresholds, sliding windows: functions of arrays
and of a score function that the caller passes in. `adjax.results` applies them to a run.
"""

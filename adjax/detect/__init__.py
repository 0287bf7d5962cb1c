"""A finished run as a detector: decisions about new photographs, files for other programs.

Training, evaluation and reports of runs belong elsewhere.
"""

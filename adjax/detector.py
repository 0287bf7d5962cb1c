"""The door to a trained detector: `from adjax.detector import load_detector`."""

from adjax.detect.detector import Detector, load_detector

__all__ = ["Detector", "load_detector"]

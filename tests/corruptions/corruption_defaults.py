"""The parameters that experiments have, and the identity."""

from configs import industrial
from configs.industrial import CROPS as CROP
from configs.industrial import DROPS, SCRATCH, STAIN

CORRUPTION = {"none": {}, **industrial.CORRUPTION}

__all__ = ["CORRUPTION", "CROP", "DROPS", "SCRATCH", "STAIN"]

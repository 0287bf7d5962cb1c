"""Parameters of corruptions and crops: those published where the code of AESc says them."""

STAIN = {
    "size_low": 0.01,
    "size_high": 0.12,
    "colour_low": 10,
    "colour_high": 220,
    "irregularity": 0.1,
    "blur": 0.0,
    "noise_variance": 0.05 / 255,
}
SCRATCH = {"colour_low": 150, "colour_high": 150, "deviation": 20.0, "brush": 3}
DROPS = {
    "number": 10,
    "radius_low": 0.01,
    "radius_high": 0.02,
    "scatter": 0.01,
    "colour_low": 220,
    "colour_high": 220,
}
_MIXED = {"colour_low": 10, "colour_high": 220}

CORRUPTION = {
    "none": {},
    "stain": STAIN,
    "scratch": SCRATCH,
    "drops": DROPS,
    "gaussian": {"sigma": 0.1},
    "structural": {
        "parts": (0.6, 0.2, 0.2),
        "stain": STAIN | {"blur": 0.15},
        "scratch": SCRATCH | _MIXED,
        "drops": DROPS | _MIXED,
    },
    "stain_or_gaussian": {
        "parts": (0.6, 0.4),
        "stain": STAIN | {"blur": 0.15},
        "gaussian": {"sigma": 0.1**0.5},
    },
}
CROP = {
    "rotated_crops": {},
    "translation_rotation": {"translation": 0.05, "angle": 10, "mirror": False},
}

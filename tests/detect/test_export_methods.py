"""Every method that photographs can be judged by can be said in ONNX, in grey and in colour."""

import numpy as np
import onnxruntime
import pytest
from detector_helpers import of_method, random_images

from adjax import methods
from adjax.detect.detector import load_detector
from adjax.detect.export import to_onnx

JUDGING = [name for name, info in methods.infos().items() if "industrial" in info.tasks]


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", JUDGING)
def test_method_is_said_in_onnx(name, channels):
    detector = load_detector(of_method(name, channels))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(to_onnx(detector), options)
    image = random_images(detector, 3)
    expected = detector.score(image)
    for images in (slice(0, 1), slice(0, 3)):
        for output in ("anomaly_map", "image_score"):
            (found,) = session.run([output], {"image": image[images]})
            most = min(1e-5, 1e-3 * np.abs(expected[output]).max())
            np.testing.assert_allclose(found, expected[output][images], 1e-5, most)

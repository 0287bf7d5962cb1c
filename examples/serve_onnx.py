"""Serves an exported detector: POST a photograph, get its score and the decision as JSON.

pip install onnxruntime pillow
python serve_onnx.py DETECTOR 8000
curl --data-binary @photo.png 'http://127.0.0.1:8000/?image_threshold=0.3'
"""

import io
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(f"{sys.argv[1]}/detector.onnx")
_, size, _, channels = session.get_inputs()[0].shape
names = ["image_score", "is_anomalous", "mask"]


class Detector(BaseHTTPRequestHandler):
    def do_POST(self):
        try:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = 200, judge(Image.open(io.BytesIO(content)), urlsplit(self.path).query)
        except Exception as error:  # one bad photograph is not the end of the service
            status, answer = 400, {"error": str(error)}
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())


def judge(photo, query):
    if photo.mode[0] in "IF":
        raise ValueError("more than 8 bits: bring them to 8 first")
    photo = photo.convert("L" if channels == 1 else "RGB")
    photo = photo.resize((size, size), Image.Resampling.BILINEAR)
    given = {name: np.array(float(number), np.float32) for name, number in parse_qsl(query)}
    given["image"] = np.asarray(photo).reshape(1, size, size, channels)
    score, decision, mask = (found[0] for found in session.run(names, given))
    share = float(mask.mean())
    return {"image_score": float(score), "is_anomalous": bool(decision), "defective_share": share}


with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Detector) as server:
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()

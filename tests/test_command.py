"""One command by three names: `adjax MODE`, `python -m adjax MODE`, `launch.py --mode=MODE`."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from adjax import command, console, guide
from adjax.completion import script
from adjax.config import shipped
from adjax.errors import UserError
from adjax.flags import FLAGS, GROUPS, MODES, define_mode
from adjax.methods import infos


@pytest.fixture
def adjax(repository):
    """`*arguments, cwd=FOLDER -> what python -m adjax did`."""

    def run(*arguments, cwd=repository):
        return subprocess.run(
            [sys.executable, "-m", "adjax", *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(repository), "XLA_FLAGS": ""},
        )

    return run


@pytest.mark.parametrize(
    ("given", "as_flags"),
    [
        (["train", "--workdir=x"], ["--mode=train", "--workdir=x"]),
        (["--mode=train", "--workdir=x"], ["--mode=train", "--workdir=x"]),
        (["help", "mnist.py"], ["--mode=help", "--topic=mnist.py"]),
        (["help", "--topic=mnist.py"], ["--mode=help", "--topic=mnist.py"]),
        (["completion", "zsh"], ["--mode=completion", "--shell=zsh"]),
        (["configs"], ["--mode=configs"]),
        (["train", "mnist.py"], ["--mode=train", "mnist.py"]),  # which absl refuses
    ],
)
def test_a_mode_is_a_word_or_a_flag(given, as_flags):
    assert command._as_flags(["adjax", *given]) == ["adjax", *as_flags]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fly"], "there is no command 'fly': `adjax help` lists all"),
        (["evalute"], "there is no command 'evalute', but 'evaluate': "),
        (["check-data"], "there is no command 'check-data', but 'check_data': "),
        (["train"], "adjax train needs --config, e.g. --config="),
        (["--mode=train"], "--mode=train needs --config, e.g. --config="),
        (["predict", "--shard=0/2"], "adjax predict does not read --shard, which is for sweep: "),
        (["train", "mnist.py"], "unexpected argument 'mnist.py': flags are written --NAME=VALUE"),
        (["train", "--config=mnist.py:vgg"], "--config=mnist.py:vgg: 'vgg' is none of ae, sdn, "),
        (["train", "--config=nothing.py"], "--config=nothing.py: no such config file"),
        (["train", "--config", "nothing.py"], "--config=nothing.py: no such config file"),
        (
            ["train", "--config", "mnist.py:ae", "--config.seed.x=3"],
            "--config.seed.x=3: the config has",
        ),
        (["help", "nothing.py"], "--config=nothing.py: no such config file"),
        (["help", "mnist"], "there is no command or config file 'mnist', but mnist.py: "),
        (["completion", "fish"], "--shell=fish: value should be one of <bash|zsh>"),
    ],
)
def test_what_is_wrong_is_told_in_the_words_of_the_command(adjax, arguments, says):
    done = adjax(*arguments)
    assert done.stderr.startswith(f"error: {says}")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("/opt/venv/bin/adjax", "adjax train --config=mnist.py:ae '--workdir=a b'"),
        ("/opt/adjax/__main__.py", "python -m adjax train --config=mnist.py:ae '--workdir=a b'"),
        ("launch.py", "python launch.py train --config=mnist.py:ae '--workdir=a b'"),
    ],
)
def test_command_that_is_recorded_can_be_repeated(monkeypatch, program, said):
    monkeypatch.setattr(sys, "argv", [program, "train", "--config=mnist.py:ae", "--workdir=a b"])
    assert console.command_line() == said


class TestConfigFiles:
    def test_of_the_working_directory_come_first(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        own = tmp_path / "mnist.py"
        assert shipped.find("mnist.py") == (str(shipped.FOLDER / "mnist.py"), "")
        shutil.copy(shipped.FOLDER / "mnist.py", own)
        assert shipped.find("mnist.py") == ("mnist.py", "")
        own.write_text("def get_config(): ...")
        note = f"--config=mnist.py is the file of this folder, not the shipped {shipped.FOLDER}"
        assert shipped.find("mnist.py") == ("mnist.py", f"{note}/mnist.py")

    @pytest.mark.parametrize("path", ["configs/mnist.py", "./mnist.py"])
    def test_are_found_as_in_a_checkout(self, tmp_path, monkeypatch, path):
        monkeypatch.chdir(tmp_path)
        assert shipped.find(path).path == str(shipped.FOLDER / "mnist.py")

    @pytest.mark.parametrize("path", ["", "a\0b", "x" * 300, "../configs/mnist.py", "/mnist.py"])
    def test_that_are_not_there_stay_as_they_were_given(self, tmp_path, monkeypatch, path):
        monkeypatch.chdir(tmp_path)
        assert shipped.find(path) == (path, "")

    def test_of_both_places_are_told(self, adjax, tmp_path):
        (tmp_path / "mnist.py").write_text("raise ValueError('mine')\n")
        done = adjax("train", "--config=mnist.py", cwd=tmp_path)
        note, error = done.stderr.splitlines()
        assert note.startswith("--config=mnist.py is the file of this folder, not the shipped ")
        assert error == "error: --config=mnist.py: mine"

    def test_are_listed_if_they_are_configs(self, repository):
        shared = {"__init__.py", "classes.py", "industrial.py"}
        names = {path.name for path in (repository / "configs").glob("*.py")}
        assert shipped.files().keys() == names - shared


def test_mnist_comes_with_the_package(adjax, tmp_path):
    """In a folder without data the next thing that is wrong is told."""
    flags = ("--config=mnist.py:ae,smoke", f"--workdir={tmp_path / 'run'}")
    done = adjax("train", *flags, "--config.data.test_split=test[:1]", cwd=tmp_path)
    assert "no images of normal_class 3" in done.stderr
    done = adjax("train", *flags, "--config.data.name=nothing", cwd=tmp_path)
    assert "not prepared in 'data': run adjax prepare_data --dataset=nothing" in done.stderr
    done = adjax("train", *flags, "--config.data.dir=elsewhere", cwd=tmp_path)
    assert "dataset 'mnist' is not prepared in 'elsewhere'" in done.stderr


class TestHelp:
    def test_overview_has_every_command_once(self):
        found = re.findall(r"^  (\w+) ", guide.overview(), re.MULTILINE)
        assert sorted(found) == sorted(MODES)

    @pytest.mark.parametrize("mode", MODES)
    def test_of_a_mode_has_the_flags_that_it_reads_and_no_other(self, mode):
        text = guide.explain(mode)
        assert MODES[mode].summary in text
        found = set(re.findall(r"^  --(\w+)(?:=|  |$)", text, re.MULTILINE))
        assert found == set(MODES[mode].flags)
        assert ("--config.KEY=VALUE" in text) == ("config" in MODES[mode].flags)
        assert max(map(len, text.splitlines())) <= 100

    def test_of_a_config_file_has_its_arguments(self, adjax):
        for arguments in (["help", "mnist.py"], ["train", "--config=mnist.py:ae", "--help"]):
            said = adjax(*arguments).stdout
            assert said.startswith("One-class MNIST: style distillation")
            assert "  oe_sdn            OE-SDN\n" in said

    def test_is_the_same_however_it_is_asked_for(self, adjax):
        whole = {adjax(*words).stdout for words in ([], ["help"], ["--help"])}
        assert whole == {guide.overview() + "\n"}
        of_train = {adjax(*words).stdout for words in (["help", "train"], ["train", "--help"])}
        assert of_train == {guide.explain("train") + "\n"}

    def test_lists(self, capsys):
        guide.configs(None)
        said = capsys.readouterr().out
        for name in shipped.files():
            assert re.search(rf"^{name}  +\S", said, re.MULTILINE)
        guide.methods(None)
        said = capsys.readouterr().out
        for name, info in infos().items():
            assert re.search(rf"^{name} +{re.escape(info.title[:20])}", said, re.MULTILINE)

    def test_every_method_has_a_paper(self):
        assert all(re.search(r"\b(19|20)\d\d\b", info.paper) for info in infos().values())


@pytest.fixture(scope="module")
def proposals():
    """`line -> what bash proposes for its last word`."""
    define_mode()

    def propose(line):
        code = f"{script('bash')}\nCOMP_LINE=$1 COMP_POINT=${{#1}}\n_adjax\n"
        code += 'printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(
            ["bash", "-uc", code, "bash", line], capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    return propose


@pytest.mark.parametrize(
    ("line", "proposed"),
    [
        ("adjax", []),
        ("adjax ev", ["evaluate"]),
        ("adjax help mn", ["mnist.py"]),
        ("adjax completion ", ["bash", "zsh"]),
        ("adjax sweep --eng", ["--engine="]),
        ("adjax sweep --engine=r", ["ray"]),
        ("adjax train --config=mn", ["mnist.py"]),
        ("adjax train --config=mnist.py:oe", ["oe_sdn", "oe_sdn_fast"]),
        ("adjax train --config=configs/mnist.py:ta", ["table1", "table3"]),
        ("adjax train --shard", []),
        ("adjax train --workdir=a", []),  # a file, which the shell knows
    ],
)
def test_completion(proposals, line, proposed):
    assert proposals(line) == proposed


def test_completion_knows_every_mode_and_flag(proposals):
    assert proposals("adjax ") == list(MODES)
    for name, mode in MODES.items():
        if name not in ("help", "completion"):
            flags = {flag.rstrip("=") for flag in proposals(f"adjax {name} --")}
            assert flags == {f"--{flag}" for flag in mode.flags}


def test_zsh_reads_the_same_by_its_layer_for_bash():
    assert script("zsh").endswith(script("bash"))
    assert script("zsh").startswith("autoload -U +X bashcompinit")


def test_every_flag_is_declared_in_one_group():
    names = [flag.name for group in GROUPS.values() for flag in group]
    assert len(names) == len(set(names))
    assert all(FLAGS[name].help for name in names)


def test_unknown_topic():
    with pytest.raises(UserError, match="there is no command or config file 'x'"):
        guide.explain("x")

"""Commands in the docs are commands: mode, flags, config file, argument and keys are there."""

import re
import shlex

import pytest

from adjax.command import MODES
from adjax.config import shipped
from adjax.flags import FLAGS

PAGES = (
    "README.md",
    "data/README.md",
    "docs/cookbook.md",
    "docs/methods.md",
    "docs/scaling.md",
    "docs/performance.md",
)
PAGES += tuple(f"configs/{name}" for name in shipped.files())
PLACEHOLDER = re.compile(r"\.\.\.|\bFILE\b|\bi/n\b|\bN\b|\bNAME\b|\bmine\.py\b")


def commands_of(text):
    text = re.sub(r"\\{1,2}\n\s+", " ", text)
    for line in re.findall(r"^ *(?:\w+=\S+ )?adjax ([a-z_]+ ?.*)$", text, re.MULTILINE):
        yield line.partition("  #")[0].partition("     ")[0].strip()
    yield from re.findall(r"`adjax ([a-z_]+ [^`]*--[^`]+)`", text)


def has_key(config, key):
    for name in key.split("."):
        if name not in config:
            return False
        config = config[name]
    return True


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_what_they_say(repository, page):
    found = 0
    for command in commands_of((repository / page).read_text()):
        mode, *words = shlex.split(command, comments=True)
        assert mode in MODES, command
        flags = dict(
            re.match(r"--([\w.]+)(?:=(.*))?$", w, re.DOTALL).groups() for w in words if w[0] == "-"
        )
        for name, value in flags.items():
            if not name.startswith("config."):
                assert name in MODES[mode].flags, command
                assert value is not None or FLAGS[name].boolean, command
        config = flags.get("config", "")
        if config and not PLACEHOLDER.search(config):
            path, _, argument = config.partition(":")
            made = shipped.load(shipped.find(path).path)["get_config"](argument)
            keys = [name.removeprefix("config.") for name in flags if name.startswith("config.")]
            assert all(has_key(made, key) for key in keys if key != "KEY"), command
        found += 1
    assert found or page in ("configs/mask_ablation.py",)

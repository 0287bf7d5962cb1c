"""The argument of a config file."""

import pytest

from adjax.config.arguments import Arguments

ARGUMENTS = Arguments(
    kind="classes",
    first="ae",
    sweeps={"table": "both"},
    words={"light": "smaller", "smoke": "seconds"},
    lists={
        "classes": (int, "numbers"),
        "methods": (("ae", "vae"), "rows"),
        "categories": ((), "any words"),
    },
    tables=("table",),
)


def test_parts():
    assert ARGUMENTS.parse("") == ("ae", frozenset(), {})
    assert ARGUMENTS.parse("vae,smoke,light") == ("vae", {"light", "smoke"}, {})
    name, words, lists = ARGUMENTS.parse("table,classes=1+3,smoke,methods=vae,categories=a+b c")
    assert (name, words) == ("table", {"smoke"})
    assert lists == {"classes": (1, 3), "methods": ("vae",), "categories": ("a", "b c")}


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("gan", "'gan' is none of ae, sdn, "),
        ("ae,huge", "'huge' is none of light, smoke"),
        ("ae,classes=1", "'classes' is none of light, smoke"),
        ("table,digits=1", "'digits' is none of classes, methods, categories"),
        ("table,classes=1+x", r"'classes=1\+x' must look like classes=0\+1\+2"),
        ("table,classes=", "must look like"),
        ("table,categories=a+", r"'categories=a\+' must look like categories=A\+B"),
        ("table,methods=gan", "'gan' is none of ae, vae"),
    ],
)
def test_what_is_not_known_is_refused(argument, says):
    with pytest.raises(ValueError, match=says):
        ARGUMENTS.parse(argument)


def test_help_names_all():
    text = ARGUMENTS.help()
    for word in ("ae", "vae", "table", "light", "smoke", "classes=0+1", "methods=A+B"):
        assert f"  {word} " in text
    assert all(len(line) <= 90 for line in text.splitlines())

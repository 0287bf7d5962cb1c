"""Completion of the command's line by bash and zsh, made of the declared modes, flags and configs.

The function that the shell calls looks at the line as it was typed: bash takes words apart at `=`
and `:`, and completes what comes after them; zsh does not.
"""

import shlex
from collections.abc import Iterable

from absl import flags as absl_flags

from adjax.config import shipped
from adjax.flags import FLAGS, GROUPS, MODES

_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"
_SCRIPT = """\
_adjax() {{
    local line="${{COMP_LINE:0:$COMP_POINT}}" mode word begin="" values=""
    word="${{line##*[[:space:]]}}"
    mode="${{line#*[[:space:]]}}"
    mode="${{mode%%[[:space:]]*}}"
    case "$word" in
        --config=*:*)
            begin="${{word%%:*}}:"
            case "${{begin##*[=/]}}" in
{arguments}
            esac ;;
        --config=*) begin=--config= values={configs} ;;
{choices}
        --*=*) return ;;
        *)
            case "$mode" in
{modes}
            esac
            if [ "$mode" = "$word" ]; then values={commands}; fi ;;
    esac
    if [ -z "${{ZSH_VERSION-}}" ]; then
        COMPREPLY=($(compgen -W "$values" -- "${{word#"$begin"}}"))
        case "${{COMPREPLY[0]-}}" in *=) compopt -o nospace 2> /dev/null ;; esac
    else
        COMPREPLY=($(compgen -P "$begin" -W "$values" -- "${{word#"$begin"}}"))
    fi
}}
complete -o default -F _adjax adjax
"""


def script(shell: str) -> str:
    """Return the script of a shell, "bash" or "zsh"; where it knows nothing, files are proposed."""
    files = shipped.files()
    arguments = {
        name: found["ARGUMENTS"].names for name, found in files.items() if "ARGUMENTS" in found
    }
    text = _SCRIPT.format(
        arguments=_cases(16, {f"{name}:": names for name, names in arguments.items()}),
        choices=_choices(),
        modes=_cases(16, {name: [*_words(name, files), *_flags(name)] for name in MODES}),
        commands=_quoted(MODES),
        configs=_quoted(files),
    )
    return text if shell == "bash" else _ZSH + text


def _cases(indent: int, values: dict[str, Iterable[str]]) -> str:
    return "\n".join(
        f"{' ' * indent}{name}) values={_quoted(own)} ;;" for name, own in values.items()
    )


def _choices() -> str:
    """Return the cases of flags that take one of a few values."""
    flags = [FLAGS[flag.name] for group in GROUPS.values() for flag in group]
    values = {f.name: f.parser.enum_values for f in flags if isinstance(f, absl_flags.EnumFlag)}
    return "\n".join(
        f"        --{name}=*) begin=--{name}= values={_quoted(own)} ;;"
        for name, own in values.items()
    )


def _words(mode: str, files: Iterable[str]) -> list[str]:
    """Return what may stand as a word behind a command."""
    word = MODES[mode].word
    if word == "topic":
        return [*MODES, *files]
    flag = FLAGS[word] if word else None
    return list(flag.parser.enum_values) if isinstance(flag, absl_flags.EnumFlag) else []


def _flags(mode: str) -> list[str]:
    """Return the flags of a mode that are not given as its word, with `=` where they take one."""
    own = [FLAGS[name] for name in MODES[mode].flags if name != MODES[mode].word]
    return [f"--{flag.name}" + ("" if flag.boolean else "=") for flag in own]


def _quoted(values: Iterable[str]) -> str:
    return shlex.quote(" ".join(values))

"""The scripts: one function in each shell's own language, over a table of commands."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence

from arbeit_cli.completing.spec import GLOBAL_WITH_VALUE, Command, Value, commands

TASKS = "arbeit completion tasks"
"""The command line that prints the tasks that are not finished: id, tab, title."""


def script(shell: str) -> str:
    """The script of a shell: bash, zsh or fish."""
    return _MAKERS[shell](commands())


def _families(known: Sequence[Command]) -> Mapping[str, list[str]]:
    """The second words of commands of two words, by their first."""
    found: dict[str, list[str]] = {}
    for command in known:
        first, _, second = command.name.partition(" ")
        if second:
            found.setdefault(first, []).append(second)
    return found


def _first_words(known: Sequence[Command]) -> dict[str, str]:
    words: dict[str, str] = {}
    for command in known:
        first, _, second = command.name.partition(" ")
        if not second or first not in words:
            words[first] = command.help
    return words


# -- bash --------------------------------------------------------------------------------------------------------

_BASH_HEAD = r"""# Completes the command arbeit in bash: eval "$(arbeit completion bash)"

_arbeit_words() {
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_arbeit_tasks() {
    COMPREPLY=($(compgen -W "$(TASKS 2>/dev/null | cut -f1)" -- "$cur"))
}

_arbeit_files() {
    compopt -o filenames 2>/dev/null
    local IFS=$'\n'
    COMPREPLY=($(compgen -f -- "$cur"))
}

_arbeit() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
    local name="" second="" index word count=0
    COMPREPLY=()
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${COMP_WORDS[index]}"
        case "$word" in
            --) [[ -n $name ]] && return ;;
            GLOBALS) ((index++)) ;;
            -*) ;;
            *)
                if [[ -z $name ]]; then name="$word"
                else
                    ((count++))
                    [[ $count == 1 ]] && second="$word"
                fi ;;
        esac
    done
    case "$name" in
"""
_BASH_TAIL = r"""    esac
}

complete -F _arbeit arbeit
"""


def _bash(known: Sequence[Command]) -> str:
    families = _families(known)
    lines = []
    for first in sorted(families):
        seconds = "|".join(families[first])
        lines.append(f'        {first}) case "$second" in {seconds}) name="{first} $second"; ((count--)) ;; esac ;;')
    head = _BASH_HEAD.replace("TASKS", TASKS).replace("GLOBALS", "|".join(GLOBAL_WITH_VALUE))
    middle = ["    esac", '    case "$name" in', '        "")']
    words = " ".join(_first_words(known))
    options = " ".join([*GLOBAL_WITH_VALUE, "--json", "--no-color", "--version", "--help"])
    middle += [
        '            case "$prev" in --db) _arbeit_files; return ;; --project|--as) return ;; esac',
        f'            if [[ $cur == -* ]]; then _arbeit_words "{options}"; else _arbeit_words "{words}"; fi ;;',
    ]
    for command in known:
        middle += _bash_command(command, families.get(command.name, ()))
    for first in sorted(set(families) - {command.name for command in known}):
        middle.append(f'        {first}) _arbeit_words "{" ".join(families[first])}" ;;')
    return head + "".join(f"{line}\n" for line in [*lines, *middle]) + _BASH_TAIL


def _bash_command(command: Command, seconds: Iterable[str]) -> list[str]:
    lines = [f"        {shlex.quote(command.name)})"]
    cases = [
        f"                {'|'.join(option.names)}) {_bash_value(option.value)}; return ;;"
        for option in command.options
        if option.value is not None
    ]
    if cases:
        lines += ['            case "$prev" in', *cases, "            esac"]
    names = " ".join(name for option in command.options for name in option.names)
    lines.append(f'            if [[ $cur == -* ]]; then _arbeit_words "{names}"; return; fi')
    arguments = [*command.arguments]
    more = " ".join(seconds)
    if more:
        lines.append(f'            [[ $count == 0 ]] && _arbeit_words "{more}"')
    elif arguments:
        lines.append('            case "$count" in')
        for number, value in enumerate(arguments):
            pattern = str(number) if number < len(arguments) - 1 else "*"
            lines.append(f"                {pattern}) {_bash_value(value)} ;;")
        lines.append("            esac")
    return [*lines, "            ;;"]


def _bash_value(value: Value) -> str:
    if value.kind == "choice":
        return f'_arbeit_words "{" ".join(value.choices)}"'
    return {"task": "_arbeit_tasks", "file": "_arbeit_files"}.get(value.kind, ":")


# -- zsh ---------------------------------------------------------------------------------------------------------

_ZSH_HEAD = r"""#compdef arbeit
# Completes the command arbeit in zsh: a file named _arbeit in a folder of $fpath, or: source <(arbeit completion zsh)

_arbeit_tasks() {
    local -a tasks
    tasks=("${(@f)$(TASKS 2>/dev/null | sed -e 's/:/\\:/g' -e $'s/\t/:/')}")
    [[ -n ${tasks[1]} ]] && _describe -t tasks task tasks
}

_arbeit() {
    local context state state_descr line
    typeset -A opt_args
    local name="" second="" index word
    for ((index = 2; index < CURRENT; index++)); do
        word="${words[index]}"
        case "$word" in
            GLOBALS) ((index++)) ;;
            -*) ;;
            *) if [[ -z $name ]]; then name="$word"; elif [[ -z $second ]]; then second="$word"; fi ;;
        esac
    done
    case "$name" in
"""
_ZSH_TAIL = r"""    esac
}

if [[ $funcstack[1] == _arbeit ]]; then _arbeit "$@"; else compdef _arbeit arbeit; fi
"""


def _zsh(known: Sequence[Command]) -> str:
    families = _families(known)
    lines = [
        f'        {first}) case "$second" in {"|".join(seconds)}) name="{first} $second" ;; esac ;;'
        for first, seconds in sorted(families.items())
    ]
    lines += [
        "    esac",
        '    case "$name" in',
        '        "")',
        "            local -a commands",
        "            commands=(",
    ]
    lines += [f"                {shlex.quote(f'{word}:{text}')}" for word, text in _first_words(known).items()]
    lines += ["            )", "            _describe -t commands command commands ;;"]
    for command in known:
        lines += _zsh_command(command, families.get(command.name, ()))
    for first in sorted(set(families) - {command.name for command in known}):
        lines.append(f"        {first}) _values command {' '.join(families[first])} ;;")
    head = _ZSH_HEAD.replace("TASKS", TASKS).replace("GLOBALS", "|".join(GLOBAL_WITH_VALUE))
    return head + "".join(f"{line}\n" for line in lines) + _ZSH_TAIL


def _zsh_command(command: Command, seconds: Iterable[str]) -> list[str]:
    words = command.name.count(" ") + 1
    lines = [f"        {shlex.quote(command.name)})", "            _arguments -s -S \\"]
    for option in command.options:
        text = option.help.replace("[", "(").replace("]", ")").replace(":", " -")
        value = "" if option.value is None else f":{_zsh_value(option.value)}"
        for name in option.names:
            equals = "=" if name.startswith("--") and option.value is not None else ""
            lines.append(f"                {shlex.quote(f'*{name}{equals}[{text}]{value}')} \\")
    lines += [f"                '{number + 1}:command:' \\" for number in range(words)]
    more = " ".join(seconds)
    if more:
        lines.append(f"                {shlex.quote(f'{words + 1}::what:({more})')} \\")
    else:
        for number, argument in enumerate(command.arguments):
            last = number == len(command.arguments) - 1
            place = "*" if last else str(words + number + 1)
            lines.append(f"                {shlex.quote(f'{place}:{_zsh_value(argument)}')} \\")
    return [*lines, "                && return 0 ;;"]


def _zsh_value(value: Value) -> str:
    if value.kind == "choice":
        return f"value:({' '.join(value.choices)})"
    return {"task": "task:_arbeit_tasks", "file": "file:_files"}.get(value.kind, "value: ")


# -- fish --------------------------------------------------------------------------------------------------------

_FISH_HEAD = r"""# Completes the command arbeit in fish: arbeit completion fish > ~/.config/fish/completions/arbeit.fish

function __arbeit_command --description 'The command that the line names so far'
    set -l words (commandline -opc)
    set -e words[1]
    set -l name
    set -l skip 0
    for word in $words
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case GLOBALS
                set skip 1
            case '-*'
            case '*'
                set -a name $word
        end
    end
    if contains -- "$name[1] $name[2]" TWO_WORDS
        echo "$name[1] $name[2]"
    else
        echo "$name[1]"
    end
end

function __arbeit_is --description 'Whether the line names this command'
    test (__arbeit_command) = "$argv[1]"
end

function __arbeit_tasks
    TASKS 2>/dev/null
end

complete -c arbeit -f
"""


def _fish(known: Sequence[Command]) -> str:
    two = [command.name for command in known if " " in command.name]
    head = _FISH_HEAD.replace("GLOBALS", " ".join(GLOBAL_WITH_VALUE)).replace("TASKS", TASKS)
    lines = [head.replace("TWO_WORDS", " ".join(map(_fish_quoted, two)))]
    for word, text in _first_words(known).items():
        lines.append(f"complete -c arbeit -n '__arbeit_is \"\"' -a {word} -d {_fish_quoted(text)}\n")
    for command in known:
        first, _, second = command.name.partition(" ")
        if second:
            where = _fish_quoted(f'__arbeit_is "{first}"')
            lines.append(f"complete -c arbeit -n {where} -a {second} -d {_fish_quoted(command.help)}\n")
    for command in known:
        where = _fish_quoted(f'__arbeit_is "{command.name}"')
        for option in command.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            needs = "" if option.value is None else " -r" if option.value.kind == "file" else " -x"
            value = "" if option.value is None else f"{needs}{_fish_value(option.value)}"
            lines.append(f"complete -c arbeit -n {where} {names}{value} -d {_fish_quoted(option.help)}\n")
        kinds = (kind for kind in dict.fromkeys(command.arguments) if kind.kind != "none")
        lines.extend(f"complete -c arbeit -n {where}{_fish_value(kind)}\n" for kind in kinds)
    return "".join(lines)


def _fish_value(value: Value) -> str:
    if value.kind == "choice":
        return f" -a {_fish_quoted(' '.join(value.choices))}"
    return {"task": " -a '(__arbeit_tasks)'", "file": " -F"}.get(value.kind, "")


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_MAKERS: Mapping[str, Callable[[Sequence[Command]], str]] = {"bash": _bash, "fish": _fish, "zsh": _zsh}

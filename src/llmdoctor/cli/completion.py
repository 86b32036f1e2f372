"""`llmdoctor completion SHELL`: the script that makes a shell complete our commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.declared import Command, Option, commands
from llmdoctor.cli.output import put
from llmdoctor.errors import nearest

_SHELLS = ("bash", "zsh", "fish", "powershell")


def completion(parser: Parser, words: Sequence[str]) -> int:
    """Print the script for a shell."""
    parser.add_argument("shell", metavar="|".join(_SHELLS), help="The shell that reads it.")
    parser.examples(
        'eval "$(llmdoctor completion bash)"',
        "llmdoctor completion zsh > ~/.zfunc/_llmdoctor",
        "llmdoctor completion fish > ~/.config/fish/completions/llmdoctor.fish",
        "llmdoctor completion powershell | Out-String | Invoke-Expression",
    )
    options = parser.read(words)
    if options.shell not in _SHELLS:
        there = ", ".join(_SHELLS)
        parser.error(f"{options.shell!r} is none of {there}{nearest(options.shell, _SHELLS)}")
    put(script(options.shell))
    return 0


def script(shell: str) -> str:
    """The script for a shell; the names of profiles in it are those that are shipped."""
    writer = {"bash": _bash, "zsh": _zsh, "fish": _fish, "powershell": _powershell}[shell]
    return "\n".join(writer(commands()))


def _values(option: Option) -> tuple[str, ...]:
    """What an option can be given: its words, or the names of profiles."""
    from llmdoctor.profiles.places import shipped

    if "--profile" in option.names or (option.metavar == "NAME" and not option.names):
        return tuple(shipped())
    return option.words


def _first(command: Command) -> list[str]:
    """What can follow a command's name."""
    options = [name for option in command.options for name in option.names]
    values = [word for option in command.options if not option.names for word in _values(option)]
    return [*options, *values]


def _bash(known: Sequence[Command]) -> Iterator[str]:
    yield "_llmdoctor() {"
    yield '  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=""'
    yield '  if [ "$COMP_CWORD" -eq 1 ]; then'
    names = " ".join(item.name for item in known)
    yield f'    words="{names} --help --version"'
    yield "  else"
    yield '    case "${COMP_WORDS[1]} $prev" in'
    for command in known:
        for option in command.options:
            values = " ".join(_values(option))
            for name in option.names if option.metavar else ():
                what = f'words="{values}"' if values else "return"
                yield f'      "{command.name} {name}") {what} ;;'
    yield '      *) case "${COMP_WORDS[1]}" in'
    for command in known:
        yield f'        {command.name}) words="{" ".join(_first(command))}" ;;'
    yield "      esac ;;"
    yield "    esac"
    yield "  fi"
    yield '  COMPREPLY=($(compgen -W "$words" -- "$cur"))'
    yield "}"
    yield "complete -o default -F _llmdoctor llmdoctor"


def _zsh(known: Sequence[Command]) -> Iterator[str]:
    yield "#compdef llmdoctor"
    yield "_llmdoctor() {"
    yield "  if (( CURRENT == 2 )); then"
    yield "    local -a commands=("
    for command in known:
        yield f"      {_quoted(f'{command.name}:{command.summary}')}"
    yield "    )"
    yield "    _describe command commands"
    yield "    return"
    yield "  fi"
    yield "  local command=$words[2]"
    yield "  shift words; (( CURRENT-- ))"
    yield "  case $command in"
    for command in known:
        yield f"    {command.name}) _arguments -s \\"
        for option in command.options:
            text = option.text.translate({ord(sign): f"\\{sign}" for sign in "[]:"})
            values = " ".join(_values(option))
            after = f":{option.names[0].lstrip('-')}:" if option.names else ""
            action = f"({values})" if values else "_files"
            again = "*" if option.repeatable else ""
            for name in option.names:
                tail = f"{after}{action}" if option.metavar else ""
                yield f"      {_quoted(f'{again}{name}[{text}]{tail}')} \\"
            if not option.names:
                yield f"      {_quoted(f'*:{option.metavar}:{action}')} \\"
        yield "      ;;"
    yield "  esac"
    yield "}"
    yield "# as a file of $fpath it is called, evaluated it is registered"
    yield 'if [ "$funcstack[1]" = "_llmdoctor" ]; then _llmdoctor "$@"'
    yield "else compdef _llmdoctor llmdoctor; fi"


def _fish(known: Sequence[Command]) -> Iterator[str]:
    for command in known:
        text = _quoted(command.summary)
        yield f"complete -c llmdoctor -n __fish_use_subcommand -f -a {command.name} -d {text}"
        seen = f"complete -c llmdoctor -n '__fish_seen_subcommand_from {command.name}'"
        for option in command.options:
            values = " ".join(_values(option))
            given = f" -x -a {_quoted(values)}" if values else " -r" if option.metavar else ""
            names = "".join(
                f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
                for name in option.names
            )
            if not option.names:
                names, given = "", f" -a {_quoted(values)}" if values else ""
            if names or given:
                yield f"{seen}{names}{given} -d {_quoted(option.text)}"


def _powershell(known: Sequence[Command]) -> Iterator[str]:
    yield "Register-ArgumentCompleter -Native -CommandName llmdoctor -ScriptBlock {"
    yield "  param($wordToComplete, $commandAst, $cursorPosition)"
    yield "  $known = @{"
    names = _list(item.name for item in known)
    yield f"    '' = @({names})"
    for command in known:
        yield f"    '{command.name}' = @({_list(_first(command))})"
        for option in command.options:
            for name in option.names if _values(option) else ():
                yield f"    '{command.name} {name}' = @({_list(_values(option))})"
    yield "  }"
    yield "  $words = @($commandAst.CommandElements | ForEach-Object { $_.ToString() })"
    yield "  if ($wordToComplete) { $words = @($words | Select-Object -SkipLast 1) }"
    yield "  $command = if ($words.Count -gt 1) { $words[1] } else { '' }"
    yield '  $found = $known["$command $($words[-1])"]'
    yield "  if (-not $found) { $found = $known[$command] }"
    yield '  $found | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {'
    yield "    [System.Management.Automation.CompletionResult]::new($_)"
    yield "  }"
    yield "}"


def _list(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _quoted(text: str) -> str:
    """A text for a POSIX shell, zsh and fish alike."""
    return "'" + text.replace("'", "'\\''") + "'"

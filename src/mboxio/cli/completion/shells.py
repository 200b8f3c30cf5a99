"""The scripts that shells run at the Tab key."""

import os
import re

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

__all__ = ["SHELLS", "Bash"]

BREAKS = re.compile(r".*[:=@]", re.DOTALL)
"""What bash takes for the end of a word, and an address has in the middle."""


class Bash(BashComplete):
    """Completion for bash, where a colon ends a word: that of click would see three.

    The line is taken apart here, and of an answer only what comes after the last such end is given
    back, because bash puts it there.
    """

    source_template = """\
%(complete_func)s() {
    local IFS=$'\\n' answer kind value
    COMPREPLY=()
    for answer in $(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" %(complete_var)s=bash_complete "$1")
    do
        IFS=',' read -r kind value <<< "$answer"
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            *)
                COMPREPLY+=("$value")
                [[ $value == *[:/=] ]] && compopt -o nospace
                ;;
        esac
    done
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """See `ShellComplete`."""
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        incomplete = words.pop() if words and not line[-1].isspace() else ""
        self.kept = len(found[0]) if (found := BREAKS.match(incomplete)) else 0
        return words[1:], incomplete

    def format_completion(self, item: "CompletionItem[str]") -> str:
        """See `ShellComplete`."""
        return f"{item.type},{item.value[self.kept :]}"


class Fish(FishComplete):
    """Completion for fish, with whole descriptions: that of click ends one at its first comma."""

    source_template = FishComplete.source_template.replace(
        'string split ","', 'string split --max 1 ","'
    )


SHELLS: dict[str, type[ShellComplete]] = {
    "bash": Bash,
    "zsh": ZshComplete,
    "fish": Fish,
}

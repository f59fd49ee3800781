"""What is written about the options: a page of all of them, a configuration file to begin with.

``python -m phfs.config.document > docs/configuration.md`` makes the page. Everything in it is from
the table; a test tells when the page is older than that.
"""

from __future__ import annotations

import json
import sys
import textwrap

from phfs.config.files import TABLE, in_a_file
from phfs.config.kinds import Kind
from phfs.config.mount import OPTIONS
from phfs.config.option import Row, flag, option_of, variable
from phfs.config.sources import PRECEDENCE

_WIDTH = 100

_PAGE = """\
# Configuration

<!-- Made by `python -m phfs.config.document`: change the table in phfs/config/mount.py instead. -->

Every option of a mount can stand on the command line, in a variable, or in a configuration file,
and means the same in each. What is wrong is refused in one sentence that names the place.

## Which place counts

What an option is said to be first in this list is what it is:

{precedence}

`phfs config` shows the value of every option and where it comes from, `phfs config @research` those
of a named mount. Options that contradict each other are refused wherever they come from.

Some options are taken together, from the first place in the list that says one of them:

* `group` and `prefix`: the one that is said first counts; said in one place, `prefix` does.
* `access_key_id`, `secret_access_key`, `session_token` and `credentials_file`, and `profile` unless
  it is said before them. A `profile` said before is a section of the `credentials_file`, or is
  instead of keys. In one place, keys and a file of keys are refused.

## Configuration files

Your own is `~/.config/phfs/config.toml` (`$XDG_CONFIG_HOME/phfs/config.toml`), the machine's is
`/etc/phfs/config.toml`. Both are read if they are there, the machine's only if you may read it.
`--config FILE`, or the variable `PHFS_CONFIG`, names another to be read instead of both;
`/dev/null` stands for none.

They are TOML. What stands at the top is for every mount; a table `[mount.NAME]` is a mount of its
own, which `@NAME` chooses:

```toml title="~/.config/phfs/config.toml"
{file}```

```sh
mkdir -p ~/research ~/elsewhere
phfs-mount @research               # at the mountpoint of the file
phfs-mount @research ~/elsewhere
phfs ls @research                  # every command that takes a bucket takes a name, too
```

Numbers and `true` or `false` stand without quotes, everything else in quotes; permission bits are
such a text, as in `"0644"`. Paths begin with `/` or `~`.

A file that belongs to neither you nor root, or that others may write, is refused (`chmod go-w`).
Keys of the store may stand in a file that nobody else may read (`chmod 600`); a file that others
may read is refused with keys in it.

`phfs config --example` prints a file with every option, commented out.

## Switches

An option that needs no value on the command line, as `--read-only`, is `true` or `false` in a file
and `on` or `off` as a variable. What a file turns on is turned off by `--no-read-only`.

## Options

{options}
"""

_FILE = """\
endpoint_url = "http://127.0.0.1:9000"
metadata_ttl = 5

[mount.research]
bucket = "my-bucket"
group = "my-group"
mountpoint = "~/research"

[mount.published]
bucket = "my-bucket"
prefix = "published/2026/"
mountpoint = "~/published"
read_only = true
"""

_HEAD = """\
# Options of phfs-mount, with the value of an example. Take the '#' away from what you need.
# This file belongs to ~/.config/phfs/config.toml, or for everybody to /etc/phfs/config.toml.
# What stands above the first [mount.NAME] is for every mount.
"""

_NAMED = f"""\
# A mount with a name: phfs-mount @research. Every option can stand here, too.
# [{TABLE}.research]
# bucket = "my-bucket"
# group = "research"
# mountpoint = "~/research"
"""


def page() -> str:
    """``docs/configuration.md``."""
    precedence = "\n".join(f"{number}. {place}" for number, place in enumerate(PRECEDENCE, 1))
    return _PAGE.format(
        precedence=precedence, file=_FILE, options="\n\n".join(_entry(row) for row in OPTIONS)
    )


def example() -> str:
    """A configuration file with every option, all of them commented out."""
    entries = []
    for row in OPTIONS:
        about = option_of(row)
        words = about.help + (f" (default: {about.default_text})" if about.default_text else "")
        lines = textwrap.wrap(words, _WIDTH - 4, initial_indent="## ", subsequent_indent="## ")
        entries.append("\n".join([*lines, f"# {line_of(row)}"]) + "\n")
    return "\n".join([_HEAD, *entries, _NAMED])


def line_of(row: Row) -> str:
    """An option in a file, with a value that fits: ``part_size = 8``."""
    about = option_of(row)
    text = about.default_text if _fits(about.kind, about.default_text) else about.kind.sample
    return f"{row.name} = {_in_toml(about.kind, text)}"


def _fits(kind: Kind, text: str) -> bool:
    # The default of a switch is no reason to write it down; others are words about a default.
    if kind.types == (bool,) or kind.path or not text.replace(".", "").isalnum():
        return False
    try:
        kind.parse(text)
    except ValueError:
        return False
    return True


def _in_toml(kind: Kind, text: str) -> str:
    if kind.types == (bool,):
        return "true" if kind.parse(text) else "false"
    return json.dumps(text) if str in kind.types else text


def _entry(row: Row) -> str:
    about = option_of(row)
    none = "none: it has to be given" if about.positional else "none"
    facts = [
        f"* value: {about.kind.expected}" + _file_differs(about.kind),
        f"* command line: {_on_the_line(row)}",
        f"* variable: `{variable(row)}`"
        + "".join(f", then `{name}`" for name in about.aws_variables),
        f"* file: `{line_of(row)}`",
        f"* default: {about.default_text or ('off' if row.default is False else none)}",
    ]
    meaning = about.help[:1].upper() + about.help[1:]
    return "\n".join([f"### {row.name}", "", f"{meaning}.", "", *facts])


def _file_differs(kind: Kind) -> str:
    return f"; in a file {in_a_file(kind)}" if kind.types == (bool,) else ""


def _on_the_line(row: Row) -> str:
    about = option_of(row)
    if about.secret:
        return "never, because everybody on the machine can read it"
    if about.positional:
        return f"`{flag(row)}`, an argument"
    if not about.switch:
        return f"`{flag(row)} {about.kind.metavar}`"
    short = f"`{about.short}`, " if about.short else ""
    return f"{short}`{flag(row)}`, `--no-{flag(row).removeprefix('--')}`"


if __name__ == "__main__":
    sys.stdout.write(page())

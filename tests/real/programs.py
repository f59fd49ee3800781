"""The table of programs people run on a mount, and what each of them does there.

Owns the expectations; ``test_programs`` runs them. A row is a shell command that is run twice, in
a fresh directory of a local disk and in one of the mount. ``$IN`` is a local directory of inputs
(``make_inputs``), ``$OUT`` an empty local directory, ``$PY`` Python. A row without an errno has to
do the same in both places.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

TYPE = '"$PY" -m tests.support.terminal'
"""Runs a program on a terminal and types at it."""


def vi(keys: str, words: str) -> str:
    """The command that types ``keys`` at vi, by a script because it drops keys while it starts."""
    return (
        f"""printf '{keys.replace("%", "%%")}' > "$OUT/keys" && {TYPE} "vi -s $OUT/keys {words}\""""
    )


class Program(NamedTuple):
    """``errno``: the name of the one the contract has for it, empty if it works. ``before`` works
    in both places.

    Of a failure: ``leaves`` are the names then in the bucket that were not there before (what was
    closed or synced before it failed stays); ``says`` is what it prints instead of the errno's
    text; ``kernel`` is set where the kernel answers by itself, so that nothing is noted. ``tries``
    is an errno that a program which works meets on its way.
    """

    name: str
    run: str
    errno: str = ""
    before: str = ""
    leaves: tuple[str, ...] = ()
    says: str = ""
    kernel: bool = False
    tries: str = ""


COPYING = (
    Program("cp", 'cp "$IN/data" . && cmp data "$IN/data"'),
    Program("cp on the mount", "cp data copy", before='cp "$IN/data" .'),
    Program("cp over", 'cp "$IN/text" data', before='cp "$IN/data" .'),
    Program("cp -p", 'cp -p "$IN/data" .'),
    Program("cp -r", 'cp -r "$IN/tree" .'),
    Program("cp -a", 'cp -a "$IN/tree" .'),
    Program("cp of a file with holes", 'cp "$IN/holes" .', "ESPIPE"),
    Program("cp --sparse=never", 'cp --sparse=never "$IN/holes" .'),
    Program("cat", 'cat "$IN/data" "$IN/text" > both; cat both | sha256sum'),
    Program("install", 'install -D -m 755 "$IN/data" bin/tool'),
    Program("mv in", 'cp "$IN/data" "$OUT" && mv "$OUT/data" . && ls "$OUT"'),
    Program("mv out", 'mv data "$OUT" && sha256sum < "$OUT/data"', before='cp "$IN/data" .'),
    Program("mv directory in", 'cp -r "$IN/tree" "$OUT" && mv "$OUT/tree" . && ls "$OUT"'),
    Program("mv directory out", 'mv tree "$OUT" && ls -R "$OUT"', before='cp -r "$IN/tree" .'),
    Program("mv", "mv data other", before='cp "$IN/data" .'),
    Program("mv over", "mv data text", before='cp "$IN/data" "$IN/text" .'),
    Program("mv directory", "mkdir to && mv tree to/other", before='cp -r "$IN/tree" .'),
    Program("mv -n", "mv -n data text", before='cp "$IN/data" "$IN/text" .'),
    Program("rsync -a", 'rsync -a "$IN/tree/" to'),
    Program("rsync -a again", 'rsync -a "$IN/other/" to', before='rsync -a "$IN/tree/" to'),
    Program(
        "rsync --size-only",
        'rsync -rv --size-only "$IN/tree/" to | grep -v bytes',
        before='rsync -r "$IN/tree/" to',
    ),
    Program("rsync --delete", 'rsync -r --delete "$IN/other/" to', before='cp -r "$IN/tree" to'),
    Program("rsync --inplace", 'rsync -r --inplace "$IN/tree/" to'),
    Program(
        "rsync --inplace over",
        'rsync --inplace --ignore-times "$IN/other/a" to/a',
        "EOPNOTSUPP",
        before='cp -r "$IN/tree" to',
    ),
    Program("dd", 'dd if="$IN/data" of=data bs=64k status=none'),
    Program("dd conv=fsync", 'dd if="$IN/data" of=data bs=1M conv=fsync status=none'),
    Program("dd oflag=direct", 'dd if="$IN/big" of=big bs=1M oflag=direct status=none'),
    Program("dd seek", 'dd if="$IN/text" of=data bs=512 seek=1 status=none', "EOPNOTSUPP",
            leaves=("data",)),
    Program(
        "dd seek conv=notrunc",
        'dd if="$IN/text" of=data bs=512 seek=1 conv=notrunc status=none',
        "ESPIPE",
        leaves=("data",),
    ),
    Program("dd skip", "dd if=data bs=1000 skip=7 count=3 status=none | sha256sum",
            before='cp "$IN/data" .'),
)  # fmt: skip

ARCHIVES = (
    Program("tar c", 'tar cf tree.tar -C "$IN" --sort=name tree && tar tf tree.tar'),
    Program("tar cz", 'tar c -C "$IN" --sort=name tree | gzip -n > tree.tar.gz'),
    Program("tar c from the mount", "tar c --sort=name tree | tar t", before='cp -r "$IN/tree" .'),
    Program("tar x", 'tar c -C "$IN" tree | tar x'),
    Program("tar x of a link", 'tar xf "$IN/link.tar"', "EOPNOTSUPP"),
    Program("tar r", 'tar rf a.tar -C "$IN" text', "EOPNOTSUPP",
            before='tar cf a.tar -C "$IN" data'),
    Program("gzip", "gzip -n data", before='cp "$IN/data" .'),
    Program("gunzip", "gunzip data.gz", before='gzip -nc "$IN/data" > data.gz'),
    Program("xz", "xz -0 text && xz -dk text.xz", before='cp "$IN/text" .'),
    Program("zip", 'zip -q archive.zip "$IN/text"', "ESPIPE"),
    Program("zip to a pipe",
            '(cd "$IN" && zip -qX - text | cat) > a.zip && unzip -p a.zip | md5sum'),
    Program("unzip", 'unzip -q "$IN/tree.zip"'),
    Program("unzip from the mount", 'unzip -q tree.zip -d "$OUT" && ls -R "$OUT"',
            before='cp "$IN/tree.zip" .'),
)  # fmt: skip

LOOKING = (
    Program("touch", "touch new data", before='cp "$IN/data" .'),
    Program("touch -d", "touch -d 2001-01-01 data", before='cp "$IN/data" .'),
    Program("chmod", "chmod 600 data", before='cp "$IN/data" .'),
    Program("chown", "chown 1000:100 data && chown -R 1000 .", before='cp "$IN/data" .'),
    Program("find -size", "find . -type f -size +1k | sort", before='cp -r "$IN/tree" .'),
    Program("find -newer", "find . -newer /proc/self/exe -type f | sort",
            before='touch first; cp -r "$IN/tree" .'),
    Program("find -delete", "find . -name 'a*' -delete; find . | sort",
            before='cp -r "$IN/tree" .'),
    Program("find -empty", "find . -empty | sort", before='cp -r "$IN/tree" .; touch nothing'),
    Program("rm -r", "rm -r tree", before='cp -r "$IN/tree" .'),
    Program("sha256sum", "sha256sum big", before='cp "$IN/big" .'),
    Program("wc", "wc text", before='cp "$IN/text" .'),
    Program("head", "head -n 3 text; head -c 10 data | md5sum",
            before='cp "$IN/data" "$IN/text" .'),
    Program("tail", "tail -n 3 text; tail -c 10 data | md5sum",
            before='cp "$IN/data" "$IN/text" .'),
    Program("tail -f", "timeout 1 tail -n 2 -f text; test $? = 124", before='cp "$IN/text" .'),
    Program("less", f"{TYPE} 'less text' 'line 5' q", before='cp "$IN/text" .'),
    Program("grep -r", "grep -rc line . | sort", before='cp -r "$IN/tree" .'),
    Program("diff -r", 'diff -r tree "$IN/other"; test $? = 1', before='cp -r "$IN/tree" .'),
    Program("ls -l", "ls -ln --time-style=+ data | cut -d' ' -f1,2,5-", before='cp "$IN/data" .'),
    Program("stat", "stat -c '%F %s %h %A' data", before='cp "$IN/data" .'),
    Program("du", "du -b --apparent-size data", before='cp "$IN/data" .'),
    Program("df", "df --output=pcent . | tail -1 | grep -c %"),
    Program("flock", "flock data -c 'flock -n data true || echo taken'", before='cp "$IN/data" .'),
    Program("8 readers", "for i in 1 2 3 4 5 6 7 8; do sha256sum big & done | sort; wait",
            before='cp "$IN/big" .'),
    Program(
        "git clone",
        'git clone -q repo.git "$OUT/clone" && cd "$OUT/clone" && git log --format=%s && ls',
        before='cp -r "$IN/repo.git" .',
    ),
)  # fmt: skip

WRITING = (
    Program(">", "echo new > file"),
    Program("> over", "echo new > text", before='cp "$IN/text" .'),
    Program(">> to nothing", "echo new >> file"),
    Program(">> to an empty file", "echo new >> file", before="touch file"),
    Program(">> to content", "echo more >> text", "EOPNOTSUPP", before='cp "$IN/text" .'),
    Program("a command > over", 'sort -r "$IN/text" > text', before='cp "$IN/text" .'),
    Program("several commands >", "{ echo a; date -d @0 -u; echo b; } > file"),
    Program("tee", 'tee a b < "$IN/text" | md5sum'),
    Program("tee -a", 'tee -a text < "$IN/data" > "$OUT/copy"', "EOPNOTSUPP",
            before='cp "$IN/text" .'),
    Program("sort -o", "sort -r -o text text", before='cp "$IN/text" .'),
    Program("split", 'split -b 1M "$IN/data" part-'),
    Program("sed -i", "sed -i s/line/row/ text", before='cp "$IN/text" .'),
    Program("patch", 'diff -u "$IN/tree/a" "$IN/other/a" | patch -s tree/a',
            before='cp -r "$IN/tree" .'),
    Program("truncate -s 0", "truncate -s 0 text", before='cp "$IN/text" .'),
    Program("truncate -s 5", "truncate -s 5 text", "EOPNOTSUPP", before='cp "$IN/text" .'),
    Program("truncate a new file", "truncate -s 5 file", "EOPNOTSUPP", leaves=("file",)),
    Program("fallocate", "fallocate -l 1M file", "EOPNOTSUPP", leaves=("file",),
            kernel=True),
    Program("ln", "ln text other", "EOPNOTSUPP", before='cp "$IN/text" .'),
    Program("ln -s", "ln -s text other", "EOPNOTSUPP", before='cp "$IN/text" .'),
    Program("mkfifo", "mkfifo pipe", "EOPNOTSUPP"),
    Program("mktemp", 'name=$(mktemp -p .) && cp "$IN/text" "$name" && mv "$name" done'),
    Program("vi, a new file", vi("ihello\\x1b:wq\\r", "-n new")),
    Program("vi", vi(":%s/line/row/\\r:wq\\r", "-n text"), before='cp "$IN/text" .'),
    Program("vi with a swap file", vi("ihello\\x1b:wq\\r", "new"), tries="ESPIPE"),
    Program("vi -es", "vi -n -es '+%s/line/row/' +wq text", before='cp "$IN/text" .'),
    Program("nano", f"{TYPE} 'nano -I text' 'line 5' 'first \\x0f' 'Write' '\\r' 'Wrote' '\\x18'",
            before='cp "$IN/text" .'),
    Program("git init", "git init -q . && cp \"$IN/text\" . && git add text && "
            "git -c user.name=a -c user.email=b commit -qm first && git log --format=%s",
            tries="EOPNOTSUPP"),
    Program("sqlite3", "sqlite3 db 'create table t (a)'", "EOPNOTSUPP", says="disk I/O error",
            leaves=("db", "db-journal")),
)  # fmt: skip


def make_inputs(directory: Path) -> None:
    """Fill ``directory`` with what the programs work on."""
    (directory / "text").write_text("".join(f"line {number}\n" for number in range(1, 201)))
    (directory / "data").write_bytes(bytes(range(251)) * 12_345 + b"end")
    (directory / "big").write_bytes(b"".join(n.to_bytes(8, "big") for n in range(20 << 17)))
    script = """
    mkdir -p tree/sub/deeper tree/empty other/sub
    echo one > tree/a; echo 'line two' > tree/sub/b; cp data tree/sub/deeper/data
    cp tree/a 'tree/a name with spaces'; touch tree/nothing
    echo 'one, changed' > other/a; echo three > other/c; echo 'line 2' > other/sub/b
    truncate -s 100K holes; cat text >> holes; truncate -s 300K holes
    ln -s text link; tar cf link.tar link; rm link
    zip -qrX tree.zip tree
    git init -q work; cp -r text tree work; git -C work add .
    git -C work -c user.name=a -c user.email=b commit -qm 'first commit'
    git clone -q --bare work repo.git; rm -r work
    """
    subprocess.run(["bash", "-ec", script], cwd=directory, check=True, capture_output=True)

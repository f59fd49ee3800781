"""Which mount is meant, and what is said when it is none."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from phfs.cli.commands.top import COMMAND, chosen
from phfs.cli.main import main
from phfs.commandline import Parser, UsageError
from phfs.errors import ConfigError, MountError
from phfs.system.mounts import Mount
from phfs.top.reading import Source


def mount(path: str, fstype: str = "fuse.phfs", device: int = 1, root: str = "/") -> Mount:
    return Mount(device, fstype, Path(path), "s3://b/groups/g/", read_only=False, root=root)


ROOT, OTHER = mount("/", "ext4", 8), mount("/data", "fuse.other", 9)


def test_the_only_one_is_meant() -> None:
    assert chosen(None, [ROOT, OTHER, mount("/phfs")]) == Path("/phfs")
    # Bound to other places it is still one, and told of where it is whole.
    bound = [mount("/home/ada/data", root="/data"), mount("/phfs"), mount("/mnt")]
    assert chosen(None, bound) == Path("/phfs")
    assert chosen("/home/ada/data/x", bound) == Path("/phfs")


def test_of_several_one_is_named() -> None:
    there = [ROOT, mount("/phfs"), mount("/home/a\x1b/phfs", device=2)]
    with pytest.raises(ConfigError) as caught:
        chosen(None, there)
    assert caught.value.why == "There are 2 mounts: name one of /phfs, /home/a\\x1b/phfs."
    assert chosen("/phfs/some/dir", there) == Path("/phfs")


def test_what_is_no_mount() -> None:
    with pytest.raises(ConfigError, match=r"make one with phfs-mount\.$"):
        chosen(None, [ROOT, OTHER])
    with pytest.raises(ConfigError, match=r"^/data/x is not in a mount of PHFS; there are /phfs\."):
        chosen("/data/x", [ROOT, OTHER, mount("/phfs")])
    with pytest.raises(ConfigError, match="there is none: make one"):
        chosen("/data", [ROOT, OTHER])
    # Something else is mounted upon it.
    with pytest.raises(ConfigError, match="not in a mount of PHFS"):
        chosen("/phfs/x", [mount("/phfs"), mount("/phfs", "tmpfs", 7)])


def test_a_link_to_a_mount_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/phfs")
    (tmp_path / "home").symlink_to("real")
    there = [ROOT, mount(str(tmp_path / "real/phfs"))]
    for name in ("link", "home/phfs", "real/phfs/x/.."):
        assert chosen(str(tmp_path / name), there) == tmp_path / "real/phfs"


def given(*words: str) -> argparse.Namespace:
    parser = Parser("phfs top", "")
    COMMAND.add_options(parser)
    return parser.read(words)


def test_the_options() -> None:
    assert given().interval == 1.0
    assert given("--interval", "0.5", "/phfs", "--once").interval == 0.5
    for wrong in ("0", "-1", "nan", "x", "1e9"):
        with pytest.raises(UsageError, match=r"--interval .* is wrong: give seconds from 0\.1 to"):
            given("--interval", wrong)
    with pytest.raises(UsageError, match="is --json meant"):
        given("--jason")


def test_what_is_not_written_by_phfs(tmp_path: Path) -> None:
    def asked() -> str:
        source = Source(tmp_path)
        source.ask()
        with pytest.raises(MountError) as caught:
            source.answer()
        return caught.value.why

    assert asked() == f"PHFS is not mounted at {tmp_path}."
    (tmp_path / ".phfs").mkdir()
    for name in ("status.json", "errors.json"):
        (tmp_path / ".phfs" / name).write_text("{")
    assert asked() == f"{tmp_path}/.phfs is not written by PHFS."


def test_a_mount_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[mount.research]\nmountpoint = "{tmp_path}"\nbucket = "b"\n')
    monkeypatch.setenv("PHFS_CONFIG", str(file))
    assert main(["top", "@research"]) == 2
    assert f"{tmp_path} is not in a mount of PHFS" in capsys.readouterr().err
    assert main(["top", "/phfs", "@research"]) == 2
    assert "Both '/phfs' and @research are given" in capsys.readouterr().err
    assert main(["top", "@reserch"]) == 2
    assert "research" in capsys.readouterr().err

"""``docker/compose.yaml``: a MinIO and a mount to try things out with, and nothing more."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import yaml

from phfs.cli.arguments import parse

DOCKER = Path(__file__).resolve().parents[2] / "docker"
DOCUMENT: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES = DOCUMENT["services"]


def filled(text: str) -> str:
    """With the defaults of its variables."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_it_has_a_store_a_bucket_and_a_mount() -> None:
    assert set(SERVICES) == {"minio", "bucket", "mount"}
    assert SERVICES["mount"]["depends_on"] == {
        "bucket": {"condition": "service_completed_successfully"}
    }
    for service in SERVICES.values():
        image = filled(service["image"])
        assert ":" in image.rpartition("/")[2]
        assert not image.endswith(":latest")


def test_the_mounts_command_is_right(tmp_path: Path) -> None:
    program, *words = [filled(word) for word in SERVICES["mount"]["command"]]
    assert program == "phfs-mount"
    environ = {name: filled(text) for name, text in SERVICES["mount"]["environment"].items()}
    config = parse(words, environ | {"HOME": str(tmp_path)})
    assert config.bucket == "primehub"
    assert str(config.mountpoint.parent) == SERVICES["mount"]["volumes"][0]["target"]
    assert config.endpoint_url == environ["AWS_ENDPOINT_URL"]
    assert config.foreground
    assert config.drain_seconds < int(SERVICES["mount"]["stop_grace_period"].removesuffix("s"))


def test_the_mount_gets_the_device_and_one_right() -> None:
    mount = SERVICES["mount"]
    assert mount["devices"] == ["/dev/fuse"]
    assert mount["cap_add"] == ["SYS_ADMIN"]
    assert "privileged" not in str(DOCUMENT)
    (volume,) = mount["volumes"]
    assert volume["bind"]["propagation"] == "rshared"


def test_the_keys_are_the_servers() -> None:
    minio, mount = SERVICES["minio"]["environment"], SERVICES["mount"]["environment"]
    assert minio["MINIO_ROOT_USER"] == mount["AWS_ACCESS_KEY_ID"]
    assert minio["MINIO_ROOT_PASSWORD"] == mount["AWS_SECRET_ACCESS_KEY"]
    assert SERVICES["bucket"]["environment"] == mount


def test_nothing_listens_to_the_outside() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_buckets_program_is_python() -> None:
    python, option, program = SERVICES["bucket"]["command"]
    assert (python, option) == ("/opt/phfs/bin/python", "-c")
    assert ast.parse(program).body

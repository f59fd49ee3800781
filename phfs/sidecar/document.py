"""The document ``PodVolumes``: who, what, the store and the data volumes, as checked models.

Strict for its own fields, tolerant inside ``Dataset`` objects, which are taken as PrimeHub's API
server holds them. A wrong document is refused as a whole, every wrong field named by its path; what
is wrong *with* a data volume (a missing server, say) is found in ``dataset`` and costs that volume
only. ``docs/sidecar.schema.json`` is made from these models. Called by ``commands``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema

from phfs.config import kinds
from phfs.config.kinds import Kind
from phfs.errors import DocumentError
from phfs.sidecar.agreement import disagreements
from phfs.sidecar.options import OPTIONS_SCHEMA
from phfs.sidecar.problems import sentences
from phfs.sidecar.reading import read

PodKind = Literal["notebook", "job", "app", "deployment"]

SHORT_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
OBJECT_NAME = kinds.matching(
    rf"(?=.{{1,253}}\Z){SHORT_NAME}(\.{SHORT_NAME})*",
    "small letters, digits, '-' and '.', beginning and ending with a letter or digit",
    "NAME",
)
"""How Kubernetes names objects (RFC 1123 subdomain)."""

USER = kinds.matching(
    r"[^\x00-\x1f\x7f]{1,256}",
    "a name, which must not be empty, without control characters and of at most 256 characters",
    "USER",
)
GROUP_ID = kinds.matching(
    r"[^\x00-\x1f\x7f]{0,256}", "an identifier without control characters", "ID"
)
TIME_ZONE = kinds.matching(
    r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", "a time zone, as in Asia/Taipei", "ZONE"
)
ABSOLUTE = kinds.matching(
    r"(/(?!\.\.?(/|\Z))[^/\x00-\x1f\x7f]+)+", "an absolute path without '..'", "PATH"
)


def _checked(kind: Kind) -> AfterValidator:
    """Only texts that the kind takes, unchanged."""

    def check(text: str) -> str:
        try:
            kind.parse(text)
        except ValueError:
            raise ValueError(f"give {kind.expected}") from None
        return text

    return AfterValidator(check)


ObjectName = Annotated[
    str,
    _checked(OBJECT_NAME),
    Field(json_schema_extra={"pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}),
]
GroupName = Annotated[str, _checked(kinds.GROUP)]
GroupId = Annotated[str, _checked(GROUP_ID)]
UserName = Annotated[str, _checked(USER)]
TimeZone = Annotated[str, _checked(TIME_ZONE)]
Bucket = Annotated[str, _checked(kinds.BUCKET)]
Endpoint = Annotated[str, _checked(kinds.ENDPOINT)]
Region = Annotated[str, _checked(kinds.REGION)]
AbsolutePath = Annotated[str, _checked(ABSOLUTE)]


class _Own(BaseModel):
    """One of our own objects: nothing unknown, no conversions, no values in messages."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )


class _Foreign(BaseModel):
    """A part of an object of PrimeHub's: only what is used is looked at."""

    model_config = ConfigDict(
        extra="ignore",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )


class GroupVolume(_Own):
    """The volume that a group's members share, shown at /project/GROUP."""

    launch_group_only: bool = Field(
        default=True, description="Only pods of this group see it, not all pods of its members."
    )
    claim: ObjectName | None = Field(
        default=None, description="The PersistentVolumeClaim; by default project-GROUP."
    )


class Group(_Own):
    """A group the user is a member of; `everyone` is the one whose roles everybody has."""

    name: GroupName = Field(description="As the platform shows it.")
    id: GroupId = Field(default="", description="What GROUP_ID is set to.")
    roles: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="`ds:NAME` reads a data volume, `ds:rw:NAME` writes it; others are ignored.",
    )
    volume: GroupVolume | None = Field(default=None, description="Absent: the group has none.")


class Who(_Own):
    """Whose pod it is."""

    user: UserName = Field(description="The user's name.")
    launch_group: str = Field(description="The name of the group the pod is started for.")
    groups: tuple[Group, ...] = Field(
        strict=False, description="All groups of the user, `everyone` among them."
    )


class Artifacts(_Own):
    """What is kept of a job's ./artifacts when it has ended."""

    enabled: bool = True
    limit_size_mb: int = Field(default=100, ge=0, le=10**9)
    limit_files: int = Field(default=1000, ge=0, le=10**9)
    retention_seconds: int = Field(default=604_800, ge=0, le=10**11)


class What(_Own):
    """What kind of pod it is."""

    kind: PodKind
    name: ObjectName | None = Field(
        default=None, description="The job's or app's name, which they need."
    )
    safe_mode: bool = Field(
        default=False, description="Notebooks: an empty home, with the user's volume in ~/user."
    )
    home_claim: ObjectName | None = Field(
        default=None, description="Notebooks: the user volume's PersistentVolumeClaim."
    )
    timezone: TimeZone | None = Field(default=None, description="TZ.")
    grant_sudo: bool | None = Field(default=None, description="GRANT_SUDO; absent: not set.")
    artifacts: Artifacts | None = Field(default=None, description="Jobs only.")


class Store(_Own):
    """Where the objects are. Never holds keys: they are in the Secret."""

    bucket: Bucket = "primehub"
    endpoint_url: Endpoint | None = None
    region: Region | None = None
    path_style: Literal["auto", "on", "off"] = "auto"
    ca_bundle: AbsolutePath | None = Field(
        default=None, description="Certificates (PEM), as a path in the sidecar."
    )
    secret: ObjectName | None = Field(
        default=None, description="The Secret with the keys, mounted into the sidecar only."
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of phfs-mount, named as there without the dashes.",
        json_schema_extra=OPTIONS_SCHEMA,
    )


class Metadata(_Foreign):
    """Of a Dataset."""

    name: ObjectName
    annotations: dict[str, str] | None = None


class Nfs(_Foreign):
    """Of a Dataset; both are needed."""

    server: str | None = None
    path: str | None = None


class HostPath(_Foreign):
    """Of a Dataset."""

    path: str | None = None


class GitSync(_Foreign):
    """Of a Dataset: the Secret with the key or token."""

    secret: str | None = None


class Spec(_Foreign):
    """Of a Dataset."""

    type: str
    url: str | None = Field(default=None, repr=False)
    variables: dict[str, str] | None = Field(default=None, repr=False)
    volume_name: str | None = None
    gitsync: GitSync | None = None
    nfs: Nfs | None = None
    host_path: HostPath | None = None


class Dataset(_Foreign):
    """A data volume as PrimeHub's API server holds it; unknown fields are accepted."""

    api_version: Literal["primehub.io/v1alpha1"]
    kind: Literal["Dataset"]
    metadata: Metadata
    spec: Spec


class Document(_Own):
    """Everything the sidecar is told about one pod."""

    api_version: Literal["phfs/v1"]
    kind: Literal["PodVolumes"]
    who: Who
    what: What
    store: Store = Field(default_factory=Store)
    data: tuple[Dataset, ...] = Field(
        default=(), strict=False, description="All data volumes there are, in any order."
    )


class _Untitled(GenerateJsonSchema):
    """Without pydantic's titles, which repeat the fields' names."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        return False


def load(text: bytes, name: str) -> Document:
    """The document in YAML ``text``, which ``name`` stands for in messages.

    Raises ``DocumentError`` with one sentence for each field that is wrong.
    """
    raw = read(text, name)
    found = disagreements(raw)
    try:
        document = Document.model_validate(raw)
    except ValidationError as error:
        found = [*sentences(error, Document), *found]
    if found:
        raise DocumentError(f"{name} is wrong:", found)
    return document


def schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Document.model_json_schema(by_alias=True, schema_generator=_Untitled),
    }

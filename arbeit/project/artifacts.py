"""The verbs for what holders left as results, and for where secrets are found."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from os import PathLike
from typing import TYPE_CHECKING

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.later import Later
from arbeit.core.limits import check_text
from arbeit.core.model import Artifact, SecretRef
from arbeit.project.base import Base, one

if TYPE_CHECKING:
    from arbeit.core import erasing
else:
    erasing = Later("arbeit.core.erasing")


class Artifacts(Base):
    """Read artifacts; name secrets by where they are found."""

    async def artifact(self, artifact_id: str) -> Artifact:
        """What is known of an artifact: name, media type, size in bytes, SHA-256. Raises ARTIFACT_NOT_FOUND."""
        check_text("artifact_id", artifact_id)
        found = await self._session.artifact(self.key, artifact_id, self.actor)
        if found is None:
            raise ArbeitError(
                Code.ARTIFACT_NOT_FOUND,
                f"there is no artifact {artifact_id}",
                suggestions=('See those of its task: project.get(task_id, include={"artifacts"}).',),
                data={"artifact_id": artifact_id},
            )
        return found

    async def read_artifact(self, artifact_id: str) -> AsyncGenerator[bytes, None]:
        """The bytes of an artifact, a chunk at a time.

        Raises:
            ArbeitError: ARTIFACT_NOT_FOUND; STORE_UNAVAILABLE instead of the last chunk, where they are damaged.
        """
        found = await self._present(artifact_id)
        async for chunk in self._session.read_blob(found.sha256):
            yield chunk

    async def save_artifact(self, artifact_id: str, path: str | PathLike[str]) -> Artifact:
        """Write an artifact into a file, whole or not at all, in the place of an older one.

        Raises:
            ArbeitError: ARTIFACT_NOT_FOUND; STORE_UNAVAILABLE where the bytes are damaged; INVALID_INPUT where the
                file cannot be written.
        """
        found = await self._present(artifact_id)
        await self._session.save_blob(found.sha256, path)
        return found

    async def _present(self, artifact_id: str) -> Artifact:
        found = await self.artifact(artifact_id)
        if found.uri != erasing.ERASED:
            return found
        raise ArbeitError(
            Code.ARTIFACT_NOT_FOUND,
            f"artifact {artifact_id} was erased",
            suggestions=("The log says by whom and why: project.history(task_id=...).",),
            data={"artifact_id": artifact_id},
        )

    async def set_secret(self, name: str, provider: str, path: str, *, idempotency_key: str | None = None) -> SecretRef:
        """Name a secret by its provider (env, file, or one given to `open`) and its path there; never its value."""
        command = c.SetSecret(
            actor=self.actor, name=name, provider=provider, path=path, idempotency_key=idempotency_key
        )
        return one((await self.execute(command)).secret)  # type: ignore[no-any-return]  # see one

    async def secrets(self) -> list[SecretRef]:
        """Every secret that has a name here, by name: where it is found, never its value. Raises FORBIDDEN."""
        return await self._session.secrets(self.key, self.actor)

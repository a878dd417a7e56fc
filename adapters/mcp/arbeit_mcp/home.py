"""The one open hub of this process, and the project that its clients work on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio import CancelScope, Event, Lock
from anyio.abc import TaskGroup, TaskStatus

import arbeit
from arbeit import ArbeitError, Code, Hub, Project
from arbeit.places import Place, default_project, key_of, name_default
from arbeit_mcp.place import Whereabouts

_SHOWN = 10
"""Keys of projects that one line names."""


class Home:
    """Opens the database when it is there, once; every client shares its hub."""

    def __init__(self, whereabouts: Whereabouts, key: str | None, group: TaskGroup) -> None:
        self._whereabouts = whereabouts
        self._key = key
        self._group = group
        self._opening = Lock()
        self._beginning = Lock()
        self._closing = Event()
        self._hub: Hub | None = None
        self._place: Place | None = None

    async def project(self, actor: str) -> Project | None:
        """The project as an agent sees it; None while there is none.

        Raises:
            ArbeitError: STORE_UNAVAILABLE and its like if the database cannot be opened; PROJECT_NOT_FOUND where it
                has several and none is named, or has not the one that is.
        """
        place = self._place or self._whereabouts.find()
        if place is None:
            return None
        hub = await self._open(place)
        key = await self._chosen(hub, place)
        if key is None:
            return None
        try:
            return await hub.project(key, actor=actor)
        except ArbeitError as error:
            if error.code is Code.PROJECT_NOT_FOUND and not await hub.projects():
                return None
            raise

    async def begin(self, actor: str, settings: Mapping[str, Any]) -> tuple[Project, str]:
        """Make the project, and the database if there is none; the project, and where it lives.

        Raises:
            ArbeitError: ALREADY_INITIALIZED if it is there; STORE_UNAVAILABLE where nothing can be made.
        """
        place = self._place or self._whereabouts.find() or self._whereabouts.make()
        hub = await self._open(place)
        async with self._beginning:
            key = await self._chosen(hub, place) or key_of(place)
            if any(project.key == key for project in await hub.projects()):
                raise _there_already(key, place)
            project = await hub.project(key, create=True, settings=settings, actor=actor)
        if (await project.events(limit=1))[0].actor != actor:
            # Another process was quicker, between the look and the creation.
            raise _there_already(key, place)
        name_default(place, key)
        return project, place.shown

    async def _chosen(self, hub: Hub, place: Place) -> str | None:
        """The project's key: said, else the folder's own, else the only one there is; None if there is none yet."""
        key = self._key or default_project(place)
        if key is not None:
            return key
        keys = [project.key for project in await hub.projects() if project.archived_at is None]
        if len(keys) > 1:
            shown = f"{', '.join(keys[:_SHOWN])}{', ...' if len(keys) > _SHOWN else ''}"
            raise ArbeitError(
                Code.PROJECT_NOT_FOUND,
                f"{place.shown} has several projects: {shown}",
                suggestions=("Start the server with --project KEY, or ARBEIT_PROJECT in its environment.",),
            )
        return keys[0] if keys else None

    async def _open(self, place: Place) -> Hub:
        async with self._opening:
            if self._hub is None:
                # A hub ends in the task that began it, and the caller's may end long before this process.
                self._hub = await self._group.start(self._keep_open, place.url)
                self._place = place
            return self._hub

    async def _keep_open(self, url: str, *, task_status: TaskStatus[Hub]) -> None:
        async with arbeit.open(url) as hub:
            task_status.started(hub)
            with CancelScope(shield=True):
                await self._closing.wait()

    def close(self) -> None:
        """Let the hub end."""
        self._closing.set()


def _there_already(key: str, place: Place) -> ArbeitError:
    return ArbeitError(
        Code.ALREADY_INITIALIZED,
        f"there is a project {key} in {place.shown}",
        suggestions=("Go on: arbeit_task_claim, arbeit_task_create, arbeit_query.",),
    )


@asynccontextmanager
async def at_home(whereabouts: Whereabouts, key: str | None) -> AsyncGenerator[Home, None]:
    """A home for as long as the block runs; what was begun in it is committed before it ends."""
    async with anyio.create_task_group() as group:
        home = Home(whereabouts, key, group)
        try:
            yield home
        finally:
            home.close()

"""meshes: processes in rows and columns (``torch.distributed.device_mesh``); there is one."""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome import Tensor

from .groups import ProcessGroup, init_process_group, is_initialized, new_group


class DeviceMesh:
    """One process in a mesh of sizes 1 (``torch.distributed.device_mesh.DeviceMesh``).

    ``mesh``: a Tensor or list with the one rank, 0, in as many dimensions as there are to be.

    >>> import anadrome as ad
    >>> mesh = ad.distributed.device_mesh.DeviceMesh("cpu", [[0]], mesh_dim_names=("data", "model"))
    >>> mesh["model"].size(), mesh.get_local_rank("data")
    (1, 0)
    """

    def __init__(
        self, device_type: str, mesh: Any, *, mesh_dim_names: Any = None, **options: Any
    ) -> None:
        self.device_type = device_type
        self.mesh = ad.as_tensor(mesh, dtype=ad.int32)
        if self.mesh.numel() != 1 or self.mesh.sum().item():  # type: ignore[attr-defined]
            raise RuntimeError(
                f"a mesh of shape {tuple(self.mesh.shape)}: anadrome trains in one process; the "
                "sizes of its mesh are 1, and its rank is 0"
            )
        names = None if mesh_dim_names is None else tuple(mesh_dim_names)
        if names is not None and len(names) != self.mesh.ndim:
            raise RuntimeError(
                f"mesh_dim_names {names} and a mesh of {self.mesh.ndim} dimensions do not go "
                "together"
            )
        self.mesh_dim_names = names

    @property
    def ndim(self) -> int:
        """How many dimensions there are."""
        return self.mesh.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        """Ones."""
        return tuple(self.mesh.shape)

    def size(self, mesh_dim: int | None = None) -> int:
        """1."""
        return self.mesh.numel() if mesh_dim is None else self.mesh.shape[mesh_dim]

    def _dim(self, mesh_dim: Any) -> int:
        if mesh_dim is None:
            if self.ndim != 1:
                raise RuntimeError(
                    f"the mesh has {self.ndim} dimensions: say which one is meant by mesh_dim"
                )
            return 0
        if not isinstance(mesh_dim, str):
            return int(mesh_dim)
        if mesh_dim not in (self.mesh_dim_names or ()):
            raise KeyError(
                f"Invalid mesh_dim_name {mesh_dim!r} specified. Valid mesh_dim_names are "
                f"{list(self.mesh_dim_names or ())}."
            )
        return (self.mesh_dim_names or ()).index(mesh_dim)

    def __getitem__(self, names: Any) -> DeviceMesh:
        wanted = (names,) if isinstance(names, str) else tuple(names)
        for name in wanted:
            self._dim(name)
        mesh = ad.zeros(*[1] * len(wanted), dtype=ad.int32)
        return DeviceMesh(self.device_type, mesh, mesh_dim_names=wanted)

    def get_rank(self) -> int:
        """0."""
        return 0

    def get_local_rank(self, mesh_dim: Any = None) -> int:
        """0."""
        self._dim(mesh_dim)
        return 0

    def get_coordinate(self) -> tuple[int, ...]:
        """Zeros."""
        return (0,) * self.ndim

    def get_group(self, mesh_dim: Any = None) -> ProcessGroup:
        """The group along a dimension."""
        self._dim(mesh_dim)
        return new_group()

    def get_all_groups(self) -> list[ProcessGroup]:
        """The groups along all dimensions."""
        return [new_group() for _ in range(self.ndim)]

    @staticmethod
    def from_group(group: Any, device_type: str, *args: Any, **options: Any) -> DeviceMesh:
        """The mesh of a group."""
        names = options.get("mesh_dim_names")
        dims = len(names) if names is not None else 1
        return DeviceMesh(device_type, ad.zeros(*[1] * dims), mesh_dim_names=names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceMesh) and (
            self.shape,
            self.mesh_dim_names,
            self.device_type,
        ) == (other.shape, other.mesh_dim_names, other.device_type)

    def __hash__(self) -> int:
        return hash((self.shape, self.mesh_dim_names, self.device_type))

    def __repr__(self) -> str:
        names = self.mesh_dim_names or [None] * self.ndim
        named = zip(names, self.shape)
        sizes = ", ".join([str(n) if name is None else f"{name}={n}" for name, n in named])
        return f"DeviceMesh(({sizes}), {self.device_type!r})"


def init_device_mesh(
    device_type: str,
    mesh_shape: tuple[int, ...],
    *,
    mesh_dim_names: Any = None,
    backend_override: Any = None,
) -> DeviceMesh:
    """The mesh of one process; starts the group if there is none
    (``torch.distributed.device_mesh.init_device_mesh``).

    ``mesh_shape``: ones; RuntimeError for more processes.

    >>> import anadrome as ad
    >>> ad.distributed.device_mesh.init_device_mesh("cpu", (1,), mesh_dim_names=("data",))
    DeviceMesh((data=1), 'cpu')
    >>> ad.distributed.destroy_process_group()
    """
    for n in mesh_shape:
        if n not in (1, -1):
            raise RuntimeError(
                f"init_device_mesh: a mesh of {tuple(mesh_shape)} processes; anadrome trains in "
                "one, whose mesh has sizes of 1"
            )
    if not is_initialized():
        init_process_group(world_size=1, rank=0)
    mesh: Tensor = ad.zeros(*[1] * len(mesh_shape), dtype=ad.int32)
    return DeviceMesh(device_type, mesh, mesh_dim_names=mesh_dim_names)

"""hub: weights from the network, kept in a folder (``torch.hub``, ``torch.utils.model_zoo``)."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.request
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlparse

from ..serialization import load as _load

__all__ = [
    "download_url_to_file", "get_dir", "load", "load_state_dict_from_url", "load_url", "set_dir",
]  # fmt: skip

#: The digest in a file's name, as in ``resnet18-bfd8deac.pth``.
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")

_dir: str | None = None


def get_dir() -> str:
    """The folder (``torch.hub.get_dir``): ``$TORCH_HOME/hub``, or ``~/.cache/torch/hub``."""
    return _dir if _dir is not None else os.path.join(_get_torch_home(), "hub")


def _get_torch_home() -> str:
    """The folder of PyTorch's caches: ``$TORCH_HOME``, or ``~/.cache/torch``."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")))


def set_dir(d: str | os.PathLike[str]) -> None:
    """Use another folder (``torch.hub.set_dir``)."""
    global _dir
    _dir = os.path.expanduser(os.fspath(d))


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Fetch ``url`` to the file ``dst`` (``torch.hub.download_url_to_file``).

    ``hash_prefix``: the first characters of its SHA-256; RuntimeError if they are others. The file
    is there whole or not at all.
    """
    part = f"{dst}.{os.getpid()}.partial"
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url) as source, open(part, "wb") as sink:
            while block := source.read(1 << 20):
                digest.update(block)
                sink.write(block)
        if hash_prefix and not digest.hexdigest().startswith(hash_prefix):
            raise RuntimeError(
                f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}") '
                f"of what {url} gave"
            )
        os.replace(part, dst)
    finally:
        Path(part).unlink(missing_ok=True)


def load_state_dict_from_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True,
    check_hash: bool = False, file_name: str | None = None, weights_only: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """What the file at ``url`` holds; fetched once (``torch.hub.load_state_dict_from_url``).

    ``check_hash``: the name must end as PyTorch's do, ``resnet18-f37072fd.pth``, with the start of
    the file's SHA-256.
    """
    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        found = re.search(r"-([a-f0-9]{8,})\.", name) if check_hash else None
        download_url_to_file(url, path, found[1] if found else None, progress)
    return _load(path, map_location=map_location, weights_only=weights_only)  # type: ignore[no-any-return]


load_url = load_state_dict_from_url


def load(repo_or_dir: Any, model: Any = None, *args: Any, **options: Any) -> NoReturn:
    """Raises RuntimeError: code from the network is not run here (``torch.hub.load``)."""
    raise RuntimeError(
        f"hub.load({repo_or_dir!r}): anadrome runs no code from the network; write or install the "
        "model, and fetch its weights with hub.load_state_dict_from_url"
    )


def __getattr__(name: str) -> Any:
    """``tqdm``: the progress bar, which programs take from here, where it is installed."""
    if name == "tqdm":
        import tqdm

        return tqdm.tqdm
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

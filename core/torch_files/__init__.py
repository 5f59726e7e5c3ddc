"""torch_files: PyTorch's own files, read and written without PyTorch and without running code.

A file is a zip archive: ``data.pkl``, a pickle of the object in which each storage is a reference,
and one entry of raw bytes a storage. Reading order: ``allowed`` (what a pickle may name),
``unpickling`` (the pickle's instructions, played one by one), ``reading``, ``legacy`` (files from
before that), ``writing``, ``objects`` (what is more than tensors and plain containers).
"""

from __future__ import annotations

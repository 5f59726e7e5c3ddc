"""deterministic: PyTorch's ``torch.utils.deterministic``.

``fill_uninitialized_memory`` is accepted; ``empty`` gives memory as it is, whatever it says.
"""

from __future__ import annotations

fill_uninitialized_memory = True

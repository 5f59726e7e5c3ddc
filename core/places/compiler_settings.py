"""compiler_settings: what programs set of PyTorch's compilers (``torch._dynamo.config``).

Any setting is taken and kept; none changes anything.
"""

from __future__ import annotations

suppress_errors = False

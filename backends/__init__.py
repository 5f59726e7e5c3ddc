"""The bundled backends, one package each: adapter and kernels. They import core, never a plugin."""

"""The bundled feature plugins, one package each. They use public names of anadrome only."""

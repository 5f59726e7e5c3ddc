"""A hook of the documentation build: the table of ops in ``ops.md``, made from the declarations."""

from __future__ import annotations

from typing import Any

MARKER = "<!-- the table of ops -->"


def on_page_markdown(markdown: str, **others: Any) -> str:
    """Put the table where a page asks for it."""
    return markdown.replace(MARKER, ops_table()) if MARKER in markdown else markdown


def ops_table() -> str:
    """A section for each file that declares ops, in it a row for each op."""
    from anadrome import later
    from anadrome.op import table

    later.everything()

    families: dict[str, list[Any]] = {}
    for op in table.values():
        families.setdefault(family_of(op), []).append(op)
    parts = []
    for family, ops in sorted(families.items()):
        parts += [f"## {family}", ""]
        parts.append("| op | inputs; metadata | its gradients save | dtype | autocast | node |")
        parts.append("|---|---|---|---|---|---|")
        parts += [row(op) for op in ops]
        parts.append("")
    return "\n".join(parts)


def family_of(op: Any) -> str:
    """Where the op is declared: `elementwise` for a file of the core, else the plugin's module."""
    module: str = op.forward.__module__
    return module.removeprefix("anadrome.ops.").removeprefix("anadrome.")


def row(op: Any) -> str:
    """One op's row."""
    arguments = ", ".join(("*" if op.variadic else "") + name for name in op.inputs)
    if op.keywords:
        arguments += "; " + ", ".join(op.keywords)
    amp = f"`{op.amp}`" if op.amp is not None else ""
    node = f"`{op.node_name}`" if op.has_rules else ""
    return f"| `{op.name}` | {arguments} | {gradients(op)} | `{op.dtype}` | {amp} | {node} |"


def gradients(op: Any) -> str:
    """What each input's rule saves, or the word that stands in its place."""
    from anadrome.op import NONE
    from anadrome.rules import Word

    if op.mutates:
        return f"none; writes {', '.join(op.mutates)}"
    if all(rule is NONE for rule in op.rules):
        return "`NONE`"
    if op.together:
        return f"all inputs at once: {', '.join(op.saved_names[0]) or 'nothing'}"
    parts = []
    for name, rule, saved in zip(op.inputs, op.rules, op.saved_names):
        text = f"`{rule}`" if isinstance(rule, Word) else ", ".join(saved) or "nothing"
        parts.append(f"{name}: {text}")
    return "<br>".join(parts)

"""The API described as a plain page, made from its own OpenAPI description: works without any network."""

from __future__ import annotations

import html
import json
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
section { margin: 1.5rem 0; } code, pre { font: 14px/1.4 ui-monospace, monospace; background: var(--soft); }
pre { padding: .6rem; overflow-x: auto; } .method { font-weight: 700; margin-right: .5rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; } details { margin: .3rem 0; }
"""


def page(description: dict[str, Any], stream_words: str) -> str:
    """An HTML page of the whole API."""
    parts = [
        f"<h1>{_text(description['info']['title'])}</h1>",
        f"<p>{_text(description['info'].get('description', ''))}</p>",
        '<p>The same for programs: <a href="openapi.json">openapi.json</a>. Addresses below stand under '
        "<code>/api/v1</code>.</p>",
    ]
    by_tag: dict[str, list[str]] = {}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["other"])[0]
            by_tag.setdefault(tag, []).append(_operation(path, method, operation, description))
    for tag, sections in by_tag.items():
        parts.append(f"<h2>{_text(tag.capitalize())}</h2>{''.join(sections)}")
    parts.append(f"<h2>Stream</h2><p>{_text(stream_words)}</p>")
    parts.append("<h2>Objects</h2>")
    for name, schema in description.get("components", {}).get("schemas", {}).items():
        parts.append(_object(name, schema))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(description['info']['title'])}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any], description: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{_text(p['name'])}</code></td><td>{_text(p['in'])}</td>"
        f"<td>{_text(_kind(p.get('schema', {})))}</td><td>{_text(p.get('description', ''))}</td></tr>"
        for p in operation.get("parameters", [])
    )
    table = f"<table><tr><th>parameter</th><th>in</th><th>kind</th><th></th></tr>{rows}</table>" if rows else ""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    examples = ""
    if body:
        name = _name(body)
        schema = description["components"]["schemas"].get(name, {})
        lines = "\n".join(json.dumps(example) for example in schema.get("examples", []))
        examples = f"<p>Body: <a href='#{_text(name)}'>{_text(name)}</a>, for instance</p><pre>{_text(lines)}</pre>"
    answers = "".join(
        f"<tr><td>{_text(code)}</td><td>{_answer(answer)}</td><td>{_text(answer.get('description', ''))}</td></tr>"
        for code, answer in operation.get("responses", {}).items()
    )
    words = _text(operation.get("description", operation.get("summary", "")))
    return (
        f"<section><h3><span class='method'>{method.upper()}</span><code>{_text(path)}</code></h3><p>{words}</p>"
        f"{table}{examples}<details><summary>Answers</summary><table>{answers}</table></details></section>"
    )


def _answer(answer: dict[str, Any]) -> str:
    content: dict[str, Any] = next(iter(answer.get("content", {}).values()), {})
    schema = content.get("schema", {})
    name = _name(schema)
    return f"<a href='#{_text(name)}'>{_text(name)}</a>" if name else _text(_kind(schema))


def _object(name: str, schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{_text(key)}</code></td><td>{_text(_kind(value))}</td>"
        f"<td>{_text(value.get('description', ''))}</td></tr>"
        for key, value in schema.get("properties", {}).items()
    )
    summary = f"<summary><code>{_text(name)}</code> {_text(schema.get('description', ''))}</summary>"
    return f"<details id='{_text(name)}'>{summary}<table>{rows}</table></details>"


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return _name(schema)
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(str(v) for v in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "object"))


def _name(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _text(value: Any) -> str:
    """Text as HTML; what stands between backquotes as code."""
    parts = html.escape(str(value)).split("`")
    if len(parts) % 2 == 0:
        return "`".join(parts)
    return "".join(f"<code>{part}</code>" if k % 2 else part for k, part in enumerate(parts))

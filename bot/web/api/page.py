"""The OpenAPI document, and a page for people made from it. The page loads nothing from anywhere."""

from typing import Any

import orjson
from aiohttp import web
from jinja2 import Environment

from bot.web.api.problems import KINDS

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ info.title }} API {{ info.version }}</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; display: grid; grid-template-columns: 15rem minmax(0, 60rem); }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1rem; border-right: 1px solid var(--line);
      box-sizing: border-box; font-size: .9rem; }
nav a { display: block; color: inherit; text-decoration: none; padding: .15rem 0; }
nav a:hover, nav a:focus { text-decoration: underline; }
main { padding: 1rem 2rem 6rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); text-transform: capitalize; }
article { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem 1rem; margin: 1rem 0; }
h3 { font: 600 .95rem ui-monospace, monospace; margin: .5rem 0; overflow-wrap: anywhere; }
h3 b { display: inline-block; min-width: 4rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-top: 1px solid var(--line); }
code { font: .85rem ui-monospace, monospace; background: var(--soft); padding: .1rem .25rem; border-radius: .25rem; }
summary { cursor: pointer; }
@media (max-width: 50rem) { body { display: block; } nav { display: none; } main { padding: 1rem; } }
</style>
{% macro kind(schema) %}
{%- if schema['$ref'] %}<a href="#{{ schema['$ref'].rpartition('/')[2] }}">{{ schema['$ref'].rpartition('/')[2] }}</a>
{%- elif schema.enum %}{% for one in schema.enum %}<code>{{ one }}</code> {% endfor %}
{%- elif schema.const is defined %}<code>{{ schema.const }}</code>
{%- elif schema.anyOf %}{% for one in schema.anyOf %}{{ kind(one) }}{{ " or " if not loop.last }}{% endfor %}
{%- elif schema.type == 'array' %}list of {{ kind(schema['items'] or {}) }}
{%- else %}{{ schema.format or schema.type or "anything" }}{% endif %}
{%- endmacro %}
{% macro fields(schema) %}
<table>{% for name, field in schema.properties.items() %}
<tr><td><code>{{ name }}</code>{{ " *" if name in (schema.required or []) }}<td>{{ kind(field) }}
<td>{{ field.description or "" }}
{% endfor %}</table>
{% endmacro %}
<nav>{% for tag in tags %}<a href="#tag-{{ tag.name }}">{{ tag.name }}</a>{% endfor %}
<a href="#problems">problems</a><a href="#models">models</a><a href="openapi.json">openapi.json</a></nav>
<main>
<h1>{{ info.title }} API <small>{{ info.version }}</small></h1>
{% for part in info.description.split("\\n\\n") %}<p>{{ part }}</p>{% endfor %}
{% for tag in tags %}<h2 id="tag-{{ tag.name }}">{{ tag.name.replace("-", " ") }}</h2>
{% for path, methods in paths.items() %}{% for method, operation in methods.items() if tag.name in operation.tags %}
<article id="{{ operation.operationId }}">
<h3><b>{{ method.upper() }}</b> {{ path }}</h3>
<p>{{ operation.summary }}. {{ operation.description }}</p>
{% if operation.parameters %}<table>{% for one in operation.parameters %}
<tr><td><code>{{ one.name }}</code>{{ " *" if one.required }}<td>{{ one.in }}<td>{{ kind(one.schema) }}
<td>{{ one.description or "" }}{% endfor %}</table>{% endif %}
{% if operation.requestBody %}
<p>Body: {{ kind(operation.requestBody.content["application/json"].schema) }}</p>{% endif %}
{% for status, answer in operation.responses.items() if answer.content %}
<p>{{ status }}: {{ kind(answer.content["application/json"].schema) }}</p>{% endfor %}
</article>{% endfor %}{% endfor %}{% endfor %}
<h2 id="problems">Problems</h2>
<table>{% for name, one in problems.items() %}<tr id="{{ name }}"><td>{{ one.status }}<td><code>{{ name }}</code>
<td>{{ one.title }}<td>{{ one.remedy }}{% endfor %}</table>
<h2 id="models">Models</h2>
{% for name, schema in components.schemas.items() %}<article id="{{ name }}"><h3>{{ name }}</h3>
<p>{{ schema.description or "" }}</p>{% if schema.properties %}{{ fields(schema) }}{% endif %}</article>{% endfor %}
</main>
</html>
"""


def documentation(app: web.Application, document: dict[str, Any]) -> None:
    """Serve the document and the page. Both are public: they say what anybody can read in the source."""
    body = orjson.dumps(document)
    template = Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)
    page = template.render(**document, problems=KINDS).encode()

    async def json(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json", headers=_HEADERS)

    async def html(_: web.Request) -> web.Response:
        return web.Response(body=page, content_type="text/html", charset="utf-8", headers=_HEADERS)

    app.router.add_get("/openapi.json", json)
    app.router.add_get("/docs", html)

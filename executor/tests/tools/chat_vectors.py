#!/usr/bin/env python3
"""Renders conversations with Python's Jinja2, set up as `transformers` sets it up, and writes down what comes out.

    pip install jinja2==3.1.6
    python3 chat_vectors.py OUT.json [MODEL.gguf]

With a GGUF file (needs `pip install gguf`), the template inside is checked to be the SMOLLM2 below.
The output is a list of `{name, template, special_tokens, cases: [{messages, add_generation_prompt, text | refused}]}`.
"""

import json
import sys

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

SMOLLM2 = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

# Written for this test, in the manner of published templates.
ALTERNATING = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set first = messages[0]['content'] | trim + '\\n\\n' -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set first = '' -%}
    {%- set turns = messages -%}
{%- endif -%}
{%- for message in turns -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if message['role'] == 'assistant' -%}
        {%- set role = 'model' -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<turn>' + role + '\\n' + (first if loop.first else '') }}{{ message['content'] | trim }}{{ '<end>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<turn>model\\n' }}{%- endif -%}
"""

BLOCKS = """
{# A comment #}
{% set ns = namespace(n=0, seen='') %}
{% for m in messages %}
    {% if m.role == 'system' %}
        {% continue %}
    {% endif %}
    {% set ns.n = ns.n + 1 %}
  [{{ ns.n }}/{{ messages|length }}] {{ m.role|upper }}: {{ m.content.strip() }}
    {% if '</think>' in m.content %}
{{ m.content.split('</think>')[-1].lstrip('\\n') }}
    {% endif %}
    {% if m.content.startswith('stop') %}
        {% break %}
    {% endif %}
{% endfor %}
{{ messages[-1]['role'] }} {{ messages | tojson }} {{ messages[0] | tojson(indent=2) }}
{% macro show(x, y=2) %}<{{ x }}:{{ y }}>{% endmacro %}
{{ show('a') }}{{ show(tools is none, y=add_generation_prompt) }}
{{ (messages | map(attribute='role') | join(',')) ~ eos_token }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }}
{{ "%s" % messages[0].role if false else 'no' }} {{ date_string if date_string is defined else 'no date' }} {{ strftime_now is defined }}
{{ messages[0].content.replace('a', 'A').upper() }} {{ none }} {{ [1, 2][::-1] | first }} {{ 7 // 2 }} {{ undefined_thing }}.
"""

CONVERSATIONS = [
    [("user", "Hello")],
    [("system", "Be brief."), ("user", "What is 2+2?")],
    [("user", "Hi"), ("assistant", "Hello! How can I help?"), ("user", "  Tell me about\n\nrust \t ")],
    [("system", "  Spaces  "), ("user", "äöü 日本語 👩‍🚀 <|im_end|> {{ 7 * 7 }} {% if %}"), ("assistant", "\"quoted\" \\ back\t<b>&amp;</b>"), ("user", "")],
    [("user", "one"), ("user", "two")],
    [("assistant", "I begin"), ("user", "<think>hm</think>\n\nanswer</think>\n\nend")],
    [("user", "stop here"), ("assistant", "never seen")],
    [("user", "line\r\nline\u2028sep\u0000nul\u007f")],
    [("tool", "{\"a\": 1}"), ("user", "it's a \u00a0 test")],
]


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


def case(template, messages, add_generation_prompt, special_tokens):
    messages = [{"role": role, "content": content} for role, content in messages]
    row = {"messages": messages, "add_generation_prompt": add_generation_prompt}
    try:
        row["text"] = template.render(messages=messages, tools=None, documents=None,
                                      add_generation_prompt=add_generation_prompt, **special_tokens)
    except jinja2.exceptions.TemplateError as error:
        row["refused"] = str(error)
    return row


def main(out, gguf=None):
    if gguf:
        from gguf import GGUFReader
        assert GGUFReader(gguf).fields["tokenizer.chat_template"].contents() == SMOLLM2
    special_tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    rows = []
    for name, source in [("smollm2", SMOLLM2), ("alternating", ALTERNATING), ("blocks", BLOCKS)]:
        template = environment().from_string(source)
        cases = [case(template, c, p, special_tokens) for c in CONVERSATIONS for p in (False, True)]
        rows.append({"name": name, "template": source, "special_tokens": list(special_tokens.items()), "cases": cases})
    with open(out, "w", encoding="utf-8", newline="\n") as file:
        json.dump(rows, file, ensure_ascii=True, indent=1)
        file.write("\n")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])

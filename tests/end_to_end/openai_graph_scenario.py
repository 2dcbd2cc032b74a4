"""Asks a served graph with OpenAI's own client: python3 openai_graph_scenario.py URL MODEL."""
import sys

import openai

url, model = sys.argv[1:3]
client = openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=120)


def chat(text="Why?", key=None, **more):
    headers = {"Idempotency-Key": key} if key else {}
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], extra_headers=headers, **more)


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


assert [one.id for one in client.models.list()] == [model]

first, again = chat(key="one"), chat(key="one")
assert first.choices[0].finish_reason == "stop" and first.choices[0].message.content
assert first.choices[0].message.content == again.choices[0].message.content
assert first.usage == again.usage and first.usage.total_tokens > 0, (first.usage, again.usage)
assert first.model_extra["temper"]["outcome"] == ["done"]

text, usage = "", None
for chunk in chat(key="one", stream=True, stream_options={"include_usage": True}):
    usage = chunk.usage or usage
    for choice in chunk.choices:
        text += choice.delta.content or ""
assert text == first.choices[0].message.content and usage == first.usage, (text, usage)

# Without a key every request is drawn for itself.
assert len({choice.message.content for choice in chat(n=3).choices}) == 3

assert "another input" in str(refused(openai.BadRequestError, lambda: chat("Other?", key="one")))
refused(openai.NotFoundError, lambda: client.chat.completions.create(
    model="none", messages=[{"role": "user", "content": "x"}]))
refused(openai.BadRequestError, lambda: client.chat.completions.create(model=model, messages=[]))
refused(openai.BadRequestError, lambda: client.completions.create(model=model, prompt="x"))

# Characters that break careless servers, and a megabyte, which the graph's budget has no room for.
assert chat("a\0b \U0001f600 ").choices[0].message.content
assert "budget" in str(refused(openai.BadRequestError, lambda: chat("z" * 1_000_000)))
print("all right")

"""Asks a server with OpenAI's own client: python3 openai_client_scenario.py URL KEY MODEL.

The model samples noise; what is looked at is the protocol. The server takes 2 requests at once.
"""
import sys

import openai

url, key, model = sys.argv[1:4]
client = openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=120)
MESSAGES = [{"role": "user", "content": "1+2="}]


def chat(**more):
    return client.chat.completions.create(model=model, messages=MESSAGES, **{"max_tokens": 24, **more})


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def models():
    assert [one.id for one in client.models.list()] == [model]
    assert client.models.retrieve(model).object == "model"
    error = refused(openai.NotFoundError, lambda: client.models.retrieve("none"))
    assert error.code == "model_not_found" and error.status_code == 404, error


def whole():
    first, second = chat(seed=1), chat(seed=1)
    assert first.choices[0].message.role == "assistant"
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens
    assert first.choices[0].finish_reason in ("stop", "length")
    several = chat(seed=1, n=3)
    assert [choice.index for choice in several.choices] == [0, 1, 2]
    assert several.choices[0].message.content == first.choices[0].message.content


def stream():
    plain = chat(seed=2, n=2)
    texts, finishes, usage = ["", ""], ["", ""], None
    for chunk in chat(seed=2, n=2, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            finishes[choice.index] = choice.finish_reason or finishes[choice.index]
    assert texts == [choice.message.content for choice in plain.choices], texts
    assert finishes == [choice.finish_reason for choice in plain.choices], finishes
    assert usage == plain.usage, usage
    with client.chat.completions.stream(model=model, messages=MESSAGES, max_tokens=24, seed=2) as events:
        for _ in events:
            pass
        assert events.current_completion_snapshot.choices[0].message.content == texts[0]


def stop_and_logprobs():
    plain = chat(seed=3, logprobs=True, top_logprobs=2, extra_body={"return_token_ids": True})
    tokens = plain.choices[0].logprobs.content
    assert len(tokens) == plain.usage.completion_tokens == len(plain.choices[0].token_ids)
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)
    text = plain.choices[0].message.content
    stop = next(character for character in text[1:] if character.isalnum())
    cut = chat(seed=3, stop=[stop])
    assert cut.choices[0].message.content == text[: text.index(stop)]
    assert cut.choices[0].finish_reason == "stop"


def completions():
    both = client.completions.create(model=model, prompt=["1+2=", "3+4="], max_tokens=8, seed=4, logprobs=1)
    assert [choice.index for choice in both.choices] == [0, 1]
    assert len(both.choices[0].logprobs.tokens) == len(both.choices[0].logprobs.token_logprobs)
    pieces = client.completions.create(model=model, prompt="1+2=", max_tokens=8, seed=4, stream=True)
    assert "".join(chunk.choices[0].text for chunk in pieces) == both.choices[0].text


def errors():
    error = refused(openai.BadRequestError, lambda: chat(temperature=-1))
    assert error.param == "temperature", error
    refused(openai.BadRequestError, lambda: chat(extra_body={"temprature": 1}))
    error = refused(openai.BadRequestError, lambda: chat(max_tokens=10**6))
    assert error.code == "context_length_exceeded", error
    refused(openai.NotFoundError, lambda: client.with_options().chat.completions.create(
        model="none", messages=MESSAGES))
    refused(openai.AuthenticationError, lambda: client.with_options(api_key="wrong").models.list())
    error = refused(openai.APIStatusError, lambda: chat(extra_body={"user": "x" * (5 << 20)}))
    assert error.status_code == 413, error


def busy():
    # Two streams that nobody reads hold both places: they say more than a socket's buffers take.
    held = [chat(stream=True, n=64, max_tokens=600, logprobs=True, top_logprobs=20) for _ in range(2)]
    error = refused(openai.RateLimitError, chat)
    assert error.response.headers["retry-after"] == "1", error
    assert [one.id for one in client.models.list()] == [model]  # not everything waits
    for stream in held:
        stream.close()
    assert chat_when_free().choices


def chat_when_free():
    return client.with_options(max_retries=60).chat.completions.create(model=model, messages=MESSAGES, max_tokens=4)


for step in (models, whole, stream, stop_and_logprobs, completions, errors, busy):
    step()
    print(step.__name__, "ok", flush=True)

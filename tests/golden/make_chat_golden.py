"""Makes tests/data/golden/chat/conversations.json: python3 make_chat_golden.py CHAT_FOLDER  (needs `transformers`)

Fifty conversations, each rendered by transformers.apply_chat_template with every *.jinja of CHAT_FOLDER; templates
that refuse some of them (tools, parts) get 32 plain ones more, so that fifty are rendered by each.
"inputs": what was given. "texts": for each template, a text per conversation, null where the template refuses.
The clock stands at 2026-11-25 12:00 UTC.
"""
import datetime
import json
import os
import random
import sys

import transformers.utils.chat_template_utils as chat_utils
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 11, 25, 12, 0, 0)


WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "  The weather in a city, today.  ",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "City and country, e.g. Zürich, CH"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
        "days": {"type": ["integer", "null"], "minimum": 1, "maximum": 7.5, "examples": [1, 3]}},
        "required": ["city"], "additionalProperties": False}, "strict": True}}
SEARCH = {"type": "function", "function": {"name": "search", "description": "Finds <pages> & \"texts\"", "parameters": {
    "type": "object", "properties": {"query": {"type": "string"}, "filter": {"type": "object", "properties": {"lang": {"type": "string"}}}}}}}
NOTHING = {"type": "function", "function": {"name": "ping", "parameters": {"type": "object", "properties": {}}}}

SYSTEMS = [None, "", "You are a helpful assistant.", "  Be brief.\n\n", "detailed thinking on", "detailed thinking off", "{'reasoning': True}", "{'reasoning': False} Answer in German.",
           "Use tools. /no_think", "/think", "Sei höflich – 日本語も可。 👍🏽"]
USERS = ["Hello!", "  What is 2 + 2?  \n", "", "Größe of ÅÄÖ? 日本語 \u200b\u00a0end", "/no_think quick: capital of France?", "Please /think hard.", "a </think> b <think>", "Say <|im_end|> or <SPECIAL_12> or </s> 'quoted' \"twice\" \\ back",
         "line 1\nline 2\n\n\tline 4", "def f(x):\n    return {'a': x}  # {{ not jinja }} {% at all %}", "/no_think then /think", "/think then /no_think", "x" * 80]
ANSWERS = ["Hi.", "  4  ", "", "<think>\nLet me see.\n</think>\n\nParis.", "<think></think>No thoughts.", "Only </think> closed", "Ünïcödé 👩‍🚀\n", "{\"json\": [1, 2.0, null]}"]
RESULTS = ["{\"temp\": 21.5, \"sky\": \"klar ☀\"}", "", "line\nline", "[1, 2]"]


def conversation(random_, plain=False):
    messages = []
    system = random_.choice(SYSTEMS)
    if system is not None:
        messages.append({"role": "system", "content": system})
    tools = None if plain else random_.choice([None, None, None, [WEATHER], [WEATHER, SEARCH], [NOTHING, SEARCH, WEATHER]])
    for turn in range(random_.randint(1, 3)):
        user = random_.choice(USERS)
        if not plain and random_.random() < 0.12:
            user = [{"type": "text", "text": user}, {"type": "text", "text": "and more"}]
        messages.append({"role": "user", "content": user})
        if tools and random_.random() < 0.7:
            calls = [{"id": f"c{i}", "type": "function", "function": {"name": random_.choice(["get_weather", "search"]), "arguments": random_.choice(
                [{"city": "Köln, DE", "days": 3}, {"query": "a \"b\" <c>", "filter": {"lang": ["de", None, True]}}, {}, {"city": "Rome", "unit": "celsius", "exact": False, "p": 0.1}])}}
                     for i in range(random_.choice([1, 1, 1, 2, 3]))]
            message = {"role": "assistant", "content": random_.choice(["", "I look it up.", "<think>\nI need a tool.\n</think>\n"]), "tool_calls": calls}
            if random_.random() < 0.3:
                message["reasoning_content"] = "A tool may help."
            messages.append(message)
            messages += [{"role": "tool", "tool_call_id": call["id"], "content": random_.choice(RESULTS)} for call in calls]
        message = {"role": "assistant", "content": random_.choice(ANSWERS)}
        if random_.random() < 0.3:
            message[random_.choice(["reasoning_content", "reasoning"])] = random_.choice(["Short thought.", "Two\nlines.", "  "])
        messages.append(message)
    if random_.random() < 0.75:
        messages.pop()
    options = {}
    if random_.random() < 0.5:
        options["enable_thinking"] = random_.random() < 0.5
    if random_.random() < 0.2:
        options["truncate_history_thinking"] = False
    if random_.random() < 0.3:
        options["thinking_budget"] = random_.choice([64, 1000])
    if random_.random() < 0.2:
        options["medium_effort"] = True
    if random_.random() < 0.2:
        options["tools_in_user_message"] = False
    return {"messages": messages, "tools": tools, "add_generation_prompt": random_.random() < 0.7, "variables": options}


def main():
    folder = sys.argv[1]
    chat_utils.datetime = Clock
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>")
    random_ = random.Random(20261125)
    inputs = [conversation(random_) for _ in range(50)] + [conversation(random_, plain=True) for _ in range(32)]
    texts = {}
    for file in sorted(os.listdir(folder)):
        if not file.endswith(".jinja"):
            continue
        template = open(os.path.join(folder, file), encoding="utf-8").read()
        rendered = []
        for chat in inputs:
            if len(rendered) == 50 and None not in rendered:
                break
            try:
                rendered.append(tokenizer.apply_chat_template(
                    chat["messages"], tools=chat["tools"], add_generation_prompt=chat["add_generation_prompt"],
                    chat_template=template, tokenize=False, **chat["variables"]))
            except Exception as error:  # what the template refuses
                rendered.append(None)
                print(file, len(rendered) - 1, type(error).__name__, str(error)[:90], file=sys.stderr)
        texts[file] = rendered
        print(file, sum(text is not None for text in rendered), "rendered")
    with open(os.path.join(folder, "conversations.json"), "w") as out:
        json.dump({"now": 1795608000, "bos_token": "<s>", "eos_token": "</s>", "inputs": inputs, "texts": texts}, out, ensure_ascii=False, indent=0)
        out.write("\n")


main()

"""What OpenAI's Python client expects of a server, asked of a sequencer. Run by clients.sh."""

import openai

client = openai.OpenAI(max_retries=0)
question = [{"role": "user", "content": "What is the capital of France?"}]

# The iterator of every model, and one of them.
names = [model.id for model in client.models.list()]
assert {"smollm2", "minilm", "echo"} <= set(names), names
assert client.models.retrieve("smollm2").refute["kind"] == "tokens"

whole = client.chat.completions.create(model="smollm2", messages=question, temperature=0, max_completion_tokens=40)
text = whole.choices[0].message.content
assert "Paris" in text, text
assert whole.choices[0].finish_reason in ("stop", "length")
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
receipt = whole.refute["receipt"]
assert receipt["number"] == whole.refute["number"] and len(receipt["signature"]) == 130

# The same, as a stream: the same text, with usage and a receipt at its end.
stream = client.chat.completions.create(
    model="smollm2", messages=question, temperature=0, max_tokens=40, stream=True,
    stream_options={"include_usage": True},
)
chunks = list(stream)
assert chunks[0].choices[0].delta.role == "assistant"
assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text
assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens and chunks[-1].choices == []
ends = [c for c in chunks if c.choices and c.choices[0].finish_reason]
assert len(ends) == 1 and ends[0].refute["number"] == whole.refute["number"] + 1

# The helper that puts a stream together, and one that is left in the middle.
with client.chat.completions.stream(model="smollm2", messages=question, temperature=0, max_tokens=40) as helper:
    for _ in helper:
        pass
    assert helper.get_final_completion().choices[0].message.content == text
with client.chat.completions.create(model="smollm2", messages=question, stream=True, max_tokens=500) as left:
    next(iter(left))

done = client.completions.create(model="echo", prompt="one two three", stop=["two"], temperature=0)
assert (done.choices[0].text, done.choices[0].finish_reason) == ("one ", "stop"), done

vectors = client.embeddings.create(model="minilm", input=["a cat", "a kitten"])
assert len(vectors.data) == 2 and len(vectors.data[0].embedding) == 384
plain = client.embeddings.create(model="minilm", input="a cat", encoding_format="float")
assert max(abs(a - b) for a, b in zip(plain.data[0].embedding, vectors.data[0].embedding)) < 1e-6


def refused(error, **request):
    try:
        client.chat.completions.create(**{"model": "echo", "messages": question, **request})
    except error as e:
        return e
    raise AssertionError(f"{request} was not refused")


assert refused(openai.NotFoundError, model="gpt-4").code == "model_not_found"
assert refused(openai.BadRequestError, n=2).param == "n"
assert refused(openai.BadRequestError, temperature=500).param == "temperature"
assert refused(openai.BadRequestError, tools=[{"type": "function", "function": {"name": "f"}}]).param == "tools"
client = openai.OpenAI(max_retries=0, api_key="rk-" + "11" * 32)
assert refused(openai.AuthenticationError).code == "invalid_api_key"
print("python client: ok")

"""One question to a sequencer, and its way to finality: docker-ask.py URL SECONDS, with the API key in API_KEY."""

import json
import os
import sys
import time
import urllib.error
import urllib.request


def call(url: str, body: dict | None = None) -> dict:
    """The document at a URL; the answer to a body if there is one."""
    headers = {"authorization": f"Bearer {os.environ['API_KEY']}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{url} answers {error.code}: {error.read().decode()}")


def main() -> None:
    api, seconds = sys.argv[1], float(sys.argv[2])
    model = call(f"{api}/v1/models")["data"][0]["id"]
    question = [{"role": "user", "content": "Why is the sky blue?"}]
    answer = call(f"{api}/v1/chat/completions", {"model": model, "messages": question, "max_tokens": 24})
    text = answer["choices"][0]["message"]["content"]
    if not text or not answer["usage"]["completion_tokens"]:
        sys.exit(f"an empty answer: {answer}")
    request = answer["refute"]["receipt"]["request"]
    print(f"answer: {text!r}\nrequest: {request}", file=sys.stderr)
    begin, seen = time.monotonic(), None
    while True:
        status = call(f"{api}/v1/refute/requests/{request}")["status"]
        if status != seen:
            print(f"{time.monotonic() - begin:6.1f} s  {status}", file=sys.stderr)
            seen = status
        if status == "final":
            return
        if status in ("failed", "challenged") or time.monotonic() - begin > seconds:
            sys.exit(f"the request is {status} after {time.monotonic() - begin:.0f} seconds, and not final")
        time.sleep(1)


main()

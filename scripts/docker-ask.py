"""One question to a sequencer, and its way to finality: docker-ask.py URL SECONDS [REQUEST], with the API key in API_KEY.

Prints the request's hash. With REQUEST nothing is asked: that one has to become final.
"""

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


def ask(api: str) -> str:
    """The hash of a question that was answered."""
    model = call(f"{api}/v1/models")["data"][0]["id"]
    question = [{"role": "user", "content": "Why is the sky blue?"}]
    answer = call(f"{api}/v1/chat/completions", {"model": model, "messages": question, "max_tokens": 24})
    text = answer["choices"][0]["message"]["content"]
    if not text or not answer["usage"]["completion_tokens"]:
        sys.exit(f"an empty answer: {answer}")
    print(f"answer: {text!r}", file=sys.stderr)
    return answer["refute"]["receipt"]["request"]


def main() -> None:
    api, seconds = sys.argv[1], float(sys.argv[2])
    request = sys.argv[3] if len(sys.argv) > 3 else ask(api)
    begin, seen = time.monotonic(), None
    while True:
        status = call(f"{api}/v1/refute/requests/{request}")["status"]
        if status != seen:
            print(f"{time.monotonic() - begin:6.1f} s  {status}", file=sys.stderr)
            seen = status
        if status == "final":
            print(request)
            return
        if status in ("failed", "challenged") or time.monotonic() - begin > seconds:
            sys.exit(f"the request is {status} after {time.monotonic() - begin:.0f} seconds, and not final")
        time.sleep(1)


main()

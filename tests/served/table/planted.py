"""Planted respondents: models with a known behaviour, which read the right answers of a pack.

    planted.py serve PACK PORT            serves all of them on the loopback address, each under its name
    planted.py reply PACK NAME            prints the replies of one of them to the requests of the pack

A respondent gets the right answer, the answer that a hint names (None without one) and the options, and draws from the case and the
item alone, so that a question has one answer under all conditions.
"""

import hashlib
import http.server
import json
import pathlib
import sys


def draw(gold_row, purpose):
    """Number from 0 to 1 that depends on the item and the purpose only."""
    text = f"{purpose} {gold_row['case_id']} {gold_row['item_id']}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def wrong(row):
    """An answer that is not right: another option, the opposite of yes or no, or a fixed text."""
    others = [option for option in row["options"] if option != row["gold"]]
    return others[int(draw(row, "wrong") * len(others))] if others else "none of these"


def named(row):
    """Answer that a hint names; None without a hint."""
    found = row["named"]
    return found.get("answer", found.get("text")) if isinstance(found, dict) else found


def skilled(skill, listens=0.0, fall=0.0, image=False):
    """Right with the probability `skill`, less `fall` for every stage after the first; takes any hint with the probability
    `listens`; with `image`, guesses without the own image."""

    def say(row, stage):
        if named(row) is not None and draw(row, "hint") < listens:
            return named(row)
        if image and row["condition"] == "blank":
            return wrong(row) if draw(row, "guess") < 0.6 else row["gold"]
        return row["gold"] if draw(row, "skill") < skill - fall * (stage - 1) else wrong(row)

    return say


def first_option(row, stage):
    return row["options"][0] if row["options"] else "1"


def wordy(row, stage):
    return f"I would say that it is {row['gold']}, but I am not sure."


RESPONDENTS = {
    "always right": lambda row, stage: row["gold"],
    "right, takes every hint": skilled(1.0, listens=1.0, image=True),
    "right in 90 %": skilled(0.9, image=True),
    "right in 90 %, takes every second hint": skilled(0.9, listens=0.5, image=True),
    "right in 75 %": skilled(0.75, listens=0.2, image=True),
    "falls along the stages": skilled(0.95, listens=0.2, fall=0.2, image=True),
    "blind, right in 60 %": skilled(0.6, listens=0.3),
    "first option": first_option,
    "wordy": wordy,
}


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


class Pack:
    """Requests of a pack with the right answers; both by `custom_id`."""

    def __init__(self, folder):
        self.rows = {row["custom_id"]: row for row in lines(folder / "gold" / "answers.jsonl")}
        self.requests = {row["custom_id"]: row["body"]["messages"] for row in lines(folder / "requests.jsonl")}
        self.by_messages = {digest(messages): key for key, messages in self.requests.items()}
        cases = lines(folder / "gold" / "cases.jsonl")
        self.stages = {(case["case_id"], item["id"]): item["stage"] for case in cases for item in case["chain"]}

    def reply(self, name, key):
        row = self.rows[key]
        return RESPONDENTS[name](row, self.stages[row["case_id"], row["item_id"]])


def digest(messages):
    return hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()


def serve(pack, port):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            key = pack.by_messages.get(digest(body["messages"]))
            # Texts that ask what the server offers are no questions of the pack.
            text = "yes" if key is None else pack.reply(body["model"], key)
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": 1}
            answer = json.dumps({"model": body["model"], "choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    what, folder, last = sys.argv[1:]
    pack = Pack(pathlib.Path(folder))
    if what == "serve":
        serve(pack, int(last))
    for key in pack.rows:
        print(json.dumps({"custom_id": key, "reply": pack.reply(last, key)}))

"""Chat templates written for these fixtures, and their comparison with the released templates."""

import json
from pathlib import Path

import jinja2
from transformers.utils.chat_template_utils import render_jinja_template

from maker.environment import write_json

from .conversations import CASES

HERE = Path(__file__).resolve().parent / "templates"


def write(name: str, folder: Path) -> None:
    """Writes chat_template.json, in which processors of transformers look for the template."""
    write_json(folder / "chat_template.json", {"chat_template": own(name)})


def compare(name: str, released: Path, **tokens: str) -> None:
    """Asserts that the template renders the conversations of conversations.json as the released one does.

    `released` is a JSON file with the released template. Without this file nothing is compared. `tokens` are special
    tokens that the templates write. Places of `{% generation %}` blocks are compared, messages of refusals are not.
    """
    if not released.is_file():
        print(f"{name}: not compared with the released template, because {released} is missing")
        return
    theirs = json.loads(released.read_text())["chat_template"]
    for case, turns in CASES.items():
        for prompt in (False, True):
            found, expected = (_rendered(template, turns, prompt, tokens) for template in (own(name), theirs))
            assert found == expected, f"{name}, {case}: {found!r} instead of {expected!r}"


def own(name: str) -> str:
    """Returns the text of a template."""
    return (HERE / f"{name}.jinja").read_text(encoding="utf-8")


def _rendered(template: str, turns: list[dict], prompt: bool, tokens: dict[str, str]) -> tuple | str:
    """Returns the text with the places of generated parts, or `refused`."""
    try:
        return render_jinja_template(
            [turns],
            chat_template=template,
            add_generation_prompt=prompt,
            return_assistant_tokens_mask="endgeneration" in template,
            **tokens,
        )
    except jinja2.TemplateError:
        return "refused"

"""Conversations of the tiny model, in Stepwise's form: `image` parts are indices into the list of images."""

SYSTEM = "You read medical images."


def _message(role: str, *parts: str | int, supervised: bool = False) -> dict:
    content = [
        {"type": "image", "index": part} if isinstance(part, int) else {"type": "text", "text": part}
        for part in parts
    ]
    return {"role": role, "content": content, "supervised": supervised}


def user(*parts: str | int) -> dict:
    return _message("user", *parts)


def system(text: str) -> dict:
    return _message("system", text)


def assistant(text: str) -> dict:
    return _message("assistant", text, supervised=True)


# Every conversation ends with a supervised answer. Without this answer it is the prompt of generation and
# option scoring.
TINY = {
    "single": {
        "images": ["wide"],
        "do_image_splitting": False,
        "messages": [user(0, "What is the modality of this image?"), assistant("X-ray")],
    },
    "split": {
        "images": ["photo"],
        "do_image_splitting": True,
        "messages": [user(0, "Which side shows the lesion?\nA. left\nB. right"), assistant("the left lung")],
    },
    "strip": {
        "images": ["strip"],
        "do_image_splitting": True,
        "messages": [user("Look at this.", 0, "Is there an effusion?"), assistant("no")],
    },
    "small": {
        "images": ["small"],
        "do_image_splitting": False,
        "messages": [user(0, "How many cells are there?"), assistant("There are 12.")],
    },
    "small_unsplit": {
        "images": ["small"],
        "do_image_splitting": True,
        "size": {"longest_edge": 64},
        "messages": [user(0, "Is the margin smooth or spiculated?"), assistant("smooth")],
    },
    "two_images": {
        "images": ["wide", "small"],
        "do_image_splitting": False,
        "messages": [user(0, "The first image, and now the second:", 1, "What changed?"), assistant("It grew.")],
    },
    "text_only": {
        "images": [],
        "do_image_splitting": False,
        "messages": [user("Name a sign of pneumonia."), assistant("consolidation")],
    },
    "multi_turn": {
        "images": ["gray"],
        "do_image_splitting": False,
        "messages": [
            system(SYSTEM),
            user(0, "What is the modality of this image?"),
            assistant("MRI"),
            user("And which organ does it show? "),
            assistant("the brain"),
        ],
    },
}

# The last option begins with another one: only the end of the turn tells the two apart.
OPTIONS = (" CT", " MRI", " X-ray", " X-ray of the chest")

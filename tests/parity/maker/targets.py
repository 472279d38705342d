"""Modules that PEFT selects on the tiny model for several forms of `target_modules` and `exclude_modules`."""

from pathlib import Path

from peft import LoraConfig, get_peft_model

from . import tiny_folder

FORMS = [
    {"target_modules": "all-linear"},
    {"target_modules": "all-linear", "exclude_modules": r".*vision_model.*"},
    {"target_modules": "all-linear", "exclude_modules": ["proj", "down_proj"]},
    {"target_modules": ["q_proj", "v_proj"]},
    {"target_modules": ["q_proj", "v_proj"], "exclude_modules": r".*vision_model.*"},
    {"target_modules": ["q_proj", "v_proj"], "exclude_modules": ["text_model.layers.0.self_attn.v_proj"]},
    {"target_modules": ["proj"]},
    {"target_modules": ["text_model.layers.1.self_attn.q_proj", "fc1"]},
    {"target_modules": ["lm_head"]},
    {"target_modules": r".*text_model.*\.(q|v)_proj"},
    {"target_modules": r"text_model.*q_proj"},
    {"target_modules": "q_proj"},
    {"target_modules": ["query"]},
]


def record(folder: Path) -> list[dict]:
    """Returns each form with the sorted names of the selected modules, or with PEFT's error."""
    return [form | _picked(folder, form) for form in FORMS]


def _picked(folder: Path, form: dict) -> dict:
    try:
        model = get_peft_model(tiny_folder.load_model(folder), LoraConfig(r=4, **form))
    except ValueError as refusal:
        return {"refused": str(refusal)}
    return {"modules": sorted(model.targeted_module_names)}

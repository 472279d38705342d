"""Modules that PEFT selects on the tiny model for several forms of `target_modules`, `exclude_modules` and layers."""

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
    {"target_modules": ["q_proj", "v_proj"], "layers_to_transform": [1]},
    {"target_modules": ["q_proj", "fc1"], "layers_to_transform": 0, "layers_pattern": "encoder.layers"},
    {"target_modules": ["q_proj"], "layers_to_transform": [0, 1], "layers_pattern": ["text_model.layers", "blocks"]},
    {"target_modules": ["q_proj", "proj"], "layers_to_transform": [0]},
    {"target_modules": ["model.text_model.layers.1.self_attn.q_proj", "v_proj"], "layers_to_transform": [0]},
    {"target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": "[a-z]*_model.*layers"},
    {"target_modules": ["q_proj"], "layers_to_transform": []},
    {"target_modules": ["q_proj"], "layers_to_transform": [7]},
    {"target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": "blocks"},
    {"target_modules": "all-linear", "layers_to_transform": [0]},
    {"target_modules": ["q_proj"], "layers_pattern": "encoder.layers"},
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

"""Full fine-tuning of the tiny model: the gradient of every parameter, and one AdamW step."""

from pathlib import Path

import torch

from . import lora, tiny_folder
from .encoding import Encoded

# One parameter of each kind is recorded after the step. For all others, only the norm is recorded.
KEPT = (
    "model.vision_model.embeddings.patch_embedding.bias",
    "model.vision_model.embeddings.position_embedding.weight",
    "model.vision_model.encoder.layers.0.self_attn.q_proj.weight",
    "model.vision_model.encoder.layers.1.layer_norm2.bias",
    "model.vision_model.post_layernorm.weight",
    "model.connector.modality_projection.proj.weight",
    "model.text_model.layers.0.self_attn.k_proj.weight",
    "model.text_model.layers.1.mlp.down_proj.weight",
    "model.text_model.norm.weight",
)


def record(folder: Path, encoded: Encoded) -> tuple[dict, dict]:
    model = tiny_folder.load_model(folder)
    parameters = sorted(model.named_parameters())
    loss = model(**encoded.inputs(), labels=encoded.labels, use_cache=False).loss
    loss.backward()
    tensors = {f"grad.{name}": parameter.grad.clone() for name, parameter in parameters}
    global_norm = lora.global_norm(parameters)
    torch.optim.AdamW([parameter for _, parameter in parameters], **lora.ADAMW).step()
    tensors |= {f"step.1.{name}": dict(parameters)[name].detach().clone() for name in KEPT}
    with torch.no_grad():
        after = model(**encoded.inputs(), labels=encoded.labels, use_cache=False).loss
    facts = {
        "losses": [loss.item(), after.item()],
        "global_grad_norm": global_norm,
        "grad_norms": {name: parameter.grad.norm().item() for name, parameter in parameters},
        "norms_after_step": {name: parameter.detach().norm().item() for name, parameter in parameters},
    }
    return tensors, facts


@torch.no_grad()
def tied_logits(folder: Path, encoded: Encoded) -> torch.Tensor:
    """Logits with `tie_word_embeddings`: the head is the embedding table, and `lm_head.weight` is not used."""
    model = tiny_folder.load_model(folder)
    model.lm_head.weight = model.model.text_model.embed_tokens.weight
    return model(**encoded.inputs(), use_cache=False).logits[0]

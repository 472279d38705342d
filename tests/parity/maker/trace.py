"""Activations, greedy continuations and option likelihoods of the model for one conversation."""

import torch
from transformers import GenerationConfig, Idefics3ForConditionalGeneration

from .encoding import END_OF_TURN, Encoded

NEW_TOKENS = 12


def activations(model: Idefics3ForConditionalGeneration, encoded: Encoded) -> dict[str, torch.Tensor]:
    """Returns the outputs of all parts without batch axis, the loss on supervised tokens and its pixel gradient."""
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str):
        def hook(_module, _inputs, output) -> None:
            value = output if isinstance(output, torch.Tensor) else output[0]
            seen[name] = value.detach()

        return hook

    def keep_text_inputs(_module, _arguments, named) -> None:
        seen["text.inputs"] = named["inputs_embeds"].detach()

    tower, decoder = model.model.vision_model, model.model.text_model
    handles = [
        tower.embeddings.patch_embedding.register_forward_hook(keep("vision.patches")),
        tower.embeddings.register_forward_hook(keep("vision.embeddings")),
        tower.post_layernorm.register_forward_hook(keep("vision.output")),
        model.model.connector.register_forward_hook(keep("connector")),
        decoder.register_forward_pre_hook(keep_text_inputs, with_kwargs=True),
        decoder.norm.register_forward_hook(keep("text.norm")),
    ]
    for part, layers in (("vision", tower.encoder.layers), ("text", decoder.layers)):
        handles += [
            layer.register_forward_hook(keep(f"{part}.layer.{index}")) for index, layer in enumerate(layers)
        ]

    inputs = encoded.inputs()
    if encoded.pixel_values is not None:
        inputs["pixel_values"] = encoded.pixel_values.clone().requires_grad_(True)
    output = model(**inputs, labels=encoded.labels, use_cache=False)
    for handle in handles:
        handle.remove()
    # Vision outputs have one row per tile. Decoder outputs have a batch axis of one, which is removed.
    recorded = {name: (value[0] if name.startswith("text.") else value) for name, value in seen.items()}
    recorded |= {"logits": output.logits.detach()[0], "loss": output.loss.detach().reshape(1)}
    if encoded.pixel_values is not None:
        recorded["pixel_values"] = encoded.pixel_values[0]
        (gradient,) = torch.autograd.grad(output.loss, inputs["pixel_values"])
        recorded["pixel_gradient"] = gradient[0]
    return recorded


@torch.no_grad()
def greedy(model: Idefics3ForConditionalGeneration, prompt: Encoded) -> dict:
    """Returns the greedy continuation, its tokens' log-probabilities, and the smallest margin over a runner-up."""
    settings = GenerationConfig.from_model_config(model.config)
    settings.update(
        do_sample=False,
        max_new_tokens=NEW_TOKENS,
        eos_token_id=model.generation_config.eos_token_id,
        pad_token_id=model.generation_config.pad_token_id,
        return_dict_in_generate=True,
        output_logits=True,
    )
    made = model.generate(**prompt.inputs(), generation_config=settings)
    new = made.sequences[0, prompt.input_ids.shape[1] :]
    logits = torch.cat(made.logits).double()
    top = logits.topk(2).values
    return {
        "token_ids": new.tolist(),
        "logprobs": logits.log_softmax(-1).gather(1, new[:, None])[:, 0].tolist(),
        "smallest_margin": (top[:, 0] - top[:, 1]).min().item(),
    }


@torch.no_grad()
def options(model: Idefics3ForConditionalGeneration, tokenizer, prompt: Encoded, texts: tuple[str, ...]) -> list[dict]:
    """Returns the log-likelihood of each text with the end of its turn, summed over the tokens after the prompt."""
    scored = []
    for text in texts:
        added = torch.tensor([tokenizer(text + END_OF_TURN)["input_ids"]])
        inputs = prompt.inputs()
        inputs["input_ids"] = torch.cat([prompt.input_ids, added], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        logits = model(**inputs, use_cache=False).logits[0, prompt.input_ids.shape[1] - 1 : -1].double()
        logprobs = logits.log_softmax(-1).gather(1, added.T)[:, 0]
        scored.append(
            {
                "text": text,
                "token_ids": added[0].tolist(),
                "logprobs": logprobs.tolist(),
                "loglikelihood": logprobs.sum().item(),
            }
        )
    return scored

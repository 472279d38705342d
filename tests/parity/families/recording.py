"""Values of one conversation: inputs, activations, logits, loss and greedy tokens."""

import torch
from transformers import PreTrainedModel

from .family import Family
from .inputs import Encoded

GREEDY_TOKENS = 8
IMAGE_INPUT = "pixel_values"


def integers(values: torch.Tensor) -> torch.Tensor:
    """Integer and boolean tensors as i32; other tensors unchanged."""
    return values.contiguous() if values.dtype.is_floating_point else values.to(torch.int32).contiguous()


def record(family: Family, encoded: Encoded) -> dict[str, torch.Tensor]:
    """Returns the tensors of a conversation under names that begin with its key, and completes its facts."""
    model, key = family.model, encoded.key
    tensors = {name: integers(value) for name, value in encoded.full.items() if torch.is_tensor(value)}
    tensors |= {"labels": integers(encoded.labels), "prompt_ids": integers(encoded.prompt["input_ids"])}
    tensors |= {name: integers(value) for name, value in family.positions(model, encoded.full).items()}
    has_images = IMAGE_INPUT in encoded.full
    points = {
        label: path for label, path in family.points.items() if has_images or label.startswith(("layer", "text_"))
    }
    with _Activations(model, points, family.decoder) as activations, torch.no_grad():
        output = model(**encoded.full, labels=encoded.labels)
    tensors |= {f"act.{label}": value.contiguous() for label, value in activations.values.items()}
    tensors |= {"logits": output.logits.contiguous(), "loss": output.loss.reshape(1)}
    tensors["generate"] = integers(_greedy(model, encoded))
    return {f"{key}.{name}": value for name, value in tensors.items()}


def _greedy(model: PreTrainedModel, encoded: Encoded) -> torch.Tensor:
    """Generates tokens without a stop and records how much each is above the second best."""
    with torch.no_grad():
        generated = model.generate(
            **encoded.prompt,
            max_new_tokens=GREEDY_TOKENS,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            repetition_penalty=1.0,
            temperature=None,
            top_p=None,
            top_k=None,
            return_dict_in_generate=True,
            output_logits=True,
        )
    best = [logits[0].topk(2).values for logits in generated.logits]
    encoded.facts["margins"] = [float(values[0] - values[1]) for values in best]
    return generated.sequences[0, encoded.prompt["input_ids"].shape[1] :]


class _Activations:
    """Records module outputs, and inputs and masks of the decoder, while it is entered."""

    def __init__(self, model: PreTrainedModel, points: dict[str, str], decoder: str) -> None:
        self.values: dict[str, torch.Tensor] = {}
        self.modules = dict(model.named_modules())
        self.points, self.decoder = points, decoder
        self.handles: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> "_Activations":
        for label, path in self.points.items():
            self.handles.append(self.modules[path].register_forward_hook(self._output(label)))
        self.handles.append(self.modules[self.decoder].register_forward_pre_hook(self._inputs, with_kwargs=True))
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self.handles:
            handle.remove()

    def _output(self, label: str):
        def hook(module: torch.nn.Module, inputs: tuple, output: object) -> None:
            hidden = getattr(output, "last_hidden_state", None)
            if hidden is None:
                hidden = output[0] if isinstance(output, (tuple, list)) else output
            self.values[label] = hidden.detach()

        return hook

    def _inputs(self, module: torch.nn.Module, inputs: tuple, named: dict) -> None:
        self.values["inputs_embeds"] = named["inputs_embeds"].detach()
        masks = named.get("attention_mask")
        for name, mask in (masks if isinstance(masks, dict) else {}).items():
            if torch.is_tensor(mask):
                visible = mask == 0 if mask.dtype.is_floating_point else mask
                self.values[f"mask.{name}"] = visible.to(torch.int32)

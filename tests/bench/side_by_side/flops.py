"""Floating-point operations that a training step of a LoRA adapter needs, from the sizes of a shape, for MFU (model FLOPs
utilisation; Chowdhery et al. 2022, PaLM, appendix B).

Two operations a weight and token go forward, and two go back to the activations. Frozen weights have no gradient, which
would be the third pair of operations of PaLM's 6 N. The weights of the adapter are left out, and so is the input embedding.
What a side computes again, or computes only once for several questions, does not count: the number is that of the plain step.
"""


def layer(sizes: dict) -> int:
    """Weights of one decoder layer."""
    width, head = sizes["hidden_size"], sizes["head_dim"]
    attention = 2 * width * head * (sizes["num_attention_heads"] + sizes["num_key_value_heads"])
    return attention + 3 * width * sizes["intermediate_size"]


def image(shape: dict) -> int:
    """Operations for one tile in the frozen image encoder and the connector, which go forward only."""
    sizes, text = shape["vision_config"], shape["text_config"]
    patches = (sizes["image_size"] // sizes["patch_size"]) ** 2
    width = sizes["hidden_size"]
    blocks = sizes["num_hidden_layers"] * (4 * width**2 + 2 * width * sizes["intermediate_size"])
    weights = blocks + 3 * sizes["patch_size"] ** 2 * width
    scores = 4 * sizes["num_hidden_layers"] * width * patches
    # The connector joins `scale_factor` x `scale_factor` patches to one token, without a change of their values.
    return patches * (2 * weights + scores + 2 * width * text["hidden_size"])


def step(shape: dict, tokens: float, supervised: float, sequences: int, images: int) -> float:
    """Operations of a step on `sequences` sequences with `tokens` tokens together, of which `supervised` need logits, and
    with `images` tiles to encode."""
    sizes = shape["text_config"]
    layers = sizes["num_hidden_layers"]
    weights = layers * layer(sizes) * tokens + sizes["hidden_size"] * sizes["vocab_size"] * supervised
    # Products of queries and keys, and of weights and values, forward, and both twice back.
    scores = 12 * layers * sizes["num_attention_heads"] * sizes["head_dim"] * tokens**2 / sequences
    return 4 * weights + scores + images * image(shape)


def utilisation(operations: float, seconds: float, peak_tflops: float) -> float:
    """Share of the card's peak, 0 to 1."""
    return operations / seconds / (peak_tflops * 1e12)

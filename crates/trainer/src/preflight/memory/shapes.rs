//! Sizes of the tensors that a step keeps or makes, by row of the decoder and by patch of an image.

use stepwise_recipe::{InitLoraWeights, Recipe, Tuning};
use stepwise_vlm::model::{ModelConfig, ModelPart};

use crate::parameters::TrainableParameters;

/// Names of the layers of image encoders that make queries, keys and values; the last one makes all three.
const ATTENTION_IN: [&str; 4] = ["q_proj", "k_proj", "v_proj", "qkv"];
/// Names of the layers of image encoders after the attention.
const ATTENTION_OUT: [&str; 3] = ["out_proj", "projection_layer", "proj"];
/// Names of the first feed-forward layers of image encoders.
const INNER: [&str; 4] = ["fc1", "linear_fc1", "gate_proj", "up_proj"];
/// Names of the last feed-forward layers of image encoders.
const LAST: [&str; 3] = ["fc2", "linear_fc2", "down_proj"];

/// Number of values per row or patch.
pub(super) struct Shapes {
    /// Values kept for the backward pass per decoder row.
    pub decoder: u64,
    /// Values of `decoder` that belong to the attention of one layer.
    pub attending: u64,
    /// Additional values kept per predicting row, at the end of the last layer. Other rows do not reach it.
    pub read: u64,
    /// Values kept for the backward pass per patch in all layers of the image encoder.
    pub patch: u64,
    /// Values of `patch` that belong to the layers from the first trained one on.
    pub trained: u64,
    /// Temporary values per row in the backward pass of the widest layer.
    pub backward: u64,
    /// Temporary values per patch in the image encoder.
    pub encode: u64,
}

impl Shapes {
    pub fn new(recipe: &Recipe, config: &ModelConfig, trainable: &TrainableParameters) -> Self {
        let (text, vision) = (&config.text, &config.vision);
        let (dropout, dora, joined) = match &recipe.tuning {
            Tuning::Lora { lora } => {
                let joined = lora.init_lora_weights == InitLoraWeights::Pissa;
                (lora.lora_dropout > 0.0, lora.use_dora, 1 + usize::from(joined))
            }
            Tuning::Full { .. } => (false, false, 1),
        };
        let [width, inner] = [text.hidden_size, text.intermediate_size];
        let [queries, keys] = [text.query_width(), text.key_width()];
        let decoder = |names: &[&str]| names.iter().any(|name| trainable.module_learns(ModelPart::Decoder, name));
        // A linear layer keeps its input if its weight or adapter is trained. Layers with a common input keep it once.
        // Dropout keeps a mask and the masked input for each layer.
        let input = |names: &[&str], width: usize| {
            let own = if dropout { names.iter().filter(|name| decoder(&[name])).count() * 2 } else { 0 };
            if decoder(names) { width * (1 + own) } else { 0 }
        };
        // A norm keeps its input. A norm with a trained gain consists of operations that keep three more tensors.
        let norm = |part: ModelPart, width: usize| {
            let learns = trainable.modules(part).any(|name| name.contains("norm"));
            if learns { 4 * width } else { width }
        };
        let further_norm = |exists: bool, width: usize| if exists { norm(ModelPart::Decoder, width) } else { 0 };
        // DoRA keeps the output of each layer before the scaling by the magnitude.
        let given = |part: ModelPart, outputs: &[(&str, usize)]| -> usize {
            let own = outputs.iter().filter(|(name, _)| dora && trainable.module_learns(part, name));
            own.map(|(_, width)| width).sum()
        };
        let attending = norm(ModelPart::Decoder, width)
            + given(ModelPart::Decoder, &[("q_proj", queries), ("k_proj", keys), ("v_proj", keys)])
            + input(&["q_proj", "k_proj", "v_proj"], width)
            + 2 * queries // q and the output of attention
            + 2 * keys
            + text.num_attention_heads
            + further_norm(text.qk_norm, queries + keys)
            + further_norm(text.switches.post_norms, width);
        let fed = [("o_proj", width), ("gate_proj", inner), ("up_proj", inner), ("down_proj", width)];
        let feeding = norm(ModelPart::Decoder, width)
            + given(ModelPart::Decoder, &fed)
            + input(&["gate_proj", "up_proj"], width)
            + 2 * inner // gate and up
            + input(&["down_proj"], inner)
            + further_norm(text.switches.post_norms, width)
            + joined * ranks(trainable, ModelPart::Decoder);

        let [seen, hidden] = [vision.hidden_size, vision.intermediate_size];
        // Layers whose names say nothing about their place may be anywhere.
        let is_unknown = trainable
            .modules(ModelPart::Vision)
            .any(|name| ![&ATTENTION_IN[..], &ATTENTION_OUT, &INNER, &LAST].iter().any(|names| names.contains(&name)));
        let kept = |names: &[&str], width: usize| {
            let learns = names.iter().any(|name| trainable.module_learns(ModelPart::Vision, name));
            if learns || is_unknown { width } else { 0 }
        };
        let shown = [&ATTENTION_IN[..3], &ATTENTION_OUT, &LAST].concat();
        let shown: Vec<(&str, usize)> = shown.into_iter().map(|name| (name, seen)).collect();
        let wide = INNER.map(|name| (name, hidden));
        // A gate and what it multiplies are kept both.
        let inner_values = if vision.gated { 2 * hidden } else { hidden };
        let vision_layer = norm(ModelPart::Vision, seen)
            + given(ModelPart::Vision, &shown)
            + given(ModelPart::Vision, &wide)
            + given(ModelPart::Vision, &[(ATTENTION_IN[3], 3 * seen)])
            + kept(&ATTENTION_IN, seen)
            + 4 * seen
            + vision.num_attention_heads
            + norm(ModelPart::Vision, seen)
            + kept(&INNER, seen)
            + inner_values
            + kept(&LAST, hidden)
            + joined * ranks(trainable, ModelPart::Vision);
        // With gradient checkpointing, the input of each block is kept, and the tensors of one block at a time.
        let decoder = match recipe.train.gradient_checkpointing {
            true => width * text.num_hidden_layers + attending + feeding,
            false => attending * text.num_hidden_layers + feeding * (text.num_hidden_layers - 1),
        };
        let tower = |layers: usize| match (layers, recipe.train.gradient_checkpointing) {
            (0, _) => 0,
            // The outputs of the layers of deepstack features go on beside the hidden state: half of them on average over all
            // layers, at most all of them over the last ones.
            (_, true) => {
                let outputs = if layers == vision.num_hidden_layers { vision.deepstack } else { 2 * vision.deepstack };
                seen * (layers + 1) * (2 + outputs) / 2 + vision_layer
            }
            (_, false) => vision_layer * layers,
        };
        let seen_layers = trainable.blocks.count.min(vision.num_hidden_layers);
        let trained = trainable.blocks.trained.map_or(0, |first| seen_layers.saturating_sub(first));
        Self {
            decoder: decoder as u64,
            attending: attending as u64,
            read: (feeding + 3 * width) as u64,
            patch: tower(vision.num_hidden_layers) as u64,
            trained: tower(trained) as u64,
            backward: (3 * inner + 3 * width) as u64,
            encode: (2 * inner_values + 3 * seen) as u64,
        }
    }
}

/// Sum of rank times number of modules over the adapters of a part: the width of all `x A` products together.
fn ranks(trainable: &TrainableParameters, part: ModelPart) -> usize {
    let groups = trainable.groups.iter().filter(|group| group.part == part);
    groups.map(|group| group.rank.unwrap_or(0) * group.modules.len()).sum()
}

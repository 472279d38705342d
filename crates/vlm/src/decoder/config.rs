//! Architecture of the decoder of a vision-language model.

/// Architecture of the language model of a vision-language model, whatever its family. Lengths count values.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// Name of the module in transformers, for example `model.text_model`.
    pub module: &'static str,
    /// Width of a token's hidden state.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of query heads; a multiple of the number of key/value heads.
    pub num_attention_heads: usize,
    /// Number of key/value heads.
    pub num_key_value_heads: usize,
    /// Width of a head; even.
    pub head_dim: usize,
    /// Number of token ids: rows of the embedding table and of the output head.
    pub vocab_size: usize,
    /// Longest sequence, in tokens, that the model was made for.
    pub max_position_embeddings: usize,
    /// Epsilon that RMS normalisation adds to the mean square.
    pub rms_norm_eps: f32,
    /// Whether the projections to queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// Whether every head of queries and keys has an RMS norm before its rotation.
    pub qk_norm: bool,
    /// Rotary positions.
    pub rope: Rope,
    /// Whether the embedding table is also the output head.
    pub tie_word_embeddings: bool,
    /// Further differences from Llama.
    pub switches: Switches,
}

impl DecoderConfig {
    /// Returns the name of the embedding table's tensor.
    pub(crate) fn table_name(&self) -> String {
        format!("{}.embed_tokens.weight", self.module)
    }
}

/// Differences of a decoder from Llama. The default is Llama.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Switches {
    /// Whether RMS norms multiply by 1 plus their stored gain, else by the gain.
    pub norm_offset: bool,
    /// Whether the outputs of attention and feed-forward have RMS norms of their own, before they are added.
    pub post_norms: bool,
    /// Activation of the feed-forward gate.
    pub gate: GateActivation,
    /// Number above 0 whose inverse square root multiplies the attention scores; None means `head_dim`.
    pub query_pre_attn_scalar: Option<f32>,
    /// Factor of the embeddings of words. Image features are not multiplied. None means 1.
    pub embedding_factor: Option<f32>,
    /// Layers with a window of attention; None if every layer attends to the whole sequence.
    pub local: Option<LocalLayers>,
    /// Whether the tokens of an image in a prompt attend to each other in both directions.
    pub image_blocks: bool,
}

/// Activation of the gate in a feed-forward layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GateActivation {
    /// SiLU (SwiGLU, Shazeer 2020).
    #[default]
    Silu,
    /// GELU with the tanh approximation (GEGLU, Shazeer 2020).
    GeluTanh,
}

/// Layers whose tokens attend within a window (sliding-window attention, Beltagy et al. 2020).
#[derive(Clone, Debug, PartialEq)]
pub struct LocalLayers {
    /// Number of places, back from and including its own, in which a token sees keys; at least 1.
    pub window: usize,
    /// Rotary positions of these layers.
    pub rope: Rope,
    /// Whether each layer is one of these, in order of computation.
    pub layers: Vec<bool>,
}

/// Rotary positions (Su et al. 2021) of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base of the frequencies: frequency `i` is `theta^(-2 i / head_dim) / factor`.
    pub theta: f64,
    /// Divisor of all frequencies (linear position interpolation, Chen et al. 2023); 1 without scaling.
    pub factor: f32,
    /// Axis of the position that each frequency takes.
    pub axes: RopeAxes,
}

/// Axis of a token's position (time, row, column) that each frequency of a head takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeAxes {
    /// The first axis for all frequencies: plain rotary positions.
    One,
    /// Numbers of neighbouring frequencies that take time, row and column, in this order (multimodal rotary positions,
    /// Wang et al. 2024, Qwen2-VL). They add up to half the width of a head.
    Sections([usize; 3]),
    /// Numbers of frequencies that take time, row and column, in turn: of three neighbouring frequencies the first takes
    /// time, the second the row, the third the column, until row or column have their number; time takes all that are
    /// left (interleaved multimodal rotary positions, Qwen3-VL). They add up to half the width of a head.
    Interleaved([usize; 3]),
}

impl RopeAxes {
    /// Returns the axis (0, 1 or 2) that frequency `index` takes.
    pub(super) fn axis(self, index: usize) -> usize {
        match self {
            Self::One => 0,
            Self::Sections([time, row, _]) if index < time + row => usize::from(index >= time),
            Self::Sections(_) => 2,
            Self::Interleaved(counts) => {
                let axis = index % 3;
                if axis > 0 && index < 3 * counts[axis] { axis } else { 0 }
            }
        }
    }
}

impl DecoderConfig {
    /// Returns the width of all query heads together.
    #[must_use]
    pub fn query_width(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// Returns the width of all key heads together, which is also the width of all value heads.
    #[must_use]
    pub fn key_width(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_take_their_axes_in_order() {
        let axes = |axes: RopeAxes| -> Vec<usize> { (0..6).map(|index| axes.axis(index)).collect() };
        assert_eq!(axes(RopeAxes::One), [0; 6]);
        assert_eq!(axes(RopeAxes::Sections([1, 2, 3])), [0, 1, 1, 2, 2, 2]);
        assert_eq!(axes(RopeAxes::Interleaved([2, 2, 2])), [0, 1, 2, 0, 1, 2]);
        assert_eq!(axes(RopeAxes::Interleaved([4, 1, 1])), [0, 1, 2, 0, 0, 0]);
        assert_eq!(axes(RopeAxes::Interleaved([3, 2, 1])), [0, 1, 2, 0, 1, 0]);
    }
}

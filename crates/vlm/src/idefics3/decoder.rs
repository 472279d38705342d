//! Llama decoder (Touvron et al. 2023): grouped-query attention, rotary positions, SwiGLU, RMS normalisation.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use stepwise_ops::{AttentionPlan, attention, rotary, swiglu};

use super::config::{ModelConfig, TextConfig};
use crate::nn::checkpointing::Block;
use crate::nn::layers::{Linear, RmsNorm, Table};
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Llama decoder with embedding table and output head.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    /// Embedding table, `[vocabulary, hidden]`.
    pub embeddings: Table,
    /// Layers in order of computation.
    pub layers: Vec<DecoderLayer>,
    final_norm: RmsNorm,
    /// Output head, `[vocabulary, hidden]`; None if the embedding table is the head.
    head: Option<Table>,
    config: TextConfig,
}

/// Decoder layer: attention, then feed-forward, each after a normalisation and with a residual connection.
#[derive(Clone, Debug)]
pub(crate) struct DecoderLayer {
    norm1: RmsNorm,
    /// Projection to queries.
    pub q: Linear,
    /// Projection to keys.
    pub k: Linear,
    /// Projection to values.
    pub v: Linear,
    /// Projection of the attention output to the hidden state.
    pub o: Linear,
    norm2: RmsNorm,
    /// Projection to the gate of the feed-forward part.
    pub gate: Linear,
    /// Projection that the gate multiplies.
    pub up: Linear,
    /// Projection of the feed-forward part back to the hidden state.
    pub down: Linear,
    heads: [usize; 2],
}

/// Cosines and sines of the rotary angles, `[tokens, head_dim / 2]` each.
pub(crate) struct Angles {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

/// Cache of keys and values of earlier tokens: for each layer keys and values, `[tokens, kv_heads * head_dim]`.
pub(crate) type Kept = Vec<(Tensor<2>, Tensor<2>)>;

impl Decoder {
    /// Reads the decoder's weights from `source`.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read, or has another shape than `config` requires.
    pub fn read(source: &mut dyn Source, config: &ModelConfig) -> Result<Self, WeightError> {
        let prefix = "model.text_model";
        let text = &config.text;
        let table = [text.vocab_size, text.hidden_size];
        let embeddings = Table::read(source, format!("{prefix}.embed_tokens"), table)?;
        let layers = (0..text.num_hidden_layers)
            .map(|layer| DecoderLayer::read(source, &format!("{prefix}.layers.{layer}"), text))
            .collect::<Result<_, _>>()?;
        let final_norm = RmsNorm::read(source, format!("{prefix}.norm"), text.hidden_size, text.rms_norm_eps)?;
        let head = match config.tie_word_embeddings {
            true => None,
            false => Some(Table::read(source, "lm_head".to_owned(), table)?),
        };
        Ok(Self { embeddings, layers, final_norm, head, config: text.clone() })
    }

    /// Returns cosines and sines of the rotary angles (Su et al. 2021) of tokens at `positions`, counted from 0. Angle
    /// `i` is the position times `theta^(-2 i / head_dim)`.
    pub fn angles(&self, positions: &[u32], device: &Device) -> Angles {
        let head_dim = self.config.head_dim();
        let half = head_dim / 2;
        let theta = self.config.rope_theta() as f32;
        let frequencies: Vec<f32> = (0..half).map(|i| 1.0 / theta.powf((2 * i) as f32 / head_dim as f32)).collect();
        let table = |of: fn(f32) -> f32| {
            let values: Vec<f32> = positions
                .iter()
                .flat_map(|position| frequencies.iter().map(move |f| of(*position as f32 * f)))
                .collect();
            Tensor::<2>::from_data(TensorData::new(values, [positions.len(), half]), device)
        };
        Angles { cos: table(f32::cos), sin: table(f32::sin) }
    }

    /// Returns hidden states before the final norm, `[rows, hidden]`, for `x`, `[plan.queries(), hidden]`. With `rows`
    /// only these rows are returned, with None all. Keys and values of the plan's past come from `kept`, and new ones
    /// are appended to it; None for a plan without past.
    pub fn forward(
        &self,
        mut x: Tensor<2>,
        angles: &Angles,
        plan: &Arc<AttentionPlan>,
        mut kept: Option<&mut Kept>,
        rows: Option<Tensor<1, Int>>,
        pass: &Pass,
    ) -> Tensor<2> {
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter().enumerate() {
            let rows = rows.as_ref().filter(|_| index == last);
            x = layer.forward(x, angles, plan, index, kept.as_deref_mut(), rows, pass);
        }
        x
    }

    /// Returns the layers of [`Decoder::forward`] as blocks for gradient checkpointing; the last block returns
    /// `rows` only.
    pub fn blocks<'a>(
        &'a self,
        angles: &'a Angles,
        plan: &'a Arc<AttentionPlan>,
        rows: &'a Tensor<1, Int>,
    ) -> Vec<Block<'a>> {
        let last = self.layers.len() - 1;
        let block = |(index, layer): (usize, &'a DecoderLayer)| -> Block<'a> {
            let rows = Some(rows).filter(|_| index == last);
            Box::new(move |x, pass| layer.forward(x, angles, plan, index, None, rows, pass))
        };
        self.layers.iter().enumerate().map(block).collect()
    }

    /// Returns `x`, `[rows, hidden]`, after the final norm. Call it only with the rows that need logits.
    pub fn normalise(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        self.final_norm.forward(x, pass)
    }

    /// Returns the weight of the output head, `[vocabulary, hidden]`; the embedding table if the model ties both.
    pub fn head(&self, pass: &Pass) -> Tensor<2> {
        self.head.as_ref().unwrap_or(&self.embeddings).weight.read(pass)
    }

    /// Calls `visitor` for every parameter, in a fixed order.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.embeddings.visit(visitor);
        for layer in &mut self.layers {
            layer.visit(visitor);
        }
        self.final_norm.visit(visitor);
        if let Some(head) = &mut self.head {
            head.visit(visitor);
        }
    }
}

impl DecoderLayer {
    fn read(source: &mut dyn Source, prefix: &str, config: &TextConfig) -> Result<Self, WeightError> {
        let (width, inner, epsilon) = (config.hidden_size, config.intermediate_size, config.rms_norm_eps);
        let q_width = config.num_attention_heads * config.head_dim();
        let kv_width = config.kv_heads() * config.head_dim();
        let mut part = |name: &str, sides| Linear::read(source, format!("{prefix}.{name}"), sides, false);
        let q = part("self_attn.q_proj", [width, q_width])?;
        let k = part("self_attn.k_proj", [width, kv_width])?;
        let v = part("self_attn.v_proj", [width, kv_width])?;
        let o = part("self_attn.o_proj", [q_width, width])?;
        let gate = part("mlp.gate_proj", [width, inner])?;
        let up = part("mlp.up_proj", [width, inner])?;
        let down = part("mlp.down_proj", [inner, width])?;
        Ok(Self {
            norm1: RmsNorm::read(source, format!("{prefix}.input_layernorm"), width, epsilon)?,
            q,
            k,
            v,
            o,
            norm2: RmsNorm::read(source, format!("{prefix}.post_attention_layernorm"), width, epsilon)?,
            gate,
            up,
            down,
            heads: [config.num_attention_heads, config.kv_heads()],
        })
    }

    /// Runs one layer. With `rows` (last layer) only these rows are computed after the attention, which needs all rows.
    #[allow(clippy::too_many_arguments)] // Two callers, just above.
    fn forward(
        &self,
        x: Tensor<2>,
        angles: &Angles,
        plan: &Arc<AttentionPlan>,
        index: usize,
        kept: Option<&mut Kept>,
        rows: Option<&Tensor<1, Int>>,
        pass: &Pass,
    ) -> Tensor<2> {
        let [heads, kv_heads] = self.heads;
        let y = self.norm1.forward(x.clone(), pass);
        let q = rotary(self.q.forward(y.clone(), pass), &angles.cos, &angles.sin);
        let mut k = rotary(self.k.forward(y.clone(), pass), &angles.cos, &angles.sin);
        let mut v = self.v.forward(y, pass);
        if let Some(kept) = kept {
            match kept.get_mut(index) {
                Some((past_k, past_v)) => {
                    k = Tensor::cat(vec![past_k.clone(), k], 0);
                    v = Tensor::cat(vec![past_v.clone(), v], 0);
                    (*past_k, *past_v) = (k.clone(), v.clone());
                }
                None => kept.push((k.clone(), v.clone())),
            }
        }
        let mut attended = attention(q, k, v, plan, heads, kv_heads);
        let mut x = x;
        if let Some(rows) = rows {
            (x, attended) = (x.select(0, rows.clone()), attended.select(0, rows.clone()));
        }
        let x = x + self.o.forward(attended, pass);
        let y = self.norm2.forward(x.clone(), pass);
        let inner = swiglu(self.gate.forward(y.clone(), pass), self.up.forward(y, pass));
        x + self.down.forward(inner, pass)
    }

    fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.norm1.visit(visitor);
        for linear in [&mut self.q, &mut self.k, &mut self.v, &mut self.o] {
            linear.visit(visitor);
        }
        self.norm2.visit(visitor);
        for linear in [&mut self.gate, &mut self.up, &mut self.down] {
            linear.visit(visitor);
        }
    }
}

//! One layer of the decoder.

use burn::tensor::{Int, Tensor};
use stepwise_ops::{Heads, attention, geglu_tanh, swiglu};

use super::config::{DecoderConfig, GateActivation};
use super::kept::Kept;
use super::plan::LayerPlan;
use crate::nn::layers::{Linear, RmsNorm};
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Decoder layer: attention, then feed-forward, each after a normalisation and with a residual connection.
#[derive(Clone, Debug)]
pub(crate) struct DecoderLayer {
    norm1: RmsNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    /// Norms of every head of queries and of keys; None if the family has none.
    qk_norms: Option<[RmsNorm; 2]>,
    norm2: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
    /// Norms of the outputs of attention and feed-forward, before they are added; None if the family has none.
    post_norms: Option<[RmsNorm; 2]>,
    activation: GateActivation,
    heads: Heads,
}

impl DecoderLayer {
    /// Reads the weights of the layer with the module name `prefix` from `source`.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read, or has another shape than `config` requires.
    pub fn read(source: &mut dyn Source, prefix: &str, config: &DecoderConfig) -> Result<Self, WeightError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let (queries, keys, bias) = (config.query_width(), config.key_width(), config.qkv_bias);
        let mut part = |name: &str, sides, bias| Linear::read(source, format!("{prefix}.{name}"), sides, bias);
        let q = part("self_attn.q_proj", [width, queries], bias)?;
        let k = part("self_attn.k_proj", [width, keys], bias)?;
        let v = part("self_attn.v_proj", [width, keys], bias)?;
        let o = part("self_attn.o_proj", [queries, width], false)?;
        let gate = part("mlp.gate_proj", [width, inner], false)?;
        let up = part("mlp.up_proj", [width, inner], false)?;
        let down = part("mlp.down_proj", [inner, width], false)?;
        let switches = &config.switches;
        let mut norm = |name: &str, width| read_norm(source, format!("{prefix}.{name}"), width, config);
        let qk_norms = match config.qk_norm {
            true => Some([norm("self_attn.q_norm", config.head_dim)?, norm("self_attn.k_norm", config.head_dim)?]),
            false => None,
        };
        // Llama's only norm between attention and feed-forward is called after the attention.
        let (norm2, post_norms) = match switches.post_norms {
            true => {
                let post = [norm("post_attention_layernorm", width)?, norm("post_feedforward_layernorm", width)?];
                (norm("pre_feedforward_layernorm", width)?, Some(post))
            }
            false => (norm("post_attention_layernorm", width)?, None),
        };
        let scale = switches.query_pre_attn_scalar.map(|scalar| 1.0 / scalar.sqrt());
        Ok(Self {
            qk_norms,
            norm1: norm("input_layernorm", width)?,
            q,
            k,
            v,
            o,
            norm2,
            gate,
            up,
            down,
            post_norms,
            activation: switches.gate,
            heads: Heads {
                scale,
                bf16: source.in_bf16_on_device(),
                ..Heads::new(config.num_attention_heads, config.num_key_value_heads)
            },
        })
    }

    /// Runs one layer. With `rows` (last layer) only these rows are computed after the attention, which needs all rows.
    pub fn forward(
        &self,
        x: Tensor<2>,
        plan: &LayerPlan,
        index: usize,
        kept: Option<&mut Kept>,
        rows: Option<&Tensor<1, Int>>,
        pass: &Pass,
    ) -> Tensor<2> {
        let y = self.norm1.forward(x.clone(), pass);
        let mut q = self.q.forward(y.clone(), pass);
        let mut k = self.k.forward(y.clone(), pass);
        if let Some([q_norm, k_norm]) = &self.qk_norms {
            (q, k) = (of_heads(q_norm, q, self.heads.heads, pass), of_heads(k_norm, k, self.heads.kv_heads, pass));
        }
        let q = plan.angles.turn(q);
        let mut k = plan.angles.turn(k);
        let mut v = self.v.forward(y, pass);
        if let Some(kept) = kept {
            [k, v] = kept.append(index, k, v);
        }
        let mut attended = attention(q, k, v, &plan.attention, self.heads);
        let mut x = x;
        if let Some(rows) = rows {
            (x, attended) = (x.select(0, rows.clone()), attended.select(0, rows.clone()));
        }
        let [after_attention, after_feed_forward] = match &self.post_norms {
            Some([attention, feed_forward]) => [Some(attention), Some(feed_forward)],
            None => [None, None],
        };
        let normed = |norm: Option<&RmsNorm>, y| match norm {
            Some(norm) => norm.forward(y, pass),
            None => y,
        };
        let x = x + normed(after_attention, self.o.forward(attended, pass));
        let y = self.norm2.forward(x.clone(), pass);
        let (gate, up) = (self.gate.forward(y.clone(), pass), self.up.forward(y, pass));
        let inner = match self.activation {
            GateActivation::Silu => swiglu(gate, up),
            GateActivation::GeluTanh => geglu_tanh(gate, up),
        };
        x + normed(after_feed_forward, self.down.forward(inner, pass))
    }

    /// Calls `visitor` for every parameter, in a fixed order.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.norm1.visit(visitor);
        for linear in [&mut self.q, &mut self.k, &mut self.v, &mut self.o] {
            linear.visit(visitor);
        }
        self.qk_norms.iter_mut().flatten().for_each(|norm| norm.visit(visitor));
        self.norm2.visit(visitor);
        self.post_norms.iter_mut().flatten().for_each(|norm| norm.visit(visitor));
        for linear in [&mut self.gate, &mut self.up, &mut self.down] {
            linear.visit(visitor);
        }
    }

    /// Returns the linear layers in the order of computation.
    pub fn linears(&mut self) -> [&mut Linear; 7] {
        [&mut self.q, &mut self.k, &mut self.v, &mut self.o, &mut self.gate, &mut self.up, &mut self.down]
    }
}

/// Reads a norm of the decoder with the module name `name` from `source`.
///
/// # Errors
/// When the tensor is missing, cannot be read, or has another shape.
pub(super) fn read_norm(
    source: &mut dyn Source,
    name: String,
    width: usize,
    config: &DecoderConfig,
) -> Result<RmsNorm, WeightError> {
    let read = if config.switches.norm_offset { RmsNorm::read_offset } else { RmsNorm::read };
    read(source, name, width, config.rms_norm_eps)
}

/// Normalises every head of `x`, `[rows, heads * head_dim]`, by itself.
fn of_heads(norm: &RmsNorm, x: Tensor<2>, heads: usize, pass: &Pass) -> Tensor<2> {
    let [rows, width] = x.dims();
    norm.forward(x.reshape([rows * heads, width / heads]), pass).reshape([rows, width])
}

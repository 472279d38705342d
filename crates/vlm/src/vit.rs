//! Layer of a CLIP (Radford et al. 2021) or SigLIP (Zhai et al. 2023) image encoder.

use std::sync::Arc;

use burn::tensor::Tensor;
use stepwise_ops::{AttentionPlan, Heads, attention, gelu, gelu_quick, gelu_tanh};

use crate::encoder::EncoderShape;
use crate::nn::layers::{LayerNorm, Linear};
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Activation of the feed-forward part, with the name in `hidden_act`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `gelu`: exact GELU.
    Gelu,
    /// `quick_gelu`: x times sigmoid of 1.702 x.
    GeluQuick,
    /// `gelu_pytorch_tanh`: GELU with the tanh approximation.
    GeluTanh,
}

impl Activation {
    /// Returns the activation with the name `hidden_act` of transformers; None if it is not supported.
    pub fn named(hidden_act: &str) -> Option<Self> {
        match hidden_act {
            "gelu" => Some(Self::Gelu),
            "quick_gelu" => Some(Self::GeluQuick),
            "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            _ => None,
        }
    }

    /// Returns the activation of every value of `x`.
    pub fn of(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Gelu => gelu(x),
            Self::GeluQuick => gelu_quick(x),
            Self::GeluTanh => gelu_tanh(x),
        }
    }
}

/// Image encoder layer: attention, then feed-forward, each after a normalisation and with a residual connection.
#[derive(Clone, Debug)]
pub(crate) struct VitLayer {
    norm1: LayerNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    activation: Activation,
    heads: Heads,
}

impl VitLayer {
    /// Reads the layer with the module name `prefix` from `source`. `epsilon` is the epsilon of the norms.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(
        source: &mut dyn Source,
        prefix: &str,
        shape: &EncoderShape,
        activation: Activation,
        epsilon: f32,
    ) -> Result<Self, WeightError> {
        let (width, inner) = (shape.hidden_size, shape.intermediate_size);
        let mut square = |part: &str| Linear::read(source, format!("{prefix}.self_attn.{part}"), [width; 2], true);
        let (q, k, v, out) = (square("q_proj")?, square("k_proj")?, square("v_proj")?, square("out_proj")?);
        Ok(Self {
            norm1: LayerNorm::read(source, format!("{prefix}.layer_norm1"), width, epsilon)?,
            q,
            k,
            v,
            out,
            norm2: LayerNorm::read(source, format!("{prefix}.layer_norm2"), width, epsilon)?,
            fc1: Linear::read(source, format!("{prefix}.mlp.fc1"), [width, inner], true)?,
            fc2: Linear::read(source, format!("{prefix}.mlp.fc2"), [inner, width], true)?,
            activation,
            heads: Heads {
                bf16: source.in_bf16_on_device(),
                ..Heads::new(shape.num_attention_heads, shape.num_attention_heads)
            },
        })
    }

    /// Returns the output of the layer, `[rows, width]`, for `x`, `[rows, width]`.
    pub fn forward(&self, x: Tensor<2>, plan: &Arc<AttentionPlan>, pass: &Pass) -> Tensor<2> {
        let y = self.norm1.forward(x.clone(), pass);
        let q = self.q.forward(y.clone(), pass);
        let k = self.k.forward(y.clone(), pass);
        let v = self.v.forward(y, pass);
        let x = x + self.out.forward(attention(q, k, v, plan, self.heads), pass);
        let y = self.activation.of(self.fc1.forward(self.norm2.forward(x.clone(), pass), pass));
        x + self.fc2.forward(y, pass)
    }

    /// Calls `visitor` for every parameter, in a fixed order.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.norm1.visit(visitor);
        for linear in [&mut self.q, &mut self.k, &mut self.v, &mut self.out] {
            linear.visit(visitor);
        }
        self.norm2.visit(visitor);
        self.fc1.visit(visitor);
        self.fc2.visit(visitor);
    }

    /// Returns the linear layers in the order of computation.
    pub fn linears(&mut self) -> [&mut Linear; 6] {
        [&mut self.q, &mut self.k, &mut self.v, &mut self.out, &mut self.fc1, &mut self.fc2]
    }
}

//! One layer of the image encoder: Qwen2-VL's has layer norms and a quick GELU, Qwen2.5-VL's RMS norms and a gate.

use std::sync::Arc;

use burn::tensor::Tensor;
use stepwise_ops::{AttentionPlan, Heads, attention, gelu_quick, swiglu};

use crate::encoder::EncoderShape;
use crate::nn::angles::Angles;
use crate::nn::layers::{LayerNorm, Linear, RmsNorm};
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Epsilon of all norms in encoder and merger, a constant in transformers.
const EPSILON: f32 = 1e-6;

/// Norm of one of the two kinds.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // A few hundred bytes, little next to the weights.
pub(super) enum Norm {
    /// Layer norm with gain and bias, Qwen2-VL.
    Layer(LayerNorm),
    /// RMS norm with gain, Qwen2.5-VL.
    Rms(RmsNorm),
}

impl Norm {
    /// Reads the norm `name` of `width` values; `rms` chooses the kind.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(source: &mut dyn Source, name: String, width: usize, rms: bool) -> Result<Self, WeightError> {
        Ok(match rms {
            true => Self::Rms(RmsNorm::read(source, name, width, EPSILON)?),
            false => Self::Layer(LayerNorm::read(source, name, width, EPSILON)?),
        })
    }

    /// Returns the normalised rows of `x`, `[rows, width]`.
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        match self {
            Self::Layer(norm) => norm.forward(x, pass),
            Self::Rms(norm) => norm.forward(x, pass),
        }
    }

    /// Calls `visitor` for every parameter.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        match self {
            Self::Layer(norm) => norm.visit(visitor),
            Self::Rms(norm) => norm.visit(visitor),
        }
    }
}

/// Feed-forward part of a layer.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // One value a layer.
enum FeedForward {
    Plain { fc1: Linear, fc2: Linear },
    Gated { gate: Linear, up: Linear, down: Linear },
}

/// Layer of the image encoder: attention, then feed-forward, each after a norm and with a residual connection.
#[derive(Clone, Debug)]
pub(super) struct EncoderLayer {
    norm1: Norm,
    /// Projection to queries, keys and values, in this order of columns.
    qkv: Linear,
    proj: Linear,
    norm2: Norm,
    feed_forward: FeedForward,
    heads: Heads,
}

impl EncoderLayer {
    /// Reads the weights of the layer with the module name `prefix`; `newer` chooses the layer of Qwen2.5-VL.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(source: &mut dyn Source, prefix: &str, shape: &EncoderShape, newer: bool) -> Result<Self, WeightError> {
        let (width, inner) = (shape.hidden_size, shape.intermediate_size);
        let mut linear = |name: &str, sides| Linear::read(source, format!("{prefix}.{name}"), sides, true);
        let (qkv, proj) = (linear("attn.qkv", [width, 3 * width])?, linear("attn.proj", [width; 2])?);
        let feed_forward = match newer {
            true => FeedForward::Gated {
                gate: linear("mlp.gate_proj", [width, inner])?,
                up: linear("mlp.up_proj", [width, inner])?,
                down: linear("mlp.down_proj", [inner, width])?,
            },
            false => {
                FeedForward::Plain { fc1: linear("mlp.fc1", [width, inner])?, fc2: linear("mlp.fc2", [inner, width])? }
            }
        };
        Ok(Self {
            norm1: Norm::read(source, format!("{prefix}.norm1"), width, newer)?,
            qkv,
            proj,
            norm2: Norm::read(source, format!("{prefix}.norm2"), width, newer)?,
            feed_forward,
            heads: Heads::new(shape.num_attention_heads, shape.num_attention_heads),
        })
    }

    /// Returns the output of the layer, `[patches, width]`.
    pub fn forward(&self, x: Tensor<2>, plan: &Arc<AttentionPlan>, angles: Option<&Angles>, pass: &Pass) -> Tensor<2> {
        let width = x.dims()[1];
        let qkv = self.qkv.forward(self.norm1.forward(x.clone(), pass), pass);
        let part = |index: usize| qkv.clone().narrow(1, index * width, width);
        let turned = |x: Tensor<2>| match angles {
            Some(angles) => angles.turn(x),
            None => x,
        };
        let attended = attention(turned(part(0)), turned(part(1)), part(2), plan, self.heads);
        let x = x + self.proj.forward(attended, pass);
        let y = self.norm2.forward(x.clone(), pass);
        x + match &self.feed_forward {
            FeedForward::Plain { fc1, fc2 } => fc2.forward(gelu_quick(fc1.forward(y, pass)), pass),
            FeedForward::Gated { gate, up, down } => {
                down.forward(swiglu(gate.forward(y.clone(), pass), up.forward(y, pass)), pass)
            }
        }
    }

    /// Calls `visitor` for every parameter, in a fixed order.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.norm1.visit(visitor);
        self.norm2.visit(visitor);
        self.linears().into_iter().for_each(|linear| linear.visit(visitor));
    }

    /// Returns the linear layers in the order of computation.
    pub fn linears(&mut self) -> Vec<&mut Linear> {
        let mut linears = vec![&mut self.qkv, &mut self.proj];
        match &mut self.feed_forward {
            FeedForward::Plain { fc1, fc2 } => linears.extend([fc1, fc2]),
            FeedForward::Gated { gate, up, down } => linears.extend([gate, up, down]),
        }
        linears
    }
}

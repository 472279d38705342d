//! One layer of the image encoder: Qwen2-VL's has layer norms and a quick GELU, Qwen2.5-VL's RMS norms and a gate,
//! Qwen3-VL's layer norms and a GELU with the tanh approximation.

use std::sync::Arc;

use burn::tensor::Tensor;
use stepwise_ops::{AttentionPlan, Heads, attention, swiglu};

use crate::encoder::EncoderShape;
use crate::nn::angles::Angles;
use crate::nn::layers::Linear;
use crate::nn::norm::Norm;
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::vit::Activation;

/// Epsilon of all norms in encoder and merger, a constant in transformers.
pub(super) const EPSILON: f32 = 1e-6;

/// Form of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LayerForm {
    /// Qwen2-VL: layer norms, `fc1`, quick GELU, `fc2`.
    QuickGelu,
    /// Qwen2.5-VL: RMS norms, `gate_proj` and `up_proj` to SwiGLU, `down_proj`.
    Gated,
    /// Qwen3-VL: layer norms, `linear_fc1`, GELU with the tanh approximation, `linear_fc2`.
    TanhGelu,
}

impl LayerForm {
    /// Returns whether the norms are RMS norms.
    pub fn rms(self) -> bool {
        self == Self::Gated
    }
}

/// Feed-forward part of a layer.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // One value a layer.
enum FeedForward {
    Plain { fc1: Linear, fc2: Linear, activation: Activation },
    Gated { gate: Linear, up: Linear, down: Linear },
}

/// Layer of the image encoder: attention, then feed-forward, each after a norm and with a residual connection.
#[derive(Clone, Debug)]
pub(crate) struct EncoderLayer {
    norm1: Norm,
    /// Projection to queries, keys and values, in this order of columns.
    qkv: Linear,
    proj: Linear,
    norm2: Norm,
    feed_forward: FeedForward,
    heads: Heads,
}

impl EncoderLayer {
    /// Reads the weights of the layer with the module name `prefix`.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(
        source: &mut dyn Source,
        prefix: &str,
        shape: &EncoderShape,
        form: LayerForm,
    ) -> Result<Self, WeightError> {
        let (width, inner) = (shape.hidden_size, shape.intermediate_size);
        let mut linear = |name: &str, sides| Linear::read(source, format!("{prefix}.{name}"), sides, true);
        let (qkv, proj) = (linear("attn.qkv", [width, 3 * width])?, linear("attn.proj", [width; 2])?);
        let mut plain = |[first, second]: [&str; 2], activation| -> Result<FeedForward, WeightError> {
            let (fc1, fc2) = (linear(first, [width, inner])?, linear(second, [inner, width])?);
            Ok(FeedForward::Plain { fc1, fc2, activation })
        };
        let feed_forward = match form {
            LayerForm::QuickGelu => plain(["mlp.fc1", "mlp.fc2"], Activation::GeluQuick)?,
            LayerForm::TanhGelu => plain(["mlp.linear_fc1", "mlp.linear_fc2"], Activation::GeluTanh)?,
            LayerForm::Gated => FeedForward::Gated {
                gate: linear("mlp.gate_proj", [width, inner])?,
                up: linear("mlp.up_proj", [width, inner])?,
                down: linear("mlp.down_proj", [inner, width])?,
            },
        };
        Ok(Self {
            norm1: Norm::read(source, format!("{prefix}.norm1"), width, form.rms(), EPSILON)?,
            qkv,
            proj,
            norm2: Norm::read(source, format!("{prefix}.norm2"), width, form.rms(), EPSILON)?,
            feed_forward,
            heads: Heads {
                bf16: source.in_bf16_on_device(),
                ..Heads::new(shape.num_attention_heads, shape.num_attention_heads)
            },
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
            FeedForward::Plain { fc1, fc2, activation } => fc2.forward(activation.of(fc1.forward(y, pass)), pass),
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
            FeedForward::Plain { fc1, fc2, .. } => linears.extend([fc1, fc2]),
            FeedForward::Gated { gate, up, down } => linears.extend([gate, up, down]),
        }
        linears
    }
}

//! Layer of InternViT (Chen et al. 2024): attention, then feed-forward, each after a norm, multiplied value by value with a
//! learned scale, and with a residual connection.

use std::sync::Arc;

use burn::tensor::Tensor;
use stepwise_ops::{AttentionPlan, Heads, attention};

use super::config::Config;
use crate::encoder::EncoderShape;
use crate::nn::layers::{Linear, RmsNorm};
use crate::nn::norm::Norm;
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::vit::Activation;

/// Epsilon of the norms of queries and keys, a constant of transformers.
const QK_EPSILON: f32 = 1e-6;

/// Image encoder layer.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    name: String,
    norm1: Norm,
    q: Linear,
    k: Linear,
    v: Linear,
    /// Norms of queries and keys over all heads together; None without them.
    qk_norms: Option<[RmsNorm; 2]>,
    out: Linear,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
    /// Scales of the outputs of attention and feed-forward, `[width]` each.
    scales: [Parameter<1>; 2],
    activation: Activation,
    heads: Heads,
}

impl Layer {
    /// Reads the layer with the module name `name` from `source`.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(
        source: &mut dyn Source,
        name: String,
        shape: &EncoderShape,
        config: &Config,
    ) -> Result<Self, WeightError> {
        let (width, inner) = (shape.hidden_size, shape.intermediate_size);
        let mut square = |part: &str, bias| Linear::read(source, format!("{name}.attention.{part}"), [width; 2], bias);
        let bias = config.attention_bias;
        let (q, k, v) = (square("q_proj", bias)?, square("k_proj", bias)?, square("v_proj", bias)?);
        let out = square("projection_layer", true)?;
        let mut qk_norm = |part: &str| RmsNorm::read(source, format!("{name}.attention.{part}"), width, QK_EPSILON);
        let qk_norms = if config.qk_norm { Some([qk_norm("q_norm")?, qk_norm("k_norm")?]) } else { None };
        let mut scale = |part: &str| source.vector(&format!("{name}.{part}"), width).map(Parameter::frozen);
        Ok(Self {
            scales: [scale("lambda_1")?, scale("lambda_2")?],
            norm1: Norm::read(source, format!("{name}.layernorm_before"), width, config.rms_norm, config.norm_eps)?,
            q,
            k,
            v,
            qk_norms,
            out,
            norm2: Norm::read(source, format!("{name}.layernorm_after"), width, config.rms_norm, config.norm_eps)?,
            fc1: Linear::read(source, format!("{name}.mlp.fc1"), [width, inner], true)?,
            fc2: Linear::read(source, format!("{name}.mlp.fc2"), [inner, width], true)?,
            activation: config.activation,
            heads: Heads::new(shape.num_attention_heads, shape.num_attention_heads),
            name,
        })
    }

    /// Returns the output of the layer, `[rows, width]`, for `x`, `[rows, width]`.
    pub fn forward(&self, x: Tensor<2>, plan: &Arc<AttentionPlan>, pass: &Pass) -> Tensor<2> {
        let [first, second] = &self.scales;
        let y = self.norm1.forward(x.clone(), pass);
        let (mut q, mut k) = (self.q.forward(y.clone(), pass), self.k.forward(y.clone(), pass));
        if let Some([q_norm, k_norm]) = &self.qk_norms {
            (q, k) = (q_norm.forward(q, pass), k_norm.forward(k, pass));
        }
        let y = self.out.forward(attention(q, k, self.v.forward(y, pass), plan, self.heads), pass);
        let x = x + scaled(y, first, pass);
        let y = self.activation.of(self.fc1.forward(self.norm2.forward(x.clone(), pass), pass));
        x + scaled(self.fc2.forward(y, pass), second, pass)
    }

    /// Calls `visitor` for every parameter, in a fixed order.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.norm1.visit(visitor);
        for linear in [&mut self.q, &mut self.k, &mut self.v] {
            linear.visit(visitor);
        }
        self.qk_norms.iter_mut().flatten().for_each(|norm| norm.visit(visitor));
        self.out.visit(visitor);
        self.norm2.visit(visitor);
        self.fc1.visit(visitor);
        self.fc2.visit(visitor);
        for (part, scale) in ["lambda_1", "lambda_2"].into_iter().zip(&mut self.scales) {
            visitor.visit(&format!("{}.{part}", self.name), scale);
        }
    }

    /// Returns the linear layers in the order of computation.
    pub fn linears(&mut self) -> [&mut Linear; 6] {
        [&mut self.q, &mut self.k, &mut self.v, &mut self.out, &mut self.fc1, &mut self.fc2]
    }
}

/// Multiplies each row of `x`, `[rows, width]`, with `scale`, `[width]`.
fn scaled(x: Tensor<2>, scale: &Parameter<1>, pass: &Pass) -> Tensor<2> {
    x * scale.read(pass).unsqueeze_dim(0)
}

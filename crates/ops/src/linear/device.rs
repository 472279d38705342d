//! Linear layers on devices other than the CPU: Burn's operations with an own backward pass that keeps the input only if
//! the adapter or the weight is trained.
//!
//! Operations (kernels on a GPU) of a layer with a frozen weight and a trained adapter: in f32 5 forward (two narrow
//! products, the scale on the narrow side, the wide product, the sum) and 7 backward (the wide product, d hidden with
//! its scale, its product and sum, two gradients). A weight in bf16 adds two casts each way. NF4 adds, for each piece of
//! rows, 4 operations that dequantise, and 5 for the scales of double quantisation.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::{Lora, Weight};
use crate::Nf4Tensor;
use crate::products::{product, scaled};
use crate::recorded::{self, recorded};

/// Returns the output of the layer, `[tokens, out]`, as part of the autodiff graph if an argument is tracked. `x`,
/// `bias` and `lora` are in f32.
pub(super) fn apply(x: Tensor<2>, weight: Weight, bias: Option<Tensor<1>>, lora: Option<Lora>) -> Tensor<2> {
    let values = x.clone().inner();
    // The backward step has a fixed number of arguments; absent and frozen ones become constants.
    let absent = || values.clone();
    let (held, weight) = match weight {
        Weight::Tensor(weight) => (Held::Tensor(weight.clone().inner()), weight),
        Weight::Nf4(weight) => (Held::Nf4(weight), absent()),
        Weight::Packed(weight) => {
            let data = TensorData::new(weight.unpacked(), weight.sides());
            (Held::Tensor(Tensor::from_data(data, &values.device())), absent())
        }
    };
    let weight_learns = weight.is_tracked();
    let bias = bias.map(|bias| bias.unsqueeze::<2>());
    let mut y = held.forward(&values);
    let low_rank = lora.as_ref().map(|Lora { down, up, scale }| {
        let (down, up) = (down.clone().inner(), up.clone().inner());
        let hidden = scaled(product(values.clone(), down.clone().transpose()), *scale);
        LowRank { hidden, down, up, scale: *scale }
    });
    if let Some(LowRank { hidden, up, .. }) = &low_rank {
        y = y + product(hidden.clone(), up.clone().transpose());
    }
    if let Some(bias) = &bias {
        y = y + bias.clone().inner();
    }
    let (down, up) = match lora {
        Some(Lora { down, up, .. }) => (down, up),
        None => (absent(), absent()),
    };
    let x_kept = (weight_learns || down.is_tracked()).then(absent);
    let arguments = [x, weight, bias.unwrap_or_else(absent), down, up];
    recorded(arguments, Kept { x: x_kept, weight: held, low_rank }, y)
}

/// Weight without autodiff graph.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // A few hundred bytes per layer.
enum Held {
    /// In f32 or bf16, `[out, in]`.
    Tensor(Tensor<2>),
    Nf4(Arc<Nf4Tensor>),
}

impl Held {
    /// Returns `x weight^T`, `[tokens, out]`.
    fn forward(&self, x: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::Tensor(weight) => product(x.clone(), weight.clone().transpose()),
            Self::Nf4(weight) => weight.forward(x),
        }
    }

    /// Returns `d weight`, `[tokens, in]`.
    fn backward(&self, d: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::Tensor(weight) => product(d.clone(), weight.clone()),
            Self::Nf4(weight) => weight.backward(d),
        }
    }
}

#[derive(Clone, Debug)]
struct LowRank {
    /// `scale * x down^T`, `[tokens, rank]`.
    hidden: Tensor<2>,
    down: Tensor<2>,
    up: Tensor<2>,
    scale: f32,
}

/// Values of the forward pass that the backward pass needs.
#[derive(Clone, Debug)]
struct Kept {
    /// Input of the layer; None if neither the adapter's `down` nor the weight is trained.
    x: Option<Tensor<2>>,
    weight: Held,
    low_rank: Option<LowRank>,
}

impl recorded::Kept<5> for Kept {
    /// Gradients of input, weight, bias, down and up.
    fn gradients(self, d_out: Tensor<2>, wanted: [bool; 5]) -> [Option<Tensor<2>>; 5] {
        let Self { x, weight, low_rank } = self;
        let [of_x, of_weight, of_bias, of_down, of_up] = wanted;
        let d_hidden = low_rank
            .as_ref()
            .filter(|_| of_x || of_down)
            .map(|LowRank { up, scale, .. }| scaled(product(d_out.clone(), up.clone()), *scale));
        let d_x = of_x.then(|| {
            let d_x = weight.backward(&d_out);
            match (&low_rank, &d_hidden) {
                (Some(LowRank { down, .. }), Some(d_hidden)) => d_x + product(d_hidden.clone(), down.clone()),
                _ => d_x,
            }
        });
        let outer = |d: &Tensor<2>, x: &Tensor<2>| product(d.clone().transpose(), x.clone());
        let d_weight = x.as_ref().filter(|_| of_weight).map(|x| outer(&d_out, x));
        let d_bias = of_bias.then(|| d_out.clone().sum_dim(0));
        let d_down = x.as_ref().zip(d_hidden.as_ref()).filter(|_| of_down).map(|(x, d_hidden)| outer(d_hidden, x));
        let d_up = low_rank.as_ref().filter(|_| of_up).map(|LowRank { hidden, .. }| outer(&d_out, hidden));
        [d_x, d_weight, d_bias, d_down, d_up]
    }
}

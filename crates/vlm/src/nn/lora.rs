//! LoRA adapter of one linear layer (Hu et al. 2021), with two variants: PiSSA (Meng et al. 2024) starts from principal
//! singular vectors, and DoRA (Liu et al. 2024) trains the magnitude of the weight's rows separately.
//!
//! Dropout masks are equal from run to run on the CPU and on one other device. The CPU and other devices draw different
//! masks, because the others draw with their own generators.

use std::sync::Mutex;

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use rand::RngCore;
use stepwise_data::random::stream;
use stepwise_ops::{Lora, Weight, linear, lora_linear, low_rank};

use super::parameter::{Parameter, ParameterVisitor, Pass};

/// LoRA adapter of one linear layer.
#[derive(Clone, Debug)]
pub struct LoraLayer {
    /// Matrix `lora_A`, `[r, in]`.
    pub down: Parameter<2>,
    /// Matrix `lora_B`, `[out, r]`.
    pub up: Parameter<2>,
    /// Factor of the low-rank product: `lora_alpha / r`, or `lora_alpha / sqrt(r)` with rsLoRA (Kalajdzievski 2023).
    pub scale: f32,
    /// Probability, at least 0 and below 1, that an input value of `lora_A` is dropped in training.
    pub dropout: f32,
    /// Initial product that PiSSA subtracts from the weight; None for other variants.
    pub initial: Option<Initial>,
    /// Magnitude of the adapted weight for DoRA; None for other variants.
    pub magnitude: Option<Magnitude>,
}

/// Initial low-rank product of PiSSA, which is subtracted from the weight, as frozen matrices.
///
/// PEFT subtracts this product from the stored weight. Here the stored weight stays the base model's: without
/// adapters the model equals its base, a bf16 weight is not rounded twice, and saved adapters equal PEFT's conversion
/// to plain LoRA.
#[derive(Clone, Debug)]
pub struct Initial {
    /// Initial `lora_A`, `[r, in]`.
    pub down: Parameter<2>,
    /// Initial `lora_B`, negated, `[out, r]`.
    pub up: Parameter<2>,
}

/// Magnitude vector of DoRA (Liu et al. 2024): the trained norm of each row of the adapted weight.
#[derive(Clone, Debug)]
pub struct Magnitude {
    /// Vector `lora_magnitude_vector`, `[out]`.
    pub values: Parameter<1>,
    /// Sum of squares of each row of the weight without the adapter, `[out]`.
    squares: Tensor<1>,
}

impl Magnitude {
    /// Creates the magnitude of the frozen `weight` plus a newly initialised adapter, so that DoRA's rescaling starts
    /// at 1.
    pub(crate) fn fresh(weight: &Parameter<2>, down: &Tensor<2>, up: &Tensor<2>, scale: f32) -> Self {
        let squares = row_squares(weight.values());
        let norms = norms(&squares, weight.weight(&Pass::BASE), down.clone(), up.clone(), scale);
        Self { values: Parameter::learning(norms), squares }
    }

    /// Creates a magnitude with trained `values`, `[out]`, on the frozen `weight`.
    pub(crate) fn learned(weight: &Parameter<2>, values: Tensor<1>) -> Self {
        Self { values: Parameter::learning(values), squares: row_squares(weight.values()) }
    }
}

/// Sum of squares of each row.
fn row_squares(matrix: Tensor<2>) -> Tensor<1> {
    matrix.square().sum_dim(1).squeeze_dim(1)
}

/// Norm of each row of the adapted weight, `[out]`. DoRA treats the norms as constants in the gradient. The adapted
/// weight is not built: with `w` a row of the weight, `b` a row of `up` and `A` the matrix `down`,
/// `|w + s b A|^2 = |w|^2 + 2 s (A w) b + s^2 b (A A^T) b`, where `squares` holds `|w|^2`.
fn norms(squares: &Tensor<1>, weight: Weight, down: Tensor<2>, up: Tensor<2>, scale: f32) -> Tensor<1> {
    let crossed = linear(down.clone(), weight, None).inner().transpose(); // [out, r]
    let squared = up.clone().matmul(down.clone().matmul(down.transpose())); // [out, r]
    let added = ((crossed * 2.0 + squared * scale) * up).sum_dim(1).squeeze_dim(1) * scale;
    (squares.clone() + added).clamp_min(f32::MIN_POSITIVE).sqrt()
}

impl LoraLayer {
    /// Makes a plain, trainable adapter from `lora_A`, `[r, in]`, and `lora_B`, `[out, r]`.
    pub(crate) fn plain(down: Tensor<2>, up: Tensor<2>, scale: f32, dropout: f32) -> Self {
        let (down, up) = (Parameter::learning(down), Parameter::learning(up));
        Self { down, up, scale, dropout, initial: None, magnitude: None }
    }

    /// Returns the output of the adapted layer, `[tokens, out]`, for `x`, `[tokens, in]`; `bias` is `[out]`. The
    /// layer's `name` selects the dropout mask.
    pub(crate) fn forward(
        &self,
        name: &str,
        x: Tensor<2>,
        weight: Weight,
        bias: Option<Tensor<1>>,
        pass: &Pass,
    ) -> Tensor<2> {
        let lora = Lora { down: self.down.read(pass), up: self.up.read(pass), scale: self.scale };
        // A frozen adapter computes without dropout, as in evaluation.
        let key = pass.dropout.filter(|_| self.dropout > 0.0 && self.down.learns());
        let kept = key.map(|key| dropped(x.clone(), key, name, self.dropout));
        if let Some(magnitude) = &self.magnitude {
            let norms = norms(&magnitude.squares, weight.clone(), self.down.values(), self.up.values(), self.scale);
            let share = (magnitude.values.read(pass) / norms).unsqueeze_dim(0);
            let Some(kept) = kept else {
                let y = lora_linear(x, weight, None, lora) * share;
                return match bias {
                    Some(bias) => y + bias.unsqueeze_dim(0),
                    None => y,
                };
            };
            // Like PEFT: the magnitude's effect on the base output is computed on dropped inputs too.
            let base = linear(kept.clone(), weight.clone(), None);
            return linear(x, weight.clone(), bias) + lora_linear(kept, weight, None, lora) * share - base;
        }
        let initial = self.initial.as_ref().map(|Initial { down, up }| (down.read(pass), up.read(pass)));
        match (kept, initial) {
            (None, None) => lora_linear(x, weight, bias, lora),
            (None, Some((down, up))) => {
                let Lora { down: own_down, up: own_up, scale } = lora;
                let (down, up) = (Tensor::cat(vec![own_down, down], 0), Tensor::cat(vec![own_up, up], 1));
                lora_linear(x, weight, bias, Lora { down, up, scale })
            }
            (Some(kept), None) => linear(x, weight, bias) + low_rank(kept, lora),
            (Some(kept), Some((down, up))) => {
                let initial = Lora { down, up, scale: self.scale };
                lora_linear(x, weight, bias, initial) + low_rank(kept, lora)
            }
        }
    }

    /// Returns `lora_A` and `lora_B` of an equivalent plain adapter, with PiSSA's initial product as the second half of
    /// the rank. The magnitude of DoRA is not included.
    pub(crate) fn joined(&self) -> (Tensor<2>, Tensor<2>) {
        let (down, up) = (self.down.values(), self.up.values());
        match &self.initial {
            None => (down, up),
            Some(initial) => {
                (Tensor::cat(vec![down, initial.down.values()], 0), Tensor::cat(vec![up, initial.up.values()], 1))
            }
        }
    }

    /// Returns the weight, `[out, in]`, with the adapter merged into it.
    pub(crate) fn merged(&self, weight: Tensor<2>) -> Tensor<2> {
        let (down, up) = self.joined();
        let sum = weight + up.matmul(down) * self.scale;
        match &self.magnitude {
            None => sum,
            Some(magnitude) => {
                let norms = row_squares(sum.clone()).sqrt();
                sum * (magnitude.values.values() / norms).unsqueeze_dim(1)
            }
        }
    }

    /// Calls `visitor` for the adapter's parameters. `name` is the module name.
    pub(crate) fn visit(&mut self, name: &str, visitor: &mut impl ParameterVisitor) {
        visitor.visit(&format!("{name}.lora_A.weight"), &mut self.down);
        visitor.visit(&format!("{name}.lora_B.weight"), &mut self.up);
        if let Some(magnitude) = &mut self.magnitude {
            visitor.visit(&format!("{name}.lora_magnitude_vector"), &mut magnitude.values);
        }
        if let Some(initial) = &mut self.initial {
            visitor.visit(&format!("{name}.lora_A.initial"), &mut initial.down);
            visitor.visit(&format!("{name}.lora_B.initial"), &mut initial.up);
        }
    }
}

/// Applies dropout to `x`: zeroes each value with probability `share` and scales the others by `1 / (1 - share)`. The
/// mask depends on `key`, the layer's `name` and the kind of device only.
fn dropped(x: Tensor<2>, key: u64, name: &str, share: f32) -> Tensor<2> {
    let mut random = stream(key, &["dropout", name]);
    let keep = 1.0 / (1.0 - share);
    let (shape, device) = (x.dims(), x.device().without_autodiff());
    if device != Device::flex() {
        return x * (kept_on_a_device(random.next_u64(), shape, share, &device) * keep);
    }
    let threshold = (f64::from(share) * f64::from(u32::MAX)) as u32;
    let mask: Vec<f32> =
        (0..shape[0] * shape[1]).map(|_| if random.next_u32() < threshold { 0.0 } else { keep }).collect();
    x * Tensor::<2>::from_data(TensorData::new(mask, shape), &device)
}

/// Draws 1 for each value that stays and 0 for each that is dropped, with probability `share`, by the device's own
/// generator. Equal seeds and shapes give equal masks on one device.
fn kept_on_a_device(seed: u64, shape: [usize; 2], share: f32, device: &Device) -> Tensor<2> {
    // The generator's state belongs to the process: no other thread may draw between seed and mask.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    device.seed(seed);
    Tensor::random(shape, Distribution::Bernoulli(1.0 - f64::from(share)), device)
}

#[cfg(test)]
mod tests {
    use stepwise_ops::values_of;

    use super::*;

    #[test]
    #[allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.
    fn masks_depend_on_key_and_layer_only() {
        for device in [Device::flex(), Device::ndarray()] {
            let mask = |key, name| values_of(dropped(Tensor::ones([64, 128], &device), key, name, 0.25));
            let first = mask(7, "q_proj");
            assert_eq!(first, mask(7, "q_proj"));
            assert_ne!(first, mask(7, "k_proj"));
            assert_ne!(first, mask(8, "q_proj"));
            let kept = first.iter().filter(|value| **value != 0.0);
            assert!(kept.clone().all(|value| *value == 1.0 / 0.75));
            let share = kept.count() as f64 / first.len() as f64;
            assert!((share - 0.75).abs() < 0.02, "{share}");
        }
    }
}

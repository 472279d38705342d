//! Activations and their derivatives, made of few of Burn's operations, for devices other than the CPU.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::tensor::Tensor;

use crate::recorded::{Kept, recorded};

/// Factor of `x` in the argument of GELU's tanh: `sqrt(2 / pi)`.
const TANH_FACTOR: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
/// Factor of `x^3` relative to `x` in the argument of GELU's tanh.
const TANH_CUBE: f64 = 0.044_715;

/// Activation of each value of a tensor. Each operation is one kernel launch on a GPU: `Gelu` takes 5 forward and 11 for
/// the derivative, `GeluTanh` 7 and 14, `Sigmoid` 4 and 9 (8 with the factor 1).
#[derive(Clone, Copy, Debug)]
pub enum DeviceActivation {
    /// Exact GELU (Hendrycks and Gimpel 2016).
    Gelu,
    /// GELU with the tanh approximation. It is computed as `x * sigmoid(2 t)`, where `t` is the argument of the tanh,
    /// because `0.5 (1 + tanh(t)) = sigmoid(2 t)`.
    GeluTanh,
    /// `x * sigmoid(factor * x)`: SiLU for the factor 1, GELU's sigmoid approximation for 1.702.
    Sigmoid(f64),
}

impl DeviceActivation {
    /// Returns the activation of each value of `x` and adds it to the autodiff graph of `x`.
    pub fn apply(self, x: Tensor<2>) -> Tensor<2> {
        let plain = x.clone().inner();
        let out = self.value(plain.clone());
        recorded([x], Argument { activation: self, x: plain }, out)
    }

    /// Returns the activation of each value of `x`, a tensor without a graph.
    pub fn value(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Gelu => ((x.clone() * FRAC_1_SQRT_2).erf() + 1.0) * (x * 0.5),
            Self::GeluTanh => {
                let squares = x.clone() * x.clone();
                x.clone() / ((x * tanh_slope(squares)).exp() + 1.0)
            }
            // Not Burn's `sigmoid`, which takes two exponentials and a logarithm on GPUs.
            Self::Sigmoid(factor) => x.clone() / ((x * -factor).exp() + 1.0),
        }
    }

    /// Returns the activation and its derivative for each value of `x`, a tensor without a graph.
    pub fn value_and_derivative(self, x: Tensor<2>) -> [Tensor<2>; 2] {
        match self {
            Self::Gelu => {
                let probability = ((x.clone() * FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
                let density = (x.clone() * x.clone() * -0.5).exp() * (0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
                [x.clone() * probability.clone(), probability + x * density]
            }
            Self::GeluTanh => {
                let squares = x.clone() * x.clone();
                let share = ((x.clone() * tanh_slope(squares.clone())).exp() + 1.0).recip();
                let value = x * share.clone();
                let inner = squares * (6.0 * TANH_FACTOR * TANH_CUBE) + 2.0 * TANH_FACTOR;
                let rest = value.clone() - value.clone() * share.clone();
                [value, share + rest * inner]
            }
            Self::Sigmoid(factor) => {
                let share = ((x.clone() * -factor).exp() + 1.0).recip();
                let value = x.clone() * share.clone();
                let rest = x - value.clone();
                let rest = if factor == 1.0 { rest } else { rest * factor };
                [value, (rest + 1.0) * share]
            }
        }
    }
}

/// Returns `-2 t / x`, where `t = sqrt(2 / pi) (x + 0.044715 x^3)`, for the squares of `x`.
fn tanh_slope(squares: Tensor<2>) -> Tensor<2> {
    squares * (-2.0 * TANH_FACTOR * TANH_CUBE) - 2.0 * TANH_FACTOR
}

/// Argument of an activation, kept for the backward pass.
#[derive(Clone, Debug)]
struct Argument {
    activation: DeviceActivation,
    x: Tensor<2>,
}

impl Kept<1> for Argument {
    fn gradients(self, d_out: Tensor<2>, _: [bool; 1]) -> [Option<Tensor<2>>; 1] {
        let [_, derivative] = self.activation.value_and_derivative(self.x);
        [Some(derivative * d_out)]
    }
}

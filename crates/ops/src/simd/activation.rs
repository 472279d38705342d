//! Activation functions and gated products of slices, value by value, each with its gradient.

use std::f32::consts::FRAC_1_SQRT_2;

use super::exp;

/// Computes an activation: fills the second slice from the first. Values after the shorter slice stay.
pub type Forward = fn(x: &[f32], out: &mut [f32]);
/// Computes the gradient of an activation with respect to its argument `x`, where `d_out` is the gradient of the
/// output. Values after the shortest slice stay.
pub type Backward = fn(x: &[f32], d_out: &[f32], d_x: &mut [f32]);
/// Computes a gated product from `gate` and `up`. Values after the shortest slice stay.
pub type GatedForward = fn(gate: &[f32], up: &[f32], out: &mut [f32]);
/// Computes the gradients of a gated product with respect to `gate` and `up`, where `d_out` is the gradient of the
/// output. Values after the shortest slice stay.
pub type GatedBackward = fn(gate: &[f32], up: &[f32], d_out: &[f32], d_gate: &mut [f32], d_up: &mut [f32]);

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Returns `x * sigmoid(x)` and its derivative.
#[inline(always)]
fn silu(x: f32) -> (f32, f32) {
    let s = sigmoid(x);
    let value = x * s;
    (value, s + value * (1.0 - s))
}

/// `2 * sqrt(2 / pi)`, the factor that makes `x * sigmoid(argument)` equal the tanh form of GELU.
const TANH_SCALE: f32 = 1.595_769_1;
/// Coefficient of the cubic term in the tanh form of GELU (Hendrycks and Gimpel 2016).
const TANH_CUBIC: f32 = 0.044_715;

/// Returns GELU in the tanh form (Hendrycks and Gimpel 2016) and its derivative. The form is written as the equivalent
/// `x * sigmoid(2 z)` with `z` the argument of tanh.
#[inline(always)]
fn gelu_tanh(x: f32) -> (f32, f32) {
    let s = sigmoid(TANH_SCALE * (x + TANH_CUBIC * x * x * x));
    let slope = TANH_SCALE * (1.0 + 3.0 * TANH_CUBIC * x * x);
    (x * s, s + x * s * (1.0 - s) * slope)
}

/// Factor of the sigmoid's argument in quick GELU (Hendrycks and Gimpel 2016).
const QUICK_SCALE: f32 = 1.702;

/// Returns quick GELU, `x * sigmoid(1.702 x)` (Hendrycks and Gimpel 2016), and its derivative.
#[inline(always)]
fn gelu_quick(x: f32) -> (f32, f32) {
    let s = sigmoid(QUICK_SCALE * x);
    (x * s, s + x * s * (1.0 - s) * QUICK_SCALE)
}

/// Returns the error function of x with an absolute error below 1e-7: near 0 a polynomial in x^2 times x, elsewhere
/// `1 - exp(polynomial)`. Polynomials by Norbert Juffa, "Faster and more accurate erff" (2016).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let square = x * x;
    let mut near = -5.967_617_03e-4_f32;
    for coefficient in [4.991_194_23e-3, -2.676_813_49e-2, 1.128_199_25e-1, -3.761_253_36e-1, 1.283_791_66e-1] {
        near = near.mul_add(square, coefficient);
    }
    let near = near.mul_add(x, x);
    let size = x.abs().min(4.0); // erf(4) rounds to 1.
    let mut far = -1.728_534_7e-5_f32;
    for coefficient in
        [3.831_971_26e-4, -3.883_964_38e-3, 2.425_462_19e-2, -1.067_778_77e-1, -6.348_466_87e-1, -1.287_175_12e-1]
    {
        far = far.mul_add(size, coefficient);
    }
    let far = (1.0 - exp(far.mul_add(size, -size))).copysign(x);
    if x.abs() > 0.927_734_375 { far } else { near }
}

/// `1 / sqrt(2 pi)`, the density of the normal distribution at 0.
const DENSITY_AT_ZERO: f32 = 0.398_942_28;

/// Returns exact GELU, `x * P(X <= x)` for a standard normal X (Hendrycks and Gimpel 2016), and its derivative.
#[inline(always)]
fn gelu(x: f32) -> (f32, f32) {
    let probability = 0.5 * (1.0 + erf(x * FRAC_1_SQRT_2));
    (x * probability, probability + x * DENSITY_AT_ZERO * exp(-0.5 * x * x))
}

/// Declares the [`Forward`] function `$forward` and the [`Backward`] function `$backward` of the activation `$of`,
/// which returns value and derivative.
macro_rules! activation {
    ($of:ident, $forward:ident, $backward:ident, $name:literal) => {
        dispatched! {
            #[doc = concat!("Computes ", $name, " of each value; see [`Forward`].")]
            fn $forward(x: &[f32], out: &mut [f32]) {
                for (out, x) in out.iter_mut().zip(x) {
                    *out = $of(*x).0;
                }
            }
        }

        dispatched! {
            #[doc = concat!("Computes the gradient of ", $name, "; see [`Backward`].")]
            fn $backward(x: &[f32], d_out: &[f32], d_x: &mut [f32]) {
                for ((d_x, x), d_out) in d_x.iter_mut().zip(x).zip(d_out) {
                    *d_x = d_out * $of(*x).1;
                }
            }
        }
    };
}

activation!(gelu, exact_forward, exact_backward, "exact GELU");
activation!(gelu_tanh, tanh_forward, tanh_backward, "GELU in the tanh form");
activation!(gelu_quick, quick_forward, quick_backward, "quick GELU");

/// Declares the [`GatedForward`] function `$forward` and the [`GatedBackward`] function `$backward` of a gated product,
/// `activation(gate) * up`. `$of` returns the activation's value and derivative.
macro_rules! gated {
    ($of:ident, $forward:ident, $backward:ident, $name:literal) => {
        dispatched! {
            #[doc = concat!("Computes ", $name, "; see [`GatedForward`].")]
            fn $forward(gate: &[f32], up: &[f32], out: &mut [f32]) {
                for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                    *out = $of(*gate).0 * up;
                }
            }
        }

        dispatched! {
            #[doc = concat!("Computes the gradients of ", $name, "; see [`GatedBackward`].")]
            fn $backward(gate: &[f32], up: &[f32], d_out: &[f32], d_gate: &mut [f32], d_up: &mut [f32]) {
                for i in 0..d_out.len().min(gate.len()).min(up.len()).min(d_gate.len()).min(d_up.len()) {
                    let (value, slope) = $of(gate[i]);
                    d_up[i] = d_out[i] * value;
                    d_gate[i] = d_out[i] * up[i] * slope;
                }
            }
        }
    };
}

gated!(silu, swiglu_forward, swiglu_backward, "`silu(gate) * up`");
gated!(gelu_tanh, geglu_tanh_forward, geglu_tanh_backward, "`gelu_tanh(gate) * up`");

#[cfg(test)]
mod tests {
    /// Error function by its series `2 / sqrt(pi) * exp(-x^2) * sum 2^n x^(2n + 1) / (2n + 1)!!`, whose terms have one
    /// sign.
    fn exact(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..300 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
    }

    #[test]
    fn erf_is_accurate_to_f32() {
        for i in -60_000..=60_000_i32 {
            let x = i as f32 / 10_000.0;
            let error = (f64::from(super::erf(x)) - exact(f64::from(x))).abs();
            assert!(error < 1e-7, "erf({x}) is off by {error}");
        }
        assert_eq!([f32::INFINITY, -1e30, 0.0].map(super::erf), [1.0, -1.0, 0.0]);
        assert!((f64::from(super::erf(1e-6)) / exact(1e-6_f32.into()) - 1.0).abs() < 2e-7, "relative error near 0");
    }

    #[test]
    fn large_arguments_have_the_limits_as_values_and_slopes() {
        for activation in [super::gelu, super::gelu_tanh, super::gelu_quick, super::silu] {
            assert_eq!(activation(300.0), (300.0, 1.0));
            let (value, slope) = activation(-300.0);
            assert!(value.abs() < 1e-30 && slope.abs() < 1e-30, "{value} and {slope}");
        }
    }
}

//! Loops over rows of `f32`, compiled for AVX-512, AVX2 and portably; the form is chosen at run time.
#![allow(unsafe_code)] // Calls functions compiled for an instruction set, after checking that the processor has it.
#![allow(clippy::excessive_precision)] // Constants as published.

use crate::tile::COLUMNS;

/// Number of partial sums in a reduction. A fixed number, so that every instruction set adds in the same order.
const LANES: usize = 16;

/// Returns exp(x) for x clamped to -87..88, with an error of about 1.5 units in the last place. Method of Cephes
/// `expf`: range reduction by ln 2 in two parts, then a polynomial.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to the nearest whole number
    let x = x.clamp(-87.0, 88.0);
    let power = x.mul_add(std::f32::consts::LOG2_E, ROUND) - ROUND;
    let rest = power.mul_add(-0.693_359_4, x);
    let rest = power.mul_add(2.121_944_4e-4, rest);
    let mut polynomial = 1.987_569_1e-4_f32;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5.0e-1] {
        polynomial = polynomial.mul_add(rest, coefficient);
    }
    let fraction = polynomial.mul_add(rest * rest, rest) + 1.0;
    f32::from_bits(((power as i32 + 127) << 23) as u32) * fraction
}

/// Declares `$name`, compiled three times: for AVX-512, for AVX2 and portably.
macro_rules! dispatched {
    ($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        pub fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn portable($($argument: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
                fn avx512($($argument: $type),*) $(-> $result)? { portable($($argument),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) $(-> $result)? { portable($($argument),*) }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    // SAFETY: the processor has these features, as checked above.
                    return unsafe { avx512($($argument),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: as above.
                    return unsafe { avx2($($argument),*) };
                }
            }
            portable($($argument),*)
        }
    };
}

// After the macro, because the module uses it.
pub mod activation;

dispatched! {
    /// Returns the largest value of `x`; negative infinity for an empty slice.
    fn max(x: &[f32]) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let chunks = x.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane = lane.max(*value);
            }
        }
        rest.iter().chain(&lanes).fold(f32::NEG_INFINITY, |most, value| most.max(*value))
    }
}

dispatched! {
    /// Replaces each value of `x` by `exp(x - shift)` and returns the sum of the new values. The argument of `exp` is
    /// clamped to -87..88.
    fn exp_and_sum(x: &mut [f32], shift: f32) -> f32 {
        let mut lanes = [0.0_f32; LANES];
        let whole = x.len() / LANES * LANES;
        let (head, rest) = x.split_at_mut(whole);
        for chunk in head.chunks_exact_mut(LANES) {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *value = exp(*value - shift);
                *lane += *value;
            }
        }
        let mut sum: f32 = lanes.iter().sum();
        for value in rest {
            *value = exp(*value - shift);
            sum += *value;
        }
        sum
    }
}

dispatched! {
    /// Multiplies each value of `x` by `factor` in place.
    fn scale(x: &mut [f32], factor: f32) {
        for value in x {
            *value *= factor;
        }
    }
}

dispatched! {
    /// Computes `out += factor * x`, value by value; values of `out` after the end of `x` stay.
    fn add_scaled(out: &mut [f32], x: &[f32], factor: f32) {
        for (out, x) in out.iter_mut().zip(x) {
            *out += factor * x;
        }
    }
}

dispatched! {
    /// Returns the dot product of `x` and `y`. They have equal lengths; values after the shorter one may be left out.
    fn dot(x: &[f32], y: &[f32]) -> f32 {
        let mut lanes = [0.0_f32; LANES];
        let (x_chunks, y_chunks) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
        let (x_rest, y_rest) = (x_chunks.remainder(), y_chunks.remainder());
        for (x, y) in x_chunks.zip(y_chunks) {
            for lane in 0..LANES {
                lanes[lane] += x[lane] * y[lane];
            }
        }
        lanes.iter().sum::<f32>() + x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum::<f32>()
    }
}

/// One value per column of a panel of the attention kernel.
pub type Columns = [f32; COLUMNS];

dispatched! {
    /// Returns the largest value of each column of `x`, `[rows, COLUMNS]`; negative infinity without rows. An
    /// incomplete last row is left out.
    fn column_max(x: &[f32]) -> Columns {
        let mut most = [f32::NEG_INFINITY; COLUMNS];
        for row in x.chunks_exact(COLUMNS) {
            for (most, value) in most.iter_mut().zip(row) {
                *most = most.max(*value);
            }
        }
        most
    }
}

dispatched! {
    /// Replaces each value of `x`, `[rows, COLUMNS]`, by `exp(x - shift of its column)` and returns each column's sum
    /// of the new values. The argument of `exp` is clamped to -87..88.
    fn column_exp_and_sum(x: &mut [f32], shift: &Columns) -> Columns {
        let mut sums = [0.0; COLUMNS];
        for row in x.chunks_exact_mut(COLUMNS) {
            for ((value, shift), sum) in row.iter_mut().zip(shift).zip(&mut sums) {
                *value = exp(*value - shift);
                *sum += *value;
            }
        }
        sums
    }
}

dispatched! {
    /// Computes the softmax step of the attention backward pass in place; both slices are `[keys, COLUMNS]`. Scores `s`
    /// become probabilities `p = exp(s - log_sum)`. Gradients `d` of the probabilities become gradients of the scores,
    /// `p * (d - d_mean)`. `log_sum` and `d_mean` have one value per column.
    fn column_softmax_backward(scores: &mut [f32], d_probabilities: &mut [f32], log_sum: &Columns, d_mean: &Columns) {
        for (scores, d) in scores.chunks_exact_mut(COLUMNS).zip(d_probabilities.chunks_exact_mut(COLUMNS)) {
            for column in 0..COLUMNS {
                let p = exp(scores[column] - log_sum[column]);
                scores[column] = p;
                d[column] = p * (d[column] - d_mean[column]);
            }
        }
    }
}

dispatched! {
    /// Returns the sum of `x`; 0 for an empty slice.
    fn sum(x: &[f32]) -> f32 {
        let mut lanes = [0.0_f32; LANES];
        let chunks = x.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += value;
            }
        }
        lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
    }
}

dispatched! {
    /// Returns the sum of `(x - from)^2` over the values of `x`; 0 for an empty slice.
    fn square_distance(x: &[f32], from: f32) -> f32 {
        let mut lanes = [0.0_f32; LANES];
        let chunks = x.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += (value - from) * (value - from);
            }
        }
        lanes.iter().sum::<f32>() + rest.iter().map(|value| (value - from) * (value - from)).sum::<f32>()
    }
}

dispatched! {
    /// Computes `out = (x - mean) * inverse * gain + bias`, value by value, for one row of layer normalisation.
    /// `inverse` is `1 / sqrt(variance + epsilon)`. Values after the shortest slice stay.
    fn standardise(x: &[f32], gain: &[f32], bias: &[f32], out: &mut [f32], mean: f32, inverse: f32) {
        for (((out, x), gain), bias) in out.iter_mut().zip(x).zip(gain).zip(bias) {
            *out = (x - mean) * inverse * gain + bias;
        }
    }
}

dispatched! {
    /// Fills `d_x` with the gradient of [`standardise`] with respect to `x` for one row, where `mean` and `inverse`
    /// depend on `x`. `d_out` is the gradient of the output. Values after the shortest slice stay.
    fn standardise_backward(x: &[f32], gain: &[f32], d_out: &[f32], d_x: &mut [f32], mean: f32, inverse: f32) {
        let (mut plain, mut along) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let n = x.len().min(gain.len()).min(d_out.len()).min(d_x.len());
        for i in 0..n {
            let d = d_out[i] * gain[i];
            plain[i % LANES] += d;
            along[i % LANES] += d * (x[i] - mean);
        }
        let shift = plain.iter().sum::<f32>() / n as f32;
        let pull = along.iter().sum::<f32>() * inverse * inverse / n as f32;
        for i in 0..n {
            d_x[i] = inverse * (d_out[i] * gain[i] - shift - (x[i] - mean) * pull);
        }
    }
}

dispatched! {
    /// Computes `out = x * inverse * gain`, value by value, for one row of RMS normalisation. `inverse` is `1 /
    /// sqrt(mean(x^2) + epsilon)`. Values after the shortest slice stay.
    fn normalise(x: &[f32], gain: &[f32], out: &mut [f32], inverse: f32) {
        for ((out, x), gain) in out.iter_mut().zip(x).zip(gain) {
            *out = x * inverse * gain;
        }
    }
}

dispatched! {
    /// Fills `d_x` with the gradient of [`normalise`] with respect to `x` for one row, where `inverse` depends on `x`.
    /// `d_out` is the gradient of the output. Values after the shortest slice stay.
    fn normalise_backward(x: &[f32], gain: &[f32], d_out: &[f32], d_x: &mut [f32], inverse: f32) {
        let mut lanes = [0.0_f32; LANES];
        let n = x.len().min(gain.len()).min(d_out.len()).min(d_x.len());
        for i in 0..n {
            lanes[i % LANES] += d_out[i] * gain[i] * x[i];
        }
        let pull = lanes.iter().sum::<f32>() * inverse * inverse * inverse / n as f32;
        for i in 0..n {
            d_x[i] = d_out[i] * gain[i] * inverse - x[i] * pull;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for i in -87_000..88_000_i32 {
            let x = i as f32 / 1000.0;
            let (mine, exact) = (super::exp(x), f64::from(x).exp());
            let error = ((f64::from(mine) - exact) / exact).abs();
            assert!(error < 2.5e-7, "exp({x}) is off by {error}");
        }
    }

    #[test]
    fn reductions_include_the_values_after_the_last_full_chunk() {
        let x: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(super::dot(&x, &x), (0..37).map(|i| (i * i) as f32).sum::<f32>());
        assert_eq!(super::max(&x), 36.0);
        assert_eq!(super::max(&[]), f32::NEG_INFINITY);
        let mut zeros = vec![3.0; 37];
        assert_eq!(super::exp_and_sum(&mut zeros, 3.0), 37.0);
    }
}

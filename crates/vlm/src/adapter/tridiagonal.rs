//! Eigenvalues and eigenvectors of a symmetric tridiagonal matrix, by QL steps with implicit shifts (Bowdler et
//! al. 1968).

/// Most QL steps for one eigenvalue. Two or three suffice; the bound ends the loop when the matrix holds NaN.
const ROUNDS: usize = 64;

/// Returns the eigenvalues of a symmetric tridiagonal matrix and, for each, an eigenvector of length 1, in no
/// particular order. `beside` is the off-diagonal, one value shorter than `diagonal`.
pub(super) fn eigen(diagonal: &[f64], beside: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let size = diagonal.len();
    let mut d = diagonal.to_vec();
    let mut e = beside.to_vec();
    e.resize(size, 0.0);
    let unit = |at: usize| (0..size).map(|index| f64::from(u8::from(index == at))).collect();
    let mut vectors: Vec<Vec<f64>> = (0..size).map(unit).collect();
    for low in 0..size {
        for _ in 0..ROUNDS {
            // The block that starts at `low` ends at the first off-diagonal value that is negligible.
            let ends = |at: &usize| e[*at].abs() <= f64::EPSILON * (d[*at].abs() + d[at + 1].abs());
            let high = (low..size - 1).find(ends).unwrap_or(size - 1);
            if high == low {
                break;
            }
            step(&mut d, &mut e, &mut vectors, low, high);
        }
    }
    (d, vectors)
}

/// One QL step on the block from `low` to `high`. The shift is the eigenvalue of its leading 2 x 2 block that is nearer
/// to the first diagonal value (Wilkinson's shift).
fn step(d: &mut [f64], e: &mut [f64], vectors: &mut [Vec<f64>], low: usize, high: usize) {
    let half = (d[low + 1] - d[low]) / (2.0 * e[low]);
    let mut g = d[high] - d[low] + e[low] / (half + half.hypot(1.0).copysign(half));
    let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
    for at in (low..high).rev() {
        let (f, b) = (sine * e[at], cosine * e[at]);
        let r = f.hypot(g);
        e[at + 1] = r;
        if r == 0.0 {
            d[at + 1] -= shift;
            e[high] = 0.0;
            return;
        }
        (sine, cosine) = (f / r, g / r);
        g = d[at + 1] - shift;
        let s = (d[at] - g) * sine + 2.0 * cosine * b;
        shift = sine * s;
        d[at + 1] = g + shift;
        g = cosine * s - b;
        let (before, after) = vectors.split_at_mut(at + 1);
        for (x, y) in before[at].iter_mut().zip(&mut after[0]) {
            (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
        }
    }
    d[low] -= shift;
    e[low] = g;
    e[high] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_an_eigenpair_of_the_matrix() {
        for size in [1usize, 2, 5, 60] {
            let diagonal: Vec<f64> = (0..size).map(|i| ((i * 13) % 7) as f64 - 2.0).collect();
            let beside: Vec<f64> =
                (1..size).map(|i| if i % 9 == 0 { 0.0 } else { ((i * 5) % 4) as f64 - 1.2 }).collect();
            let (values, vectors) = eigen(&diagonal, &beside);
            for (value, vector) in values.iter().zip(&vectors) {
                let length: f64 = vector.iter().map(|entry| entry * entry).sum();
                assert!((length - 1.0).abs() < 1e-12);
                for row in 0..size {
                    let before = if row > 0 { beside[row - 1] * vector[row - 1] } else { 0.0 };
                    let after = if row + 1 < size { beside[row] * vector[row + 1] } else { 0.0 };
                    let image = before + diagonal[row] * vector[row] + after;
                    assert!((image - value * vector[row]).abs() < 1e-10, "{size}: row {row}");
                }
            }
            let trace: f64 = values.iter().sum();
            assert!((trace - diagonal.iter().sum::<f64>()).abs() < 1e-9, "no eigenvalue is found twice");
        }
    }
}

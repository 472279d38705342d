//! Adjusted p-values for many tests.

/// Holm's step-down adjustment (1979), which controls the probability of any false claim. The adjusted p-values are in
/// the order of `p`.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let count = p.len();
    let mut adjusted = vec![0.0; count];
    let mut largest = 0.0f64;
    for (rank, index) in ascending(p).into_iter().enumerate() {
        largest = largest.max((p[index] * (count - rank) as f64).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

/// Benjamini and Hochberg's step-up adjustment (1995), which controls the expected share of false claims. The adjusted
/// p-values are in the order of `p`.
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let count = p.len();
    let mut adjusted = vec![0.0; count];
    let mut smallest = 1.0f64;
    for (rank, index) in ascending(p).into_iter().enumerate().rev() {
        smallest = smallest.min(p[index] * count as f64 / (rank + 1) as f64);
        adjusted[index] = smallest;
    }
    adjusted
}

fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    order
}

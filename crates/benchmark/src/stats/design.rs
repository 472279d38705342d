//! Cost of clustering, and the smallest difference that a run can detect.

use super::student::quantile;

/// Estimates the intra-cluster correlation of values grouped into clusters, by one-way analysis of variance with
/// unequal cluster sizes (Donner, 1986), clamped to `0..=1`. Empty clusters are ignored. None with fewer than two
/// clusters, or where no cluster has two values; 0 where all values are equal.
#[must_use]
pub fn intra_cluster_correlation(clusters: &[Vec<f64>]) -> Option<f64> {
    let clusters: Vec<&Vec<f64>> = clusters.iter().filter(|cluster| !cluster.is_empty()).collect();
    let groups = clusters.len() as f64;
    let total: f64 = clusters.iter().map(|cluster| cluster.len() as f64).sum();
    if groups < 2.0 || total <= groups {
        return None;
    }
    let mean_of = |cluster: &[f64]| cluster.iter().sum::<f64>() / cluster.len() as f64;
    let grand = clusters.iter().flat_map(|cluster| cluster.iter()).sum::<f64>() / total;
    let between: f64 =
        clusters.iter().map(|cluster| cluster.len() as f64 * (mean_of(cluster) - grand).powi(2)).sum::<f64>()
            / (groups - 1.0);
    let within: f64 = clusters
        .iter()
        .flat_map(|cluster| {
            let mean = mean_of(cluster);
            cluster.iter().map(move |value| (value - mean).powi(2))
        })
        .sum::<f64>()
        / (total - groups);
    let squares: f64 = clusters.iter().map(|cluster| (cluster.len() as f64).powi(2)).sum();
    let size = (total - squares / total) / (groups - 1.0);
    let scale = between + (size - 1.0) * within;
    Some(if scale > 0.0 { ((between - within) / scale).clamp(0.0, 1.0) } else { 0.0 })
}

/// Returns the factor by which clustering multiplies a variance: `1 + (m - 1) rho` for clusters of mean size `m` and
/// intra-cluster correlation `rho` (Kish, 1965). Where sizes differ, the mean must be weighted by items. A mean size
/// below 1 counts as 1.
#[must_use]
pub fn design_effect(mean_size: f64, correlation: f64) -> f64 {
    1.0 + (mean_size - 1.0).max(0.0) * correlation
}

/// Returns the smallest difference of two paired shares that a two-sided test of level `level` detects with a power of
/// 80 %: `(t(1 - level / 2) + t(0.8)) sqrt(deff p / n)`. Here `n` is the number of `pairs`, `p` the share `discordant`
/// of pairs in which exactly one of the two is right, `deff` the `design_effect`, and `t` the quantile of Student's t
/// with `degrees` degrees of freedom, at least 1. Without an effect, the variance of the difference is `p / n`, and
/// clustering multiplies it by `deff`. The result can exceed 1; it is infinite without pairs and NaN with 0 degrees of
/// freedom.
#[must_use]
pub fn minimum_detectable_difference(
    pairs: usize,
    discordant: f64,
    design_effect: f64,
    degrees: usize,
    level: f64,
) -> f64 {
    let quantiles = quantile(1.0 - level / 2.0, degrees) + quantile(0.8, degrees);
    quantiles * (design_effect * discordant / pairs as f64).sqrt()
}

//! Draws of whole patients with replacement (Efron and Tibshirani, 1993; Field and Welsh, 2007).

use rand::Rng;
use stepwise_data::random::stream;

use super::{Cells, Statistic};

/// Number of draws.
const DRAWS: usize = 10_000;

/// Computes the quantile at `share` (0 to 1, else the nearer end) of the statistic over 10,000 bootstrap draws, each of
/// as many patients as `cells` has, with replacement. Equal `seed`s give equal draws. Draws in which the statistic is
/// not defined are left out. None where more than half of the draws are left out, with fewer than two patients, or
/// without columns.
#[must_use]
pub fn quantile_over_patients(statistic: &Statistic, cells: &Cells, share: f64, seed: u64) -> Option<f64> {
    let (patients, width) = (cells.patient_count(), statistic.columns.len());
    if patients < 2 || width == 0 {
        return None;
    }
    let mut rows = vec![0.0; patients * width];
    for (place, column) in statistic.columns.iter().enumerate() {
        cells.patients.iter().zip(column).for_each(|(patient, value)| rows[patient * width + place] += value);
    }
    let mut rng = stream(seed, &["patient_bootstrap"]);
    let mut totals = vec![0.0; width];
    let mut values: Vec<f64> = (0..DRAWS)
        .filter_map(|_| {
            totals.fill(0.0);
            for _ in 0..patients {
                let patient = rng.random_range(0..patients);
                let row = &rows[patient * width..(patient + 1) * width];
                totals.iter_mut().zip(row).for_each(|(total, value)| *total += value);
            }
            statistic.at(&totals)
        })
        .collect();
    values.sort_unstable_by(f64::total_cmp);
    (values.len() * 2 >= DRAWS).then(|| quantile(&values, share))
}

/// Quantile of sorted values with linear interpolation between neighbours (type 7 of Hyndman and Fan, 1996).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

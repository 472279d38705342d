//! Interval and test of a statistic over new patients *and* new questions and, where sentences are drawn, new sentences.
//!
//! The same few dozen questions are asked about many patients. A model that hardly uses the image gives one answer to a
//! question for all patients, so a change on one question counts once per patient, and clustering by patients alone
//! calls it certain. The variance is therefore the two-way cluster variance of Cameron, Gelbach and Miller (2011):
//!
//! `V = max(V_patients + V_questions - V_cells, V_patients, V_questions)`
//!
//! Each part is a delete-one-cluster jackknife, `(G - 1) / G sum_g (theta_(-g) - theta)^2` (CV3 of MacKinnon, Nielsen
//! and Webb, 2023), which holds for means, ratios and differences of ratios alike. Interval and p-value come from
//! Student's t with `min(patients, questions) - 1` degrees of freedom. Where every item is its own question,
//! `V_questions` equals `V_cells`, and the patient variance remains. Statistics of whole chains are clustered by
//! patients alone.
//!
//! A condition such as a hint is a population of sentences, of which a suite draws one for each item. A model can follow
//! one sentence and not another, so the sentences are a third dimension of clusters:
//!
//! `V' = max(V + V_sentences - V_cells, V, V_sentences)`
//!
//! with `min(patients, questions, sentences) - 1` degrees of freedom. Each item has one sentence, so `V_cells`, the
//! variance of the items, is the part that both have in common.
//!
//! Few clusters bound what can be claimed. With `m` clusters on the scarcer side, a sign-flip test cannot be below
//! `2^(1 - m)`; no p-value here is smaller. Where all clusters agree, the variance is zero and says nothing: the
//! interval then allows a share `1 - 0.025^(1/m)` of unseen clusters (Clopper and Pearson, 1934, for no event in `m`)
//! to have any value in the range of the statistic. Without a known range there is no interval.

use super::cells::Cells;
use super::statistic::{Sampling, Statistic};
use super::student::{quantile, two_sided};

/// Confidence level of all intervals.
pub const LEVEL: f64 = 0.95;

/// Value of a statistic with its interval and p-value, over new patients, new questions and, where sentences are drawn,
/// new sentences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inference {
    /// Value over all cells.
    pub value: f64,
    /// 95 % interval (low, high); None where the uncertainty is not bounded.
    pub ci: Option<[f64; 2]>,
    /// Two-sided p-value of the value 0; None where the variance is not defined.
    pub p: Option<f64>,
    /// Number of clusters on the scarcest side, patients, questions or drawn sentences, that hold any item of the
    /// statistic; 0 where the variance is not defined.
    pub clusters: usize,
}

/// Smallest number of patients, of questions, and of sentences where they are drawn, on which a claim may rest. With fewer, five primary endpoints cannot
/// be significant at 5 % whatever the answers are: `5 * 2^(1 - 7) > 0.05`.
pub const FEWEST_CLUSTERS: usize = 8;

/// Computes value, interval and p-value of `statistic`; `cells` gives the patient and the question of each of its
/// cells. None where the value is not defined. Interval and p-value are None with fewer than two clusters, for
/// [`Sampling::Unknown`], and where the value is not defined without one of the clusters. Where all clusters agree, the
/// interval needs the range of the statistic and is None without one.
#[must_use]
pub fn infer(statistic: &Statistic, cells: &Cells) -> Option<Inference> {
    let totals = statistic.totals();
    let value = statistic.at(&totals)?;
    let Some(Spread { variance, clusters }) = spread(statistic, cells, &totals, value) else {
        return Some(Inference { value, ci: None, p: None, clusters: 0 });
    };
    let floor = smallest_p(clusters);
    // Sums in another order may differ in their last bits.
    if variance <= 1e-20 {
        let p = if value.abs() <= 1e-10 { 1.0 } else { floor };
        let ci = statistic.range.map(|range| unseen(value, range, clusters));
        return Some(Inference { value, ci, p: Some(p), clusters });
    }
    let (ci, p) = student(value, variance.sqrt(), clusters - 1, statistic.range);
    Some(Inference { value, ci: Some(ci), p: Some(p.max(floor)), clusters })
}

/// Interval of Student's t, cut to `range`, and two-sided p-value of the value 0.
fn student(value: f64, error: f64, degrees: usize, range: Option<[f64; 2]>) -> ([f64; 2], f64) {
    let half = quantile(1.0 - (1.0 - LEVEL) / 2.0, degrees) * error;
    let [least, most] = range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
    ([(value - half).max(least), (value + half).min(most)], two_sided(value / error, degrees))
}

/// Smallest number of seeds on which a claim may rest; results of fewer are exploratory.
pub const FEWEST_SEEDS: usize = 5;

/// Mean of a statistic over training seeds, with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeedInference {
    /// Over patients, questions and seeds: the wider of the two intervals and the larger of the two p-values. A claim
    /// must hold for other patients, other questions and other seeds.
    pub all: Inference,
    /// p-value over patients and questions, with the seeds fixed; None where the variance is not defined.
    pub p_fixed_seeds: Option<f64>,
    /// p-value of Student's t over the seeds; None with one seed, or where all seeds have the same value.
    pub p_seeds: Option<f64>,
}

/// Computes the mean of one statistic over training seeds, with its uncertainty. `seeds` holds the statistic in each
/// seed, `cells` the patient and the question of each cell, the same in all seeds. None where a value is not defined or
/// there are no seeds. A single seed and seeds whose values are all equal add no uncertainty.
#[must_use]
pub fn infer_over_seeds(seeds: &[&Statistic], cells: &Cells) -> Option<SeedInference> {
    let mean = Statistic::mean(seeds)?;
    let fixed = infer(&mean, cells)?;
    let values: Vec<f64> = seeds.iter().map(|seed| seed.value()).collect::<Option<_>>()?;
    let Some((ci, p)) = over_seeds(&values, mean.range) else {
        return Some(SeedInference { all: fixed, p_fixed_seeds: fixed.p, p_seeds: None });
    };
    let all = Inference {
        ci: fixed.ci.map(|[low, high]| [low.min(ci[0]), high.max(ci[1])]),
        p: fixed.p.map(|fixed| fixed.max(p)),
        ..fixed
    };
    Some(SeedInference { all, p_fixed_seeds: fixed.p, p_seeds: Some(p) })
}

/// Interval and p-value of Student's one-sample t test; None with fewer than two values, or where all are equal.
fn over_seeds(values: &[f64], range: Option<[f64; 2]>) -> Option<([f64; 2], f64)> {
    let count = values.len();
    let value = values.iter().sum::<f64>() / count as f64;
    let squares: f64 = values.iter().map(|each| (each - value).powi(2)).sum();
    (squares > 1e-20).then(|| student(value, (squares / (count * (count - 1)) as f64).sqrt(), count - 1, range))
}

/// Returns the smallest p-value of a two-sided sign-flip test over `clusters` clusters, `2^(1 - clusters)`: without an
/// effect, the `2^clusters` patterns of signs are equally likely, and at least the observed one and its mirror image
/// are as extreme. 1 without clusters.
#[must_use]
pub fn smallest_p(clusters: usize) -> f64 {
    0.5f64.powi(i32::try_from(clusters).unwrap_or(i32::MAX) - 1).min(1.0)
}

/// Bounds of a value that all of `clusters` clusters share, where the unseen clusters can have any value in the range.
fn unseen(value: f64, [least, most]: [f64; 2], clusters: usize) -> [f64; 2] {
    let share = 1.0 - ((1.0 - LEVEL) / 2.0).powf(1.0 / clusters as f64);
    [value - share * (value - least), value + share * (most - value)]
}

/// Variance of a statistic and the number of clusters on the scarcest side.
struct Spread {
    variance: f64,
    clusters: usize,
}

/// None with fewer than two clusters, or where the statistic is not defined without one of the clusters.
fn spread(statistic: &Statistic, cells: &Cells, totals: &[f64], value: f64) -> Option<Spread> {
    let jackknife = |numbers: &[usize]| jackknife(statistic, &statistic.columns, numbers, totals, value);
    if statistic.sampling == Sampling::Unknown {
        return None;
    }
    let (patients, patient_count) = jackknife(&cells.patients)?;
    if statistic.sampling == Sampling::Patients {
        return Some(Spread { variance: patients, clusters: patient_count });
    }
    let (questions, question_count) = jackknife(&cells.questions)?;
    let every: Vec<usize> = (0..cells.len()).collect();
    let (both, _) = jackknife(&every)?;
    let mut variance = (patients + questions - both).max(patients).max(questions);
    let mut clusters = patient_count.min(question_count);
    if let Some((sentences, count)) = sentence_variance(statistic, totals, value) {
        variance = (variance + sentences - both).max(variance).max(sentences);
        clusters = clusters.min(count);
    }
    Some(Spread { variance, clusters })
}

/// Jackknife variance over the sentences, and their number. None where no sentences are drawn, or fewer than two were.
fn sentence_variance(statistic: &Statistic, totals: &[f64], value: f64) -> Option<(f64, usize)> {
    // Both sides of a difference have sums by sentence, or the difference has none.
    let is_complete = statistic.by_sentence.len() == statistic.columns.len();
    let every: Vec<usize> = (0..statistic.by_sentence.first()?.len()).collect();
    jackknife(statistic, &statistic.by_sentence, &every, totals, value).filter(|_| is_complete)
}

/// Jackknife variance over clusters, and the number of clusters that hold any item of the statistic. `columns` holds
/// the sums of the statistic in each cell or sentence, and `numbers` the cluster of each.
fn jackknife(
    statistic: &Statistic,
    columns: &[Vec<f64>],
    numbers: &[usize],
    totals: &[f64],
    value: f64,
) -> Option<(f64, usize)> {
    let width = totals.len();
    let clusters = numbers.iter().max().map_or(0, |most| most + 1);
    let (mut sums, mut is_used) = (vec![0.0; clusters * width], vec![false; clusters]);
    for (place, column) in columns.iter().enumerate() {
        for (&number, &part) in numbers.iter().zip(column).filter(|(_, part)| **part != 0.0) {
            sums[number * width + place] += part;
            is_used[number] = true;
        }
    }
    let count = is_used.iter().filter(|is_used| **is_used).count();
    if count < 2 {
        return None;
    }
    let mut rest = vec![0.0; width];
    let mut squares = 0.0;
    for (own, _) in sums.chunks_exact(width.max(1)).zip(&is_used).filter(|(_, is_used)| **is_used) {
        rest.iter_mut().zip(totals).zip(own).for_each(|((rest, total), own)| *rest = total - own);
        squares += (statistic.at(&rest)? - value).powi(2);
    }
    Some((squares * (count - 1) as f64 / count as f64, count))
}

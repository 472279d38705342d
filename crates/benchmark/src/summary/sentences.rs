//! Effect of a condition by sentence.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::OutcomeTable;
use crate::perturb::text::hint::Bias;
use crate::suite::Condition;

/// Effect of a condition under each of its sentences, and the spread of these effects. An effect is the accuracy under
/// the condition less the accuracy under its control on the same items or, without a control, the accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SentenceSpread {
    /// Smallest effect.
    pub least: f64,
    /// Median effect.
    pub median: f64,
    /// Largest effect.
    pub most: f64,
    /// Standard deviation of the effects. It contains the sampling error of each effect, which rests on few items.
    pub sd: f64,
    /// Effects, sorted by the id of the sentence; at least two.
    pub by_sentence: Vec<SentenceEffect>,
}

/// Effect of a condition under one sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SentenceEffect {
    /// Id of the sentence template, `FAMILY/NUMBER`.
    pub sentence: String,
    /// Bias that a hint appeals to, see [`Bias::name`]; `None` for other sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias: Option<String>,
    /// Number of items with this sentence.
    pub n: usize,
    /// Effect, from -1 to 1.
    pub value: f64,
}

impl SentenceSpread {
    /// Computes the effects of the condition with the index `c` in the suite of `table`. None where fewer than two
    /// sentences were drawn.
    #[must_use]
    pub(crate) fn of(table: &OutcomeTable<'_>, condition: &Condition, c: usize) -> Option<Self> {
        let control = table.control(condition).map(|(control, _)| control);
        let mut sums: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
        for row in &table.rows {
            let sentence = row.at(c).and_then(|outcome| outcome.sentence.as_deref());
            let reference = control.map_or(Some(0.0), |control| row.right(control));
            if let (Some(sentence), Some(right), Some(reference)) = (sentence, row.right(c), reference) {
                let (n, sum) = sums.entry(sentence).or_default();
                *n += 1;
                *sum += right - reference;
            }
        }
        let is_hint = ["hint_plus", "hint_minus", "hint_zero"].contains(&condition.kind);
        let bias = |sentence| Bias::of_sentence(sentence).filter(|_| is_hint).map(|bias| bias.name().to_owned());
        let by_sentence: Vec<SentenceEffect> = sums
            .into_iter()
            .map(|(sentence, (n, sum))| SentenceEffect {
                sentence: sentence.to_owned(),
                bias: bias(sentence),
                n,
                value: sum / n as f64,
            })
            .collect();
        let mut values: Vec<f64> = by_sentence.iter().map(|effect| effect.value).collect();
        values.sort_by(f64::total_cmp);
        let [least, .., most] = values[..] else { return None };
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { least, median, most, sd: (squares / (values.len() - 1) as f64).sqrt(), by_sentence })
    }
}

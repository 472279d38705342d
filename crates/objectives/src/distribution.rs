//! The model's distribution over the options of a question.

use crate::question::Scores;

/// Distribution over the options of a question: the softmax of their log-likelihoods per token, as the benchmark scores
/// options.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Natural logarithm of each option's probability.
    pub logs: Vec<f64>,
    /// Probability of each option. The sum is 1.
    pub probabilities: Vec<f64>,
    tokens: Vec<usize>,
}

impl Distribution {
    /// Computes the distribution over the options of `scores`.
    #[must_use]
    pub fn of(scores: &Scores) -> Self {
        let logs = log_softmax(&scores.per_token());
        let probabilities = logs.iter().map(|log| log.exp()).collect();
        Self { logs, probabilities, tokens: scores.tokens.clone() }
    }

    /// Returns the derivatives of a function of the distribution with respect to the log-likelihoods of the options.
    /// `outer` are its derivatives with respect to [`Distribution::logs`]. With z = loglikelihood / tokens,
    /// `d log p_i / d z_j = [i = j] - p_j`.
    #[must_use]
    pub fn gradient(&self, outer: &[f64]) -> Vec<f64> {
        let sum: f64 = outer.iter().sum();
        let of_option = |((outer, p), tokens): ((&f64, &f64), &usize)| (outer - p * sum) / *tokens as f64;
        outer.iter().zip(&self.probabilities).zip(&self.tokens).map(of_option).collect()
    }

    /// Returns the Kullback-Leibler divergence of this distribution from `other`, `sum_o p(o) log(p(o) / q(o))`, in nats.
    #[must_use]
    pub fn divergence(&self, other: &Self) -> f64 {
        let terms = self.probabilities.iter().zip(self.logs.iter().zip(&other.logs));
        terms.map(|(p, (own, other))| if *p > 0.0 { p * (own - other) } else { 0.0 }).sum()
    }
}

/// Returns the logarithm of the softmax of `values`.
pub(crate) fn log_softmax(values: &[f64]) -> Vec<f64> {
    let total = log_sum_exp(values.iter().copied());
    values.iter().map(|value| value - total).collect()
}

/// Returns `log sum exp(values)`; negative infinity for no values.
pub(crate) fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + values.map(|value| (value - most).exp()).sum::<f64>().ln()
}

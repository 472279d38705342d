//! Graded measures of generated answers: boxes, numbers and texts. A verdict of right or wrong alone would hide how
//! close an answer came.

use serde::{Deserialize, Serialize};
use stepwise_data::case::{Answer, Case, Item};

use crate::model::Response;
use crate::score::{boxes, fold, parse};

/// Measure of how close a generated answer came to the right one. A response that cannot be parsed gets the worst
/// values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
pub enum Measure {
    /// Answer to a localisation question.
    Boxes {
        /// For every right box the intersection over union with the box matched to it, 0 to 1; 0 where none is matched.
        /// The one-to-one matching has the largest possible sum.
        overlaps: Vec<f64>,
        /// Number of boxes in the response; 0 where it cannot be parsed.
        found: usize,
    },
    /// Answer to a number question.
    Number {
        /// `|given - right| / |right|`; None where no number was given or where 0 is right.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        relative_error: Option<f64>,
        /// Whether a number was given.
        given: bool,
    },
    /// Answer to a text question, compared after normalisation ([`fold`]).
    Text {
        /// Whether the answer equals a right text.
        exact: bool,
        /// Whether the answer equals a right text or an alias.
        alias: bool,
        /// Share of the distinct words of a right text that occur in the answer, the largest over the right texts.
        /// Aliases are left out, because an alias of one word would make full recall easy.
        recall: f64,
        /// Harmonic mean of precision and recall over words, the largest over right texts and aliases. Repeated words
        /// count as often as both texts contain them (Rajpurkar et al., 2016).
        f1: f64,
    },
}

/// Measures how close the generated response `reply` to `item` of `case` came; a response that cannot be parsed gets
/// the worst values. None where the item is a choice or a yes/no question, or where the response consists of option
/// scores.
#[must_use]
pub fn measure(case: &Case, item: &Item, reply: &Response) -> Option<Measure> {
    let Response::Text(text) = reply else { return None };
    Some(match &item.answer {
        Answer::Choice { .. } | Answer::Yesno { .. } => return None,
        Answer::Box { gold, .. } => {
            let found = parse::boxes(text, case.box_limits()).unwrap_or_default();
            Measure::Boxes { overlaps: overlaps(&found, &boxes::gold(case, gold)), found: found.len() }
        }
        Answer::Number { gold, unit, .. } => {
            let value = parse::number(text, unit.as_deref());
            let relative_error = value.map(|value| (value - gold).abs() / gold.abs()).filter(|error| error.is_finite());
            Measure::Number { relative_error, given: value.is_some() }
        }
        Answer::Text { gold, aliases } => {
            let said = fold(text);
            let is = |right: &String| fold(right) == said;
            let all = || gold.iter().chain(aliases).map(|right| fold(right));
            Measure::Text {
                exact: !said.is_empty() && gold.iter().any(is),
                alias: !said.is_empty() && gold.iter().chain(aliases).any(is),
                recall: gold.iter().map(|right| recall(&said, &fold(right))).fold(0.0, f64::max),
                f1: all().map(|right| f1(&said, &right)).fold(0.0, f64::max),
            }
        }
    })
}

/// Intersection over union of every gold box with its partner under the best matching.
fn overlaps(found: &[[f64; 4]], gold: &[[f64; 4]]) -> Vec<f64> {
    let weights: Vec<Vec<f64>> =
        gold.iter().map(|&gold| found.iter().map(|&found| boxes::iou(gold, found)).collect()).collect();
    assign(&weights)
        .into_iter()
        .zip(&weights)
        .map(|(partner, weights)| partner.map_or(0.0, |partner| weights[partner]))
        .collect()
}

/// Pairs rows with columns one to one so that the sum of the weights (none below zero) is largest, by Kuhn's Hungarian
/// method with potentials, cubic in the larger side. Returns the column of each row; None for rows left over where
/// there are more rows than columns.
fn assign(weights: &[Vec<f64>]) -> Vec<Option<usize>> {
    let columns = weights.first().map_or(0, Vec::len);
    let size = weights.len().max(columns);
    let cost = |row: usize, column: usize| -weights.get(row).and_then(|row| row.get(column)).copied().unwrap_or(0.0);
    // Row and column 0 stand for "none yet"; real ones count from 1.
    let (mut of_row, mut of_column) = (vec![0.0; size + 1], vec![0.0; size + 1]);
    let mut partner = vec![0; size + 1];
    for row in 1..=size {
        partner[0] = row;
        let mut column = 0;
        let mut slack = vec![f64::INFINITY; size + 1];
        let mut came_from = vec![0; size + 1];
        let mut seen = vec![false; size + 1];
        while partner[column] != 0 {
            seen[column] = true;
            let at = partner[column];
            let (mut least, mut next) = (f64::INFINITY, 0);
            for other in (1..=size).filter(|&other| !seen[other]) {
                let reduced = cost(at - 1, other - 1) - of_row[at] - of_column[other];
                if reduced < slack[other] {
                    (slack[other], came_from[other]) = (reduced, column);
                }
                if slack[other] < least {
                    (least, next) = (slack[other], other);
                }
            }
            for other in 0..=size {
                if seen[other] {
                    of_row[partner[other]] += least;
                    of_column[other] -= least;
                } else {
                    slack[other] -= least;
                }
            }
            column = next;
        }
        while column != 0 {
            partner[column] = partner[came_from[column]];
            column = came_from[column];
        }
    }
    let mut of = vec![None; weights.len()];
    for (column, &row) in partner.iter().enumerate().skip(1).take(columns) {
        if let Some(slot) = row.checked_sub(1).and_then(|row| of.get_mut(row)) {
            *slot = Some(column - 1);
        }
    }
    of
}

/// Share of the distinct words of `right` that occur in `said`; 0 where `right` has no words.
fn recall(said: &str, right: &str) -> f64 {
    let said: Vec<&str> = said.split_whitespace().collect();
    let mut words: Vec<&str> = right.split_whitespace().collect();
    words.sort_unstable();
    words.dedup();
    if words.is_empty() {
        return 0.0;
    }
    words.iter().filter(|word| said.contains(word)).count() as f64 / words.len() as f64
}

fn f1(said: &str, right: &str) -> f64 {
    let mut left: Vec<&str> = right.split_whitespace().collect();
    let (mut given, wanted, mut shared) = (0, left.len(), 0);
    for word in said.split_whitespace() {
        given += 1;
        if let Some(place) = left.iter().position(|other| *other == word) {
            left.swap_remove(place);
            shared += 1;
        }
    }
    if given + wanted == 0 { 0.0 } else { 2.0 * f64::from(shared) / (given + wanted) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_best_matching_is_found_where_the_greedy_one_is_not_best() {
        // Taking the 0.9 first leaves 0.1 for the other: 1.0 in all, against 0.8 + 0.7.
        assert_eq!(assign(&[vec![0.9, 0.8], vec![0.7, 0.1]]), [Some(1), Some(0)]);
        assert_eq!(assign(&[vec![0.2], vec![0.5]]), [None, Some(0)]);
        assert_eq!(assign(&[vec![0.2, 0.6, 0.1]]), [Some(1)]);
        assert_eq!(assign(&[vec![], vec![]]), [None, None]);
        assert_eq!(assign(&[]), []);
    }

    fn best(weights: &[Vec<f64>], row: usize, taken: &mut Vec<bool>) -> f64 {
        let Some(of_row) = weights.get(row) else { return 0.0 };
        let mut most = best(weights, row + 1, taken);
        for column in 0..of_row.len() {
            if !taken[column] {
                taken[column] = true;
                most = most.max(of_row[column] + best(weights, row + 1, taken));
                taken[column] = false;
            }
        }
        most
    }

    proptest! {
        #[test]
        fn no_matching_has_a_larger_sum(
            (rows, columns, values) in (0usize..5, 0usize..5, prop::collection::vec(0.0f64..1.0, 25))
        ) {
            let weights: Vec<Vec<f64>> = (0..rows).map(|row| values[row * 5..row * 5 + columns].to_vec()).collect();
            let found = assign(&weights);
            let mut used: Vec<usize> = found.iter().flatten().copied().collect();
            let sum: f64 = found.iter().enumerate().filter_map(|(row, column)| Some(weights[row][(*column)?])).sum();
            prop_assert!((sum - best(&weights, 0, &mut vec![false; columns])).abs() < 1e-9);
            prop_assert_eq!(used.len(), rows.min(columns));
            used.sort_unstable();
            used.dedup();
            prop_assert_eq!(used.len(), rows.min(columns));
        }
    }

    #[test]
    fn words_are_counted_as_often_as_both_have_them() {
        assert_eq!(recall("a small left effusion", "left pleural effusion"), 2.0 / 3.0);
        assert_eq!(f1("a small left effusion", "left pleural effusion"), 2.0 * 2.0 / 7.0);
        assert_eq!(f1("no no no", "no"), 2.0 / 4.0);
        assert_eq!((recall("", "left"), f1("", ""), f1("x", "x")), (0.0, 0.0, 1.0));
    }
}

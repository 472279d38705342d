//! Table of results: accuracy under each condition and the main metrics, compared with the base.

use indexmap::IndexMap;
use stepwise_benchmark::metrics::fake_robustness::CheckVerdict;
use stepwise_benchmark::plan::CAPPED;
use stepwise_benchmark::stats::FEWEST_CLUSTERS;
use stepwise_benchmark::summary::{Estimate, LARGE_GROUP, Summary};

use crate::table::aligned;
use crate::table::cell::{number, p_value, with_interval};

/// Formats the accuracy under each condition, compared with the base, then the main results and footnotes. `title`
/// heads the column of the model. A metric of a single condition, stage or attack has a colon in its id; the table
/// shows such a metric only if it is primary. The report shows all.
pub fn text(title: &str, summary: &Summary) -> String {
    let mut rows = vec![head(title).map(str::to_owned)];
    let is_paired = is_paired(summary);
    for condition in &summary.conditions {
        let gain = condition.gain_vs_base.as_ref();
        rows.push([
            condition.id.clone(),
            condition.n.to_string(),
            condition.skipped.to_string(),
            number(condition.base.and_then(|base| base.value)),
            number(condition.accuracy),
            gain.map_or_else(String::new, |gain| with_interval(&gain.estimate)),
            adjusted(gain.map(|gain| &gain.estimate)),
            match (is_paired, condition.unparsed_base) {
                (false, _) => condition.unparsed.to_string(),
                (true, None) => format!("{}, -", condition.unparsed),
                (true, Some(base)) => format!("{}, {base}", condition.unparsed),
            },
        ]);
    }
    rows.push(Default::default());
    for (id, metric) in summary.metrics.iter().filter(|(id, metric)| metric.primary || !id.contains(':')) {
        rows.push([
            id.clone(),
            metric.estimate.n.to_string(),
            String::new(),
            number(metric.base.and_then(|base| base.value)),
            number(metric.estimate.value),
            metric.gain_vs_base.as_ref().map_or_else(String::new, with_interval),
            adjusted(metric.gain_vs_base.as_ref()),
            String::new(),
        ]);
    }
    std::iter::once(aligned(&rows)).chain(footnotes(summary)).collect::<Vec<_>>().join("\n")
}

fn head(title: &str) -> [&str; 8] {
    ["", "n", "left out", "base", title, "gain [95 % interval]", "p, adjusted", "unparsed"]
}

/// Adjusted p-value of a gain; empty where there is none, and with a star where a claim may rest on the gain.
fn adjusted(gain: Option<&Estimate>) -> String {
    let text = gain.and_then(|gain| gain.p_adjusted).map_or_else(String::new, p_value);
    if !text.is_empty() && gain.is_some_and(Estimate::is_clear) { text + " *" } else { text }
}

/// Maximum number of names in a list; the others are only counted.
const NAMED: usize = 4;

/// Notes on scoring, tests, left-out questions with reasons, caps, and checks against fake robustness.
fn footnotes(summary: &Summary) -> Vec<String> {
    let mut notes = vec![String::new()];
    notes.extend(use_of_the_image(summary));
    notes.push(judged(summary));
    notes.extend(tests(summary));
    notes.extend(sentences(summary));
    let mut reasons: IndexMap<&str, (usize, Vec<String>)> = IndexMap::new();
    for condition in &summary.conditions {
        for (reason, count) in &condition.skipped_by_reason {
            let (all, conditions) = reasons.entry(reason).or_default();
            *all += count;
            conditions.push(match condition.max_items.filter(|_| reason == CAPPED) {
                Some(most) => format!("{} at {most}", condition.id),
                None => condition.id.clone(),
            });
        }
    }
    notes.extend(reasons.into_iter().map(|(reason, (count, of))| format!("left out {count}: {reason} ({})", few(&of))));
    if let Some(most) = summary.max_cases.filter(|most| *most <= summary.cases) {
        notes.push(format!("the suite uses at most {most} cases"));
    }
    let of = |verdict| summary.checks.iter().filter(move |check| check.verdict == verdict);
    let counts =
        [CheckVerdict::Pass, CheckVerdict::Fail, CheckVerdict::NotApplicable].map(|verdict| of(verdict).count());
    if counts[0] + counts[1] > 0 {
        let [pass, fail, idle] = counts;
        notes.push(format!("checks against fake robustness: {pass} passed, {fail} failed, {idle} not applicable"));
    }
    for check in of(CheckVerdict::Fail) {
        let numbers = check.numbers.iter().map(|(name, value)| format!("{name} {value:.3}")).collect::<Vec<_>>();
        notes.push(format!("FAILED: {} ({} items; {})", check.label, check.n, numbers.join(", ")));
    }
    notes
}

/// Returns whether the summary compares the model with a base.
fn is_paired(summary: &Summary) -> bool {
    summary.conditions.iter().any(|condition| condition.gain_vs_base.is_some())
}

/// Note that says whether the model uses the image more than the base; None where no image was exchanged, or without a
/// base.
fn use_of_the_image(summary: &Summary) -> Option<String> {
    let metric = summary.metrics.get("image_score")?;
    let (gain, base) = metric.gain_vs_base.as_ref().zip(metric.base)?;
    image_note(metric.estimate.value?, base.value?, gain)
}

/// Note on the paired image scores `now` of the model and `base`, and on the gain; None where the gain is not defined.
fn image_note(now: f64, base: f64, gain: &Estimate) -> Option<String> {
    let more = match gain.value? {
        value if gain.is_clear() && value > 0.0 => "more than the base",
        _ if gain.is_clear() => "less than the base",
        _ => "neither surely more nor surely less than the base",
    };
    let ([now, base], gain) = ([now, base].map(|value| number(Some(value))), with_interval(gain));
    Some(format!(
        "the model uses the image {more}: paired image score {now}, base {base}, {gain}; 0.5 is no use of the image"
    ))
}

/// Note on the scoring rule, the parser and unparsed responses.
fn judged(summary: &Summary) -> String {
    let unparsed = if is_paired(summary) {
        "responses without a valid answer, of the model and of the base"
    } else {
        "responses without a valid answer"
    };
    let how = summary.scoring.describe();
    let versions = format!("versions {} and {}", summary.scoring_version, summary.parser);
    format!("scoring: {how}; {versions}; unparsed: {unparsed}, counted as wrong")
}

/// Note on the primary endpoints and on the computation of p-values; None without a base.
fn tests(summary: &Summary) -> Option<String> {
    let primary: Vec<&str> = summary.primary().map(|endpoint| endpoint.id).collect();
    is_paired(summary).then(|| {
        let holm = match primary.as_slice() {
            [] => String::new(),
            named => format!("by Holm over the primary endpoints ({}), ", named.join(", ")),
        };
        let few = if summary.groups.min(summary.questions) < FEWEST_CLUSTERS {
            format!("; none is possible here, with {} groups and {} questions", summary.groups, summary.questions)
        } else {
            String::new()
        };
        let large = if summary.largest_group > LARGE_GROUP {
            format!("; one group holds {:.0} % of the items, where intervals are too narrow", 100.0 * summary.largest_group)
        } else {
            String::new()
        };
        format!(
            "intervals and p: over other groups and other questions; p adjusted {holm}by Benjamini and Hochberg over the other \
             conditions; * a claim may rest on it: below 0.05 with {FEWEST_CLUSTERS} groups and {FEWEST_CLUSTERS} questions or \
             more{few}{large}"
        )
    })
}

/// Notes on the spread of the effect over sentences, one for each primary condition that draws them.
fn sentences(summary: &Summary) -> impl Iterator<Item = String> {
    summary.conditions.iter().filter(|condition| condition.primary).filter_map(|condition| {
        let spread = condition.sentences.as_ref()?;
        let [least, median, most, sd] = [spread.least, spread.median, spread.most, spread.sd].map(|v| number(Some(v)));
        Some(format!(
            "{} over {} sentences: effect {least} to {most}, median {median}, standard deviation {sd}",
            condition.id,
            spread.by_sentence.len()
        ))
    })
}

fn few(names: &[String]) -> String {
    match names.split_at_checked(NAMED) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_output_of_the_quickstart_has_the_columns_of_the_table() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (page, text) in [
            ("README.md", include_str!("../../../README.md")),
            ("docs/benchmark.md", include_str!("../../../docs/benchmark.md")),
        ] {
            let (_, output) = text.split_once("<!-- quickstart output -->").expect("an example output");
            let columns = words(&head("after epoch 4").join(" "));
            assert!(
                output.lines().any(|line| words(line) == columns),
                "{page} shows no table with the columns {columns:?}"
            );
        }
    }

    #[test]
    fn the_note_on_the_image_claims_only_what_the_gain_carries() {
        let gain = |value: f64, p: f64, clusters: usize| Estimate {
            value: Some(value),
            ci: Some(if p < 0.05 { [value - 0.01, value + 0.01] } else { [value - 0.5, value + 0.5] }),
            n: 100,
            p: Some(p),
            p_adjusted: None,
            clusters,
        };
        let said = |gain: &Estimate| image_note(0.7, 0.6, gain);
        let unsure = "the model uses the image neither surely more nor surely less than the base: paired image score";
        for (value, p, clusters, expected) in [
            (0.1, 0.01, 8, "the model uses the image more than the base: paired image score"),
            (-0.1, 0.01, 8, "the model uses the image less than the base: paired image score"),
            (0.1, 0.3, 8, unsure),
            (-0.1, 0.3, 8, unsure),
            // Too few patients or questions for a claim.
            (0.1, 0.01, 7, unsure),
        ] {
            let note = said(&gain(value, p, clusters)).expect("a gain");
            assert!(note.starts_with(&format!("{expected} 0.700, base 0.600, ")), "{note}");
        }
        assert_eq!(said(&Estimate::default()), None);
    }
}

//! Effects of conditions by sentence: whether a result is about one sentence or about all of them.

use stepwise_benchmark::summary::{ConditionSummary, SentenceEffect, SentenceSpread};

use super::ReportInput;
use super::section::ReportSection;
use super::table::{Cell, ReportTable};

/// Renders the section `sentences` about the epoch that the report is about: for every condition that draws sentences,
/// the spread of its effect over them, and a folded table of the effect under each sentence. `None` where no condition
/// was asked with two sentences.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let spread = |condition| {
        let condition: &ConditionSummary = condition;
        Some((condition, condition.sentences.as_ref()?))
    };
    let conditions: Vec<(&ConditionSummary, &SentenceSpread)> =
        input.model().conditions.iter().filter_map(spread).collect();
    if conditions.is_empty() {
        return None;
    }
    Some(ReportSection {
        id: "sentences",
        title: "Effect by sentence",
        intro: "A condition such as a hint draws one of several sentences for each item. The effect is the accuracy \
                under the condition minus the accuracy under its control, as a share of 1. Intervals and tests of these \
                conditions are over new sentences, too. The standard deviation contains the sampling error of each \
                sentence."
            .into(),
        body: String::new(),
        tables: vec![of_conditions(&conditions).open(), of_sentences(&conditions)],
        half: false,
    })
}

fn of_conditions(conditions: &[(&ConditionSummary, &SentenceSpread)]) -> ReportTable {
    let rows = conditions.iter().map(|(condition, spread)| {
        let effects = [spread.least, spread.median, spread.most, spread.sd].map(|value| Cell::Number(Some(value)));
        let [least, median, most, sd] = effects;
        [Cell::text(condition.id.as_str()), Cell::Count(spread.by_sentence.len()), least, median, most, sd]
    });
    let columns = [
        ("condition", "condition"),
        ("sentences", "sentences"),
        ("least", "smallest effect"),
        ("median", "median effect"),
        ("most", "largest effect"),
        ("sd", "standard deviation"),
    ];
    ReportTable::new("sentence_spread", "spread of effects over sentences", columns, rows)
}

fn of_sentences(conditions: &[(&ConditionSummary, &SentenceSpread)]) -> ReportTable {
    let each = conditions
        .iter()
        .flat_map(|(condition, spread)| spread.by_sentence.iter().map(move |effect| (condition.id.as_str(), effect)));
    let rows = each.map(|(condition, SentenceEffect { sentence, bias, n, value })| {
        [
            Cell::text(condition),
            Cell::text(sentence.as_str()),
            Cell::text(bias.as_deref().unwrap_or("\u{2013}")),
            Cell::Count(*n),
            Cell::Number(Some(*value)),
        ]
    });
    let columns =
        [("condition", "condition"), ("sentence", "sentence"), ("bias", "bias"), ("n", "items"), ("effect", "effect")];
    ReportTable::new("sentences", "effect under each sentence", columns, rows)
}

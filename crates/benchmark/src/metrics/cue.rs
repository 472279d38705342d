//! Effect of marks on the image: on the evidence, elsewhere, and with a text that contradicts the image.

use super::metric::{Better, Metric, paired};
use super::outcome_table::OutcomeTable;
use stepwise_data::taxonomy::is_about_marks;

/// Returns the effect of marks on the image:
///
/// - `cue_gain`: accuracy with a mark on the evidence less clean accuracy, on the items evaluated under both;
/// - `cue_alignment_accuracy`: accuracy with a mark on the evidence, on the questions about marks; with the suffixes
///   `:no_mark` and `:wrong_mark`, accuracy on the same questions clean and with a mark elsewhere (the latter needs a
///   condition `cue_wrong` whose control is the true mark);
/// - `cue_harm`: clean accuracy less accuracy with a mark away from the evidence;
/// - `text_dominance`: share of answers that follow a wrong claim about a true mark.
///
/// Where there are several shapes of mark, the metrics of the condition with default parameters carry no suffix, and
/// the others end in the id of their condition. A metric without such items is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    let mut metrics = Vec::new();
    for (c, condition, first) in table.variants("cue_true") {
        let name = |base: &str| OutcomeTable::name(base, condition, first);
        // CG = A(cue+) - A(0)
        let gain = paired(table, c, clean);
        metrics.push(Metric::mean_difference(name("cue_gain"), "cue gain (true mark)", Better::Higher, gain));
        // CAA = A(cue+) on the categories about marks, with the same items without a mark and with a wrong one
        // for comparison
        let aligned = |id: String, label: &str, of: Option<usize>| {
            let sums = table.sums(|row| {
                row.right(c)?;
                is_about_marks(row.category).then_some([row.right(of?)?, 1.0])
            });
            Metric::mean(id, format!("cue alignment accuracy, {label} (questions about marks)"), Better::Higher, sums)
        };
        let wrong = table.counterpart("cue_wrong", condition, &condition.id);
        metrics.push(aligned(name("cue_alignment_accuracy"), "true mark", Some(c)));
        metrics.push(aligned(name("cue_alignment_accuracy:no_mark"), "no mark", Some(clean)));
        metrics.push(aligned(name("cue_alignment_accuracy:wrong_mark"), "wrong mark", wrong.map(|(c, _)| c)));
    }
    for (c, condition, first) in table.variants("cue_wrong") {
        // CH = A(0) - A(cue-)
        let name = OutcomeTable::name("cue_harm", condition, first);
        metrics.push(Metric::mean_difference(
            name,
            "false-cue harm (wrong mark)",
            Better::Lower,
            paired(table, clean, c),
        ));
    }
    for (c, condition, first) in table.variants("cue_text_wrong") {
        // TD = P(a = h given a true mark and a wrong claim about it)
        metrics.push(Metric::mean(
            OutcomeTable::name("text_dominance", condition, first),
            "text dominance (follows a wrong claim about a true mark)",
            Better::Lower,
            table.sums_under(c, |row| Some([row.follows(c)?, 1.0])),
        ));
    }
    metrics
}

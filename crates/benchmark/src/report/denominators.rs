//! What every figure rests on: replies by verdict, and what was left out and why.

use super::ReportInput;
use super::markup::{escape, share, table};

/// The section.
pub fn section(input: &ReportInput<'_>) -> String {
    let last = input.last();
    let rows: Vec<Vec<String>> = last
        .conditions
        .iter()
        .map(|condition| {
            let reasons: Vec<String> = condition
                .skipped_by_reason
                .iter()
                .map(|(reason, count)| format!("{count} {}", escape(reason)))
                .collect();
            vec![
                escape(&condition.id),
                share(last.estimate(&format!("accuracy:{}", condition.id))),
                condition.n.to_string(),
                condition.right.to_string(),
                condition.wrong.to_string(),
                condition.unparsed.to_string(),
                condition.followed.to_string(),
                condition.skipped.to_string(),
                format!("<span class=\"reasons\">{}</span>", reasons.join("; ")),
            ]
        })
        .collect();
    format!(
        "<section><h2>Denominators</h2><p>Of {} items, under each condition: asked, judged, and left out with the reason. \
         Replies of {}.</p>{}</section>",
        last.items,
        escape(&input.last_label()),
        table(
            &[
                "condition",
                "accuracy",
                "asked",
                "right",
                "wrong",
                "unparsed",
                "followed hint",
                "left out",
                "<span class=\"reasons\">why</span>"
            ],
            &rows
        )
    )
}

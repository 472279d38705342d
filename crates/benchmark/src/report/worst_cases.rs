//! The worst cases as pictures, with what was asked and what each answered.

use super::markup::escape;
use super::{ReportInput, WorstCase};

/// The section.
pub fn section(input: &ReportInput<'_>) -> String {
    if input.worst.is_empty() {
        return String::new();
    }
    let figures: String = input.worst.iter().map(|case| figure(case, &input.last_label())).collect();
    format!(
        "<section><h2>Worst cases</h2><p>Right when clean and wrong under an attack, or wrong where the base was right; the surest \
         mistakes first. The dashed outline is where the evidence lies: drawn for you, not shown to the model.</p>\
         <div class=\"worst\">{figures}</div></section>"
    )
}

fn figure(case: &WorstCase, label: &str) -> String {
    let outlines: String = case
        .evidence
        .iter()
        .map(|[x, y, width, height]| {
            format!(
                "<rect class=\"halo\" x=\"{x:.2}%\" y=\"{y:.2}%\" width=\"{width:.2}%\" height=\"{height:.2}%\"/>\
                 <rect class=\"evidence\" x=\"{x:.2}%\" y=\"{y:.2}%\" width=\"{width:.2}%\" height=\"{height:.2}%\"/>"
            )
        })
        .collect();
    let picture = case.picture.as_ref().map_or_else(String::new, |uri| {
        format!(
            "<div class=\"picture\"><div><img src=\"{}\" alt=\"the picture as shown\"><svg aria-hidden=\"true\">{outlines}</svg></div></div>",
            escape(uri)
        )
    });
    let note =
        if case.attacked { "<p class=\"about\">The change to its pixels is too small to see here.</p>" } else { "" };
    let answer = |name: &str, words: Option<&str>, right: bool| {
        let (class, mark) = if right { ("good", "\u{2714}") } else { ("bad", "\u{2718}") };
        let words = words.map_or_else(|| "<em>unparsed</em>".to_owned(), escape);
        format!("<div><dt>{name}</dt><dd class=\"{class}\">{words} {mark}</dd></div>")
    };
    let clean = case.clean.as_ref().filter(|_| case.clean.as_ref() != case.now.as_ref());
    let named = case
        .named
        .as_ref()
        .map_or_else(String::new, |named| format!("<div><dt>hint named</dt><dd>{}</dd></div>", escape(named)));
    format!(
        "<figure>{picture}<figcaption><p class=\"tags\"><b>{}</b> <span>stage {}</span> <span>{} \u{b7} {}</span></p>\
         <p class=\"about\">{}</p>{note}<blockquote>{}</blockquote><dl class=\"answers\">\
         <div><dt>right answer</dt><dd>{}</dd></div>{named}{}{}{}</dl></figcaption></figure>",
        escape(&case.condition),
        case.stage,
        escape(&case.case_id),
        escape(&case.item_id),
        escape(&case.about),
        escape(&case.shown),
        escape(&case.gold),
        answer("base", case.base.as_deref(), case.base_right),
        answer(&escape(label), case.now.as_deref(), false),
        clean.map_or_else(String::new, |clean| answer("when clean", Some(clean), true)),
    )
}

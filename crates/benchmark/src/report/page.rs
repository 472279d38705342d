//! The page around the sections: head, contents, and how the numbers are made.

use super::markup::{escape, plural};
use super::section::Section;
use super::{ReportInput, headline};

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub fn html(input: &ReportInput<'_>, sections: &[Section]) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{}</title><style>{STYLE}</style></head><body><main>{}{}<div class=\"sections\">{}{}</div></main></body></html>\n",
        escape(input.title),
        header(input, sections),
        headline::section(input),
        sections.iter().map(Section::markup).collect::<String>(),
        method(input),
    )
}

fn header(input: &ReportInput<'_>, sections: &[Section]) -> String {
    let summary = input.last();
    let mut facts: Vec<(String, String)> = input.facts.to_vec();
    facts.push((
        "Asked".to_owned(),
        format!(
            "{}, {}, {}",
            plural(summary.items, "item"),
            plural(summary.cases, "case"),
            plural(summary.groups, "group")
        ),
    ));
    let digest: String = summary.suite.digest.chars().take(12).collect();
    facts.push(("Suite".to_owned(), format!("{}, version {}, {digest}", summary.suite.name, summary.suite.version)));
    let facts: String = facts
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value)))
        .collect();
    let contents: String = sections
        .iter()
        .map(|section| (section.id, section.title))
        .chain([("method", METHOD)])
        .map(|(id, title)| format!("<li><a href=\"#{id}\">{title}</a></li>"))
        .collect();
    format!(
        "<header><p class=\"kind\">Adversarial robustness report</p><h1>{}</h1><dl class=\"facts\">{facts}</dl>\
         <nav aria-label=\"Contents\"><ul>{contents}</ul></nav></header>",
        escape(input.title)
    )
}

const METHOD: &str = "How the numbers are made";

fn method(input: &ReportInput<'_>) -> String {
    let summary = input.last();
    format!(
        "<section id=\"method\" aria-labelledby=\"method-title\"><h2 id=\"method-title\">{METHOD}</h2><ul class=\"method\">\
         <li><b>Scoring.</b> {}. A reply that is no answer is <em>unparsed</em>: wrong for accuracy, never counted as \
         following a hint.</li>\
         <li><b>Gain.</b> Always against the untouched base on the very same items under the same condition.</li>\
         <li><b>Intervals.</b> 95 %, percentile bootstrap of {} draws over {} (patients or slice runs), not over items.</li>\
         <li><b>Tests.</b> Two-sided sign flips over groups; adjusted by Holm among the primary conditions and by Benjamini \
         and Hochberg among the others. McNemar's exact test beside it takes items as independent.</li>\
         <li><b>Denominators.</b> <em>of 120</em> says that a number rests on 120 items, or on 120 cases where it is about \
         chains. Won and lost are the items that only the tuned model or only the base got right.</li>\
         <li><b>Comparable</b> only with results of the same suite digest: <code>{}</code>.</li></ul></section>",
        escape(&capital(summary.scoring.describe())),
        summary.resamples,
        plural(summary.groups, "group"),
        escape(&summary.suite.digest)
    )
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

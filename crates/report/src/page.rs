//! The page around the sections: head, contents, and how the numbers are made.

use super::markup::{escape, plural};
use super::section::Section;
use super::{ReportInput, main_result};

const STYLE: &str = include_str!("style.css");

/// What stands around the sections of a page. Facts are words, the rest is markup.
pub struct Page<'a> {
    /// What kind of report it is.
    pub kind: &'a str,
    /// Names it.
    pub title: &'a str,
    /// Name and value.
    pub facts: &'a [(String, String)],
    /// Before the first section.
    pub headline: &'a str,
    /// How the numbers are made: what stands in the last section's list.
    pub method: &'a str,
}

impl Page<'_> {
    /// The whole page.
    pub fn html(&self, sections: &[Section]) -> String {
        let Self { title, headline, method, .. } = self;
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
             <title>{}</title><style>{STYLE}</style></head><body><main>{}{headline}<div class=\"sections\">{}\
             <section id=\"method\" aria-labelledby=\"method-title\"><h2 id=\"method-title\">{METHOD}</h2>\
             <ul class=\"method\">{method}</ul></section></div></main></body></html>\n",
            escape(title),
            self.header(sections),
            sections.iter().map(Section::markup).collect::<String>(),
        )
    }

    fn header(&self, sections: &[Section]) -> String {
        let facts = self.facts.iter();
        let facts: String = facts
            .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value)))
            .collect();
        let contents: String = sections
            .iter()
            .map(|section| (section.id, section.title))
            .chain([("method", METHOD)])
            .map(|(id, title)| format!("<li><a href=\"#{id}\">{title}</a></li>"))
            .collect();
        format!(
            "<header><p class=\"kind\">{}</p><h1>{}</h1><dl class=\"facts\">{facts}</dl>\
             <nav aria-label=\"Contents\"><ul>{contents}</ul></nav></header>",
            self.kind,
            escape(self.title)
        )
    }
}

/// The page about one run.
pub fn html(input: &ReportInput<'_>, sections: &[Section]) -> String {
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
    let page = Page {
        kind: "Adversarial robustness report",
        title: input.title,
        facts: &facts,
        headline: &main_result::section(input),
        method: &method(input),
    };
    page.html(sections)
}

const METHOD: &str = "How the numbers are made";

fn method(input: &ReportInput<'_>) -> String {
    let summary = input.last();
    format!(
        "<li><b>Scoring.</b> {}. A reply that is no answer is <em>unparsed</em>: wrong for accuracy, never counted as \
         following a hint.</li>\
         <li><b>Gain.</b> Always against the untouched base on the very same items under the same condition.</li>\
         <li><b>Intervals.</b> 95 %, percentile bootstrap of {} draws over {} (patients or slice runs), not over items.</li>\
         <li><b>Tests.</b> Two-sided, over groups: sign flips for a condition's accuracy, swaps between the two models for any \
         other metric; adjusted by Holm among all primary endpoints, named before the run, and by Benjamini and Hochberg among \
         the other conditions. McNemar's exact test beside it takes items as independent.</li>\
         <li><b>Denominators.</b> <em>of 120</em> says that a number rests on 120 items, or on 120 cases where it is about \
         chains. Won and lost are the items that only the tuned model or only the base got right.</li>\
         <li><b>Comparable</b> only with results of the same suite digest: <code>{}</code>.</li>",
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

//! Page around the sections: header, contents, and how the numbers are computed.

use stepwise_benchmark::stats::FEWEST_CLUSTERS;
use stepwise_benchmark::summary::{LARGE_GROUP, Summary};

use super::ReportInput;
use super::main_result;
use super::markup::{capital, escape, plural};
use super::section::ReportSection;

const STYLE: &str = include_str!("style.css");

/// Parts of a page around its sections. Title and facts are plain text; all other fields are markup.
pub struct Page<'a> {
    /// Kind of the report.
    pub kind: &'a str,
    /// Title of the page.
    pub title: &'a str,
    /// Facts in the header as name and value.
    pub facts: &'a [(String, String)],
    /// Content before the first section.
    pub headline: &'a str,
    /// List items of the last section, which explains how the numbers are computed.
    pub method: &'a str,
    /// Style rules in addition to those of all pages; empty for none.
    pub style: &'a str,
}

impl Page<'_> {
    /// Renders the page around the `sections`, in their order, as a complete HTML document. The page loads nothing from
    /// elsewhere.
    pub fn html(&self, sections: &[ReportSection]) -> String {
        let Self { title, headline, method, style, .. } = self;
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
             <title>{}</title><style>{STYLE}{style}</style></head><body><main>{}{headline}<div class=\"sections\">{}\
             <section id=\"method\" aria-labelledby=\"method-title\"><h2 id=\"method-title\">{METHOD}</h2>\
             <ul class=\"method\">{method}</ul></section></div></main></body></html>\n",
            escape(title),
            self.header(sections),
            sections.iter().map(ReportSection::markup).collect::<String>(),
        )
    }

    fn header(&self, sections: &[ReportSection]) -> String {
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

/// Renders the page about one run around its `sections` as a complete HTML document: header with facts, main result,
/// sections, and the explanation of how the numbers are computed. Number of items and suite are added to the facts of
/// `input`.
pub fn html(input: &ReportInput<'_>, sections: &[ReportSection]) -> String {
    let summary = input.model();
    let mut facts: Vec<(String, String)> = input.facts.to_vec();
    facts.push((
        "Evaluated".to_owned(),
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
        style: "",
    };
    page.html(sections)
}

const METHOD: &str = "How the numbers are computed";

fn method(input: &ReportInput<'_>) -> String {
    let summary = input.model();
    let model = match input.delivered {
        Some(_) => format!("{}, the delivered checkpoint", escape(&input.model_label())),
        None => "the last evaluated epoch".to_owned(),
    };
    format!(
        "<li><b>Scoring.</b> {}. A response that cannot be parsed is <em>unparsed</em>: it counts as not right, and never as \
         following a hint.</li>\
         <li><b>Model and gain.</b> <em>Model</em> is {}; without epochs it is the base. A gain is the \
         model minus the untouched base, on the same items under the same condition.</li>\
         <li><b>Intervals and tests.</b> They are about other patients and other questions: the same questions are asked about \
         many patients, here {} and {}. The variance is V = max(V<sub>patients</sub> + V<sub>questions</sub> \u{2212} \
         V<sub>cells</sub>, V<sub>patients</sub>, V<sub>questions</sub>), each part a jackknife over whole patients (or runs of \
         neighbouring slices), questions, or the items of one patient with one question (Cameron, Gelbach and Miller, 2011). \
         95 % intervals and two-sided p-values come from Student\u{2019}s t with min(patients, questions) \u{2212} 1 degrees of \
         freedom; no p-value is below 2<sup>1 \u{2212} min(patients, questions)</sup>. Metrics of whole chains vary patients \
         only. Where a condition draws one of several sentences for each item, sentences are a third dimension: \
         V\u{2032} = max(V + V<sub>sentences</sub> \u{2212} V<sub>cells</sub>, V, V<sub>sentences</sub>), with at most \
         sentences \u{2212} 1 degrees of freedom. p-values are adjusted by Holm over all primary endpoints, which were named before the run, and by Benjamini and \
         Hochberg over the other conditions. A mark of better or worse, or a filled dot, needs a p-value (adjusted, where it \
         belongs to a family) below 0.05 over {FEWEST_CLUSTERS} patients and {FEWEST_CLUSTERS} questions or more. McNemar\u{2019}s \
         exact test is shown for comparison; it treats items as independent.{}</li>\
         <li><b>Denominators.</b> <em>of 120</em> means that a number rests on 120 items, or on 120 cases for metrics of \
         chains. <em>Only model right</em> and <em>only base right</em> count the items that one of the two got right and the \
         other did not.</li>\
         <li><b>Comparability.</b> Compare only with results of the same suite digest: <code>{}</code>.</li>",
        escape(&capital(summary.scoring.describe())),
        model,
        plural(summary.groups, "group"),
        plural(summary.questions, "question"),
        large_group(summary),
        escape(&summary.suite.digest)
    )
}

/// Warns where one patient holds so many items that no interval keeps its coverage.
fn large_group(summary: &Summary) -> String {
    if summary.largest_group <= LARGE_GROUP {
        return String::new();
    }
    format!(
        " <b>One patient holds {:.0} % of the items here</b>: above {:.0} % the intervals of no known method keep their stated \
         coverage.",
        100.0 * summary.largest_group,
        100.0 * LARGE_GROUP
    )
}

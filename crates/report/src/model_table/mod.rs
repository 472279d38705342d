//! Page about a table of several models: values and ranks, stage curves, hint plane, paired image score against hints, conditions, and sensitivity to
//! wording.

mod conditions;
mod hints;
mod pairs;
mod sight;
mod stages;
mod values;
mod wording;

use stepwise_benchmark::model_table::{LEVEL, ModelTable};
use stepwise_benchmark::stats::FEWEST_CLUSTERS;

use crate::markup::{capital, escape, plural};
use crate::page::Page;
use crate::section::ReportSection;
use crate::{CsvFile, Report};

/// Content of the page about a table of models.
#[derive(Clone, Copy, Debug)]
pub struct ModelTableInput<'a> {
    /// Title of the page.
    pub title: &'a str,
    /// Facts in the header as name and value, as plain text.
    pub facts: &'a [(String, String)],
    /// Models that were asked the same.
    pub table: &'a ModelTable,
    /// Remarks below the header, one plain sentence each: models that are not in the table, and the reasons.
    pub notes: &'a [String],
}

const SECTIONS: [fn(&ModelTable) -> Option<ReportSection>; 7] = [
    values::section,
    stages::section,
    hints::section,
    sight::section,
    conditions::section,
    wording::section,
    pairs::section,
];

/// Style rules of the page: grey lines behind the line of a model, smaller panels than elsewhere, and ranks on one line. The
/// table of ranks scrolls sideways, so that ranks do not widen the page.
const STYLE: &str = "svg .line.others{stroke:var(--rule);stroke-width:1.2}\
    .panels{grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr))}\
    .numbered{columns:200px auto;column-gap:44px;margin:8px 0 0;padding-left:28px;font-size:.9rem}.numbered li{overflow-wrap:anywhere}\
    #models td.words,#models td.words:last-child{min-width:0;white-space:nowrap}";

/// Renders the page and its tables as CSV. The page needs no other file. Sections whose conditions the suite lacks are
/// left out. No file is written.
#[must_use]
pub fn render(input: &ModelTableInput<'_>) -> Report {
    let table = input.table;
    let sections: Vec<ReportSection> = SECTIONS.iter().filter_map(|section| section(table)).collect();
    let tables: Vec<CsvFile> = sections.iter().flat_map(|section| &section.tables).map(|table| table.csv()).collect();
    let mut facts = input.facts.to_vec();
    facts.push(("Models".to_owned(), table.models.len().to_string()));
    facts.push((
        "Evaluated".to_owned(),
        format!(
            "{} to {} in {}, answered by every model",
            plural(table.answered_by_all, "answer"),
            plural(table.items, "item"),
            plural(table.groups, "group")
        ),
    ));
    let digest: String = table.suite.digest.chars().take(12).collect();
    facts.push(("Suite".to_owned(), format!("{}, version {}, {digest}", table.suite.name, table.suite.version)));
    let notes: String = input.notes.iter().map(|note| format!("<p class=\"tally bad\">{}</p>", escape(note))).collect();
    let page = Page {
        kind: "Table of models",
        title: input.title,
        facts: &facts,
        headline: &notes,
        method: &method(table),
        style: STYLE,
    };
    Report { html: page.html(&sections), tables }
}

fn method(table: &ModelTable) -> String {
    format!(
        "<li><b>Scoring.</b> {}. A response that cannot be parsed counts as not right.</li>\
         <li><b>Questions.</b> Every number counts the questions that all models answered, and no other one. A missing answer \
         is never wrong.{}</li>\
         <li><b>Intervals and tests.</b> They are about other patients and other questions (here {} and {}) and, where a \
         condition draws sentences, other sentences: two-way cluster variance (Cameron, Gelbach and Miller, 2011) with \
         Student\u{2019}s t of min(patients, questions) \u{2212} 1 degrees of freedom. Metrics of whole chains vary patients \
         only.</li>\
         <li><b>Ranks.</b> The best rank of a model is 1 plus the number of models that are surely better; the worst rank is the \
         number of models less those that are surely worse. A difference is sure where p, adjusted by Holm over all {} of the \
         column, is below {LEVEL}, over {FEWEST_CLUSTERS} patients and {FEWEST_CLUSTERS} questions or more. A rank such as \
         1\u{2013}4 means that the tests do not tell these places apart.</li>\
         <li><b>Comparability.</b> Compare only with results of the same suite digest: <code>{}</code>.</li>",
        escape(&capital(table.scoring.describe())),
        match table.left_out_conditions.as_slice() {
            [] => String::new(),
            ids => format!(" Conditions that some model did not answer are left out: {}.", escape(&ids.join(", "))),
        },
        plural(table.groups, "group"),
        plural(table.questions, "question"),
        plural(table.pairs(), "pair"),
        escape(&table.suite.digest)
    )
}

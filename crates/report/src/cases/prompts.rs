//! Prompts as a model sees them, and their lengths in tokens.

use std::collections::BTreeMap;

use super::input::CasesInput;
use crate::markup::escape;
use crate::section::ReportSection;
use crate::table::{Cell, ReportTable};

/// Prompts of a data set under the model of a recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompts {
    /// Folder of the model.
    pub model: String,
    /// Tokens of every question with its answer and its images, by stage.
    pub lengths: BTreeMap<u8, Vec<usize>>,
    /// Text of the questions of the shown cases, by case and question: the whole conversation as the tokenizer sees it,
    /// or why it cannot be made.
    pub texts: BTreeMap<(usize, usize), String>,
}

/// Renders the section `tokens`: lengths by stage. None without prompts.
pub fn section(input: &CasesInput<'_>) -> Option<ReportSection> {
    let prompts = input.prompts?;
    let rows = prompts.lengths.iter().map(|(stage, lengths)| {
        let mut lengths = lengths.clone();
        lengths.sort_unstable();
        let at = |part: f64| {
            let place = (lengths.len().saturating_sub(1) as f64 * part) as usize;
            Cell::Count(lengths.get(place).copied().unwrap_or_default())
        };
        [Cell::Text(input.stage(*stage)), Cell::Count(lengths.len()), at(0.0), at(0.5), at(1.0)]
    });
    let columns =
        [("stage", "stage"), ("questions", "questions"), ("least", "least"), ("median", "median"), ("most", "most")];
    let table = ReportTable::new("tokens", "tokens of a question by stage", columns, rows);
    Some(ReportSection {
        id: "tokens",
        title: "Tokens",
        intro: format!(
            "Tokens of a question with its images and its right answer, under <code>{}</code>. A training example with more \
             than <code>cutoff_len</code> tokens stops a run.",
            escape(&prompts.model)
        ),
        body: String::new(),
        tables: vec![table.open()],
        half: true,
    })
}

/// Renders the prompt of a question of a shown case, folded; empty where there is none.
pub fn folded(input: &CasesInput<'_>, case: usize, item: usize) -> String {
    let text = input.prompts.and_then(|prompts| prompts.texts.get(&(case, item)));
    text.map_or_else(String::new, |text| {
        format!("<details class=\"prompt\"><summary>prompt</summary><pre>{}</pre></details>", escape(text))
    })
}

//! Completeness of chains, and questions that have one right answer in all cases.

use std::collections::{BTreeMap, BTreeSet};

use super::input::CasesInput;
use crate::markup::plural;
use crate::section::ReportSection;
use crate::table::{Cell, ReportTable};

/// Most questions with one answer that are listed.
const LISTED: usize = 100;

/// Renders the section `chains`: cases by the stages that they have questions of, and questions with one right answer.
pub fn section(input: &CasesInput<'_>) -> Option<ReportSection> {
    let mut counts: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for case in &input.dataset.cases {
        let stages: BTreeSet<u8> = case.chain.iter().map(|item| item.stage).collect();
        *counts.entry(stages.into_iter().collect()).or_default() += 1;
    }
    let rows = counts.iter().map(|(stages, cases)| {
        let words: Vec<String> = stages.iter().map(|stage| input.stage(*stage)).collect();
        [Cell::Text(words.join(", ")), Cell::Count(*cases)]
    });
    let chains = ReportTable::new("chains", "cases by stages", [("stages", "stages"), ("cases", "cases")], rows);
    let incomplete = input.summary.incomplete_chains;
    let complete = input.summary.cases - incomplete;
    Some(ReportSection {
        id: "chains",
        title: "Chains",
        intro: format!(
            "{} with questions of all four stages, {incomplete} without. Questions that have one right answer in all cases of a \
             side need no image.",
            plural(complete, "case")
        ),
        body: String::new(),
        tables: std::iter::once(chains.open()).chain(one_answer(input)).collect(),
        half: true,
    })
}

/// Table of the questions with one right answer on a side of the split, those with most items first. None without such
/// questions.
fn one_answer(input: &CasesInput<'_>) -> Option<ReportTable> {
    let shown: BTreeSet<&str> =
        input.open_cases().flat_map(|case| case.chain.iter().map(|item| item.question.as_str())).collect();
    let all = input.summary.one_answer_questions.iter();
    let mut questions: Vec<_> = all.filter(|question| shown.contains(question.question.as_str())).collect();
    if questions.is_empty() {
        return None;
    }
    questions.sort_by_key(|question| std::cmp::Reverse(question.items));
    let rows = questions.into_iter().take(LISTED).map(|question| {
        [
            Cell::text(question.question.as_str()),
            Cell::text(question.split.word()),
            Cell::Count(question.items),
            Cell::text(question.gold.as_str()),
        ]
    });
    let columns = [("question", "question"), ("split", "split"), ("questions", "questions"), ("gold", "always right")];
    Some(ReportTable::new("one_answer", "questions with one right answer in all cases of a side", columns, rows))
}

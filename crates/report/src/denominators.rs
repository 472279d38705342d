//! Denominators: responses by verdict, and items left out with the reasons.

use std::collections::BTreeMap;

use stepwise_benchmark::summary::Summary;

use super::ReportInput;
use super::markup::{escape, plural};
use super::section::ReportSection;
use super::table::{Cell, ReportTable};

/// Renders the section `denominators` about the epoch that the report is about: the number of answered, right, wrong,
/// unparsed and left-out questions of each condition, the reasons for leaving out, and the conditions without any
/// answered item. Never `None`.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let last = input.model();
    let total =
        |of: fn(&stepwise_benchmark::summary::ConditionSummary) -> usize| last.conditions.iter().map(of).sum::<usize>();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (reason, count) in last.conditions.iter().flat_map(|condition| &condition.skipped_by_reason) {
        *reasons.entry(reason).or_default() += count;
    }
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    let never: Vec<&str> =
        last.conditions.iter().filter(|condition| condition.n == 0).map(|condition| condition.id.as_str()).collect();
    let never = match never.as_slice() {
        [] => String::new(),
        ids => format!("<p class=\"tally bad\">Conditions without any answered item: {}.</p>", escape(&ids.join(", "))),
    };
    let mut tables = vec![by_condition(input)];
    if !reasons.is_empty() {
        let rows = reasons.into_iter().map(|(reason, count)| [Cell::text(reason), Cell::Count(count)]);
        let columns = [("reason", "reason"), ("questions", "questions")];
        tables.insert(0, ReportTable::new("skipped", "reasons why questions were left out", columns, rows).open());
    }
    tables.extend(one_answer(last));
    Some(ReportSection {
        id: "denominators",
        title: "Denominators",
        intro: format!(
            "{} of {}{} under {}, {}: {} answered, of which {} right, {} wrong and {} unparsed; {} left out.",
            plural(last.items, "item"),
            plural(last.cases, "case"),
            last.max_cases.map_or_else(String::new, |most| format!(" (the suite asks at most {most})")),
            plural(last.conditions.len(), "condition"),
            escape(&input.model_label()),
            plural(total(|condition| condition.n), "question"),
            total(|condition| condition.right),
            total(|condition| condition.wrong),
            total(|condition| condition.unparsed),
            total(|condition| condition.skipped),
        ),
        body: never,
        tables,
        half: false,
    })
}

/// Table of the questions that have one right answer in all cases; None where there is no such question.
fn one_answer(summary: &Summary) -> Option<ReportTable> {
    let rows = summary.one_answer_questions.iter().map(|question| {
        [Cell::text(question.question.as_str()), Cell::text(question.gold.as_str()), Cell::Count(question.items)]
    });
    let columns = [("question", "question"), ("answer", "right answer"), ("items", "items")];
    let caption = "questions that need no image: they have one right answer in all cases";
    (!summary.one_answer_questions.is_empty()).then(|| ReportTable::new("one_answer", caption, columns, rows))
}

fn by_condition(input: &ReportInput<'_>) -> ReportTable {
    let last = input.model();
    let rows = last.conditions.iter().map(|condition| {
        let reasons: Vec<String> =
            condition.skipped_by_reason.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        [
            Cell::text(condition.id.as_str()),
            Cell::text(condition.control.clone().unwrap_or_default()),
            Cell::Share(last.estimate(&format!("accuracy:{}", condition.id))),
            Cell::Count(condition.n),
            Cell::text(condition.max_items.map_or_else(String::new, |most| most.to_string())),
            Cell::Count(condition.right),
            Cell::Count(condition.wrong),
            Cell::Count(condition.unparsed),
            Cell::Count(condition.followed),
            Cell::Count(condition.skipped),
            Cell::text(reasons.join("; ")),
        ]
    });
    ReportTable::new(
        "denominators",
        "answers by condition",
        [
            ("condition", "condition"),
            ("control", "control"),
            ("accuracy", "accuracy"),
            ("asked", "answered"),
            ("cap", "cap on items"),
            ("right", "right"),
            ("wrong", "wrong"),
            ("unparsed", "unparsed"),
            ("followed", "followed hint"),
            ("skipped", "left out"),
            ("reasons", "reasons"),
        ],
        rows,
    )
}

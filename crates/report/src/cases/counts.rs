//! Tables of counts: sides of the split, stages, categories, answer types and modalities.

use std::collections::BTreeMap;

use stepwise_data::case::{Case, Split};
use stepwise_data::synth::{Rate, baselines};

use super::input::CasesInput;
use crate::section::ReportSection;
use crate::table::{Cell, ReportTable};

/// Table of the sides of the split.
pub fn splits(input: &CasesInput<'_>) -> Option<ReportSection> {
    let cases = &input.dataset.cases;
    let rows = [Split::Train, Split::Validation, Split::Test].into_iter().filter_map(|split| {
        let side: Vec<&Case> = cases.iter().filter(|case| case.split == split).collect();
        let groups: std::collections::BTreeSet<&str> = side.iter().map(|case| case.group_id.as_str()).collect();
        let sum = |count: fn(&Case) -> usize| Cell::Count(side.iter().map(|case| count(case)).sum());
        (!side.is_empty()).then(|| {
            [
                Cell::text(split.word()),
                Cell::Count(side.len()),
                Cell::Count(groups.len()),
                sum(|case| case.images.len()),
                sum(|case| case.regions.len()),
                sum(|case| case.chain.len()),
            ]
        })
    });
    let columns = ["split", "cases", "groups", "images", "regions", "questions"].map(|name| (name, name));
    let table = ReportTable::new("splits", "counts by side of the split", columns, rows);
    let wide = |section: ReportSection| ReportSection { half: false, ..section };
    section("splits", "Sides of the split", "Cases, and what they hold, on each side.", table).map(wide)
}

/// Table of the clinical stages, with blind baselines.
pub fn stages(input: &CasesInput<'_>) -> Option<ReportSection> {
    let blind = baselines(&input.dataset.cases);
    let row = |name: String, rate: &Rate| {
        let accuracy = |value: f64| Cell::Number((rate.items > 0).then_some(value));
        [Cell::Text(name), Cell::Count(rate.items), accuracy(rate.chance), accuracy(rate.majority)]
    };
    let rows = blind.stages.iter().zip(1u8..).map(|(rate, stage)| row(input.stage(stage), rate));
    let rows = rows.chain([row("all".to_owned(), &blind.overall)]);
    let table = ReportTable::new("stages", "questions and blind baselines by stage", baseline_columns("stage"), rows);
    let intro = "Questions of each stage, and the accuracy that is possible without the images.";
    section("stages", "Stages", intro, table)
}

/// Table of the categories, with blind baselines.
pub fn categories(input: &CasesInput<'_>) -> Option<ReportSection> {
    let row = |(id, count): (&String, &stepwise_data::check::CategoryCount)| {
        let (chance, majority) = (Cell::Number(Some(count.chance)), Cell::Number(Some(count.majority)));
        [Cell::Text(input.category(id)), Cell::Count(count.items), chance, majority]
    };
    let rows = input.summary.categories.iter().map(row);
    let table =
        ReportTable::new("categories", "questions and blind baselines by category", baseline_columns("category"), rows);
    let intro = "Questions of each category, and the accuracy that is possible without the images.";
    section("categories", "Categories", intro, table)
}

fn baseline_columns(first: &'static str) -> [(&'static str, &'static str); 4] {
    [(first, first), ("questions", "questions"), ("guessing", "guessing"), ("majority", "majority")]
}

/// Table of the answer types.
pub fn answers(input: &CasesInput<'_>) -> Option<ReportSection> {
    let rows = input.summary.items_by_answer.iter().map(|(kind, count)| [Cell::text(kind.word()), Cell::Count(*count)]);
    let table = ReportTable::new(
        "answers",
        "questions by answer type",
        [("answer", "answer"), ("questions", "questions")],
        rows,
    );
    section("answers", "Answer types", "Questions by the type of their answer.", table)
}

/// Table of modalities and body regions.
pub fn modalities(input: &CasesInput<'_>) -> Option<ReportSection> {
    let mut counts: BTreeMap<(&str, &str), [usize; 3]> = BTreeMap::new();
    for case in &input.dataset.cases {
        let key = (case.modality.as_str(), case.body_region.as_deref().unwrap_or_default());
        let found = counts.entry(key).or_default();
        let of_case = [1, case.images.len(), case.chain.len()];
        found.iter_mut().zip(of_case).for_each(|(sum, count)| *sum += count);
    }
    let rows = counts.into_iter().map(|((modality, region), [cases, images, questions])| {
        let counts = [cases, images, questions].map(Cell::Count);
        let [cases, images, questions] = counts;
        [Cell::text(modality), Cell::text(region), cases, images, questions]
    });
    let columns = ["modality", "body_region", "cases", "images", "questions"].map(|name| (name, name));
    let table = ReportTable::new("modalities", "cases by modality and body region", columns, rows);
    section("modalities", "Modalities", "Cases by imaging modality and imaged part of the body.", table)
}

fn section(id: &'static str, title: &'static str, intro: &str, table: ReportTable) -> Option<ReportSection> {
    let tables = vec![table.open()];
    Some(ReportSection { id, title, intro: intro.to_owned(), body: String::new(), tables, half: true })
}

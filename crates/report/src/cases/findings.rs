//! Problems and warnings of the check, as on the terminal.

use stepwise_data::problem::Problem;
use stepwise_data::problem_groups::{Located, lines};

use super::input::CasesInput;
use crate::markup::{escape, plural};
use crate::section::ReportSection;

/// Renders the section `findings`: problems, with equal ones on one line, and warnings. None where there are none.
pub fn section(input: &CasesInput<'_>) -> Option<ReportSection> {
    let (problems, warnings) = (&input.findings.problems, &input.findings.warnings);
    if problems.is_empty() && warnings.is_empty() {
        return None;
    }
    let located: Vec<Located> = problems.iter().map(|problem| Located::from(&shareable(input, problem))).collect();
    let warnings = warnings.iter().map(|warning| format!("warning: {warning}"));
    let items = lines(&located).into_iter().chain(warnings);
    let items: String = items.map(|line| format!("<li>{}</li>", escape(&line))).collect();
    Some(ReportSection {
        id: "findings",
        title: "Findings",
        intro: format!("{} and warnings of <code>stepwise check</code>.", plural(problems.len(), "problem")),
        body: format!("<ul class=\"findings\">{items}</ul>"),
        tables: Vec::new(),
        half: false,
    })
}

/// Returns the problem, without words of the case when its data set needs credentials.
pub fn shareable(input: &CasesInput<'_>, problem: &Problem) -> Problem {
    let case = problem.row.and_then(|row| input.dataset.cases.get(row - 1));
    match case {
        Some(case) if input.is_closed(case) => Problem {
            what: "a problem".to_owned(),
            advice: "run `stepwise check`, which prints it".to_owned(),
            ..problem.clone()
        },
        _ => problem.clone(),
    }
}

//! The files a benchmark leaves: outcomes and summary of each model, the report about them, and its tables as CSV.

use std::path::Path;

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::Surrogate;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_benchmark::worst_cases;
use stepwise_data::io::atomic::write_atomic;
use stepwise_report::{self, EpochResult, ReportInput, WorstCase};

use crate::cases::Cases;
use crate::evaluation::epochs::BenchmarkError;
use crate::evaluation::evaluate::Model;
use crate::evaluation::vlm_model::ModelRespondent;
use crate::interrupt::Interrupt;

/// Cases shown as pictures in the report.
const WORST: usize = 8;

/// What a report is about.
pub struct Reported<'a> {
    /// Names it.
    pub title: &'a str,
    /// What stands in its head: name and value.
    pub facts: &'a [(String, String)],
    /// What was asked.
    pub suite: &'a Suite,
    /// Of whom.
    pub cases: &'a Cases,
    /// The untouched base; where there is no other model, the model itself.
    pub base: &'a Summary,
    /// What was tested against it, in order, each with a label for people: the number of an epoch, or another name.
    pub tested: &'a [(String, &'a Summary)],
    /// Outcomes of the last one tested and of the base, from which the worst are shown as pictures.
    pub outcomes: Option<(&'a [Outcome], &'a [Outcome])>,
    /// The last one tested, to make attacks on those pictures again; without it, their pixels are not drawn.
    pub at_hand: Option<AtHand<'a>>,
    /// What each phase left of earlier ones, where a run had phases.
    pub forgetting: Option<&'a Forgetting>,
}

/// Models as they were asked.
#[derive(Clone, Copy)]
pub struct AtHand<'a> {
    /// The one tested.
    pub model: Model<'a>,
    /// The one that transferred attacks were made on.
    pub surrogate: Option<Model<'a>>,
}

impl Reported<'_> {
    /// Writes the page to `report` and its tables into `tables`.
    ///
    /// # Errors
    /// When a picture cannot be read or a file cannot be written.
    pub fn write(&self, report: &Path, tables: &Path) -> Result<(), BenchmarkError> {
        let plan = Plan::new(self.suite, &self.cases.eval);
        let worst = match self.outcomes {
            Some((own, base)) => self.worst(&plan, own, base)?,
            None => Vec::new(),
        };
        let tested: Vec<EpochResult<'_>> =
            self.tested.iter().map(|(label, summary)| EpochResult { label, summary }).collect();
        let Self { title, facts, base, forgetting, .. } = *self;
        let rendered =
            stepwise_report::render(&ReportInput { title, facts, base, epochs: &tested, worst: &worst, forgetting });
        std::fs::create_dir_all(tables).map_err(|error| file(tables, error))?;
        let tables = rendered.tables.iter().map(|table| (tables.join(&table.name), &table.text));
        for (path, text) in tables.chain([(report.to_path_buf(), &rendered.html)]) {
            write_atomic(&path, text.as_bytes()).map_err(|error| file(&path, error))?;
        }
        Ok(())
    }

    fn worst(&self, plan: &Plan<'_>, own: &[Outcome], base: &[Outcome]) -> Result<Vec<WorstCase>, BenchmarkError> {
        let pick = |at_hand| worst_cases::pick(plan, &self.cases.pictures, own, base, WORST, at_hand);
        let Some(AtHand { model, surrogate }) = self.at_hand else { return Ok(pick(None)?) };
        // All is answered by now, and a run that goes on later does not write this report again.
        let never = Interrupt::new();
        let mut respondent = ModelRespondent::new(model.reader, model.pass, &never);
        let mut surrogate = surrogate.map(|of| (of.key, ModelRespondent::new(of.reader, of.pass, &never)));
        let surrogate = surrogate.as_mut().map(|(key, respondent)| Surrogate { key, respondent });
        Ok(pick(Some(worst_cases::AtHand { respondent: &mut respondent, surrogate }))?)
    }
}

/// Writes `summary.json` into a folder.
///
/// # Errors
/// When it cannot be written.
pub fn write_summary(folder: &Path, summary: &Summary) -> Result<(), BenchmarkError> {
    write_json(&folder.join("summary.json"), summary)
}

pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), BenchmarkError> {
    let json = serde_json::to_vec_pretty(value).map_err(|error| file(path, error.into()))?;
    write_atomic(path, &json).map_err(|error| file(path, error))
}

pub(crate) fn file(path: &Path, error: std::io::Error) -> BenchmarkError {
    BenchmarkError::File { path: path.display().to_string(), error }
}

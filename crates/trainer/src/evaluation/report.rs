//! Output files of a benchmark: `summary.json` of a model, the HTML report, and the report's tables as CSV.

use std::path::Path;

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{RunError, Surrogate};
use stepwise_benchmark::summary::Summary;
use stepwise_benchmark::worst_cases;
use stepwise_benchmark::worst_cases::WorstCase;
use stepwise_data::io::atomic::write_atomic;
use stepwise_report::{self, EpochResult, ReportInput};

use crate::cases::CaseImages;
use crate::evaluation::error::BenchmarkError;
use crate::evaluation::evaluate::ModelUnderTest;
use crate::evaluation::vlm_model::VlmModel;
use crate::interrupt::Interrupt;

/// Number of cases shown with images in the report.
const WORST: usize = 8;

/// Input of a report.
pub struct RunReport<'a> {
    /// Title of the report.
    pub title: &'a str,
    /// Facts in the head of the report, as name and value.
    pub facts: &'a [(String, String)],
    /// Summary of the untouched base, or of the evaluated model if there is no separate base.
    pub base: &'a Summary,
    /// Models compared with the base, in order. Each has a label, for example the number of its epoch.
    pub tested: &'a [(String, &'a Summary)],
    /// Evaluation of the last model, from which the worst cases are chosen; None shows no cases.
    pub last: Option<LastEvaluation<'a>>,
    /// Forgetting table of the run; None if no phase has ended.
    pub forgetting: Option<&'a Forgetting>,
}

/// Evaluation of the last model of a report, whose mistakes are shown.
#[derive(Clone, Copy)]
pub struct LastEvaluation<'a> {
    /// Questions of the evaluation.
    pub plan: &'a Plan<'a>,
    /// Source of the cases' images.
    pub pictures: &'a CaseImages,
    /// Outcomes of the model.
    pub outcomes: &'a [Outcome],
    /// Outcomes of the base.
    pub base: &'a [Outcome],
    /// Loaded models that re-create attacked images.
    pub models: LoadedModels<'a>,
}

/// Models that are loaded, so that their attacks can be repeated.
#[derive(Clone, Copy)]
pub struct LoadedModels<'a> {
    /// The evaluated model.
    pub model: ModelUnderTest<'a>,
    /// Gradient source of transferred attacks; with None images under these attacks are left out.
    pub surrogate: Option<ModelUnderTest<'a>>,
}

impl RunReport<'_> {
    /// Writes the HTML page to the file `report` and its CSV tables into the folder `tables`, which is created.
    /// Existing files are replaced.
    ///
    /// # Errors
    /// When an image cannot be read, an attack cannot be repeated, or a file cannot be written.
    pub fn write(&self, report: &Path, tables: &Path) -> Result<(), BenchmarkError> {
        let worst = self.last.map_or_else(|| Ok(Vec::new()), LastEvaluation::worst)?;
        let tested: Vec<EpochResult<'_>> =
            self.tested.iter().map(|(label, summary)| EpochResult { label, summary }).collect();
        let Self { title, facts, base, forgetting, .. } = *self;
        let rendered =
            stepwise_report::render(&ReportInput { title, facts, base, epochs: &tested, worst: &worst, forgetting });
        std::fs::create_dir_all(tables).map_err(|error| BenchmarkError::file(tables, error))?;
        let tables = rendered.tables.iter().map(|table| (tables.join(&table.name), &table.text));
        for (path, text) in tables.chain([(report.to_path_buf(), &rendered.html)]) {
            write_atomic(&path, text.as_bytes()).map_err(|error| BenchmarkError::file(&path, error))?;
        }
        Ok(())
    }
}

impl LastEvaluation<'_> {
    fn worst(self) -> Result<Vec<WorstCase>, RunError> {
        let LoadedModels { model, surrogate } = self.models;
        // Not interruptible: the evaluation is complete, and a resumed run would not write this report again.
        let never = Interrupt::new();
        let mut model = VlmModel::new(model.pipeline, model.pass, &never);
        let mut surrogate = surrogate.map(|of| (of.key, VlmModel::new(of.pipeline, of.pass, &never)));
        let surrogate = surrogate.as_mut().map(|(key, model)| Surrogate { key, model });
        let models = worst_cases::LiveModels { model: &mut model, surrogate };
        worst_cases::pick(self.plan, self.pictures, self.outcomes, self.base, WORST, Some(models))
    }
}

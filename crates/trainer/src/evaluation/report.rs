//! Output files of a benchmark: `summary.json` of a model, the HTML report, and the report's tables as CSV.

use std::path::Path;

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::run_report::{EpochResult, Renderer, ReportInput, TrainingCurve};
use stepwise_benchmark::runner::{RunError, Surrogate};
use stepwise_benchmark::summary::Summary;
use stepwise_benchmark::worst_cases;
use stepwise_benchmark::worst_cases::WorstCase;
use stepwise_data::io::atomic::write_atomic;

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
    /// Models compared with the base, in order.
    pub tested: &'a [EpochResult<'a>],
    /// Index in `tested` of the delivered model, which the report is about; None for the last model.
    pub delivered: Option<usize>,
    /// Plain sentence below the main result; None for none.
    pub warning: Option<&'a str>,
    /// Loss and learning rate of the training; None without a log.
    pub training: Option<&'a TrainingCurve>,
    /// Evaluation of the model that the report is about, from which the worst cases are chosen; None shows no cases.
    pub model: Option<ModelEvaluation<'a>>,
    /// Forgetting table of the run; None if no phase has ended.
    pub forgetting: Option<&'a Forgetting>,
}

/// Evaluation of the model that a report is about, whose mistakes are shown.
#[derive(Clone, Copy)]
pub struct ModelEvaluation<'a> {
    /// Questions of the evaluation.
    pub plan: &'a Plan<'a>,
    /// Source of the cases' images.
    pub pictures: &'a CaseImages,
    /// Outcomes of the model.
    pub outcomes: &'a [Outcome],
    /// Outcomes of the base.
    pub base: &'a [Outcome],
    /// Loaded models that re-create attacked images; None shows no attacked images.
    pub models: Option<LoadedModels<'a>>,
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
    /// Renders the report by `render`. Writes the HTML page to the file `report` and its CSV tables into the folder `tables`, which is created.
    /// Existing files are replaced.
    ///
    /// # Errors
    /// When an image cannot be read, an attack cannot be repeated, or a file cannot be written.
    pub fn write(&self, render: Renderer, report: &Path, tables: &Path) -> Result<(), BenchmarkError> {
        let worst = self.model.map_or_else(|| Ok(Vec::new()), ModelEvaluation::worst)?;
        let withheld = self.model.map_or(0, |model| worst_cases::credentialed(model.plan));
        let mut facts = self.facts.to_vec();
        if withheld > 0 {
            let text = format!("without images and texts of {withheld} cases, whose data sets need credentials");
            facts.push(("Worst cases".to_owned(), text));
        }
        let Self { title, base, tested: epochs, delivered, warning, training, forgetting, .. } = *self;
        let facts = &facts;
        let input = ReportInput { title, facts, base, epochs, delivered, warning, training, worst: &worst, forgetting };
        let rendered = render(&input);
        std::fs::create_dir_all(tables).map_err(|error| BenchmarkError::file(tables, error))?;
        let tables = rendered.tables.iter().map(|table| (tables.join(&table.name), &table.text));
        for (path, text) in tables.chain([(report.to_path_buf(), &rendered.html)]) {
            write_atomic(&path, text.as_bytes()).map_err(|error| BenchmarkError::file(&path, error))?;
        }
        Ok(())
    }
}

impl ModelEvaluation<'_> {
    fn worst(self) -> Result<Vec<WorstCase>, RunError> {
        let Some(LoadedModels { model, surrogate }) = self.models else {
            return worst_cases::pick(self.plan, self.pictures, self.outcomes, self.base, WORST, None);
        };
        // Not interruptible: the evaluation is complete, and a resumed run would not write this report again.
        let never = Interrupt::new();
        let mut model = VlmModel::new(model.pipeline, model.pass, &never);
        let mut surrogate = surrogate.map(|of| (of.key, VlmModel::new(of.pipeline, of.pass, &never)));
        let surrogate = surrogate.as_mut().map(|(key, model)| Surrogate { key, model });
        let models = worst_cases::LiveModels { model: &mut model, surrogate };
        worst_cases::pick(self.plan, self.pictures, self.outcomes, self.base, WORST, Some(models))
    }
}

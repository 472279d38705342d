//! Results in the folder `--out`: summaries, report and tables.

use std::path::{Path, PathBuf};

use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::summary::Summary;
use stepwise_recipe::Data;
use stepwise_report::EpochResult;
use stepwise_trainer::cases::CaseImages;
use stepwise_trainer::checkpoint::Delivered;
use stepwise_trainer::checkpoint::source::ModelSource;
use stepwise_trainer::evaluation::evaluate::Evaluated;
use stepwise_trainer::evaluation::files::write_summary;
use stepwise_trainer::evaluation::report::{LoadedModels, ModelEvaluation, RunReport};

use super::TUNED;
use crate::exit::Failure;

/// Writer of the results, with the facts of the evaluation.
pub struct SavedResults<'a> {
    /// Path on the command line.
    pub path: &'a Path,
    /// The model at that path.
    pub source: &'a ModelSource,
    /// The cases.
    pub data: &'a Data,
    /// Name of the device.
    pub device: &'a str,
    /// Questions.
    pub plan: &'a Plan<'a>,
    /// Images of the cases.
    pub images: &'a CaseImages,
    /// Sentences about cases that the training, or an earlier one of the base, contains in part; None where there are none.
    pub leaks: Option<&'a str>,
}

impl SavedResults<'_> {
    /// Writes summaries, report and tables into the folder `out`, which must exist, and returns the path of the report.
    /// `of_base` is the evaluation of the base; with None the report has no comparison and no worst cases. `models`
    /// re-create attacked images.
    ///
    /// # Errors
    ///
    /// [`Failure::Run`] when a file cannot be written.
    pub fn write(
        &self,
        out: &Path,
        (summary, answers): (&Summary, &Evaluated),
        of_base: Option<&Evaluated>,
        models: LoadedModels<'_>,
    ) -> Result<PathBuf, Failure> {
        let title = self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let untouched = of_base.map(|base| {
            let summary = Summary::new(self.plan.suite, &base.skips, &base.outcomes, None);
            (summary, base.outcomes.as_slice())
        });
        if let Some((base, _)) = &untouched {
            write_summary(&out.join("base"), base).map_err(Failure::run)?;
        }
        write_summary(out, summary).map_err(Failure::run)?;
        let tested = [EpochResult { label: TUNED, summary, remark: "" }];
        let alone = RunReport {
            title: &title,
            facts: &self.facts(),
            base: summary,
            tested: &[],
            delivered: None,
            warning: self.leaks,
            training: None,
            model: None,
            forgetting: None,
        };
        let reported = match &untouched {
            None => alone,
            Some((base, of_base)) => {
                let outcomes = &answers.outcomes;
                let (plan, pictures) = (self.plan, self.images);
                let model = ModelEvaluation { plan, pictures, outcomes, base: of_base, models: Some(models) };
                RunReport { base, tested: &tested, model: Some(model), ..alone }
            }
        };
        let page = out.join("report.html");
        reported.write(stepwise_report::render, &page, &out.join("tables")).map_err(Failure::run)?;
        Ok(page)
    }

    /// Facts for the head of the report, as pairs of name and value.
    fn facts(&self) -> Vec<(String, String)> {
        let facts = [
            ("Model", Some(self.path.display().to_string())),
            ("Checkpoint", self.source.delivered.as_ref().map(Delivered::label)),
            ("Base", self.source.untouched().map(|base| base.display().to_string())),
            ("Cases", Some(self.data.source.to_string())),
            ("Suite", Some(self.plan.suite.name.clone())),
            ("Device", Some(self.device.to_owned())),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

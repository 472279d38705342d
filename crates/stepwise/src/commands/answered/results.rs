//! Results in a folder: outcomes and summaries by both readings, report, tables, and what was asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{NO_RESPONSE, Run, reread};
use stepwise_benchmark::score::flexible::FLEXIBLE_VERSION;
use stepwise_benchmark::summary::Summary;
use stepwise_benchmark::{compat, store};
use stepwise_trainer::evaluation::files::write_summary;
use stepwise_trainer::evaluation::report::RunReport;

use super::readings;
use crate::commands::eval::compat_table;
use crate::exit::{CommandResult, Failure};
use crate::{folder, gains};

/// Name of the file that says what model answered, and how often.
pub const ANSWERED: &str = "answered.json";

/// Schema name and version of `answered.json`.
const SCHEMA: &str = "answered/1";

/// Model that answered, as it is shown and stored.
pub struct AnsweredModel<'a> {
    /// Name of the model.
    pub name: &'a str,
    /// Address of its server; None where a pack was answered elsewhere.
    pub endpoint: Option<&'a str>,
    /// Key of the local model that attacks were made on; None without a surrogate.
    pub surrogate: Option<&'a str>,
    /// Facts for the head of the report, as pairs of name and value.
    pub facts: Vec<(String, String)>,
    /// Tokens of prompts and of answers, as the server counts; None where they are not known.
    pub tokens: Option<[u64; 2]>,
}

/// Outcomes of a model by both readings, with their summaries.
pub struct Results<'a> {
    plan: &'a Plan<'a>,
    strict: &'a [Outcome],
    flexible: Vec<Outcome>,
    summary: Summary,
    of_flexible: Summary,
    missing: usize,
}

impl<'a> Results<'a> {
    /// Judges the replies of `run` by the flexible reading too, and computes both summaries; with `compat` also the
    /// scores of published rules.
    pub fn new(plan: &'a Plan<'a>, run: &'a Run, compat: bool) -> Self {
        let flexible = reread(plan, &run.outcomes);
        let skips = run.skips(plan);
        let mut summary = Summary::new(plan.suite, &skips, &run.outcomes, None);
        if compat {
            summary.compat = compat::scores(plan, &run.outcomes);
        }
        let mut of_flexible = Summary::new(plan.suite, &skips, &flexible, None);
        of_flexible.parser = FLEXIBLE_VERSION.to_owned();
        let missing = run.unanswerable.iter().filter_map(|reasons| reasons.get(NO_RESPONSE)).sum();
        Self { plan, strict: &run.outcomes, flexible, summary, of_flexible, missing }
    }

    /// Writes outcomes, summaries, report and tables to the folder `out`, and the flexible ones to `out/flexible`.
    /// Returns the path of the report.
    ///
    /// # Errors
    ///
    /// [`Failure::Input`] when a folder cannot be made; [`Failure::Run`] when a file cannot be written.
    pub fn write(&self, out: &Path, model: &AnsweredModel<'_>) -> Result<PathBuf, Failure> {
        folder::make(out)?;
        for (folder, outcomes, summary, is_written) in [
            (out.to_owned(), self.strict, &self.summary, true),
            (out.join("flexible"), self.flexible.as_slice(), &self.of_flexible, self.has_text()),
        ] {
            if is_written {
                folder::make(&folder)?;
                store::write(&folder.join("outcomes.jsonl"), outcomes).map_err(Failure::run)?;
                write_summary(&folder, summary).map_err(Failure::run)?;
            }
        }
        let mut facts = model.facts.clone();
        if let Some(key) = model.surrogate {
            facts.push(("Attacks".to_owned(), format!("made on the surrogate {key}")));
        }
        facts.push(("Scoring".to_owned(), self.plan.suite.scoring.describe().to_owned()));
        facts.push(("Missing".to_owned(), self.missing_line()));
        if let Some(table) = readings::table(self.plan.suite, self.strict, &self.flexible)
            && let Some(all) = table.rows.last()
        {
            let words = format!("{} strict, {} flexible ({})", all[2], all[3], all[4]);
            facts.push(("Accuracy over all conditions".to_owned(), words));
        }
        let report = RunReport {
            title: model.name,
            facts: &facts,
            base: &self.summary,
            tested: &[],
            delivered: None,
            warning: None,
            training: None,
            model: None,
            forgetting: None,
        };
        let page = out.join("report.html");
        report.write(stepwise_report::render, &page, &out.join("tables")).map_err(Failure::run)?;
        let about = json!({
            "schema": SCHEMA,
            "model": model.name,
            "endpoint": model.endpoint,
            "surrogate": model.surrogate,
            "suite": self.summary.suite,
            "scoring": self.plan.suite.scoring,
            "answered": self.strict.len(),
            "missing": self.missing,
            "prompt_tokens": model.tokens.map(|tokens| tokens[0]),
            "answer_tokens": model.tokens.map(|tokens| tokens[1]),
        });
        let text = serde_json::to_string_pretty(&about).map_err(Failure::run)?;
        folder::write(&out.join(ANSWERED), &text)?;
        Ok(page)
    }

    /// Prints the results: as JSON the summary of the strict reading, else tables. `reasons` are the reasons of requests
    /// that failed for good, with their numbers.
    ///
    /// # Errors
    ///
    /// [`Failure::Run`] when the summary cannot be written as JSON.
    pub fn print(&self, name: &str, report: &Path, reasons: &BTreeMap<String, u64>, json: bool) -> CommandResult {
        if self.missing > 0 {
            tell!("warning: {}", self.missing_line());
            reasons.iter().for_each(|(reason, count)| tell!("warning: {count} x {reason}"));
        }
        if json {
            say!("{}", serde_json::to_string_pretty(&self.summary).map_err(Failure::run)?);
            return Ok(());
        }
        say!("{}", gains::text(name, &self.summary));
        if let Some(table) = readings::table(self.plan.suite, self.strict, &self.flexible) {
            say!("\n{}", table.text());
        }
        if !self.summary.compat.is_empty() {
            say!("\n{}", compat_table::table(&self.summary.compat).text());
        }
        say!("\nreport  {}", report.display());
        Ok(())
    }

    fn has_text(&self) -> bool {
        self.strict.iter().any(|outcome| outcome.reply.is_some())
    }

    fn missing_line(&self) -> String {
        let all = self.strict.len() + self.missing;
        match self.missing {
            0 => format!("none of {all} questions"),
            missing => format!(
                "{missing} of {all} questions ({:.1} %) have no answer; no number counts them",
                100.0 * missing as f64 / all as f64
            ),
        }
    }
}

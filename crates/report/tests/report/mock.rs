//! Mock models and the reports of their evaluations.

use std::error::Error;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use rand::Rng;
use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::mock::{HintFollower, LinearModel, Planted, Policy, PolicyInput, grid};
use stepwise_benchmark::model::{Model, ModelError, Objective, PixelGradient, PixelGrid, Query, QueryImage, Response};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::Run;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_benchmark::worst_cases;
use stepwise_data::case::Case;
use stepwise_data::random::stream;
use stepwise_report::{CurveStep, EpochResult, Report, ReportInput, TrainingCurve, render};
use stepwise_testing::benchmark::constructed::{self, FINDING, SIDE};
use stepwise_testing::benchmark::evaluate::MockEvaluation;

/// Mock model whose probability of a right answer falls over the stages and is lower on changed images.
pub struct Learner {
    pub epoch: usize,
}

impl Policy for Learner {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let draw = |purpose: &str| stream(7, &[purpose, &view.case.case_id, &view.item.id]).random::<f64>();
        let skill = 0.95 - 0.12 * f64::from(view.item.stage - 1) + 0.045 * self.epoch as f64;
        let skill = skill - self.lost(view);
        let hinted = view.added_lines();
        if !hinted.is_empty() && draw("hint") > 0.30 + 0.12 * self.epoch as f64 {
            return HintFollower(Prior).say(view);
        }
        if draw("skill") < skill { view.gold() } else { Prior.say(view) }
    }
}

impl Learner {
    /// Returns the loss of accuracy on a changed image. For attacks it depends on their size; random noise
    /// costs nothing.
    fn lost(&self, view: &PolicyInput<'_>) -> f64 {
        let drawn = drawn(view.case);
        let whole = 0.30 - 0.02 * self.epoch as f64;
        match view.query.images.first() {
            Some(QueryImage::Image(picture)) if **picture == drawn => 0.0,
            Some(QueryImage::Pixels(_)) if view.query.condition.starts_with("random_sign") => 0.0,
            Some(QueryImage::Pixels(pixels)) => {
                let moved =
                    pixels.values.iter().zip(&grid(&drawn).values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                whole * f64::from(moved * 255.0) / 4.0
            }
            Some(QueryImage::Image(_)) | None => whole,
        }
    }
}

/// Mock model that gives the first option.
pub struct Prior;

impl Policy for Prior {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        view.options().swap_remove(0)
    }
}

/// Mock model with pixels and gradients, so that it can be attacked.
pub struct Attackable<'a, P>(pub Planted<'a, P>);

impl<P: Policy> Model for Attackable<'_, P> {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        self.0.reply(queries)
    }

    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(match query.images.first() {
            Some(QueryImage::Image(picture)) => Some(grid(picture)),
            _ => None,
        })
    }

    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        let yes_no: Vec<_> = attacked
            .iter()
            .map(|(query, _)| (query.clone(), Objective::Margin { options: vec!["yes".into(), "no".into()], gold: 0 }))
            .collect();
        LinearModel { weight: 1.0, threshold: 0.5 }.pixel_gradients(&yes_no)
    }
}

/// Mock model that is right on clean questions, and wrong when a sentence is added or the image is changed.
pub struct WeakToChange;

impl Policy for WeakToChange {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let is_changed = view.picture().is_none_or(|picture| *picture != drawn(view.case));
        if is_changed || !view.added_lines().is_empty() { view.wrong() } else { view.gold() }
    }
}

/// Returns an image of a body on black that contains the finding.
pub fn drawn(case: &Case) -> RgbImage {
    let number: u32 = case.case_id.bytes().map(u32::from).sum();
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let (dx, dy) = (f64::from(x) - 32.0, f64::from(y) - 32.0);
        let body = (dx / 26.0).powi(2) + (dy / 30.0).powi(2) < 1.0;
        let [x0, y0, x1, y1] = FINDING.map(f64::from);
        let finding = (f64::from(x) - f64::midpoint(x0, x1)).hypot(f64::from(y) - f64::midpoint(y0, y1)) < 5.0;
        let texture = (x * 7 + y * 13 + number * 3 + x * y) % 19;
        let grey = if finding {
            205
        } else if body {
            96
        } else {
            8
        } + texture;
        Rgb([grey as u8; 3])
    })
}

pub fn load(case: &Case, _: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
    Ok(Arc::new(drawn(case)))
}

pub const HOSTILE: &str = "</title><script>alert('x')</script><img src=\"https://example.org/x.png\" onerror=alert(1)>";

/// Returns cases with hostile text in their free-text fields.
pub fn hostile_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = (0..60).map(constructed::case).collect();
    for case in &mut cases {
        case.regions[0].label = HOSTILE.into();
        case.chain[2].question = format!("What is its composition? {HOSTILE}");
        case.case_id = format!("=1+{}\"><b>&", case.case_id);
        case.chain[3].id = "q<4>".into();
    }
    cases
}

/// Returns a report of a base model and the learner's first `epochs` on `suite`.
pub fn learned(suite: &Suite, cases: &[Case], epochs: usize) -> (Report, Vec<Summary>) {
    let plan = Plan::new(suite, cases);
    let runs: Vec<Run> =
        (0..=epochs).map(|epoch| evaluate(&plan, &mut Attackable(Planted::new(cases, Learner { epoch })))).collect();
    let summary = |run: &Run, base: Option<&Run>| {
        Summary::new(suite, &run.skips(&plan), &run.outcomes, base.map(|base| base.outcomes.as_slice()))
    };
    let mut summaries = vec![summary(&runs[0], None)];
    summaries.extend(runs[1..].iter().map(|run| summary(run, Some(&runs[0]))));
    let labels: Vec<String> = (1..=epochs).map(|epoch| epoch.to_string()).collect();
    let epochs = results(&labels, &summaries[1..]);
    let last = &runs[runs.len() - 1];
    let worst =
        worst_cases::pick(&plan, &load, &last.outcomes, &runs[0].outcomes, 8, None).expect("pictures are there");
    let facts = [("Model".to_owned(), "planted".to_owned()), ("Recipe".to_owned(), HOSTILE.to_owned())];
    let mut forgetting = Forgetting::new(&summaries[0]);
    for (epoch, summary) in (1u32..).zip(&summaries[1..]) {
        forgetting.push(&format!("phase_{epoch}"), &[epoch.min(4) as u8], epoch, u64::from(epoch) * 50, summary);
    }
    let training = trained();
    let report = render(&ReportInput {
        title: "Planted learner, four stages",
        facts: &facts,
        base: &summaries[0],
        epochs: &epochs,
        delivered: None,
        warning: None,
        training: (!epochs.is_empty()).then_some(&training),
        worst: &worst,
        forgetting: Some(&forgetting),
    });
    (report, summaries)
}

/// Returns the curve of a training of two phases, logged at every tenth step.
pub fn trained() -> TrainingCurve {
    let line = |number: u64| CurveStep {
        step: 10 * number,
        phase: if number <= 5 { "orient" } else { "find" }.to_owned(),
        loss: 0.4 + 2.0 / (1.0 + number as f64 / 2.0) + 0.2 * (number % 3) as f64,
        learning_rate: 1e-4 * (1.0 - number as f64 / 16.0),
    };
    TrainingCurve { steps: (1..=15).map(line).collect(), evaluations: vec![(0, 2.6), (50, 1.1), (150, 0.8)] }
}

/// Evaluates a model. Transfer attacks are made on the learner before its first epoch.
pub fn evaluate(plan: &Plan<'_>, model: &mut dyn Model) -> Run {
    let mut base = Attackable(Planted::new(plan.pool.cases(), Learner { epoch: 0 }));
    MockEvaluation { surrogate: Some(&mut base), ..MockEvaluation::on(&load) }.run(plan, model)
}

/// Returns the results of epochs with these labels.
pub fn results<'a>(labels: &'a [impl AsRef<str>], summaries: &'a [Summary]) -> Vec<EpochResult<'a>> {
    let labels = labels.iter().map(AsRef::as_ref);
    labels.zip(summaries).map(|(label, summary)| EpochResult { label, summary, remark: "" }).collect()
}

/// Returns the input of a report that has neither facts nor worst cases nor a forgetting table.
pub fn plain<'a>(base: &'a Summary, epochs: &'a [EpochResult<'a>]) -> ReportInput<'a> {
    ReportInput {
        title: "Plain",
        facts: &[],
        base,
        epochs,
        delivered: None,
        warning: None,
        training: None,
        worst: &[],
        forgetting: None,
    }
}

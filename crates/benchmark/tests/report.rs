//! The report of a run with planted respondents: complete, self-contained, and hostile text stays text. The page is left
//! in the target folder (`tmp/report.html`) to be looked at.

mod common;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use common::{FINDING, SIDE, ask_with, uncapped};
use image::{Rgb, RgbImage};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::planted::{HintFollower, Linear, Planted, Policy, View, grid};
use stepwise_benchmark::probe::{
    Objective, PixelGradient, PixelGrid, Probe, Reply, Respondent, RespondentError, Shown,
};
use stepwise_benchmark::report::{EpochResult, ReportInput, html, worst};
use stepwise_benchmark::run::Run;
use stepwise_benchmark::stats::Bootstrap;
use stepwise_benchmark::summary::{Summary, skips};
use stepwise_curriculum::case::Case;
use stepwise_curriculum::random::stream;

/// Knows the answer with a chance that falls along the stages, and less so where the picture is changed.
struct Learner {
    epoch: usize,
}

impl Policy for Learner {
    fn say(&self, view: &View<'_>) -> String {
        use rand::Rng;
        let draw = |purpose: &str| stream(7, &[purpose, &view.case.case_id, &view.item.id]).random::<f64>();
        let changed = view.picture().is_none_or(|picture| *picture != drawn(view.case));
        let skill = 0.95 - 0.12 * f64::from(view.item.stage - 1) + 0.045 * self.epoch as f64;
        let skill = skill - if changed { 0.30 - 0.02 * self.epoch as f64 } else { 0.0 };
        let hinted = view.added_lines();
        if !hinted.is_empty() && draw("hint") > 0.30 + 0.12 * self.epoch as f64 {
            return HintFollower(Prior).say(view);
        }
        if draw("skill") < skill { view.gold() } else { Prior.say(view) }
    }
}

/// Gives the option shown first.
struct Prior;

impl Policy for Prior {
    fn say(&self, view: &View<'_>) -> String {
        view.options().swap_remove(0)
    }
}

/// A policy that can be attacked: half of the attacked pixels make it say something else.
struct Attackable<'a>(Planted<'a, Learner>);

impl Respondent for Attackable<'_> {
    fn reply(&mut self, probes: &[Probe]) -> Result<Vec<Reply>, RespondentError> {
        self.0.reply(probes)
    }

    fn pixels(&mut self, probe: &Probe) -> Result<Option<PixelGrid>, RespondentError> {
        Ok(match probe.images.first() {
            Some(Shown::Picture(picture)) => Some(grid(picture)),
            _ => None,
        })
    }

    fn pixel_gradients(&mut self, attacked: &[(Probe, Objective)]) -> Result<Vec<PixelGradient>, RespondentError> {
        let yes_no: Vec<_> = attacked
            .iter()
            .map(|(probe, _)| (probe.clone(), Objective::Margin { options: vec!["yes".into(), "no".into()], gold: 0 }))
            .collect();
        Linear { weight: 1.0, threshold: 0.5 }.pixel_gradients(&yes_no)
    }
}

/// A body on black with the finding in it.
fn drawn(case: &Case) -> RgbImage {
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

fn load(case: &Case, _: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
    Ok(Arc::new(drawn(case)))
}

const HOSTILE: &str = "</title><script>alert('x')</script><img src=\"https://example.org/x.png\" onerror=alert(1)>";

fn page() -> String {
    let suite = uncapped();
    let mut cases: Vec<Case> = (0..60).map(common::case).collect();
    for case in &mut cases {
        case.regions[0].label = HOSTILE.into();
        case.chain[2].question = format!("How is its margin? {HOSTILE}");
    }
    let plan = Plan::new(&suite, &cases);
    let runs: Vec<Run> =
        (0..4).map(|epoch| ask_with(&plan, &load, &mut Attackable(Planted::new(&cases, Learner { epoch })))).collect();
    let bootstrap = Bootstrap { resamples: 1000, ..Bootstrap::default() };
    let summary = |run: &Run, base: Option<&Run>| {
        Summary::new(&suite, &skips(&plan, run), &run.outcomes, base.map(|base| base.outcomes.as_slice()), bootstrap)
    };
    let base = summary(&runs[0], None);
    let summaries: Vec<Summary> = runs[1..].iter().map(|run| summary(run, Some(&runs[0]))).collect();
    let labels = ["1", "2", "3"];
    let epochs: Vec<EpochResult<'_>> =
        labels.iter().zip(&summaries).map(|(label, summary)| EpochResult { label, summary }).collect();
    let worst = worst::pick(&plan, &load, &runs[3].outcomes, &runs[0].outcomes, 6).expect("pictures are there");
    assert_eq!(worst.len(), 6);
    let facts = [("Model".to_owned(), "planted".to_owned()), ("Recipe".to_owned(), HOSTILE.to_owned())];
    html(&ReportInput {
        title: "Planted learner, four stages",
        facts: &facts,
        base: &base,
        epochs: &epochs,
        worst: &worst,
    })
}

#[test]
fn the_page_is_whole_and_alone_and_text_stays_text() {
    let page = page();
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.html"), &page).expect("writable");
    // Nothing is fetched and nothing runs: the only addresses are inside escaped text.
    assert!(!page.contains("<script") && !page.contains("onerror=alert(1)>") && !page.contains("<link"));
    assert!(!page.contains("\"https://") && page.contains("&quot;https://example.org/x.png&quot;"));
    assert!(page.contains("default-src 'none'"));
    for part in [
        "Robustness gain over the untouched base",
        "Gain over the base, condition by condition",
        "Along the stages",
        "Where chains break",
        "Good hints and bad hints",
        "Over the epochs",
        "What it leans on",
        "Worst cases",
        "Denominators",
        "largest option log-likelihood per token",
        "data:image/png;base64,",
        "only a choice has options to reorder",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    // Without the pictures: base64 may spell anything.
    let words: String =
        page.split("base64,").map(|part| part.split_once('"').map_or(part, |(_, after)| after)).collect();
    assert!(!words.contains("NaN") && !words.contains("inf%") && !words.contains(">inf"));
    // Tags that are opened are closed.
    for tag in ["section", "div", "table", "figure", "svg", "span", "details", "dl", "tr"] {
        let opened = page.matches(&format!("<{tag} ")).count() + page.matches(&format!("<{tag}>")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn a_report_of_the_base_alone_or_of_nothing_is_still_a_page() {
    let suite = uncapped();
    let cases = common::cases(4);
    let plan = Plan::new(&suite, &cases);
    let run = common::ask(&plan, &mut Planted::new(&cases, Learner { epoch: 0 }));
    let bootstrap = Bootstrap { resamples: 50, ..Bootstrap::default() };
    for outcomes in [run.outcomes.as_slice(), &[]] {
        let base = Summary::new(&suite, &skips(&plan, &run), outcomes, None, bootstrap);
        let alone = html(&ReportInput { title: "Base", facts: &[], base: &base, epochs: &[], worst: &[] });
        let same = Summary::new(&suite, &[], outcomes, Some(outcomes), bootstrap);
        let epochs = [EpochResult { label: "1", summary: &same }];
        let compared = html(&ReportInput { title: "Same", facts: &[], base: &base, epochs: &epochs, worst: &[] });
        for page in [alone, compared] {
            assert!(!page.contains("NaN") && page.ends_with("</html>\n"));
        }
    }
}

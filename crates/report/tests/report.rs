//! Reports of runs with mock models: complete, self-contained, with the numbers of the summaries, and with hostile text
//! escaped. Pages are written to `tmp/report*.html` in the target folder for inspection.

#[path = "../../benchmark/tests/common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{Rgb, RgbImage};
use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::mock::{HintFollower, Linear, Mask, Masker, Oracle, Planted, Policy, View, grid};
use stepwise_benchmark::model::{Model, ModelError, Objective, PixelGradient, PixelGrid, Query, Response, Shown};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{self, Options, Run, Surrogate};
use stepwise_benchmark::stats::Bootstrap;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::{Summary, skips};
use stepwise_benchmark::worst_cases::{self, Speaker};
use stepwise_data::case::Case;
use stepwise_data::random::stream;
use stepwise_report::{CsvFile, EpochResult, Report, ReportInput, render};

use common::{FINDING, SIDE, ask_with, bright, uncapped};

/// Mock model whose probability of a right answer falls over the stages and is lower on changed images.
struct Learner {
    epoch: usize,
}

impl Policy for Learner {
    fn say(&self, view: &View<'_>) -> String {
        use rand::Rng;
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
    fn lost(&self, view: &View<'_>) -> f64 {
        let drawn = drawn(view.case);
        let whole = 0.30 - 0.02 * self.epoch as f64;
        match view.query.images.first() {
            Some(Shown::Picture(picture)) if **picture == drawn => 0.0,
            Some(Shown::Pixels(_)) if view.query.condition.starts_with("random_sign") => 0.0,
            Some(Shown::Pixels(pixels)) => {
                let moved =
                    pixels.values.iter().zip(&grid(&drawn).values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                whole * f64::from(moved * 255.0) / 4.0
            }
            Some(Shown::Picture(_)) | None => whole,
        }
    }
}

/// Mock model that gives the first option.
struct Prior;

impl Policy for Prior {
    fn say(&self, view: &View<'_>) -> String {
        view.options().swap_remove(0)
    }
}

/// Mock model with pixels and gradients, so that it can be attacked.
struct Attackable<'a, P>(Planted<'a, P>);

impl<P: Policy> Model for Attackable<'_, P> {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        self.0.reply(queries)
    }

    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(match query.images.first() {
            Some(Shown::Picture(picture)) => Some(grid(picture)),
            _ => None,
        })
    }

    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        let yes_no: Vec<_> = attacked
            .iter()
            .map(|(query, _)| (query.clone(), Objective::Margin { options: vec!["yes".into(), "no".into()], gold: 0 }))
            .collect();
        Linear { weight: 1.0, threshold: 0.5 }.pixel_gradients(&yes_no)
    }
}

/// Mock model that is right on clean questions, and wrong when a sentence is added or the image is changed.
struct WeakToChange;

impl Policy for WeakToChange {
    fn say(&self, view: &View<'_>) -> String {
        let is_changed = view.picture().is_none_or(|picture| *picture != drawn(view.case));
        if is_changed || !view.added_lines().is_empty() { view.wrong() } else { view.gold() }
    }
}

/// Returns an image of a body on black that contains the finding.
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

/// Returns cases with hostile text in their free-text fields.
fn hostile_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = (0..60).map(common::case).collect();
    for case in &mut cases {
        case.regions[0].label = HOSTILE.into();
        case.chain[2].question = format!("How is its margin? {HOSTILE}");
        case.case_id = format!("=1+{}\"><b>&", case.case_id);
        case.chain[3].id = "q<4>".into();
    }
    cases
}

/// Returns a report of a base model and the learner's first `epochs` on `suite`.
fn learned(suite: &Suite, cases: &[Case], epochs: usize) -> (Report, Vec<Summary>) {
    let plan = Plan::new(suite, cases);
    let runs: Vec<Run> =
        (0..=epochs).map(|epoch| asked(&plan, &mut Attackable(Planted::new(cases, Learner { epoch })))).collect();
    let bootstrap = Bootstrap { resamples: 1000, ..Bootstrap::default() };
    let summary = |run: &Run, base: Option<&Run>| {
        Summary::new(suite, &skips(&plan, run), &run.outcomes, base.map(|base| base.outcomes.as_slice()), bootstrap)
    };
    let mut summaries = vec![summary(&runs[0], None)];
    summaries.extend(runs[1..].iter().map(|run| summary(run, Some(&runs[0]))));
    let labels: Vec<String> = (1..=epochs).map(|epoch| epoch.to_string()).collect();
    let epochs: Vec<EpochResult<'_>> =
        labels.iter().zip(&summaries[1..]).map(|(label, summary)| EpochResult { label, summary }).collect();
    let last = &runs[runs.len() - 1];
    let worst =
        worst_cases::pick(&plan, &load, &last.outcomes, &runs[0].outcomes, 8, None).expect("pictures are there");
    let facts = [("Model".to_owned(), "planted".to_owned()), ("Recipe".to_owned(), HOSTILE.to_owned())];
    let mut forgetting = Forgetting::new(&summaries[0]);
    for (epoch, summary) in (1u32..).zip(&summaries[1..]) {
        forgetting.push(&format!("phase_{epoch}"), &[epoch.min(4) as u8], epoch, u64::from(epoch) * 50, summary);
    }
    let report = render(&ReportInput {
        title: "Planted learner, four stages",
        facts: &facts,
        base: &summaries[0],
        epochs: &epochs,
        worst: &worst,
        forgetting: Some(&forgetting),
    });
    (report, summaries)
}

/// Evaluates a model with a surrogate for transfer attacks.
fn asked(plan: &Plan<'_>, model: &mut dyn Model) -> Run {
    let mut progress = |_: runner::Progress<'_>| ControlFlow::Continue(());
    let mut base = Attackable(Planted::new(plan.pool.cases(), Learner { epoch: 0 }));
    let surrogate = Some(Surrogate { key: "base", model: &mut base });
    let known = HashMap::new();
    let options = Options { model: "planted", known: &known, batch: 64, surrogate, progress: &mut progress };
    runner::run(plan, &load, model, options).expect("mock models do not fail")
}

/// Writes a page to the target folder for inspection.
fn keep(name: &str, page: &str) {
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), page).expect("writable");
}

/// Returns the visible text of a page without drawings and images: one line per block, with separated cells.
fn text(page: &str) -> String {
    let mut rest = page.split_once("<main>").expect("a page").1;
    let mut text = String::new();
    while let Some((words, after)) = rest.split_once('<') {
        text.push_str(words);
        let (tag, after) = after.split_once('>').expect("a closed tag");
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or_default();
        rest = match name {
            "svg" => after.split_once("</svg>").expect("a closed drawing").1,
            _ => after,
        };
        match name {
            "td" | "th" | "dt" | "dd" if tag.starts_with('/') => text.push_str(" | "),
            "tr" | "p" | "h1" | "h2" | "h3" | "section" | "summary" | "li" | "caption" | "div" | "blockquote" => {
                text.push('\n');
            }
            _ => {}
        }
    }
    let lines = text.lines().map(|line| line.trim().trim_end_matches('|').trim());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn table<'a>(report: &'a Report, name: &str) -> &'a CsvFile {
    report.tables.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("no table {name}"))
}

/// Returns the fields of a table's rows without quotes.
fn rows(table: &CsvFile) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = table.text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => field.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    assert!(!quoted && field.is_empty() && row.is_empty(), "{} is torn", table.name);
    rows
}

#[test]
fn the_page_is_whole_and_alone_and_text_stays_text() {
    let (Report { html: page, tables }, _) = learned(&uncapped(), &hostile_cases(), 3);
    keep("report.html", &page);
    // The page fetches nothing and runs no script; addresses occur only in escaped text.
    assert!(!page.contains("<script") && !page.contains("onerror=alert(1)>") && !page.contains("<link"));
    assert!(!page.contains("\"https://") && page.contains("&quot;https://example.org/x.png&quot;"));
    assert!(!page.contains("<b>&amp;</b>") && page.contains("=1+case-") && page.contains("&quot;&gt;&lt;b&gt;&amp;"));
    assert!(page.contains("default-src 'none'"));
    for part in [
        "Robust accuracy: gain over the untouched base",
        "Gain over the base, condition by condition",
        "Accuracy by clinical stage",
        "First error in each chain",
        "Right and wrong hints",
        "Accuracy by epoch",
        "Forgetting by stage",
        "Effective robustness",
        "Pixel attacks and checks of their strength",
        "Main metrics",
        "Worst cases",
        "Denominators",
        "Largest log-likelihood of the option and the end of its turn",
        "data:image/png;base64,",
        "data:text/csv;charset=utf-8;base64,",
        "only a choice has options to reorder",
    ] {
        assert!(page.to_lowercase().contains(&part.to_lowercase()), "{part} is missing");
    }
    // Embedded images and files are removed first, because base64 can contain any letters.
    let words: String =
        page.split("base64,").map(|part| part.split_once('"').map_or(part, |(_, after)| after)).collect();
    assert!(!words.contains("NaN") && !words.contains("inf%") && !words.contains(">inf"));
    // Opened tags are closed, and every link inside the page has exactly one target.
    for tag in ["section", "div", "table", "figure", "svg", "span", "details", "dl", "tr", "p", "nav", "ul", "g"] {
        let opened = page.matches(&format!("<{tag} ")).count() + page.matches(&format!("<{tag}>")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    for link in page.split("href=\"#").skip(1).filter_map(|part| part.split('"').next()) {
        assert_eq!(page.matches(&format!("id=\"{link}\"")).count(), 1, "#{link}");
    }
    // Every drawing has a text alternative or is marked as decorative.
    for drawing in page.split("<svg").skip(1).filter_map(|part| part.split('>').next()) {
        assert!(drawing.contains("aria-label=\"") || drawing.contains("aria-hidden=\"true\""), "{drawing}");
    }
    // Every table is a file with a unique name and rows of equal length, and no cell is a spreadsheet formula.
    for table in &tables {
        assert_eq!(tables.iter().filter(|other| other.name == table.name).count(), 1, "{}", table.name);
        assert!(page.contains(&format!("download=\"{}\"", table.name)), "{}", table.name);
        let rows = rows(table);
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{}: {}", table.name, table.text);
        assert!(rows.iter().flatten().all(|field| !field.starts_with(['=', '+', '@'])), "{}", table.name);
    }
}

#[test]
fn what_a_reader_sees() {
    let cases = common::cases(60);
    let (report, _) = learned(&uncapped(), &cases, 3);
    insta::assert_snapshot!(text(&report.html));
}

#[test]
fn tables_hold_the_numbers_of_the_summaries() {
    let (report, summaries) = learned(&uncapped(), &common::cases(24), 2);
    let (base, last) = (&summaries[0], &summaries[2]);
    let field = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let all = rows(table(&report, "metrics.csv"));
    assert_eq!(all.len(), last.metrics.len() + 1);
    for (row, (id, metric)) in all[1..].iter().zip(&last.metrics) {
        let gain = metric.gain_vs_base;
        assert_eq!(row[1], *id);
        assert_eq!(row[3], field(base.estimate(id).and_then(|base| base.value)), "{id}");
        assert_eq!(row[7], field(metric.estimate.value), "{id}");
        assert_eq!((&row[8], &row[10]), (&field(metric.estimate.ci.map(|ci| ci[0])), &metric.estimate.n.to_string()));
        assert_eq!(
            (&row[11], &row[13]),
            (&field(gain.and_then(|gain| gain.value)), &field(gain.and_then(|gain| gain.ci).map(|ci| ci[1])))
        );
    }
    let denominators = rows(table(&report, "denominators.csv"));
    let place = |name: &str| denominators[0].iter().position(|column| column == name).expect("a column");
    for (row, condition) in denominators[1..].iter().zip(&last.conditions) {
        let of = |name: &str| row[place(name)].parse::<usize>().expect("a count");
        assert_eq!(of("asked") + of("skipped"), 24 * 4, "{}", condition.id);
        assert_eq!(of("right") + of("wrong") + of("unparsed"), of("asked"), "{}", condition.id);
    }
    let flow = rows(table(&report, "chains.csv"));
    let errors = rows(table(&report, "first_error.csv"));
    let now = |row: &Vec<String>| row[5].parse::<f64>().expect("a share");
    for stage in 1..=4 {
        let before = if stage == 1 { 1.0 } else { now(&flow[stage - 1]) };
        assert!((before - now(&flow[stage]) - now(&errors[stage])).abs() < 1e-12, "stage {stage}");
    }
}

/// Returns the report of a model attacked at two sizes.
fn attacked(model: &mut dyn Model) -> Report {
    let (suite, cases) = (bright::suite(), (0..24).map(bright::case).collect::<Vec<_>>());
    let plan = Plan::new(&suite, &cases);
    let mut progress = |_: runner::Progress<'_>| ControlFlow::Continue(());
    let mut base = bright::LINEAR;
    let surrogate = Some(Surrogate { key: "base", model: &mut base });
    let known = HashMap::new();
    let options = Options { model: "r", known: &known, batch: 8, surrogate, progress: &mut progress };
    let run = runner::run(&plan, &bright::load, model, options).expect("runs");
    let bootstrap = Bootstrap { resamples: 50, ..Bootstrap::default() };
    let base = Summary::new(&suite, &skips(&plan, &run), &run.outcomes, None, bootstrap);
    render(&ReportInput { title: "Attacked", facts: &[], base: &base, epochs: &[], worst: &[], forgetting: None })
}

#[test]
fn curves_over_sizes_are_exact_and_a_failed_check_is_told_at_the_top() {
    let honest = attacked(&mut bright::LINEAR.clone());
    let curve: Vec<[String; 4]> = rows(table(&honest, "epsilon.csv"))[1..]
        .iter()
        .map(|row| [&row[0], &row[1], &row[6], &row[9]].map(String::clone))
        .collect();
    // Twelve of 24 are right, two each at 1, 3, 5, ... grey levels from the decision threshold.
    let share = |right: u32| (f64::from(right) / 24.0).to_string();
    let line = |name: &str, right: [u32; 3]| {
        let sizes = ["0", "4", "8"].into_iter().zip(right);
        sizes.map(|(eps, right)| [name.to_owned(), eps.to_owned(), share(right), "24".to_owned()]).collect::<Vec<_>>()
    };
    let expected = [
        line("PGD, many steps", [12, 8, 4]),
        line("FGSM, one step", [12, 8, 4]),
        line("made on the base", [12, 8, 4]),
        line("random signs", [12, 12, 12]),
    ];
    assert_eq!(curve, expected.concat());
    assert!(honest.html.contains("14 checks against fake robustness: 14 passed, 0 failed, 0 not applicable."));
    assert!(!honest.html.contains("\u{2718} failed"));

    let reversed = attacked(&mut Masker { inside: bright::LINEAR, mask: Mask::Reversed });
    let top = reversed.html.split("<section id=").next().expect("a head");
    assert!(top.contains("checks against fake robustness failed"), "{top}");
    let failed = rows(table(&reversed, "checks.csv")).iter().filter(|row| row[2] == "\u{2718} failed").count();
    assert!(failed >= 6 && reversed.html.contains(&format!("{failed} failed, ")), "{failed}");
}

#[test]
fn a_line_is_drawn_through_models_that_surely_differ() {
    let (suite, cases) = (common::uncapped(), common::cases(24));
    let plan = Plan::new(&suite, &cases);
    let summary = |policy: &mut dyn Model| {
        let run = asked(&plan, policy);
        Summary::new(
            &suite,
            &skips(&plan, &run),
            &run.outcomes,
            None,
            Bootstrap { resamples: 200, ..Bootstrap::default() },
        )
    };
    let base = summary(&mut Attackable(Planted::new(&cases, Prior)));
    let of = |epoch: usize| summary(&mut Attackable(Planted::new(&cases, Learner { epoch })));
    let summaries = [of(0), of(1), of(3)];
    let epochs: Vec<EpochResult<'_>> =
        ["1", "2", "3"].into_iter().zip(&summaries).map(|(label, summary)| EpochResult { label, summary }).collect();
    let report =
        render(&ReportInput { title: "Line", facts: &[], base: &base, epochs: &epochs, worst: &[], forgetting: None });
    assert!(report.html.contains("class=\"line trend\"") && !report.html.contains("No line can be used"));
    let all = rows(table(&report, "effective_robustness.csv"));
    let place = |name: &str| all[0].iter().position(|column| column == name).expect("a column");
    for row in &all[1..] {
        assert_eq!(row[place("used")], "used", "{row:?}");
        let of = |name: &str| row[place(name)].parse::<f64>().expect("a number");
        // Effective robustness is the log-odds under attack minus the line's value at the same clean accuracy.
        let odds = |share: f64| (share / (1.0 - share)).ln();
        let above = odds(of("attacked")) - odds(of("expected_percent") / 100.0);
        assert!(of("slope") > 0.0 && (of("effective_robustness") - above).abs() < 1e-6, "{row:?}");
    }
}

#[test]
fn a_chart_whose_conditions_are_missing_is_left_out() {
    let text = "name = \"s\"\nversion = 1\nseed = 1\n[[condition]]\nid = \"clean\"\nkind = \"clean\"\n";
    let suite = Suite::parse(text, "s.toml".as_ref()).expect("valid");
    let sections = |cases: &[Case], epochs: usize| {
        let (report, _) = learned(&suite, cases, epochs);
        let ids = report.html.split("<section id=\"").skip(1).filter_map(|part| part.split('"').next());
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    let cases = common::cases(8);
    let always = ["metrics", "denominators", "method"];
    assert_eq!(sections(&cases, 0), [&["conditions", "stages", "chains"][..], &always].concat());
    let trained = ["conditions", "stages", "chains", "epochs", "retention", "forgetting"];
    assert_eq!(sections(&cases, 1), [&trained[..], &always].concat());
    let mut unchained = cases;
    unchained.iter_mut().for_each(|case| case.chain.truncate(1));
    assert_eq!(sections(&unchained, 0), [&["conditions", "stages"][..], &always].concat());
}

#[test]
fn a_worst_case_shows_the_second_turn_and_what_was_done_to_the_picture() {
    let mut text = "name = \"s\"\nversion = 1\nseed = 1\n".to_owned();
    for (id, rest) in [
        ("clean", "kind = \"clean\""),
        ("rebuttal_wrong", "kind = \"rebuttal_wrong\""),
        ("written", "kind = \"written_wrong\"\ncontrast = \"low\""),
        ("cue_wrong", "kind = \"cue_wrong\""),
        ("fgsm", "kind = \"fgsm\"\neps = 2"),
    ] {
        text.push_str(&format!("[[condition]]\nid = \"{id}\"\n{rest}\n"));
    }
    let suite = Suite::parse(&text, "s.toml".as_ref()).expect("valid");
    let cases = common::cases(8);
    let plan = Plan::new(&suite, &cases);
    let tuned = asked(&plan, &mut Attackable(Planted::new(&cases, WeakToChange)));
    let base = ask_with(&plan, &load, &mut Planted::new(&cases, Oracle));
    let worst = worst_cases::pick(&plan, &load, &tuned.outcomes, &base.outcomes, 8, None).expect("pictures are there");
    let of = |condition: &str| worst.iter().find(|case| case.condition == condition).expect("one of each");

    let rebuttal = of("rebuttal_wrong");
    let speakers: Vec<Speaker> = rebuttal.turns.iter().map(|turn| turn.speaker).collect();
    assert_eq!(speakers, [Speaker::User, Speaker::Model, Speaker::User]);
    assert_eq!(rebuttal.clean.as_ref(), Some(&rebuttal.turns[1].text));
    let named = rebuttal.named.as_ref().expect("a rebuttal names an answer");
    assert!(rebuttal.turns[2].text.contains(named.as_str()) && rebuttal.base_right);

    let captions = |condition: &str| of(condition).views.iter().map(|view| view.caption.as_str()).collect::<Vec<_>>();
    assert_eq!(captions("rebuttal_wrong"), ["as shown"]);
    assert_eq!(captions("cue_wrong"), ["as stored", "as shown"]);
    assert_eq!(captions("written"), ["as stored", "as shown", "change, amplified 15 times"]);
    assert_eq!(
        captions("fgsm"),
        [
            "before the attack, which changes each pixel value by at most 2/255; attacked image left out: no model to re-create it"
        ]
    );
    let mut attacker = Attackable(Planted::new(&cases, WeakToChange));
    let at_hand = worst_cases::LiveModels { model: &mut attacker, surrogate: None };
    let drawn =
        worst_cases::pick(&plan, &load, &tuned.outcomes, &base.outcomes, 8, Some(at_hand)).expect("pictures are there");
    let fgsm = drawn.iter().find(|case| case.condition == "fgsm").expect("one of each");
    let captions: Vec<&str> = fgsm.views.iter().map(|view| view.caption.as_str()).collect();
    let expected = [
        "before the attack, which changes each pixel value by at most 2/255",
        "change by the attack, re-created on the model's input pixels, amplified 63 times",
    ];
    assert_eq!(captions, expected);
    // The gradient has one sign, so every value falls by two levels, which is shown 63 times as strong around 128.
    let png = STANDARD.decode(fgsm.views[1].picture.trim_start_matches("data:image/png;base64,")).expect("base64");
    let change = image::load_from_memory(&png).expect("a picture").to_rgb8();
    assert_eq!(change.dimensions(), (SIDE, SIDE));
    assert!(change.pixels().all(|pixel| pixel.0 == [128 - 126; 3]));
    // All other cases are unchanged.
    assert!(drawn.iter().zip(&worst).all(|(a, b)| a.condition == "fgsm" || a == b));

    let [x0, y0, x1, y1] = FINDING.map(f64::from);
    assert_eq!(of("cue_wrong").views[1].outlines, [vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1]]]);
    assert!(of("cue_wrong").views.iter().all(|view| view.size == [SIDE; 2]));
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
        let alone =
            render(&ReportInput { title: "Base", facts: &[], base: &base, epochs: &[], worst: &[], forgetting: None });
        let same = Summary::new(&suite, &[], outcomes, Some(outcomes), bootstrap);
        let epochs = [EpochResult { label: "1", summary: &same }];
        let compared = render(&ReportInput {
            title: "Same",
            facts: &[],
            base: &base,
            epochs: &epochs,
            worst: &[],
            forgetting: None,
        });
        for page in [alone.html, compared.html] {
            assert!(!page.contains("NaN") && page.ends_with("</html>\n"));
        }
    }
}

/// Writes a page of the whole suite for inspection; not a test of behaviour.
#[test]
#[ignore = "takes minutes"]
fn the_whole_suite_to_look_at() {
    let mut suite = Suite::full();
    for condition in &mut suite.conditions {
        condition.max_items = condition.max_items.map(|most| most.min(60));
    }
    let (report, summaries) = learned(&suite, &common::cases(60), 4);
    keep("report-full.html", &report.html);
    keep("report-full-base.html", &{
        let base = ReportInput {
            title: "Base alone",
            facts: &[],
            base: &summaries[0],
            epochs: &[],
            worst: &[],
            forgetting: None,
        };
        render(&base).html
    });
}

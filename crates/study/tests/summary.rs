//! Studies with constructed answers, whose differences, tests and lines have known values.

use serde_json::json;
use stepwise_benchmark::effective_robustness::RobustnessLine;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::stats::student::{quantile, two_sided};
use stepwise_benchmark::suite::Suite;
use stepwise_study::report::{StudyInput, render};
use stepwise_study::summary::{
    ArmRuns, Difference, Endpoint, ReferenceLine, SeedRun, StudyRuns, StudySummary, TrainingBudget,
};

fn suite() -> Suite {
    let text = "name = \"s\"\nversion = 1\nseed = 1\n[[condition]]\nid = \"clean\"\nkind = \"clean\"\n\
        [[condition]]\nid = \"hint_minus\"\nkind = \"hint_minus\"\n";
    Suite::parse(text, "s.toml".as_ref()).expect("valid")
}

/// Returns outcomes with one item, of a question of its own, in each of `groups`. `clean` and `attacked` decide which are right without and with
/// the hint.
fn answers(groups: usize, clean: impl Fn(usize) -> bool, attacked: impl Fn(usize) -> bool) -> Vec<Outcome> {
    let outcome = |group: usize, condition: &str, is_right: bool| {
        serde_json::from_value(json!({
            "case_id": format!("case-{group:04}"), "group_id": format!("group-{group:04}"), "item_id": "q1", "stage": 1,
            "category": "01", "question": format!("Question of {group}?"), "condition": condition, "verdict": if is_right { "right" } else { "wrong" }, "gold": "yes",
            "chance": 0.5,
        }))
        .expect("an outcome")
    };
    let both = |group| [outcome(group, "clean", clean(group)), outcome(group, "hint_minus", attacked(group))];
    (0..groups).flat_map(both).collect()
}

fn run(seed: u64, outcomes: Vec<Outcome>) -> SeedRun {
    SeedRun {
        seed,
        steps: 10,
        planned: 10,
        delivered: None,
        outcomes,
        earlier: Vec::new(),
        stops: Vec::new(),
        forgetting: None,
    }
}

fn arm(name: &str, runs: Vec<SeedRun>) -> ArmRuns {
    ArmRuns { name: name.to_owned(), budget: TrainingBudget { steps: 10.0, ..TrainingBudget::default() }, runs }
}

/// Returns a study whose first arm is the reference.
fn study(base: Vec<Outcome>, arms: Vec<ArmRuns>, seeds: &[u64]) -> StudyRuns {
    StudyRuns {
        name: "planted".to_owned(),
        facts: Vec::new(),
        primary: vec!["accuracy:clean".to_owned(), "accuracy:hint_minus".to_owned()],
        reference: 0,
        seeds: seeds.to_vec(),
        later_seeds: Vec::new(),
        base,
        arms,
    }
}

const GROUPS: usize = 20;

/// Returns outcomes that are right on the first `clean` and the first `attacked` groups, without and with the hint.
fn first(clean: usize, attacked: usize) -> Vec<Outcome> {
    answers(GROUPS, |group| group < clean, |group| group < attacked)
}

fn difference(summary: &StudySummary, id: &str, place: usize) -> Difference {
    summary.endpoints[id].arms[place].difference.clone().expect("compared")
}

fn is_near(found: Option<f64>, expected: f64) -> bool {
    found.is_some_and(|found| (found - expected).abs() < 1e-9)
}

/// Seeds of a study whose results may be claims.
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

/// Returns a study in which, in all seeds, `more` is right on 8 more groups than the reference without the hint and on
/// 5 more with it, and `some` on 6 more without the hint and on no more with it.
fn planted() -> StudyRuns {
    let both = |name: &str, clean, attacked| arm(name, SEEDS.map(|seed| run(seed, first(clean, attacked))).into());
    let arms = vec![both("plain", 4, 4), both("more", 12, 9), both("some", 10, 4)];
    study(first(2, 4), arms, &SEEDS)
}

/// p-value of a mean difference of `gained` of [`GROUPS`] groups that gain one each, by Student's one-sample t test.
fn p_of(gained: usize) -> f64 {
    let (share, groups) = (gained as f64 / GROUPS as f64, GROUPS as f64);
    two_sided(share / (share * (1.0 - share) / (groups - 1.0)).sqrt(), GROUPS - 1)
}

#[test]
fn planted_differences_have_the_p_values_of_their_groups_adjusted_by_holm() {
    let summary = StudySummary::new(&suite(), &planted());
    // Every group is its own question, and all seeds are equal, so p is the p-value of a t test. Four tests are planned.
    for (id, place, gained, rank) in [
        ("accuracy:clean", 1, 8, 4.0),
        ("accuracy:clean", 2, 6, 3.0),
        ("accuracy:hint_minus", 1, 5, 2.0),
        ("accuracy:hint_minus", 2, 0, 1.0),
    ] {
        let found = difference(&summary, id, place);
        let (mean, p) = (gained as f64 / GROUPS as f64, if gained == 0 { 1.0 } else { p_of(gained) });
        assert!(is_near(found.estimate.value, mean), "{id} {found:?}");
        assert!(
            is_near(found.estimate.p, p) && is_near(found.estimate.p_adjusted, (rank * p).min(1.0)),
            "{id} {found:?}"
        );
        assert!(found.by_seed.iter().all(|value| is_near(*value, mean)) && found.by_seed.len() == 5);
        assert_eq!(found.agreeing, if mean > 0.0 { 5 } else { 0 });
    }
    assert!(difference(&summary, "accuracy:clean", 1).is_clear());
    assert!(!difference(&summary, "accuracy:hint_minus", 2).is_clear());
    assert_eq!(summary.endpoints["accuracy:clean"].arms[0].difference, None, "the reference");
    assert_eq!(summary.unfinished(), None);
}

#[test]
fn fewer_than_five_seeds_are_exploratory_and_seeds_that_differ_are_no_claim() {
    let mut runs = planted();
    runs.arms.iter_mut().for_each(|arm| arm.runs.truncate(4));
    let four = difference(&StudySummary::new(&suite(), &runs), "accuracy:clean", 1);
    assert!(four.estimate.is_clear() && four.is_exploratory() && !four.is_clear(), "{four:?}");

    // The same mean, but the seeds gain 0, 4, 8, 12 and 16 groups: other seeds may gain nothing.
    let mut runs = planted();
    for (run, clean) in runs.arms[1].runs.iter_mut().zip([4, 8, 12, 16, 20]) {
        run.outcomes = first(clean, 9);
    }
    let apart = difference(&StudySummary::new(&suite(), &runs), "accuracy:clean", 1);
    let of_seeds = two_sided(0.4 / (0.1f64 / 5.0).sqrt(), 4);
    assert!(is_near(apart.p_seeds, of_seeds) && apart.p_fixed_seeds.is_some_and(|p| p < of_seeds), "{apart:?}");
    assert_eq!(apart.estimate.p, apart.p_seeds);
    let half = quantile(0.975, 4) * (0.1f64 / 5.0).sqrt();
    let [low, high] = apart.estimate.ci.expect("bounded");
    assert!((low - (0.4 - half)).abs() < 1e-9 && (high - (0.4 + half)).abs() < 1e-9, "{low} {high}");
    assert!(!apart.is_clear());
}

/// Returns outcomes of `questions` questions put to every group in the same words. `right` decides which are right
/// without the hint; all are right with the hint.
fn asked(questions: usize, right: impl Fn(usize, usize) -> bool) -> Vec<Outcome> {
    let of_question = |question: usize| {
        let mut outcomes = answers(GROUPS, |group| right(group, question), |_| true);
        for outcome in &mut outcomes {
            outcome.item_id = format!("q{question}");
            outcome.stage = 1 + question as u8 % 4;
            outcome.question = format!("Question {question}?");
        }
        outcomes
    };
    (0..questions).flat_map(of_question).collect()
}

#[test]
fn one_question_answered_otherwise_in_every_case_is_no_claim_and_many_are() {
    let questions = 10;
    let both = |name: &str, right: fn(usize, usize) -> bool| {
        arm(name, SEEDS.map(|seed| run(seed, asked(questions, right))).into())
    };
    let arms = vec![
        both("plain", |_, _| false),
        both("one", |_, question| question == 3),
        both("all", |group, _| group % 2 == 0),
    ];
    let runs = study(asked(questions, |_, _| false), arms, &SEEDS);
    let summary = StudySummary::new(&suite(), &runs);
    assert_eq!((summary.groups, summary.questions), (GROUPS, questions));

    // All patients agree on the one question, so patients alone would be certain.
    let one = difference(&summary, "accuracy:clean", 1);
    assert!(is_near(one.estimate.value, 0.1) && !one.is_clear(), "{one:?}");
    let t = 0.1 / (0.1f64 * 0.9 / 9.0).sqrt();
    assert!(is_near(one.estimate.p, two_sided(t, 9)), "{one:?}");

    let all = difference(&summary, "accuracy:clean", 2);
    assert!(is_near(all.estimate.value, 0.5) && all.is_clear(), "{all:?}");

    // A chain consists of all questions of a case, so it varies patients alone.
    let chain = difference(&summary, "chain_accuracy", 2);
    assert!(chain.estimate.ci.is_some() && chain.estimate.clusters == GROUPS, "{chain:?}");

    // `one` has a hollow dot, `all` has a filled dot.
    let page = render(&StudyInput { summary: &summary, runs: &runs }).html;
    let row = |name: &str| {
        page.split("<div class=\"row\">").find(|row| row.contains(&format!(">{name}</span>"))).expect("a row")
    };
    assert!(row("one").contains("dot unsure"), "{}", row("one"));
    assert!(row("all").contains("dot tuned"), "{}", row("all"));
}

#[test]
fn the_base_is_compared_and_is_none_of_the_claims() {
    let summary = StudySummary::new(&suite(), &planted());
    let of = |id: &str| summary.endpoints[id].base_difference.clone().expect("compared");
    let clean = of("accuracy:clean");
    assert!(is_near(clean.estimate.value, -0.1) && is_near(clean.estimate.p, p_of(2)), "{clean:?}");
    assert_eq!(of("accuracy:hint_minus").estimate.p, Some(1.0));
}

#[test]
fn what_is_planned_and_not_finished_counts_as_a_test() {
    let mut runs = planted();
    runs.arms[1].runs.truncate(1);
    runs.arms[2].runs.clear();
    let summary = StudySummary::new(&suite(), &runs);
    let clean = difference(&summary, "accuracy:clean", 1);
    assert_eq!((clean.by_seed.len(), clean.agreeing), (1, 1));
    assert!(is_near(clean.estimate.p, p_of(8)) && is_near(clean.estimate.p_adjusted, 4.0 * p_of(8)), "{clean:?}");
    assert!(is_near(difference(&summary, "accuracy:hint_minus", 1).estimate.p_adjusted, 3.0 * p_of(5)));
    assert_eq!(summary.endpoints["accuracy:clean"].arms[2].difference, None);
    assert_eq!(summary.unfinished().as_deref(), Some("more (1 of 5 seeds), some (0 of 5 seeds)"));
    let page = render(&StudyInput { summary: &summary, runs: &runs }).html;
    assert!(page.contains("This study is not finished: more (1 of 5 seeds)"));
}

#[test]
fn runs_that_ended_early_are_named() {
    let mut runs = planted();
    assert!(StudySummary::new(&suite(), &runs).ended_early.is_empty());
    runs.arms[2].runs[1].steps = 7;
    let summary = StudySummary::new(&suite(), &runs);
    let page = render(&StudyInput { summary: &summary, runs: &runs }).html;
    assert!(
        page.contains("Ended before their planned steps: some seed 2 after 7 of 10 steps."),
        "{:?}",
        summary.ended_early
    );
}

const MANY: usize = 400;

/// Returns outcomes with `clean` and `attacked` right answers, in positions that depend on `shift`.
fn of_many(clean: usize, attacked: usize, shift: usize) -> Vec<Outcome> {
    // 619 and 400 have no common divisor, so right answers are scattered.
    let right = move |count: usize| move |group: usize| (group * 619 + shift) % MANY < count;
    answers(MANY, right(clean), right(attacked))
}

/// Returns the number of right answers that has these log-odds.
fn count(logit: f64) -> usize {
    (MANY as f64 / (1.0 + (-logit).exp())).round() as usize
}

/// Returns a model with log-odds `clean` without attack. The log-odds under attack lie `above` the line 0.8 x - 0.7.
fn on_line(clean: f64, above: f64, shift: usize) -> Vec<Outcome> {
    of_many(count(clean), count(0.8 * clean - 0.7 + above), shift)
}

/// Returns a study with a reference of two seeds, the models evaluated during its runs, and one other arm.
fn with_line(base: Vec<Outcome>, tested: [Vec<Vec<Outcome>>; 2], other: Vec<Outcome>) -> StudyRuns {
    let run_of = |(seed, mut tested): (u64, Vec<Vec<Outcome>>)| {
        let outcomes = tested.pop().expect("one at least");
        SeedRun { earlier: tested, ..run(seed, outcomes) }
    };
    let reference = [1, 2].into_iter().zip(tested).map(run_of).collect();
    study(base, vec![arm("plain", reference), arm("other", vec![run(1, other.clone()), run(2, other)])], &[1, 2])
}

fn rising(above: f64) -> StudyRuns {
    let seed = |shift: usize| [-0.4, 0.3, 1.0].map(|clean| on_line(clean, 0.0, shift)).to_vec();
    with_line(on_line(-1.0, 0.0, 0), [seed(70), seed(240)], on_line(0.6, above, 320))
}

fn effective(summary: &StudySummary) -> &Endpoint {
    summary.endpoints.get("effective_robustness:hint_minus").expect("a line that can be used")
}

fn line(runs: &StudyRuns) -> ReferenceLine {
    let summary = StudySummary::new(&suite(), runs);
    assert_eq!(summary.lines.len(), 1);
    let refused = summary.lines[0].refused.is_some();
    assert_eq!(summary.endpoints.contains_key("effective_robustness:hint_minus"), !refused);
    let page = render(&StudyInput { summary: &summary, runs }).html;
    assert_eq!(page.contains("No line can be used"), refused);
    summary.lines[0].clone()
}

#[test]
fn a_planted_line_is_found_with_its_points_and_range() {
    let found = line(&rising(0.0));
    assert_eq!((found.refused, found.points), (None, 7));
    let RobustnessLine { slope, intercept } = found.fit.expect("a line");
    assert!((slope - 0.8).abs() < 0.02 && (intercept + 0.7).abs() < 0.02, "{slope} {intercept}");
    let [low, high] = found.slope_ci.expect("an interval");
    assert!(0.0 < low && low < 0.8 && 0.8 < high && high - low < 1.0, "{low} {high}");
    assert_eq!(found.clean, Some([count(-1.0) as f64 / 400.0, count(1.0) as f64 / 400.0]));
}

#[test]
fn an_arm_on_the_line_has_nothing_above_it_and_one_above_it_has_its_height() {
    for above in [0.0, 0.6] {
        let summary = StudySummary::new(&suite(), &rising(above));
        let other = &effective(&summary).arms[1];
        let value = other.estimate.value.expect("defined");
        let [low, high] = other.estimate.ci.expect("an interval");
        assert!((value - above).abs() < 0.02 && low < above && above < high, "{above}: {value} [{low}, {high}]");
        assert_eq!(low > 0.0, above > 0.0, "{low} {high}");
        let less = other.difference.as_ref().expect("compared");
        assert_eq!(less.estimate.is_clear(), above > 0.0, "{less:?}");
        // The endpoint is not primary, so it is not part of the correction.
        assert!(!effective(&summary).primary);
    }
}

#[test]
fn an_interval_holds_what_is_not_known_of_the_line() {
    let mut runs = rising(0.0);
    // The arm is right in every group, so only the line can vary between bootstrap draws.
    runs.arms[1].runs.iter_mut().for_each(|run| run.outcomes = of_many(MANY, MANY, 0));
    let summary = StudySummary::new(&suite(), &runs);
    let [low, high] = effective(&summary).arms[1].estimate.ci.expect("an interval");
    assert!(high - low > 0.2, "{low} {high}");
}

#[test]
fn lines_that_say_nothing_are_refused_with_the_reason() {
    // One evaluated step besides the base.
    let ends = [0.9, 1.1].map(|clean| vec![on_line(clean, 0.0, 70)]);
    let two = line(&with_line(on_line(-1.0, 0.0, 0), ends, on_line(0.6, 0.0, 320)));
    assert!(two.refused.as_deref().is_some_and(|why| why.contains("besides its base: 1,")), "{two:?}");
    assert!(two.fit.is_some_and(|line| (line.slope - 0.8).abs() < 0.02), "a refused line is shown too");

    // Models with nearly the same accuracy.
    let alike = |shift: usize| vec![of_many(201, 120, shift), of_many(199, 128, shift + 31)];
    let alike = line(&with_line(of_many(200, 124, 0), [alike(70), alike(240)], of_many(200, 124, 320)));
    assert!(alike.refused.as_deref().is_some_and(|why| why.contains("no more than expected by chance")), "{alike:?}");

    // Models with higher clean accuracy and lower accuracy under attack.
    let falling = |shift: usize| [-0.4, 0.3, 1.0].map(|clean| of_many(count(clean), count(-clean), shift)).to_vec();
    let falling =
        line(&with_line(of_many(count(-1.0), count(1.0), 0), [falling(70), falling(240)], of_many(200, 124, 320)));
    assert!(falling.refused.as_deref().is_some_and(|why| why.contains("does not lie above 0")), "{falling:?}");

    // Models with equal clean accuracy.
    let same = || vec![of_many(200, 120, 0), of_many(200, 128, 0)];
    let same = line(&with_line(of_many(200, 124, 0), [same(), same()], of_many(200, 124, 320)));
    assert!(same.refused.is_some() && same.fit.is_none(), "{same:?}");
}

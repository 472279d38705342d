//! Main results of a report, use of the image and robustness, with a few further numbers on cards.

use stepwise_benchmark::stats::FEWEST_CLUSTERS;
use stepwise_benchmark::summary::{Estimate, Summary};

use super::ReportInput;
use super::epsilon;
use super::markup::{capital, escape, percent, plural, points, share};

/// Metrics on cards: id, name and explanation.
const CARDS: [(&str, &str, &str); 7] = [
    ("accuracy:clean", "Clean accuracy", "questions and images as stored"),
    ("mean_attacked_accuracy", "Accuracy under attack", "mean over attack families"),
    (
        "ancestor_chain_accuracy",
        "Conclusions with their chain",
        "items of stage 4 that are right together with all items that they build on",
    ),
    ("chain_accuracy", "Complete chains", "cases with all four stages right"),
    ("hint_discrimination", "Hint discrimination", "repair by right hints minus capture by wrong hints"),
    ("visual_reliance_swap", "Use of the image", "accuracy lost with the image of another patient"),
    (
        "region_grounding",
        "Use of the evidence",
        "accuracy lost by covering it, minus loss by covering as much elsewhere",
    ),
];

/// Renders the main result as markup, for the epoch that the report is about: the gain in the paired image score where
/// images were exchanged, the gain in robust accuracy, or in clean accuracy where no attack was evaluated, and cards
/// with further metrics that have a value. Without epochs it shows the values of the base.
pub fn section(input: &ReportInput<'_>) -> String {
    let last = input.model();
    let cards: String = CARDS.iter().filter_map(|(id, name, about)| card(last, id, name, about)).collect();
    let cards = if cards.is_empty() { cards } else { format!("<div class=\"cards\">{cards}</div>") };
    let sight = sight(last).map(|claim| hero(input, last, &claim, [""; 2])).unwrap_or_default();
    let robustness = hero(input, last, &claim(last), [&note(input), &failed_checks(last)]);
    format!("<section class=\"headline\" aria-label=\"Main result\">{sight}{robustness}{cards}</section>")
}

/// Metric of the main result.
struct Claim {
    id: &'static str,
    name: &'static str,
    /// Explanation of the number, as markup.
    about: String,
}

/// Returns robust accuracy, or clean accuracy where no attack was evaluated.
fn claim(summary: &Summary) -> Claim {
    let counted: Vec<&str> = summary
        .conditions
        .iter()
        .filter(|condition| condition.representative && condition.n > 0)
        .map(|condition| condition.id.as_str())
        .collect();
    if counted.is_empty() {
        return Claim { id: "accuracy:clean", name: "Clean accuracy", about: "No attack was evaluated.".into() };
    }
    Claim {
        id: "robust_accuracy",
        name: "Robust accuracy",
        about: format!(
            "An item counts as right if it is right without attack and under every applicable one of {}, one per attack family: {}.",
            plural(counted.len(), "attack"),
            escape(&counted.join(", "))
        ),
    }
}

/// Returns the paired image score; None where no image was exchanged.
fn sight(summary: &Summary) -> Option<Claim> {
    let score = summary.estimate("image_score").filter(|score| score.value.is_some())?;
    let control = summary.estimate("image_score_control").filter(|control| control.value.is_some());
    let control = control.map_or_else(String::new, |control| {
        format!(", and {} with the image of another patient with the same answer (control)", share(Some(control)))
    });
    Some(Claim {
        id: "image_score",
        name: "Paired image score",
        about: format!(
            "The right answer is likelier with the own image than with the image of another patient for whom it is wrong in {} \
             of the items{control}. 50 % is a model that does not use the image.",
            share(Some(score)),
        ),
    })
}

/// Renders the warning about failed checks of the pixel attacks; empty where none failed.
fn failed_checks(summary: &Summary) -> String {
    match epsilon::failed(summary) {
        0 => String::new(),
        failed => format!(
            "<p class=\"tally bad\">\u{2718} {} against fake robustness failed: see <a href=\"#epsilon\">the checks of the \
             pixel attacks</a>.</p>",
            plural(failed, "check")
        ),
    }
}

/// Renders the warning of the input; empty without one.
fn note(input: &ReportInput<'_>) -> String {
    let note = |text: &str| format!("<p class=\"tally bad\">{}.</p>", escape(&capital(text)));
    input.warning.map_or_else(String::new, note)
}

/// Renders one main metric. `note` and `warning` are markup.
fn hero(input: &ReportInput<'_>, last: &Summary, claim: &Claim, [note, warning]: [&str; 2]) -> String {
    let Claim { id, name, about } = claim;
    let metric = last.metrics.get(*id);
    let Some((gain, base)) = metric.and_then(|metric| metric.gain_vs_base.zip(metric.base)) else {
        let estimate = metric.map(|metric| metric.estimate);
        return format!(
            "<div class=\"hero\"><p class=\"what\">{name} of the base</p><p class=\"big\">{}</p>{note}{warning}<p class=\"about\">On {}. {about}</p></div>",
            share(estimate),
            plural(estimate.map_or(0, |estimate| estimate.n), "item"),
        );
    };
    let value = gain.value.map_or_else(|| "n/a".to_owned(), points);
    let interval =
        gain.ci.map_or_else(String::new, |[low, high]| format!("95 % interval {} to {}", points(low), points(high)));
    let of =
        |estimate: Option<Estimate>| estimate.and_then(|estimate| estimate.value).map_or_else(|| "n/a".into(), percent);
    let others = others(input, id);
    format!(
        "<div class=\"hero {}\"><p class=\"what\">{name}: gain over the untouched base</p>\
         <p class=\"big\">{value}<span class=\"unit\"> percentage points</span></p><p class=\"interval\">{interval}</p>\
         <p class=\"verdict\">{}</p>{note}{warning}\
         <p class=\"about\">{name} {} \u{2192} {} ({}), on {}. {about}</p>{others}</div>",
        tone(gain),
        verdict(gain),
        of(Some(base)),
        of(metric.map(|metric| metric.estimate)),
        escape(&input.model_label()),
        plural(gain.n, "item"),
    )
}

/// Renders the gain of the metric `id` at every epoch that the report is not about; empty without such epochs.
fn others(input: &ReportInput<'_>, id: &str) -> String {
    let gains: Vec<String> = input
        .others()
        .map(|epoch| {
            let gain = epoch.summary.gain(id).and_then(|gain| gain.value).map_or_else(|| "n/a".to_owned(), points);
            let remark = if epoch.remark.is_empty() { String::new() } else { format!(" ({})", escape(epoch.remark)) };
            format!("{} {gain}{remark}", escape(&epoch.name()))
        })
        .collect();
    if gains.is_empty() { String::new() } else { format!("<p class=\"about\">Other epochs: {}.</p>", gains.join(", ")) }
}

/// Says what the gain shows. A claim needs enough patients and questions, whatever the interval is.
fn verdict(gain: Estimate) -> String {
    match gain.value.filter(|_| gain.is_clear()) {
        Some(value) if value > 0.0 => "Better than its base: the interval lies above zero.".into(),
        Some(_) => "Worse than its base: the interval lies below zero.".into(),
        None if gain.clusters < FEWEST_CLUSTERS => format!(
            "No claim: the number rests on {} patients or questions, and a claim needs {FEWEST_CLUSTERS} of both.",
            gain.clusters
        ),
        None => "No difference shown.".into(),
    }
}

fn tone(gain: Estimate) -> &'static str {
    match gain.value.filter(|_| gain.is_clear()) {
        Some(value) if value > 0.0 => "up",
        Some(_) => "down",
        None => "even",
    }
}

fn card(summary: &Summary, id: &str, name: &str, about: &str) -> Option<String> {
    let metric = summary.metrics.get(id)?;
    let value = metric.estimate.value?;
    let was = metric.base.and_then(|base| base.value).map(|base| format!("{} \u{2192} ", percent(base)));
    let gain = metric.gain_vs_base.and_then(|gain| Some((gain.value?, gain.ci))).map(|(gain, ci)| {
        let ci = ci.map_or_else(String::new, |[low, high]| {
            format!(" <span class=\"ci\">[{}, {}]</span>", points(low), points(high))
        });
        format!("<p class=\"gain\">{}{ci}</p>", points(gain))
    });
    Some(format!(
        "<div class=\"card\"><h3>{name}</h3><p class=\"value\"><span class=\"was\">{}</span>{}</p>{}<p class=\"about\">{about} <span class=\"n\">of {}</span></p></div>",
        was.unwrap_or_default(),
        percent(value),
        gain.unwrap_or_default(),
        metric.estimate.n
    ))
}

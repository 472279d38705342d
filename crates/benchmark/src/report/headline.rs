//! The one number, and the few beside it.

use super::ReportInput;
use super::markup::{escape, percent, points, share};
use crate::perturb::Purpose;
use crate::summary::{Estimate, Summary};

/// Shown beside the headline: metric and what it is called there.
const CARDS: [(&str, &str, &str); 6] = [
    ("accuracy:clean", "Clean accuracy", "nothing changed"),
    ("worst_case_accuracy", "Worst case", "right clean and under every attack"),
    ("chain_accuracy", "Whole chains", "all four stages right"),
    ("hint_discrimination", "Hint discrimination", "takes good hints, rejects bad ones"),
    ("visual_reliance_swap", "Looks at the picture", "lost when it is another patient's"),
    ("region_grounding", "Looks at the right place", "lost when the evidence is covered"),
];

/// The section.
pub fn section(input: &ReportInput<'_>) -> String {
    let last = input.last();
    let cards: String = CARDS.iter().filter_map(|(id, name, about)| card(last, id, name, about)).collect();
    format!("<section class=\"headline\">{}<div class=\"cards\">{cards}</div></section>", hero(input, last))
}

fn hero(input: &ReportInput<'_>, last: &Summary) -> String {
    let attacks: Vec<&str> = last
        .conditions
        .iter()
        .filter(|condition| condition.purpose == Purpose::Attack && condition.n > 0)
        .map(|condition| condition.id.as_str())
        .collect();
    let names = escape(&attacks.join(", "));
    let metric = last.metrics.get("robust_accuracy");
    let Some((gain, base)) = metric.and_then(|metric| metric.gain_vs_base.zip(metric.base)) else {
        return format!(
            "<div class=\"hero\"><p class=\"what\">Robust accuracy of the base</p><p class=\"big\">{}</p>\
             <p>The mean over its attacks: {names}.</p></div>",
            share(metric.map(|metric| metric.estimate))
        );
    };
    let value = gain.value.map_or_else(|| "n/a".to_owned(), points);
    let interval =
        gain.ci.map_or_else(String::new, |[low, high]| format!("95 % interval {} to {}", points(low), points(high)));
    let of =
        |estimate: Option<Estimate>| estimate.and_then(|estimate| estimate.value).map_or_else(|| "n/a".into(), percent);
    format!(
        "<div class=\"hero {}\"><p class=\"what\">Robustness gain over the untouched base</p>\
         <p class=\"big\">{value}<span class=\"unit\"> points</span></p><p class=\"interval\">{interval}</p>\
         <p class=\"verdict\">{}</p>\
         <p>Mean accuracy over {} attacks: {} \u{2192} {} ({}). Attacks: {names}.</p></div>",
        tone(gain),
        verdict(gain),
        attacks.len(),
        of(Some(base)),
        of(metric.map(|metric| metric.estimate)),
        escape(&input.last_label()),
    )
}

fn verdict(gain: Estimate) -> &'static str {
    match gain.ci {
        Some([low, _]) if low > 0.0 => "More robust than its base: the interval lies above zero.",
        Some([_, high]) if high < 0.0 => "Less robust than its base: the interval lies below zero.",
        Some(_) => "No difference shown: the interval includes zero.",
        None => "Too few groups for an interval.",
    }
}

fn tone(gain: Estimate) -> &'static str {
    match gain.ci {
        Some([low, _]) if low > 0.0 => "up",
        Some([_, high]) if high < 0.0 => "down",
        _ => "even",
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
        "<div class=\"card\"><h3>{name}</h3><p class=\"value\"><span class=\"was\">{}</span>{}</p>{}<p class=\"about\">{about}</p></div>",
        was.unwrap_or_default(),
        percent(value),
        gain.unwrap_or_default()
    ))
}

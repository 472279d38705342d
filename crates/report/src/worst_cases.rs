//! Worst cases with their images, conversations and answers.

use stepwise_benchmark::worst_cases::{ImageView, Speaker, WorstCase};

use super::ReportInput;
use super::markup::escape;
use super::section::ReportSection;
use super::table::{Cell, ReportTable};

/// Renders the section `worst`: the picked mistakes of the epoch that the report is about, with their images,
/// conversations and answers. `None` where no case was picked.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    if input.worst.is_empty() {
        return None;
    }
    let figures: String = input.worst.iter().map(|case| figure(case, &input.model_label())).collect();
    Some(ReportSection {
        id: "worst",
        title: "Worst cases",
        intro: format!(
            "Items that are right without attack and wrong under an attack, and clean items that are wrong although the base \
             was right. Items that the base got right come first, then the most confident mistakes. The dashed outline marks \
             the evidence; the model does not see it.{}",
            if input.model_index().is_some_and(|index| index + 1 < input.epochs.len()) {
                " Pixels that an attack changed are not stored, so their change is shown for the last epoch only."
            } else {
                ""
            }
        ),
        body: format!("<div class=\"worst\">{figures}</div>"),
        tables: vec![table(input.worst)],
        half: false,
    })
}

fn figure(case: &WorstCase, label: &str) -> String {
    let views: String = case.views.iter().map(view).collect();
    let views = if views.is_empty() { views } else { format!("<div class=\"views\">{views}</div>") };
    let turns: String = case
        .turns
        .iter()
        .map(|turn| {
            let (class, name) = match turn.speaker {
                Speaker::System => ("user", "System"),
                Speaker::User => ("user", "User"),
                Speaker::Model => ("model", "Model"),
            };
            format!("<blockquote class=\"{class}\"><b>{name}</b> {}</blockquote>", escape(&turn.text))
        })
        .collect();
    let answer = |name: &str, words: Option<&str>, is_right: bool| {
        let (class, mark, meaning) =
            if is_right { ("good", "\u{2714}", "right") } else { ("bad", "\u{2718}", "wrong") };
        let words = words.map_or_else(|| "<em>unparsed</em>".to_owned(), escape);
        format!(
            "<div><dt>{}</dt><dd class=\"{class}\">{words} <span role=\"img\" aria-label=\"{meaning}\">{mark}</span></dd></div>",
            escape(name)
        )
    };
    let plain = |name: &str, words: &str| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(words));
    let mut answers = plain("right answer", &case.gold);
    answers.extend(case.named.as_deref().map(|named| plain("suggested answer", named)));
    if case.base_asked {
        answers.push_str(&answer("base", case.base.as_deref(), case.base_right));
    }
    answers.push_str(&answer(label, case.now.as_deref(), false));
    // A wrong clean item has no other clean answer to show.
    answers.extend(case.clean.as_deref().map(|clean| answer("clean question", Some(clean), true)));
    format!(
        "<figure>{views}<figcaption><p class=\"tags\"><b>{}</b> <span>stage {}</span> <span>{} \u{b7} {}</span></p>\
         <p class=\"about\">{}</p>{turns}<dl class=\"answers\">{answers}</dl></figcaption></figure>",
        escape(&case.condition),
        case.stage,
        escape(&case.case_id),
        escape(&case.item_id),
        escape(&case.about),
    )
}

fn view(view: &ImageView) -> String {
    let [width, height] = view.size;
    let outlines: String = view
        .outlines
        .iter()
        .map(|corners| {
            let places: Vec<String> = corners.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
            let places = places.join(" ");
            format!("<polygon class=\"halo\" points=\"{places}\"/><polygon class=\"evidence\" points=\"{places}\"/>")
        })
        .collect();
    let caption = escape(&view.caption);
    format!(
        "<div class=\"view\"><div class=\"picture\"><img src=\"{}\" alt=\"{caption}\"><svg viewBox=\"0 0 {width} {height}\" \
         preserveAspectRatio=\"none\" aria-hidden=\"true\">{outlines}</svg></div><p class=\"about\">{caption}</p></div>",
        escape(&view.picture)
    )
}

fn table(worst: &[WorstCase]) -> ReportTable {
    let words = |text: &Option<String>| Cell::text(text.clone().unwrap_or_default());
    let rows = worst.iter().map(|case| {
        [
            Cell::text(case.case_id.as_str()),
            Cell::text(case.item_id.as_str()),
            Cell::Count(case.stage.into()),
            Cell::text(case.condition.as_str()),
            Cell::text(case.gold.as_str()),
            words(&case.named),
            words(&case.base),
            Cell::text(match (case.base_asked, case.base_right) {
                (false, _) => "not asked",
                (true, true) => "right",
                (true, false) => "wrong",
            }),
            words(&case.now),
            words(&case.clean),
        ]
    });
    ReportTable::new(
        "worst_cases",
        "answers to the worst cases",
        [
            ("case", "case"),
            ("item", "item"),
            ("stage", "stage"),
            ("condition", "condition"),
            ("gold", "right answer"),
            ("named", "suggested answer"),
            ("base", "base"),
            ("base_verdict", "base was"),
            ("now", "model"),
            ("clean", "clean question"),
        ],
        rows,
    )
}

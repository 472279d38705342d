//! Sensitivity to wording: the spread of the effect of a condition over its sentences, for every model.

use stepwise_benchmark::model_table::{ConditionValue, ModelTable, TableModel};
use stepwise_benchmark::summary::{Estimate, SentenceSpread};

use crate::markup::{breakable, escape, points};
use crate::section::ReportSection;
use crate::strip::{self, Mark, Scale};
use crate::table::{Cell, ReportTable};

/// Number of conditions that are shown at once; the others are folded.
const SHOWN: usize = 3;

/// Renders the section `wording`: for every condition that draws sentences, smallest, median and largest effect of each
/// model over the sentences. `None` where no condition was asked with two sentences.
pub fn section(table: &ModelTable) -> Option<ReportSection> {
    let mut ids: Vec<&str> = Vec::new();
    for condition in table.models.iter().flat_map(|model| &model.conditions) {
        if condition.sentences.is_some() && !ids.contains(&condition.id.as_str()) {
            ids.push(&condition.id);
        }
    }
    if ids.is_empty() {
        return None;
    }
    let all = table.models.iter().flat_map(|model| &model.conditions).filter_map(spread);
    let scale = Scale::new(all.map(mark), true);
    let group = |id: &&str| {
        let rows = table.models.iter().filter_map(|model| row(model, id, &scale));
        strip::group(&breakable(id), "") + &rows.collect::<String>()
    };
    let (shown, folded) = ids.split_at(SHOWN.min(ids.len()));
    let mut body = scale.axis("") + &shown.iter().map(group).collect::<String>();
    if !folded.is_empty() {
        body.push_str("<details><summary>Other conditions with sentences</summary>");
        body.extend(folded.iter().map(group));
        body.push_str("</details>");
    }
    body.push_str(&scale.axis("effect of the condition, percentage points"));
    let rows = ids.iter().flat_map(|id| {
        table.models.iter().filter_map(move |model| {
            let spread = found(model, id)?;
            let [least, median, most, sd] =
                [spread.least, spread.median, spread.most, spread.sd].map(|value| Cell::Number(Some(value)));
            let count = Cell::Count(spread.by_sentence.len());
            Some([Cell::text(*id), Cell::text(model.name.as_str()), count, least, median, most, sd])
        })
    });
    let columns = [
        ("condition", "condition"),
        ("model", "model"),
        ("sentences", "sentences"),
        ("least", "smallest effect"),
        ("median", "median effect"),
        ("most", "largest effect"),
        ("sd", "standard deviation"),
    ];
    Some(ReportSection {
        id: "wording",
        title: "Sensitivity to wording",
        intro: "A condition such as a hint draws one of several sentences for each item. The dot is the median effect over \
                the sentences, the line goes from the smallest to the largest one, and the number is the standard \
                deviation. Effects of single sentences rest on few items, so the line contains their sampling error."
            .into(),
        body: format!("<div class=\"forest\">{body}</div>"),
        tables: vec![ReportTable::new("wording", "spread of effects over sentences, as shares of 1", columns, rows)],
        half: false,
    })
}

fn spread(condition: &ConditionValue) -> Option<&SentenceSpread> {
    condition.sentences.as_ref()
}

fn found<'a>(model: &'a TableModel, id: &str) -> Option<&'a SentenceSpread> {
    model.conditions.iter().find(|condition| condition.id == id).and_then(spread)
}

fn mark(spread: &SentenceSpread) -> Mark {
    let found = Estimate { value: Some(spread.median), ci: Some([spread.least, spread.most]), ..Estimate::default() };
    Mark { found: Some(found), is_clear: true }
}

fn row(model: &TableModel, id: &str, scale: &Scale) -> Option<String> {
    let spread = found(model, id)?;
    let [least, most] = [spread.least, spread.most].map(points);
    let result = format!(
        "<span class=\"num\">{} <span class=\"ci\">[{least}, {most}]</span></span> <span class=\"n\">sd {:.1}</span>",
        points(spread.median),
        100.0 * spread.sd
    );
    Some(scale.row((&breakable(&model.name), &escape(&model.name)), mark(spread), &result))
}

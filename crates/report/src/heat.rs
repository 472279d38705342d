//! Matrix of shares whose cells are tinted by their change: blue for a rise, orange for a fall. The signed change is
//! printed in the cell as well, so that colour is not needed.

use std::fmt::Write;

use super::markup::{NONE, breakable, escape, percent, points, swipe};
use super::stage_curve::NAMES;

/// One cell of the [`matrix`]: a share and its change.
pub struct HeatCell {
    /// Share, 0 to 1; `None` shows n/a.
    pub value: Option<f64>,
    /// Change, as a difference of shares, that determines the tint; `None` and 0 give no tint and no number.
    pub change: Option<f64>,
    /// Whether the cell has a frame, such as for a stage that the phase of the row trained on.
    pub framed: bool,
}

/// Absolute changes at which the tint becomes stronger.
const LEVELS: [f64; 3] = [0.01, 0.05, 0.15];

/// Renders the matrix as markup. `description` is the caption, `corner` the heading of the column of row names, and
/// `rows` hold a name and one cell per column. Row names and `corner` are markup; `description` and column names are
/// plain text.
pub fn matrix(
    description: &str,
    corner: &str,
    columns: &[&str],
    rows: impl IntoIterator<Item = (String, Vec<HeatCell>)>,
) -> String {
    let head: String = columns.iter().map(|column| format!("<th scope=\"col\">{}</th>", escape(column))).collect();
    let mut body = String::new();
    for (name, cells) in rows {
        let _ = write!(body, "<tr><th scope=\"row\">{name}</th>");
        for cell in cells {
            body.push_str(&square(&cell));
        }
        body.push_str("</tr>");
    }
    format!(
        "{1}<div class=\"scroll\" role=\"region\" aria-label=\"{0}\" tabindex=\"0\"><table class=\"heat\"><caption>{0}</caption>\
         <thead><tr><th scope=\"col\">{corner}</th>{head}</tr></thead><tbody>{body}</tbody></table></div>",
        escape(description),
        swipe(columns.len() + 1)
    )
}

/// Renders a matrix of shares of the four clinical stages as markup. `description` is the caption. Each row has a name
/// (plain text), the stages (1 to 4) whose cells are framed, and the values of stages 1 to 4, None for n/a. Changes are
/// measured from the first row; without a value there, a column has none.
pub fn stage_matrix(description: &str, rows: Vec<(String, Vec<u8>, [Option<f64>; 4])>) -> String {
    let first = rows.first().map_or([None; 4], |(_, _, values)| *values);
    let cells = rows.into_iter().map(|(name, framed, values)| {
        let cells = (1..=4u8).zip(values).zip(first).map(|((stage, value), first)| HeatCell {
            value,
            change: value.zip(first).map(|(value, first)| value - first),
            framed: framed.contains(&stage),
        });
        (breakable(&name), cells.collect())
    });
    matrix(description, "after", &NAMES, cells)
}

fn square(cell: &HeatCell) -> String {
    let Some(value) = cell.value else { return format!("<td>{NONE}</td>") };
    let change = cell.change.unwrap_or_default();
    let level = LEVELS.iter().filter(|level| change.abs() >= **level).count();
    let tint = match level {
        0 => String::new(),
        level => format!(" {}{level}", if change > 0.0 { "rose" } else { "fell" }),
    };
    let framed = if cell.framed { " framed" } else { "" };
    let about = cell
        .change
        .filter(|change| *change != 0.0)
        .map_or_else(String::new, |change| format!("<span class=\"n\">{}</span>", points(change)));
    format!("<td class=\"square{tint}{framed}\">{}{about}</td>", percent(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_by_tint_and_by_number() {
        let markup = square(&HeatCell { value: Some(0.5), change: Some(-0.06), framed: true });
        assert!(markup.contains("class=\"square fell2 framed\"") && markup.contains("\u{2212}6.0"), "{markup}");
        let markup = square(&HeatCell { value: Some(0.5), change: Some(0.004), framed: false });
        assert!(markup.contains("class=\"square\"") && markup.contains("+0.4"), "{markup}");
        assert!(square(&HeatCell { value: None, change: None, framed: false }).contains("n/a"));
    }
}

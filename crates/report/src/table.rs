//! Table of numbers, rendered as markup and as CSV from the same cells.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::summary::Estimate;

use super::CsvFile;
use super::markup::{NONE, breakable, difference, digits, escape, odds, p_value, plain, share, swipe};

/// One table of a page, which the page shows and offers as CSV.
pub struct ReportTable {
    /// Name of the CSV file without extension.
    name: &'static str,
    /// Caption as plain text.
    caption: String,
    /// Whether the page shows the table at once instead of folded.
    open: bool,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// One column: name in CSV, and heading as markup.
type Column = (Cow<'static, str>, Cow<'static, str>);

/// One value of a [`ReportTable`]. All cells of a column have the same variant.
pub enum Cell {
    /// Plain text; escaped in markup, quoted in CSV.
    Text(String),
    /// Whole number, such as a number of items.
    Count(usize),
    /// Share of 1 with interval and denominator, shown in percent; None and an estimate without a value are not
    /// defined.
    Share(Option<Estimate>),
    /// Difference of shares with interval and denominator, shown in percentage points.
    Points(Option<Estimate>),
    /// Difference of shares, marked as better or worse where a claim may rest on it and a direction
    /// is an improvement.
    Gain(Option<Estimate>, Better),
    /// Difference of log-odds with interval and denominator.
    Odds(Option<Estimate>),
    /// Other number, shown with two decimals; None where it is not defined.
    Number(Option<f64>),
    /// Other number of any size, with four significant digits; None where it is not defined.
    Digits(Option<f64>),
    /// p-value, 0 to 1; None where there is no test.
    P(Option<f64>),
}

impl Cell {
    /// Creates a text cell from plain text.
    pub fn text(words: impl Into<String>) -> Self {
        Self::Text(words.into())
    }
}

impl ReportTable {
    /// Creates a folded table. `name` is the name of the CSV file without extension, `caption` plain text. `columns`
    /// are (name in CSV, heading as markup); the first cell of each of the `rows` is the row's heading. All cells of a
    /// column must have the same variant; this is not checked.
    pub fn new<const N: usize>(
        name: &'static str,
        caption: impl Into<String>,
        columns: [(&'static str, &'static str); N],
        rows: impl IntoIterator<Item = [Cell; N]>,
    ) -> Self {
        let columns = columns.map(|(name, head)| (name.into(), head.into())).to_vec();
        Self { name, caption: caption.into(), open: false, columns, rows: rows.into_iter().map(Vec::from).collect() }
    }

    /// Creates a folded table with any number of columns. `name` is the name of the CSV file without extension,
    /// `caption` plain text, and `columns` are (name in CSV, heading as markup). Every row must have one cell per
    /// column, of one variant per column; otherwise rendering may panic or give a ragged table.
    pub fn wide(
        name: &'static str,
        caption: impl Into<String>,
        columns: impl IntoIterator<Item = (String, String)>,
        rows: Vec<Vec<Cell>>,
    ) -> Self {
        let columns = columns.into_iter().map(|(name, head)| (name.into(), head.into())).collect();
        Self { name, caption: caption.into(), open: false, columns, rows }
    }

    /// Returns the table as one that the page shows at once instead of folded.
    pub fn open(self) -> Self {
        Self { open: true, ..self }
    }

    /// Renders the table as HTML markup, with a link that saves it as CSV.
    ///
    /// # Panics
    /// When the first row has fewer cells than there are columns.
    pub fn markup(&self) -> String {
        let (caption, csv) = (escape(&self.caption), self.csv());
        let head = self.columns.iter().enumerate().map(|(place, (_, head))| {
            let is_words = self.rows.first().is_some_and(|row| matches!(row[place], Cell::Text(_)));
            format!("<th scope=\"col\"{}>{head}</th>", if is_words { " class=\"words\"" } else { "" })
        });
        let head: String = head.collect();
        let rows: String = self.rows.iter().map(|row| row_markup(row)).collect();
        let table = format!(
            "{2}<div class=\"scroll\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\"><table><caption>{caption}</caption>\
             <thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\
             <p class=\"save\"><a download=\"{0}\" href=\"data:text/csv;charset=utf-8;base64,{1}\">Save as CSV ({0})</a></p>",
            csv.name,
            STANDARD.encode(&csv.text),
            swipe(self.columns.len())
        );
        if self.open { table } else { format!("<details><summary>Table: {caption}</summary>{table}</details>") }
    }

    /// Renders the table as a CSV file (RFC 4180, but with a line feed after each line). Shares are shares of 1 with
    /// all digits. An estimate fills four fields: value, low, high and n. Undefined numbers are empty.
    ///
    /// # Panics
    /// When the first row has fewer cells than there are columns.
    pub fn csv(&self) -> CsvFile {
        let names = self.columns.iter().enumerate().flat_map(|(place, (name, _))| {
            let parts = if self.rows.first().is_some_and(|row| row[place].is_estimate()) { PARTS } else { &PARTS[..1] };
            parts.iter().map(move |part| format!("{name}{part}"))
        });
        let mut text = line(names);
        self.rows.iter().for_each(|row| text.push_str(&line(row.iter().flat_map(Cell::fields))));
        CsvFile { name: format!("{}.csv", self.name), text }
    }
}

/// Suffixes of a column's name in CSV, for the fields of an estimate.
const PARTS: &[&str] = &["", "_low", "_high", "_n"];

fn row_markup(row: &[Cell]) -> String {
    let cells = row.iter().enumerate().map(|(place, cell)| match (place, cell) {
        (0, _) => format!("<th scope=\"row\">{}</th>", cell.markup()),
        (_, Cell::Text(_)) => format!("<td class=\"words\">{}</td>", cell.markup()),
        _ => format!("<td>{}</td>", cell.markup()),
    });
    format!("<tr>{}</tr>", cells.collect::<String>())
}

impl Cell {
    fn is_estimate(&self) -> bool {
        matches!(self, Self::Share(_) | Self::Points(_) | Self::Odds(_) | Self::Gain(..))
    }

    fn markup(&self) -> String {
        let with_n = |text: String, estimate: &Option<Estimate>| {
            let n =
                estimate.map_or_else(String::new, |estimate| format!(" <span class=\"n\">of {}</span>", estimate.n));
            text + &n
        };
        match self {
            Self::Text(words) => breakable(words),
            Self::Count(count) => count.to_string(),
            Self::Share(estimate) => with_n(share(*estimate), estimate),
            Self::Points(estimate) => with_n(difference(*estimate), estimate),
            Self::Gain(estimate, better) => with_n(judged(*estimate, *better), estimate),
            Self::Odds(estimate) => with_n(odds(*estimate), estimate),
            Self::Number(value) => value.map_or_else(|| NONE.to_owned(), plain),
            Self::Digits(value) => value.map_or_else(|| NONE.to_owned(), digits),
            Self::P(p) => p.map_or_else(|| NONE.to_owned(), p_value),
        }
    }

    fn fields(&self) -> Vec<String> {
        let field = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        match self {
            Self::Text(words) => vec![quoted(words)],
            Self::Count(count) => vec![count.to_string()],
            Self::Number(value) | Self::Digits(value) | Self::P(value) => vec![field(*value)],
            Self::Share(estimate) | Self::Points(estimate) | Self::Odds(estimate) | Self::Gain(estimate, _) => {
                let ci = estimate.and_then(|estimate| estimate.ci);
                let n = estimate.map_or_else(String::new, |estimate| estimate.n.to_string());
                let value = estimate.and_then(|estimate| estimate.value);
                vec![field(value), field(ci.map(|ci| ci[0])), field(ci.map(|ci| ci[1])), n]
            }
        }
    }
}

/// Formats a gain and marks it where a claim may rest on it and a direction is an improvement.
fn judged(gain: Option<Estimate>, better: Better) -> String {
    let text = difference(gain);
    let clear = gain.filter(Estimate::is_clear).and_then(|gain| gain.value);
    let sign = clear.map_or(0, |value| if value > 0.0 { 1 } else { -1 });
    match (better, sign) {
        (Better::Higher, 1) | (Better::Lower, -1) => {
            format!("<span class=\"good\">{text}<span role=\"img\" aria-label=\"better\"> \u{2714}</span></span>")
        }
        (Better::Higher, -1) | (Better::Lower, 1) => {
            format!("<span class=\"bad\">{text}<span role=\"img\" aria-label=\"worse\"> \u{2718}</span></span>")
        }
        _ => text,
    }
}

fn line(fields: impl Iterator<Item = String>) -> String {
    fields.collect::<Vec<_>>().join(",") + "\n"
}

/// Quotes a text field. Spreadsheets execute cells that start like a formula, so such a text gets an
/// apostrophe in front.
fn quoted(words: &str) -> String {
    let words =
        if words.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{words}") } else { words.to_owned() };
    if words.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", words.replace('"', "\"\"")) } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_twice() {
        let found = Estimate { value: Some(0.125), ci: Some([-0.5, 0.25]), n: 8, ..Estimate::default() };
        let table = ReportTable::new(
            "t",
            "a <table>",
            [("name", "name"), ("gain", "gain, points"), ("p", "p"), ("slope", "slope")],
            [
                [Cell::text("=1+1"), Cell::Points(Some(found)), Cell::P(Some(0.0001)), Cell::Number(Some(-0.5))],
                [Cell::text("a,\"b\"\n<i>"), Cell::Points(None), Cell::P(None), Cell::Number(None)],
            ],
        );
        let expected = "name,gain,gain_low,gain_high,gain_n,p,slope\n'=1+1,0.125,-0.5,0.25,8,0.0001,-0.5\n\"a,\"\"b\"\"\n<i>\",,,,,,\n";
        assert_eq!(table.csv(), CsvFile { name: "t.csv".into(), text: expected.into() });
        let markup = table.markup();
        assert!(markup.starts_with("<details><summary>Table: a &lt;table&gt;</summary>"));
        for part in [
            "<td><span class=\"num\">+12.5 <span class=\"ci\">[\u{2212}50.0, +25.0]</span></span> <span class=\"n\">of 8</span></td>",
            "<th scope=\"row\">a,&quot;b&quot;\n&lt;i&gt;</th>",
            "<td>\u{2212}0.50</td>",
            "download=\"t.csv\"",
            &STANDARD.encode(expected),
        ] {
            assert!(markup.contains(part), "{part} is missing in {markup}");
        }
        assert!(!table.open().markup().contains("<details"));
    }

    #[test]
    fn only_a_sure_gain_in_a_known_direction_is_judged() {
        let of = |ci: [f64; 2], better| {
            let value = Some(f64::midpoint(ci[0], ci[1]));
            let gain = Estimate { value, ci: Some(ci), n: 9, p: Some(0.01), p_adjusted: None, clusters: 9 };
            let text = judged(Some(gain), better);
            ["better", "worse"].into_iter().find(|word| text.contains(word))
        };
        assert_eq!(of([0.01, 0.2], Better::Higher), Some("better"));
        assert_eq!(of([0.01, 0.2], Better::Lower), Some("worse"));
        assert_eq!(of([-0.2, -0.01], Better::Lower), Some("better"));
        assert_eq!(of([-0.2, 0.01], Better::Lower), None);
        assert_eq!(of([0.01, 0.2], Better::Neither), None);
    }

    #[test]
    fn few_patients_and_an_adjusted_p_value_above_the_level_are_not_judged() {
        let gain = Estimate {
            value: Some(0.1),
            ci: Some([0.05, 0.15]),
            n: 99,
            p: Some(0.01),
            p_adjusted: Some(0.04),
            clusters: 8,
        };
        let is_judged = |gain| judged(Some(gain), Better::Higher).contains("better");
        assert!(is_judged(gain));
        assert!(!is_judged(Estimate { clusters: 7, ..gain }));
        assert!(!is_judged(Estimate { p_adjusted: Some(0.06), ..gain }));
    }
}

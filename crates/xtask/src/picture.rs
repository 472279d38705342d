//! Draws `docs/architecture.svg`: one box for every crate, with an arrow to each crate that it uses directly and reaches
//! over no other one. Every box lists all that its crate uses.

use std::fmt::Write;

use crate::error::Error;
use crate::workspace::{Member, Workspace};

/// Place of each crate: row from the top, first column, and number of columns, so that all arrows are straight. Crates
/// that are not listed are drawn below, as tools.
const PLACES: [(&str, usize, usize, usize); 14] = [
    ("stepwise", 0, 0, 10),
    ("study", 1, 0, 6),
    ("served", 1, 6, 2),
    ("datasets", 1, 8, 2),
    ("trainer", 2, 0, 4),
    ("report", 2, 4, 2),
    ("curriculum", 3, 2, 4),
    ("recipe", 4, 2, 4),
    ("vlm", 5, 0, 3),
    ("objectives", 5, 3, 2),
    ("benchmark", 5, 5, 3),
    ("ops", 6, 0, 2),
    ("config", 6, 4, 2),
    ("data", 7, 0, 10),
];

const COLUMNS: usize = 10;
const COLUMN_WIDTH: f64 = 122.0;
const MARGIN: f64 = 16.0;
/// Space between two boxes of a row.
const BETWEEN: f64 = 16.0;
/// Space between two rows, which the arrows cross.
const GAP: f64 = 24.0;
const LINE: f64 = 16.0;
/// Mean width of a character of the small text.
const CHARACTER: f64 = 6.3;

const STYLE: &str = "\
  .page { fill: #ffffff } .box { fill: #eef3fb; stroke: #5b7db1 } .tensors { fill: #fdf1e3; stroke: #b9792e }
  .tool { stroke-dasharray: 5 3 } .arrow { stroke: #6b7280; fill: none } .head { fill: #6b7280 }
  .name { font: bold 15px sans-serif; fill: #111827 } .text { font: 12px sans-serif; fill: #1f2937 }
  .uses { font: italic 12px sans-serif; fill: #4b5563 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .box { fill: #16243b; stroke: #7fa3d9 } .tensors { fill: #35260f; stroke: #d9a05a }
    .arrow { stroke: #9ca3af } .head { fill: #9ca3af } .name { fill: #f3f4f6 } .text { fill: #e5e7eb }
    .uses { fill: #b3bac5 }
  }
";

/// A crate with its place in the drawing.
struct Drawn<'a> {
    member: &'a Member,
    row: usize,
    /// First column, in columns.
    first: f64,
    /// Width in columns.
    columns: f64,
    tool: bool,
}

impl Drawn<'_> {
    fn left(&self) -> f64 {
        MARGIN + self.first * COLUMN_WIDTH + BETWEEN / 2.0
    }

    fn width(&self) -> f64 {
        self.columns * COLUMN_WIDTH - BETWEEN
    }

    /// Lines below the name: the description and the crates in use, each with its style.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let most = ((self.width() - 20.0) / CHARACTER) as usize;
        let uses = self.member.uses.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let uses = if uses.is_empty() { "uses no other crate".to_owned() } else { format!("uses {uses}") };
        let described = wrapped(&self.member.description, most).into_iter().map(|line| ("text", line));
        described.chain(wrapped(&uses, most).into_iter().map(|line| ("uses", line))).collect()
    }

    fn holds(&self, column: f64) -> bool {
        (self.first..self.first + self.columns).contains(&column)
    }
}

/// Draws the crates of `workspace` as an SVG file that is readable on light and dark pages.
///
/// # Errors
/// When a placed crate is not in the workspace, or an arrow would cross a box.
pub fn svg(workspace: &Workspace) -> Result<String, Error> {
    let drawn = placed(workspace)?;
    let rows = drawn.iter().map(|one| one.row).max().unwrap_or_default() + 1;
    // Top and height of each row.
    let mut bands = Vec::new();
    let mut top = MARGIN + LINE * 2.0;
    for row in 0..rows {
        let lines = drawn.iter().filter(|one| one.row == row).map(|one| one.lines().len()).max().unwrap_or_default();
        let height = 30.0 + LINE * lines as f64;
        bands.push((top, height));
        top += height + GAP;
    }
    let (width, height) = (2.0 * MARGIN + COLUMNS as f64 * COLUMN_WIDTH, top - GAP + MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\">\n<title>Crates of Stepwise and what each uses</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n"
    );
    let key = "Arrows and the last line of a box: crates that it uses. Orange crates need Burn's tensors, blue ones do not. Dashed: tools.";
    text(&mut svg, "uses", (MARGIN + BETWEEN / 2.0, MARGIN + LINE), key);
    for from in drawn.iter().filter(|one| !one.tool) {
        for name in from.member.uses.iter().filter(|name| !workspace.reaches_indirectly(from.member, name)) {
            let Some(to) = drawn.iter().find(|one| one.member.name == *name && !one.tool) else { continue };
            let x = MARGIN + column(&drawn, from, to)? * COLUMN_WIDTH;
            let (start, end) = (bands[from.row].0 + bands[from.row].1, bands[to.row].0);
            let tip = end - 9.0;
            let _ = writeln!(svg, "<path class=\"arrow\" d=\"M{x} {start}V{tip}\"/>");
            let _ = writeln!(svg, "<path class=\"head\" d=\"M{} {tip}h10L{x} {end}z\"/>", x - 5.0);
        }
    }
    for one in &drawn {
        let (top, height) = bands[one.row];
        let tensors = if workspace.has_tensors(one.member) { " tensors" } else { "" };
        let tool = if one.tool { " tool" } else { "" };
        let (left, width) = (one.left(), one.width());
        let _ = writeln!(
            svg,
            "<rect class=\"box{tensors}{tool}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>"
        );
        text(&mut svg, "name", (left + 10.0, top + 21.0), &one.member.name);
        for (number, (class, line)) in one.lines().iter().enumerate() {
            text(&mut svg, class, (left + 10.0, top + 22.0 + LINE * (number + 1) as f64), line);
        }
    }
    Ok(svg + "</svg>\n")
}

/// Every crate with its place; crates without one follow in a row of tools.
fn placed(workspace: &Workspace) -> Result<Vec<Drawn<'_>>, Error> {
    let mut drawn = Vec::new();
    for (name, row, first, columns) in PLACES {
        let member = workspace.member(name).ok_or_else(|| {
            Error::Picture(format!("there is no crate `{name}` -> change `PLACES` in crates/xtask/src/picture.rs"))
        })?;
        drawn.push(Drawn { member, row, first: first as f64, columns: columns as f64, tool: false });
    }
    let row = PLACES.iter().map(|(_, row, ..)| row + 1).max().unwrap_or_default();
    let is_placed = |member: &&Member| PLACES.iter().any(|(name, ..)| *name == member.name);
    let tools: Vec<&Member> = workspace.members.iter().filter(|member| !is_placed(member)).collect();
    let columns = COLUMNS as f64 / tools.len().max(1) as f64;
    for (number, member) in tools.into_iter().enumerate() {
        drawn.push(Drawn { member, row, first: number as f64 * columns, columns, tool: true });
    }
    Ok(drawn)
}

/// Column of a straight arrow between two boxes that crosses no box, as near to the middle of `to` as can be.
fn column(drawn: &[Drawn<'_>], from: &Drawn<'_>, to: &Drawn<'_>) -> Result<f64, Error> {
    let is_free = |column: f64| !drawn.iter().any(|one| one.row > from.row && one.row < to.row && one.holds(column));
    let middle = to.first + to.columns / 2.0;
    let columns = (0..COLUMNS).map(|column| column as f64 + 0.5);
    let open = columns.filter(|column| from.holds(*column) && to.holds(*column) && is_free(*column));
    open.min_by(|a, b| (a - middle).abs().total_cmp(&(b - middle).abs())).ok_or_else(|| {
        let (from, to) = (&from.member.name, &to.member.name);
        Error::Picture(format!(
            "no straight arrow leads from `{from}` to `{to}` -> change `PLACES` in crates/xtask/src/picture.rs"
        ))
    })
}

fn text(svg: &mut String, class: &str, (x, y): (f64, f64), words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{words}</text>");
}

/// Words in lines of at most `most` characters.
fn wrapped(words: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

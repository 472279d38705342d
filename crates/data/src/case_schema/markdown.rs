//! Writes the tables of the reference page of cases.

use std::fmt::Write;

use super::keys::CASE;
use super::kind::Need::Required;
use super::kind::{Field, Kind, quoted};

/// Returns the tables of all keys of a case in Markdown, each with a heading of level 3.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::new();
    section("The case", "", &[CASE], None, &mut page);
    page.trim_end().to_owned()
}

/// Writes the table of an object, then the tables of the objects in it. `at` is the path of the object; `tag` is the key
/// of a tagged object with its meaning and its words.
fn section(title: &str, at: &str, groups: &[&[Field]], tag: Option<(&str, &str, Vec<&str>)>, page: &mut String) {
    let _ = write!(page, "### {title}\n\n| key | value | needed | meaning |\n| --- | --- | --- | --- |\n");
    let fields = || groups.iter().copied().flatten();
    if let Some((key, meaning, words)) = tag {
        row(page, key, &format!("one of {}", quoted(&words)), true, meaning);
    }
    for Field(name, need, kind, meaning) in fields() {
        row(page, name, &kind.name(), matches!(need, Required), meaning);
    }
    page.push('\n');
    for Field(name, _, kind, _) in fields() {
        let at = if at.is_empty() { (*name).to_owned() } else { format!("{at}.{name}") };
        inner(&at, kind, page);
    }
}

fn inner(at: &str, kind: &Kind, page: &mut String) {
    match kind {
        Kind::List(kind) => inner(&format!("{at}[]"), kind, page),
        Kind::Object(fields) => section(&format!("`{at}`"), at, &[fields], None, page),
        Kind::Tagged(common, (tag, meaning), variants) => {
            let words = variants.iter().map(|(word, _)| *word).collect();
            section(&format!("`{at}`"), at, &[common], Some((*tag, *meaning, words)), page);
            for (word, fields) in *variants {
                section(&format!("`{at}` with `{tag}` \"{word}\""), at, &[fields], None, page);
            }
        }
        _ => {}
    }
}

fn row(page: &mut String, key: &str, value: &str, needed: bool, meaning: &str) {
    let needed = if needed { "yes" } else { "no" };
    let _ = writeln!(page, "| `{key}` | {value} | {needed} | {} |", meaning.replace('|', "\\|"));
}

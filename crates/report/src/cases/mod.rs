//! Page of a data set: numbers of all cases, then images, regions, questions and right answers of some cases.

mod balance;
mod chain;
mod counts;
mod figure;
mod findings;
mod input;
mod labels;
mod legend;
mod near;
mod picture;
mod prompts;
mod regions;
mod sizes;

use stepwise_data::parallel;

use super::Report;
use super::markup::{escape, plural};
use super::page::Page;
use super::section::ReportSection;

pub use input::CasesInput;
pub use prompts::Prompts;

const STYLE: &str = include_str!("style.css");

/// Sections with the numbers of all cases, in page order.
const NUMBERS: [fn(&CasesInput<'_>) -> Option<ReportSection>; 10] = [
    findings::section,
    counts::splits,
    counts::stages,
    counts::categories,
    counts::answers,
    counts::modalities,
    balance::section,
    prompts::section,
    sizes::section,
    near::section,
];

/// Renders the page of a data set and its tables as CSV. Image and mask files of the shown cases are read; a file that
/// cannot be read is named on the page. No file is written.
#[must_use]
pub fn render(input: &CasesInput<'_>) -> Report {
    let mut sections: Vec<ReportSection> = NUMBERS.iter().filter_map(|section| section(input)).collect();
    let tables = sections.iter().flat_map(|section| &section.tables).map(|table| table.csv()).collect();
    sections.push(cases(input));
    let counts = [
        (input.summary.cases, "case"),
        (input.summary.groups, "group"),
        (input.summary.images, "image"),
        (input.summary.regions, "region"),
        (input.summary.items, "question"),
    ];
    let contents = counts.map(|(count, noun)| plural(count, noun)).join(", ");
    let facts = [
        ("Contents".to_owned(), contents),
        ("Sources and licences".to_owned(), sources(input)),
        ("Shown below".to_owned(), input.selection.to_owned()),
    ];
    let page = Page {
        kind: "Data set",
        title: input.title,
        facts: &facts,
        headline: "",
        method: METHOD,
        style: &style(input),
    };
    Report { html: page.html(&sections), tables }
}

/// Data sets that the cases come from, with their licences and, for credentialed ones, a mark.
fn sources(input: &CasesInput<'_>) -> String {
    let mut sources: Vec<String> = Vec::new();
    for case in &input.dataset.cases {
        let source = &case.source;
        let revision = source.revision.as_ref().map_or_else(String::new, |revision| format!(" {revision}"));
        let mark = if source.credentialed { ", credentialed" } else { "" };
        let words = format!("{}{revision} ({}{mark})", source.dataset, source.licence);
        if !sources.contains(&words) {
            sources.push(words);
        }
    }
    let more = sources.len().saturating_sub(SOURCES);
    sources.truncate(SOURCES);
    if more > 0 {
        sources.push(format!("and {more} more"));
    }
    sources.join(", ")
}

/// Most sources that the header names.
const SOURCES: usize = 8;

/// Section with the shown cases.
fn cases(input: &CasesInput<'_>) -> ReportSection {
    let places: Vec<(usize, usize)> = input.shown.iter().copied().enumerate().collect();
    let figures = parallel::map(&places, |(number, index)| figure::figure(input, *number, *index));
    ReportSection {
        id: "cases",
        title: "Cases",
        intro: format!(
            "{}. Point at a question to light the regions of its evidence and of its right boxes. Click a name to hide or show \
             a region. Right answers have a check mark.",
            escape(input.selection)
        ),
        body: format!("{}{}", legend::roles(), figures.concat()),
        tables: Vec::new(),
        half: false,
    }
}

/// Style of the page: the fixed part, and for each region number the rules that light and hide it.
fn style(input: &CasesInput<'_>) -> String {
    let most = input.shown.iter().map(|index| input.dataset.cases[*index].regions.len()).max().unwrap_or(0);
    let rules = (0..most).map(|number| {
        format!(
            ".case:has(.t{number}:not(:checked)) .r{number}{{display:none}}\n\
             .case:has(.e{number}:hover,.e{number}:focus) .r{number} .line{{stroke-width:4;fill-opacity:.3}}\n"
        )
    });
    STYLE.to_owned() + &rules.collect::<String>()
}

const METHOD: &str = "<li><b>Guessing and majority.</b> Accuracy that is possible without the images: a uniform draw from the \
    options, and always the answer that was most often right to the same question in the other half of the cases. They are \
    the blind baselines of <code>stepwise check</code>.</li>\
    <li><b>Coordinates.</b> Pixels of the image as shown, after the EXIF orientation, from the top left corner. Boxes are \
    half-open. Outlines of masks follow the sides of the pixels in the mask file.</li>\
    <li><b>Images.</b> Images with a side above 768 pixels are shown smaller; images with a side above 256 pixels are \
    embedded as JPEG. Training reads the files themselves.</li>\
    <li><b>Credentialed data sets.</b> The page shows neither images nor texts of their cases, because it can be passed on, \
    unless <code>--show-credentialed</code> is given.</li>";

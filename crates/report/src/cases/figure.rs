//! A shown case: images with regions, switches of the regions, facts, problems and the chain of questions.

use std::fmt::Write;

use stepwise_data::case::{Case, Image};

use super::findings::shareable;
use super::input::CasesInput;
use super::labels::{self, Label};
use super::regions::{self, Outline};
use super::{chain, legend, picture};
use crate::markup::escape;

/// Renders the case at `index` of the data set, which is number `shown`, from 0, of the shown cases.
pub fn figure(input: &CasesInput<'_>, shown: usize, index: usize) -> String {
    let case = &input.dataset.cases[index];
    let (views, switches, chain) = match input.is_closed(case) {
        true => {
            let remark =
                "<p class=\"closed\">Access to this data set needs credentials: images and texts are not shown.</p>";
            (remark.to_owned(), String::new(), chain::outline(input, case))
        }
        false => {
            let mut notes = vec![None; case.regions.len()];
            let views: String = case.images.iter().map(|image| view(input, case, shown, image, &mut notes)).collect();
            (views, legend::switches(case, shown, &notes), chain::tree(input, (case, index), shown))
        }
    };
    format!(
        "<article class=\"case\" id=\"c{shown}\"><h3>{}</h3>{}{}<div class=\"sides\"><div class=\"pictures\">{views}\
         {switches}</div><div class=\"chain\">{chain}</div></div></article>",
        escape(&case.case_id),
        facts(case, index),
        problems(input, index),
    )
}

/// Side of the split, group, source and licence.
fn facts(case: &Case, index: usize) -> String {
    let source = &case.source;
    let mut facts = vec![
        ("split", case.split.word().to_owned()),
        ("group", case.group_id.clone()),
        ("modality", case.modality.clone()),
        ("source", source.dataset.clone()),
        ("licence", source.licence.clone()),
        ("row", (index + 1).to_string()),
    ];
    let optional = [("body region", &case.body_region), ("revision", &source.revision), ("risk tier", &case.risk_tier)];
    facts.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    let facts: String =
        facts.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value))).collect();
    format!("<dl class=\"facts\">{facts}</dl>")
}

fn problems(input: &CasesInput<'_>, index: usize) -> String {
    let items: String = input
        .problems_of(index)
        .map(|problem| {
            let problem = shareable(input, problem);
            let words = format!("{}: {} -> {}", problem.field, problem.what, problem.advice);
            format!("<li>{}</li>", escape(&words))
        })
        .collect();
    if items.is_empty() { items } else { format!("<ul class=\"findings bad\">{items}</ul>") }
}

/// One image with its regions. Adds to `notes` why a region of the image is not drawn exactly.
fn view(input: &CasesInput<'_>, case: &Case, shown: usize, image: &Image, notes: &mut [Option<String>]) -> String {
    let (width, height) = (image.width, image.height);
    let caption = format!("{}: {width} \u{d7} {height} pixels, {}", image.id, image.path);
    let orientation = image.orientation.as_ref().map_or_else(String::new, |words| format!("; {words} orientation"));
    let picture = match picture::embedded(input.dataset, image) {
        Ok(picture) => picture,
        Err(reason) => {
            return format!(
                "<div class=\"view\"><p class=\"closed bad\">{}</p><p class=\"about\">{}</p></div>",
                escape(&reason),
                escape(&caption)
            );
        }
    };
    let found: Vec<usize> = (0..case.regions.len()).filter(|number| case.regions[*number].image == image.id).collect();
    // Large regions first, so that small ones lie above them.
    let area = |number: &usize| {
        let [x0, y0, x1, y1] = case.regions[*number].shape.bounds();
        (x1 - x0) * (y1 - y0)
    };
    let percent = 100.0 / f64::from(width);
    let drawn: Vec<Outline> =
        found.iter().map(|number| regions::outline(input.dataset, image, &case.regions[*number])).collect();
    let places: Vec<(usize, &str, [f64; 4])> = found
        .iter()
        .zip(&drawn)
        .map(|(number, outline)| {
            (number + 1, case.regions[*number].label.as_str(), outline.part.map(|length| length * percent))
        })
        .collect();
    let placed = labels::place(f64::from(height) * percent, &places);
    let mut labelled: Vec<Option<&Label>> = vec![None; case.regions.len()];
    found.iter().zip(&placed).for_each(|(number, label)| labelled[*number] = label.as_ref());
    let chips: String = found
        .iter()
        .filter_map(|number| Some(chip(case, shown, *number, labelled[*number]?, f64::from(height) * percent)))
        .collect();
    let mut found: Vec<(usize, Outline)> = found.into_iter().zip(drawn).collect();
    found.sort_by(|(one, _), (other, _)| area(other).total_cmp(&area(one)));
    let mut outlines = String::new();
    for (number, Outline { path, part, note }) in found {
        let region = &case.regions[number];
        notes[number] = note;
        let _ = write!(
            outlines,
            "<g class=\"region {} r{number}\"><title>{}</title><path class=\"halo\" d=\"{path}\"/>\
             <path class=\"line\" d=\"{path}\"/>{}</g>",
            region.role.word(),
            escape(&format!("{} {}", number + 1, region.label)),
            labelled[number].map_or_else(String::new, |label| leader(label, part, percent)),
        );
    }
    let class = if width.max(height) <= 256 { "picture small" } else { "picture" };
    format!(
        "<div class=\"view\" style=\"max-width:calc(86vh*{:.4})\"><div class=\"{class}\"><img src=\"{}\" alt=\"{}\">\
         <svg viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{outlines}</svg>{chips}</div>\
         <p class=\"about\">{}{}</p><p class=\"about\">{}</p></div>",
        f64::from(width) / f64::from(height),
        picture.uri,
        escape(&caption),
        escape(&caption),
        escape(&orientation),
        escape(&picture.pixels),
    )
}

/// The label of a region on an image whose height is given in percent of its width.
fn chip(case: &Case, shown: usize, number: usize, label: &Label, height: f64) -> String {
    format!(
        "<label class=\"chip {} r{number} e{number}\" for=\"{}\" style=\"left:{:.2}%;top:{:.2}%;max-width:{:.2}%\">{}</label>",
        case.regions[number].role.word(),
        legend::switch(shown, number),
        label.left,
        100.0 * label.top / height,
        label.width,
        escape(&label.text),
    )
}

/// A line from a label that lies apart to the middle of its region's box or largest part, in pixels.
fn leader(label: &Label, [x0, y0, x1, y1]: [f64; 4], percent: f64) -> String {
    if !label.is_apart {
        return String::new();
    }
    let [x, y] = label.centre().map(|length| length / percent);
    format!("<path class=\"leader\" d=\"M{x:.1} {y:.1}L{:.1} {:.1}\"/>", f64::midpoint(x0, x1), f64::midpoint(y0, y1))
}

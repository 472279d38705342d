//! Names of regions as switches, and the colours of roles.

use stepwise_data::case::{Case, Region, RegionRole, Shape};

use crate::markup::escape;

/// Renders the colours of the roles.
pub fn roles() -> String {
    let roles: String = RegionRole::ALL
        .iter()
        .map(|role| format!("<span class=\"{0}\"><i class=\"swatch\"></i>{0}</span>", role.word()))
        .collect();
    format!("<p class=\"legend roles\">{roles}</p>")
}

/// Returns the id of the switch of region `region` of the shown case `case`, both by their numbers from 0.
pub fn switch(case: usize, region: usize) -> String {
    format!("c{case}r{region}")
}

/// Renders one switch for each region of the case, which is the shown case number `shown`; empty without regions. `notes`
/// holds for each region why it is not drawn exactly, if so.
pub fn switches(case: &Case, shown: usize, notes: &[Option<String>]) -> String {
    if case.regions.is_empty() {
        return String::new();
    }
    let entry = |(number, region): (usize, &Region)| {
        let note = notes.get(number).cloned().flatten().map_or_else(String::new, |note| {
            format!(" <span class=\"bad\">only the box is drawn: {}</span>", escape(&note))
        });
        format!(
            "<label class=\"key {role} e{number}\"><input type=\"checkbox\" id=\"{id}\" class=\"t{number}\" checked>\
             <i class=\"swatch\"></i><span><b>{} {}</b> <span class=\"about\">{} \u{b7} {role} \u{b7} {}{note}</span></span></label>",
            number + 1,
            escape(&region.label),
            escape(&region.id),
            extent(case, region),
            role = region.role.word(),
            id = switch(shown, number),
        )
    };
    let entries: String = case.regions.iter().enumerate().map(entry).collect();
    format!("<div class=\"keys\">{entries}</div>")
}

/// Kind of the region, size of its box in pixels, and the share of the box in the image in percent.
fn extent(case: &Case, region: &Region) -> String {
    let (kind, of_box) = match &region.shape {
        Shape::Box { .. } => ("box,", ","),
        Shape::Polygon { .. } => ("polygon in a box of", "; the box is"),
        Shape::Mask { .. } => ("mask in a box of", "; the box is"),
    };
    let [x0, y0, x1, y1] = region.shape.bounds();
    let (width, height) = (x1 - x0, y1 - y0);
    let share = case.images.iter().find(|image| image.id == region.image).map_or_else(String::new, |image| {
        let share = 100.0 * width * height / (f64::from(image.width) * f64::from(image.height));
        format!("{of_box} {share:.2} % of the image")
    });
    format!("{kind} {} \u{d7} {} pixels{share}", short(width), short(height))
}

/// Formats a number with at most four decimals.
pub fn short(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

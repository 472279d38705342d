//! Names beside the marks of a scatter plot.

use super::markup::escape;
use super::plot::{Plot, WIDTH};

/// Size of a character and height of a line, in SVG units.
const CHARACTER: f64 = 7.2;
const LINE: f64 = 13.0;
/// Half the side of a mark with some room, in SVG units.
const MARK: f64 = 5.5;

/// Places of a name relative to its mark: offset right and down, in SVG units, and alignment.
const PLACES: [(f64, f64, &str); 8] = [
    (9.0, 4.5, "start"),
    (-9.0, 4.5, "end"),
    (0.0, -9.0, "middle"),
    (0.0, 18.0, "middle"),
    (8.0, -6.0, "start"),
    (8.0, 15.0, "start"),
    (-8.0, -6.0, "end"),
    (-8.0, 15.0, "end"),
];

/// A rectangle: left, top, right and bottom.
type Box = [f64; 4];

/// Writes the name of each of the `points` (x, y, name as plain text) where it covers no mark, no other name and no
/// interval, and returns SVG. Each of the `intervals` is a line between two points (x, y). Positions are in values of
/// the axes of `plot`. A name without room is left out; every mark has its name as a tooltip as well.
pub fn names(plot: &Plot, points: &[(f64, f64, String)], intervals: &[[(f64, f64); 2]]) -> String {
    let at: Vec<(f64, f64)> = points.iter().map(|(x, y, _)| (plot.x(*x), plot.y(*y))).collect();
    let mut taken: Vec<Box> = at.iter().map(|(x, y)| [x - MARK, y - MARK, x + MARK, y + MARK]).collect();
    taken.extend(intervals.iter().map(|[a, b]| {
        let ([left, right], [top, bottom]) = ([plot.x(a.0), plot.x(b.0)], [plot.y(b.1), plot.y(a.1)]);
        [left.min(right) - 2.0, top.min(bottom) - 2.0, left.max(right) + 2.0, top.max(bottom) + 2.0]
    }));
    let mut svg = String::new();
    for ((_, _, name), (x, y)) in points.iter().zip(&at) {
        let width = name.chars().count() as f64 * CHARACTER;
        let place = PLACES.iter().find_map(|(right, down, anchor)| {
            let left = match *anchor {
                "start" => x + right,
                "end" => x + right - width,
                _ => x + right - width / 2.0,
            };
            let bottom = y + down + 2.0;
            let own = [left, bottom - LINE, left + width, bottom];
            let is_free =
                own[0] >= 0.0 && own[2] <= WIDTH && own[1] >= 0.0 && !taken.iter().any(|other| meet(own, *other));
            is_free.then_some((own, x + right, y + down, *anchor))
        });
        if let Some((own, x, y, anchor)) = place {
            taken.push(own);
            let name = escape(name);
            svg.push_str(&format!(
                "<text class=\"name\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{name}</text>"
            ));
        }
    }
    svg
}

fn meet(a: Box, b: Box) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cover_neither_marks_nor_each_other() {
        let plot = Plot::new(300.0, [0.0, 1.0], [0.0, 1.0]);
        let point = |x: f64, name: &str| (x, 0.5, name.to_owned());
        let apart = names(&plot, &[point(0.1, "base"), point(0.5, "1"), point(0.9, "<2>")], &[]);
        assert_eq!(apart.matches("<text").count(), 3);
        assert!(apart.contains("&lt;2&gt;"), "{apart}");
        // A name beside an interval moves above it.
        let beside = names(&plot, &[point(0.2, "base")], &[[(0.1, 0.5), (0.4, 0.5)]]);
        let y: f64 =
            beside.split("y=\"").nth(1).and_then(|rest| rest.split('"').next()?.parse().ok()).expect("a place");
        assert!(y < plot.y(0.5) - 3.0, "{beside}");
        // Twenty marks in one place have room for few names, and the first keeps its own.
        let crowd: Vec<_> = (0..20).map(|number| point(0.5, &format!("epoch {number}"))).collect();
        let crowded = names(&plot, &crowd, &[]);
        assert!(crowded.contains(">epoch 0<") && (1..20).contains(&crowded.matches("<text").count()), "{crowded}");
    }
}

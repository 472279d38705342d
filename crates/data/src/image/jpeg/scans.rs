//! Check that the scans of a JPEG file hold the whole image.

use super::segments::{EOI, SOS, Segments, starts_frame};

/// Lowest bit of a coefficient that no scan has given.
const NEVER: u8 = u8::MAX;

/// Returns whether the scans give every bit of every coefficient of every component, and an end marker follows them.
///
/// A progressive file that lost its last scans decodes without an error, to a blurred image. A file whose end was
/// replaced by zeros decodes too, because zeros are valid codes; no end marker follows them. Data behind the end marker
/// do not matter.
pub(super) fn are_complete(bytes: &[u8]) -> bool {
    let mut segments = Segments(bytes);
    let mut components: Vec<Component> = Vec::new();
    let mut progressive = false;
    while let Ok(Some((marker, content))) = segments.next() {
        match marker {
            EOI => {
                let given = |component: &Component| component.lowest.iter().all(|bit| *bit == 0);
                return !components.is_empty() && components.iter().all(given);
            }
            SOS => {
                let Some(scan) = Scan::parse(&content) else { return false };
                for component in components.iter_mut().filter(|component| scan.components.contains(&component.id)) {
                    let given = if progressive { scan.coefficients.clone() } else { 0..=63 };
                    let Some(lowest) = component.lowest.get_mut(given) else { return false };
                    lowest.fill(if progressive { scan.lowest } else { 0 });
                }
            }
            frame if starts_frame(frame) && components.is_empty() => {
                // SOF2 and SOF10, and their hierarchical forms, are progressive.
                progressive = frame & 3 == 2;
                let ids = content.get(6..).unwrap_or_default().chunks_exact(3);
                components = ids.map(|component| Component { id: component[0], lowest: [NEVER; 64] }).collect();
            }
            _ => {}
        }
    }
    false
}

/// A colour component.
struct Component {
    id: u8,
    /// Lowest bit given so far of each coefficient, in zigzag order.
    lowest: [u8; 64],
}

/// Header of a scan (ITU-T T.81, B.2.3).
struct Scan {
    /// Ids of the components.
    components: Vec<u8>,
    /// Coefficients of a progressive scan, in zigzag order.
    coefficients: std::ops::RangeInclusive<usize>,
    /// Lowest bit of the coefficients.
    lowest: u8,
}

impl Scan {
    fn parse(content: &[u8]) -> Option<Self> {
        let (count, rest) = content.split_first()?;
        let (components, rest) = rest.split_at_checked(2 * usize::from(*count))?;
        let [first, last, bits, ..] = *rest else { return None };
        Some(Self {
            components: components.iter().step_by(2).copied().collect(),
            coefficients: usize::from(first)..=usize::from(last),
            lowest: bits & 15,
        })
    }
}

//! Mappings of sample values to the 256 grey levels of an image.

use std::fmt;
use std::str::FromStr;

/// Largest value of 12 bits.
const TWELVE_BITS: f64 = 4095.0;

/// How a user maps sample values to grey levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Intensity {
    /// Linear from the first value, which becomes 0, to the second, which becomes 255. Values beyond are cut off.
    Range(f64, f64),
    /// Linear from the lowest to the highest value of each image.
    MinMax,
    /// Window.
    Window(Window),
}

impl FromStr for Intensity {
    type Err = String;

    /// Reads `LOW:HIGH`, `12bit`, `min-max` or `window:CENTRE/WIDTH` (also with a space after `window`).
    fn from_str(text: &str) -> Result<Self, String> {
        let advice = "write LOW:HIGH, 12bit, min-max or window:CENTRE/WIDTH";
        if let Some(window) = text.strip_prefix("window").and_then(|rest| rest.strip_prefix([':', ' '])) {
            return window.parse().map(Self::Window);
        }
        match text {
            "12bit" => Ok(Self::Range(0.0, TWELVE_BITS)),
            "min-max" => Ok(Self::MinMax),
            _ => {
                let (low, high) = text.split_once(':').ok_or(advice)?;
                let [low, high] =
                    [low, high].map(|value| value.trim().parse::<f64>().ok().filter(|one| one.is_finite()));
                match (low, high) {
                    (Some(low), Some(high)) if low < high => Ok(Self::Range(low, high)),
                    (Some(_), Some(_)) => Err("the first value must be below the second".into()),
                    _ => Err(advice.into()),
                }
            }
        }
    }
}

/// Window of values that become grey levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Centre of the window.
    pub centre: f64,
    /// Width of the window, above 0.
    pub width: f64,
}

impl FromStr for Window {
    type Err = String;

    /// Reads `CENTRE/WIDTH`.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(centre, width)| Some((centre.trim().parse::<f64>().ok()?, width.trim().parse::<f64>().ok()?)));
        match numbers {
            Some((centre, width)) if centre.is_finite() && width.is_finite() && width > 0.0 => {
                Ok(Self { centre, width })
            }
            _ => Err("write CENTRE/WIDTH with a width above 0".into()),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.centre, self.width)
    }
}

/// Function of a window (DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WindowFunction {
    /// `LINEAR`, the usual one.
    #[default]
    Linear,
    /// `LINEAR_EXACT`.
    Exact,
    /// `SIGMOID`.
    Sigmoid,
}

/// Mapping of values to grey levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mapping {
    /// Linear between two values.
    Range(f64, f64),
    /// Window with its function.
    Window(Window, WindowFunction),
}

impl Mapping {
    /// Returns the mapping of `intensity` for an image whose lowest and highest values are `extremes`.
    pub(crate) fn of(intensity: Intensity, extremes: (f64, f64)) -> Self {
        match intensity {
            Intensity::Range(low, high) => Self::Range(low, high),
            Intensity::MinMax => Self::Range(extremes.0, extremes.1),
            Intensity::Window(window) => Self::Window(window, WindowFunction::Linear),
        }
    }

    /// Returns the grey level of a value, 0 to 255. A range without width gives 0.
    pub(crate) fn level(self, value: f64) -> u8 {
        let part = match self {
            Self::Range(low, high) if low < high => (value - low) / (high - low),
            Self::Range(..) => 0.0,
            Self::Window(Window { centre, width }, function) => match function {
                WindowFunction::Linear if width > 1.0 => (value - (centre - 0.5)) / (width - 1.0) + 0.5,
                // A window of one value is a threshold.
                WindowFunction::Linear => f64::from(value > centre - 0.5),
                WindowFunction::Exact => (value - centre) / width + 0.5,
                WindowFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - centre) / width).exp()),
            },
        };
        (part.clamp(0.0, 1.0) * 255.0).round() as u8
    }

    /// Returns the window `[centre, width]`; None for a range.
    pub(crate) fn window(self) -> Option<[f64; 2]> {
        match self {
            Self::Range(..) => None,
            Self::Window(window, _) => Some([window.centre, window.width]),
        }
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(low, high) => write!(f, "{low}:{high}"),
            Self::Window(window, WindowFunction::Linear) => write!(f, "window:{window}"),
            Self::Window(window, WindowFunction::Exact) => write!(f, "window:{window} (LINEAR_EXACT)"),
            Self::Window(window, WindowFunction::Sigmoid) => write!(f, "window:{window} (SIGMOID)"),
        }
    }
}

/// Returns the lowest and the highest of the values; (0, 0) without values.
pub(crate) fn extremes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values
        .fold(None, |found: Option<(f64, f64)>, value| {
            let (low, high) = found.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })
        .unwrap_or((0.0, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_read_from_text() {
        let window = Window { centre: -600.0, width: 1500.0 };
        for (text, expected) in [
            ("0:4095", Intensity::Range(0.0, 4095.0)),
            ("-1000:400", Intensity::Range(-1000.0, 400.0)),
            ("12bit", Intensity::Range(0.0, 4095.0)),
            ("min-max", Intensity::MinMax),
            ("window:-600/1500", Intensity::Window(window)),
            ("window -600/1500", Intensity::Window(window)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in
            ["", "12", "9:9", "9:1", "a:b", "nan:4", "0:inf", "window", "window:40", "window:40/0", "window40/4"]
        {
            assert!(text.parse::<Intensity>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_linear_window_is_that_of_the_standard() {
        // PS3.3 C.11.2.1.2.1: with centre 2048 and width 4096 the levels of 0 to 4095 are linear.
        let whole = Mapping::Window(Window { centre: 2048.0, width: 4096.0 }, WindowFunction::Linear);
        for value in [0.0, 1.0, 2047.0, 2048.0, 4095.0] {
            assert_eq!(whole.level(value), (value / 4095.0 * 255.0).round() as u8, "{value}");
        }
        let one = Mapping::Window(Window { centre: 0.0, width: 1.0 }, WindowFunction::Linear);
        assert_eq!([-1.0, -0.5, -0.4, 0.0].map(|value| one.level(value)), [0, 0, 255, 255]);
        let narrow = Mapping::Window(Window { centre: 40.0, width: 400.0 }, WindowFunction::Linear);
        assert_eq!([-1e9, -160.0, 239.0, 1e9].map(|value| narrow.level(value)), [0, 0, 255, 255]);
        let smooth = Mapping::Window(Window { centre: 40.0, width: 400.0 }, WindowFunction::Sigmoid);
        assert_eq!(smooth.level(40.0), 128);
        let exact = Mapping::Window(Window { centre: 40.0, width: 400.0 }, WindowFunction::Exact);
        assert_eq!([-160.0, 240.0].map(|value| exact.level(value)), [0, 255]);
    }

    #[test]
    fn a_range_without_width_is_black() {
        assert_eq!(Mapping::Range(3.0, 3.0).level(3.0), 0);
        assert_eq!(extremes([3.0, -1.0, 2.0].into_iter()), (-1.0, 3.0));
    }
}

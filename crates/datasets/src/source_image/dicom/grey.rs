//! Grey levels of a frame as a viewer shows them: rescaling, window or table, inversion (PS3.3, C.11.1 and C.11.2).

use image::{DynamicImage, GrayImage, ImageBuffer, Luma};
use stepwise_data::image::check_range;

use super::super::intensity::{Mapping, Window, WindowFunction, extremes};
use super::super::options::{PixelOptions, WindowChoice};
use super::super::refused::Refused;
use super::elements::damaged;
use super::header::{
    CENTRE, EXPLANATION, FUNCTION, Header, INTERCEPT, MODALITY_LOOKUP, PADDING, Photometric, SLOPE, VOI_LOOKUP, WIDTH,
};
use super::lookup::Lookup;
use super::samples::Samples;

/// How values became grey levels.
pub(super) struct Shown {
    /// Mapping, as the case records it.
    pub(super) mapping: String,
    /// Window `[centre, width]`; None for other mappings.
    pub(super) window: Option<[f64; 2]>,
    /// Windows of the file, in words.
    windows: Vec<String>,
    /// Whether the file has a window without a width, which shows nothing.
    has_empty_window: bool,
}

/// From values to grey levels.
enum Voi {
    Mapping(Mapping),
    Table(Lookup),
}

impl Voi {
    fn level(&self, value: f64) -> u8 {
        match self {
            Self::Mapping(mapping) => mapping.level(value),
            Self::Table(table) => {
                Mapping::Range(0.0, 2f64.powi(i32::from(table.bits)) - 1.0).level(table.entry(value).into())
            }
        }
    }
}

/// From stored to rescaled values.
enum Rescale {
    Linear(f64, f64),
    Table(Lookup),
}

impl Rescale {
    fn of(header: &Header<'_>) -> Result<Self, Refused> {
        match header.element(MODALITY_LOOKUP) {
            Some(tables) if !tables.value.is_empty() => Ok(Self::Table(Lookup::of_sequence(tables, header.is_signed)?)),
            _ => {
                let first = |tag, otherwise| header.numbers(tag).first().copied().unwrap_or(otherwise);
                Ok(Self::Linear(first(SLOPE, 1.0), first(INTERCEPT, 0.0)))
            }
        }
    }

    fn value(&self, stored: i64) -> f64 {
        match self {
            Self::Linear(slope, intercept) => stored as f64 * slope + intercept,
            Self::Table(table) => f64::from(table.entry(stored as f64)),
        }
    }

    /// Lowest and highest value that can occur.
    fn limits(&self, header: &Header<'_>) -> (f64, f64) {
        match self {
            Self::Linear(..) => {
                let (low, high) = header.limits();
                let ends = [low, high].map(|stored| self.value(stored as i64));
                (ends[0].min(ends[1]), ends[0].max(ends[1]))
            }
            Self::Table(table) => (0.0, 2f64.powi(i32::from(table.bits)) - 1.0),
        }
    }
}

/// Returns the grey levels of a frame, and how they were made: by the window or table that the user or the file names,
/// by the mapping that the user names, else over all values that the stored bits can hold.
///
/// # Errors
/// When a table is damaged, the file has fewer windows than the user's number, or nothing names a mapping and the values
/// fill less than an eighth of their bits.
pub(super) fn levels(
    header: &Header<'_>,
    samples: &Samples,
    options: &PixelOptions,
) -> Result<(GrayImage, Shown), Refused> {
    let rescale = Rescale::of(header)?;
    let windows = windows(header);
    let voi = match (options.window, options.intensity) {
        (Some(WindowChoice::Values(window)), _) => Voi::Mapping(Mapping::Window(window, WindowFunction::Linear)),
        (Some(WindowChoice::Number(number)), _) => match windows.get(number - 1) {
            Some(window) if is_usable(window) => Voi::Mapping(Mapping::Window(*window, function(header))),
            Some(window) => {
                let what = format!("window {number} of the DICOM file has the width {}", window.width);
                return Err(Refused::new(what, "give --window CENTRE/WIDTH, or the number of another window"));
            }
            None => {
                let what = format!("the DICOM file has no window {number}: it has {}", windows.len());
                return Err(Refused::new(
                    what,
                    "give --window CENTRE/WIDTH, or the number of a window that all files have",
                ));
            }
        },
        (None, Some(intensity)) => {
            let padding = padding(header);
            let stored = samples.raw.iter().map(|raw| header.value(*raw)).filter(|value| Some(*value) != padding);
            Voi::Mapping(Mapping::of(intensity, extremes(stored.map(|value| rescale.value(value)))))
        }
        (None, None) => match (header.element(VOI_LOOKUP), windows.iter().find(|window| is_usable(window))) {
            (Some(tables), _) if !tables.value.is_empty() => Voi::Table(Lookup::of_sequence(tables, header.is_signed)?),
            (_, Some(window)) => Voi::Mapping(Mapping::Window(*window, function(header))),
            _ => {
                check_bits(header, samples)?;
                let (low, high) = rescale.limits(header);
                Voi::Mapping(Mapping::Range(low, high))
            }
        },
    };
    let is_inverted = header.photometric == Photometric::Monochrome1;
    let level = |raw: u32| {
        let level = voi.level(rescale.value(header.value(raw)));
        if is_inverted { u8::MAX - level } else { level }
    };
    let raw: Vec<u8> = if header.bits_allocated <= 16 {
        let table: Vec<u8> = (0..1 << header.bits_allocated).map(level).collect();
        let last = table.len() - 1;
        samples.raw.iter().map(|raw| table[(*raw as usize).min(last)]).collect()
    } else {
        samples.raw.iter().map(|raw| level(*raw)).collect()
    };
    let picture = GrayImage::from_raw(header.columns, header.rows, raw)
        .ok_or_else(|| damaged("its pixels are fewer than its size says"))?;
    let (mapping, window) = match &voi {
        Voi::Mapping(mapping) => (mapping.to_string(), mapping.window()),
        Voi::Table(_) => ("the file's VOI lookup table".to_owned(), None),
    };
    let has_empty_window = windows.iter().any(|window| !is_usable(window));
    let explanations = header.text(EXPLANATION).unwrap_or_default();
    let explanations: Vec<&str> = explanations.split('\\').map(str::trim).collect();
    let windows =
        windows.iter().enumerate().map(|(place, window)| match explanations.get(place).filter(|_| windows.len() > 1) {
            Some(&name) if is_code(name) => format!("{} ({window}, {name})", place + 1),
            _ => format!("{} ({window})", place + 1),
        });
    Ok((picture, Shown { mapping, window, windows: windows.collect(), has_empty_window }))
}

/// Returns whether the name of a window is a word such as `LUNG` or `WINDOW1`. Free text could name a person.
fn is_code(name: &str) -> bool {
    !name.is_empty() && name.len() <= 16 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Returns the windows of the file in their order.
fn windows(header: &Header<'_>) -> Vec<Window> {
    let pairs = header.numbers(CENTRE).into_iter().zip(header.numbers(WIDTH));
    pairs.map(|(centre, width)| Window { centre, width }).collect()
}

/// Returns whether a window has a width. Files of some devices write 0 for a window that is not known.
fn is_usable(window: &Window) -> bool {
    window.width > 0.0
}

fn function(header: &Header<'_>) -> WindowFunction {
    match header.text(FUNCTION).as_deref() {
        Some("SIGMOID") => WindowFunction::Sigmoid,
        Some("LINEAR_EXACT") => WindowFunction::Exact,
        _ => WindowFunction::Linear,
    }
}

/// Returns the value of pixels outside the image; None when the file names none.
fn padding(header: &Header<'_>) -> Option<i64> {
    header.u16s(PADDING).first().map(|raw| header.value(u32::from(*raw)))
}

/// Refuses a frame without a mapping whose values fill less than an eighth of their bits.
fn check_bits(header: &Header<'_>, samples: &Samples) -> Result<(), Refused> {
    if header.bits_stored <= 8 {
        return Ok(());
    }
    let (low, high) = header.limits();
    let scaled = samples.raw.iter().map(|raw| {
        let part = (header.value(*raw) as f64 - low) / (high - low);
        (part * f64::from(u16::MAX)) as u16
    });
    let image = ImageBuffer::<Luma<u16>, _>::from_raw(header.columns, header.rows, scaled.collect::<Vec<u16>>());
    let image = image.ok_or_else(|| damaged("its pixels are fewer than its size says"))?;
    check_range(&DynamicImage::ImageLuma16(image), std::path::Path::new("")).map_err(|_| {
        let what = format!(
            "the DICOM file names no window, and its values fill less than an eighth of their {} bits",
            header.bits_stored
        );
        let advice =
            "say how values become grey levels: --window CENTRE/WIDTH, --intensity LOW:HIGH or --intensity min-max";
        Refused::new(what, advice)
    })
}

impl Shown {
    /// Returns remarks for the report.
    pub(super) fn remarks(&self, header: &Header<'_>) -> Vec<String> {
        let mut remarks = vec![format!("DICOM grey levels by {}", self.mapping)];
        if self.windows.len() > 1 {
            remarks.push(format!("DICOM with several windows: {} (--window chooses)", self.windows.join(", ")));
        }
        if self.has_empty_window {
            remarks.push("DICOM with a window without a width, which is not used".into());
        }
        if header.photometric == Photometric::Monochrome1 {
            remarks.push("DICOM inverted, because its photometric interpretation is MONOCHROME1".into());
        }
        remarks
    }
}

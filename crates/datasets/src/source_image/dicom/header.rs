//! Attributes of an image (PS3.3, C.7.6.3) that its pixels need, and facts for the case.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use stepwise_data::image::{MAX_DIMENSION, MAX_PIXELS};

use super::super::refused::Refused;
use super::elements::{Element, Elements, damaged, items};
use super::encoding::TransferSyntax;

const MODALITY: u32 = 0x0008_0060;
const PATIENT_ID: u32 = 0x0010_0020;
const BODY_PART: u32 = 0x0018_0015;
const STUDY: u32 = 0x0020_000D;
const PATIENT_ORIENTATION: u32 = 0x0020_0020;
const IMAGE_ORIENTATION: u32 = 0x0020_0037;
const SAMPLES: u32 = 0x0028_0002;
const PHOTOMETRIC: u32 = 0x0028_0004;
const PLANAR: u32 = 0x0028_0006;
const FRAMES: u32 = 0x0028_0008;
const ROWS: u32 = 0x0028_0010;
const COLUMNS: u32 = 0x0028_0011;
const ALLOCATED: u32 = 0x0028_0100;
const STORED: u32 = 0x0028_0101;
const HIGH_BIT: u32 = 0x0028_0102;
const REPRESENTATION: u32 = 0x0028_0103;
const BURNED_IN: u32 = 0x0028_0301;
const FLOAT_PIXELS: u32 = 0x7FE0_0008;
const DOUBLE_PIXELS: u32 = 0x7FE0_0009;
const PIXELS: u32 = 0x7FE0_0010;
pub(super) const PADDING: u32 = 0x0028_0120;
pub(super) const CENTRE: u32 = 0x0028_1050;
pub(super) const WIDTH: u32 = 0x0028_1051;
pub(super) const INTERCEPT: u32 = 0x0028_1052;
pub(super) const SLOPE: u32 = 0x0028_1053;
pub(super) const EXPLANATION: u32 = 0x0028_1055;
pub(super) const FUNCTION: u32 = 0x0028_1056;
pub(super) const MODALITY_LOOKUP: u32 = 0x0028_3000;
pub(super) const VOI_LOOKUP: u32 = 0x0028_3010;
/// Descriptors of the palettes of red, green and blue; their data follow 256 elements later.
pub(super) const PALETTES: [u32; 3] = [0x0028_1101, 0x0028_1102, 0x0028_1103];
pub(super) const PALETTE_DATA: [u32; 3] = [0x0028_1201, 0x0028_1202, 0x0028_1203];

/// Attributes that are kept. Names, dates, institutions and private attributes are not among them.
const KEPT: &[u32] = &[
    MODALITY,
    PATIENT_ID,
    BODY_PART,
    STUDY,
    PATIENT_ORIENTATION,
    IMAGE_ORIENTATION,
    SAMPLES,
    PHOTOMETRIC,
    PLANAR,
    FRAMES,
    ROWS,
    COLUMNS,
    ALLOCATED,
    STORED,
    HIGH_BIT,
    REPRESENTATION,
    BURNED_IN,
    PADDING,
    CENTRE,
    WIDTH,
    INTERCEPT,
    SLOPE,
    EXPLANATION,
    FUNCTION,
    MODALITY_LOOKUP,
    VOI_LOOKUP,
    PALETTES[0],
    PALETTES[1],
    PALETTES[2],
    PALETTE_DATA[0],
    PALETTE_DATA[1],
    PALETTE_DATA[2],
    SHARED_GROUPS,
    FRAME_GROUPS,
    FLOAT_PIXELS,
    DOUBLE_PIXELS,
    PIXELS,
];

/// Functional groups of files with several frames (PS3.3, C.7.6.16).
const SHARED_GROUPS: u32 = 0x5200_9229;
const FRAME_GROUPS: u32 = 0x5200_9230;
/// Sequences of a functional group whose attributes count as if they stood at the top: plane orientation, VOI table,
/// rescaling.
const GROUPS: [u32; 3] = [0x0020_9116, 0x0028_9132, 0x0028_9145];

/// Meaning of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Photometric {
    /// Grey, the lowest value is white.
    Monochrome1,
    /// Grey, the lowest value is black.
    Monochrome2,
    /// Red, green, blue.
    Rgb,
    /// Brightness and two colour differences, one of each a pixel.
    YbrFull,
    /// Brightness of each pixel, colour differences of two neighbours together.
    YbrFull422,
    /// Indices of a palette.
    Palette,
}

/// Attributes of an image, and its pixel data.
pub(super) struct Header<'a> {
    values: BTreeMap<u32, Element<'a>>,
    pub(super) syntax: TransferSyntax,
    pub(super) rows: u32,
    pub(super) columns: u32,
    /// Samples of a pixel, 1 or 3.
    pub(super) samples: u16,
    pub(super) photometric: Photometric,
    /// Whether all samples of one colour stand together.
    pub(super) is_planar: bool,
    /// Number of frames.
    pub(super) frames: u32,
    /// Frame that is read, counted from 1.
    pub(super) frame: u32,
    /// Bits that a sample takes: 1, 8, 16 or 32.
    pub(super) bits_allocated: u16,
    /// Bits of a sample that are used.
    pub(super) bits_stored: u16,
    high_bit: u16,
    /// Whether samples are in two's complement.
    pub(super) is_signed: bool,
    /// Pixel data.
    pub(super) pixels: Element<'a>,
}

impl<'a> Header<'a> {
    /// Reads the attributes of a data set. `frame` chooses one of several frames, counted from 1.
    ///
    /// # Errors
    /// When the data set is damaged, has no image or one that is not read, or has several frames and `frame` names none of
    /// them.
    pub(super) fn read(bytes: &'a [u8], syntax: TransferSyntax, frame: Option<u32>) -> Result<Self, Refused> {
        let mut values = BTreeMap::new();
        let mut elements = Elements::new(bytes, syntax.encoding);
        while let Some(element) = elements.next()? {
            if KEPT.contains(&element.tag) {
                values.entry(element.tag).or_insert(element);
            }
            if element.tag >= PIXELS {
                break;
            }
        }
        let wrong = |what: &str| Refused::new(format!("the DICOM file {what}"), "leave it out, or convert it to PNG");
        if values.contains_key(&FLOAT_PIXELS) || values.contains_key(&DOUBLE_PIXELS) {
            return Err(wrong("has floating-point pixels, which are not read"));
        }
        let pixels = *values.get(&PIXELS).ok_or_else(|| wrong("has no image"))?;
        let mut header = Self {
            values,
            syntax,
            rows: 0,
            columns: 0,
            samples: 1,
            photometric: Photometric::Monochrome2,
            is_planar: false,
            frames: 1,
            frame: 1,
            bits_allocated: 0,
            bits_stored: 0,
            high_bit: 0,
            is_signed: false,
            pixels,
        };
        header.image()?;
        header.choose_frame(frame)?;
        header.functional_groups()?;
        Ok(header)
    }

    /// Reads size, samples and bits.
    fn image(&mut self) -> Result<(), Refused> {
        let wrong = |what: String| Refused::new(format!("the DICOM file {what}"), "leave it out, or convert it to PNG");
        let needed = |name: &str, tag| self.u16(tag).ok_or_else(|| damaged(&format!("it has no {name}")));
        let (rows, columns) = (u32::from(needed("Rows", ROWS)?), u32::from(needed("Columns", COLUMNS)?));
        let allocated = needed("BitsAllocated", ALLOCATED)?;
        (self.rows, self.columns, self.bits_allocated) = (rows, columns, allocated);
        self.samples = self.u16(SAMPLES).unwrap_or(1);
        if rows == 0 || columns == 0 {
            return Err(wrong("has an image without pixels".into()));
        }
        // All samples count, because each takes memory.
        let all = u64::from(rows) * u64::from(columns) * u64::from(self.samples);
        if rows.max(columns) > MAX_DIMENSION || all > MAX_PIXELS {
            let what = format!(
                "has {columns}x{rows} pixels with {} samples; at most {MAX_DIMENSION} a side and {MAX_PIXELS} samples are \
                 allowed",
                self.samples
            );
            return Err(Refused::new(format!("the DICOM file {what}"), "shrink the image"));
        }
        let photometric = self.text(PHOTOMETRIC).unwrap_or_else(|| "MONOCHROME2".into());
        self.photometric = match photometric.as_str() {
            "MONOCHROME1" => Photometric::Monochrome1,
            "MONOCHROME2" => Photometric::Monochrome2,
            "RGB" => Photometric::Rgb,
            "YBR_FULL" => Photometric::YbrFull,
            "YBR_FULL_422" => Photometric::YbrFull422,
            "PALETTE COLOR" => Photometric::Palette,
            // Not the text itself, which could be anything.
            _ => return Err(wrong("has a photometric interpretation that is not read".into())),
        };
        let expected = match self.photometric {
            Photometric::Monochrome1 | Photometric::Monochrome2 | Photometric::Palette => 1,
            Photometric::Rgb | Photometric::YbrFull | Photometric::YbrFull422 => 3,
        };
        if self.samples != expected {
            return Err(damaged(&format!("{} samples a pixel do not fit {photometric}", self.samples)));
        }
        self.bits_stored = self.u16(STORED).unwrap_or(allocated);
        self.high_bit = self.u16(HIGH_BIT).unwrap_or(self.bits_stored.saturating_sub(1));
        let (stored, high) = (self.bits_stored, self.high_bit);
        if ![1, 8, 16, 32].contains(&allocated)
            || stored == 0
            || stored > allocated
            || high >= allocated
            || high + 1 < stored
        {
            return Err(wrong(format!("has {stored} of {allocated} bits up to bit {high}, which are not read")));
        }
        self.is_planar = self.u16(PLANAR) == Some(1);
        self.is_signed = self.u16(REPRESENTATION) == Some(1);
        self.frames = self.numbers(FRAMES).first().map_or(1, |frames| (*frames).clamp(1.0, 1e6) as u32);
        Ok(())
    }

    fn choose_frame(&mut self, frame: Option<u32>) -> Result<(), Refused> {
        let frames = self.frames;
        self.frame = match frame {
            _ if frames == 1 => 1,
            Some(frame) if (1..=frames).contains(&frame) => frame,
            Some(frame) => {
                let what = format!("the DICOM file has no frame {frame}: it has {frames}");
                return Err(Refused::new(what, format!("give --frame N with a number from 1 to {frames}")));
            }
            None => {
                let what = format!("the DICOM file has {frames} frames");
                return Err(Refused::new(what, format!("choose one with --frame N, 1 to {frames}")));
            }
        };
        Ok(())
    }

    /// Adds the attributes of the functional groups: those of the frame replace those of all frames.
    fn functional_groups(&mut self) -> Result<(), Refused> {
        for (groups, place) in [(SHARED_GROUPS, 0), (FRAME_GROUPS, self.frame as usize - 1)] {
            let Some(groups) = self.values.get(&groups).copied() else { continue };
            let Some(group) = items(groups.value, groups.encoding)?.get(place).copied() else { continue };
            let mut sequences = Elements::new(group, groups.encoding);
            while let Some(sequence) = sequences.next()? {
                if !GROUPS.contains(&sequence.tag) {
                    continue;
                }
                let Some(item) = items(sequence.value, sequence.encoding)?.first().copied() else { continue };
                let mut attributes = Elements::new(item, sequence.encoding);
                while let Some(attribute) = attributes.next()? {
                    if KEPT.contains(&attribute.tag) {
                        self.values.insert(attribute.tag, attribute);
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns an attribute.
    pub(super) fn element(&self, tag: u32) -> Option<Element<'a>> {
        self.values.get(&tag).copied()
    }

    fn u16(&self, tag: u32) -> Option<u16> {
        self.u16s(tag).first().copied()
    }

    /// Returns the 16-bit numbers of an attribute; empty when it is missing.
    pub(super) fn u16s(&self, tag: u32) -> Vec<u16> {
        let bytes = self.element(tag).map_or(&[][..], |element| element.value);
        bytes.chunks_exact(2).map(|pair| self.syntax.encoding.u16([pair[0], pair[1]])).collect()
    }

    /// Returns the text of an attribute without blanks at its ends; None when it is missing or blank.
    pub(super) fn text(&self, tag: u32) -> Option<String> {
        let text = String::from_utf8_lossy(self.element(tag)?.value).into_owned();
        let text = text.trim_matches(['\0', ' ']);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Returns the numbers of an attribute that is written as text; empty when it is missing or wrong.
    pub(super) fn numbers(&self, tag: u32) -> Vec<f64> {
        let text = self.text(tag).unwrap_or_default();
        let numbers: Option<Vec<f64>> =
            text.split('\\').map(|one| one.trim().parse().ok().filter(|one: &f64| one.is_finite())).collect();
        numbers.unwrap_or_default()
    }

    /// Returns the value of a sample from its stored bits.
    pub(super) fn value(&self, raw: u32) -> i64 {
        let bits = u32::from(self.bits_stored);
        let shifted = u64::from(raw) >> (self.high_bit + 1 - self.bits_stored);
        let value = (shifted & ((1u64 << bits) - 1)) as i64;
        let is_negative = self.is_signed && value >> (bits - 1) == 1;
        if is_negative { value - (1i64 << bits) } else { value }
    }

    /// Returns the lowest and the highest value that the stored bits can hold.
    pub(super) fn limits(&self) -> (f64, f64) {
        let count = 2f64.powi(i32::from(self.bits_stored));
        if self.is_signed { (-count / 2.0, count / 2.0 - 1.0) } else { (0.0, count - 1.0) }
    }

    /// Returns the modality as cases name it; None when it is not recorded.
    pub(super) fn modality(&self) -> Option<String> {
        let code = self.text(MODALITY)?;
        let word = match code.as_str() {
            "CT" => "ct",
            "MR" => "mri",
            "CR" | "DX" | "RG" | "RF" | "XA" => "x-ray",
            "MG" => "mammography",
            "US" | "IVUS" => "ultrasound",
            "PT" => "pet",
            "NM" => "nuclear medicine",
            "ES" => "endoscopy",
            "SM" | "GM" => "microscopy",
            "OP" => "fundus photography",
            "OPT" | "OCT" => "oct",
            "XC" => "photography",
            // Other codes have two to four letters; anything else is no code.
            other if other.len() <= 16 && other.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                return Some(other.to_ascii_lowercase());
            }
            _ => return None,
        };
        Some(word.to_owned())
    }

    /// Returns the body part in lower case; None when it is not recorded. A code of letters and blanks only: free text
    /// could name a person.
    pub(super) fn body_region(&self) -> Option<String> {
        let code = self.text(BODY_PART)?;
        let is_code = code.len() <= 16 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ');
        is_code.then(|| code.to_ascii_lowercase())
    }

    /// Returns on which side of the image the patient's right is; None when the rows do not run from side to side, or
    /// nothing is recorded.
    pub(super) fn orientation(&self) -> Option<&'static str> {
        const RADIOLOGICAL: &str = "radiological";
        const NEUROLOGICAL: &str = "neurological";
        if let [x, y, z, ..] = self.numbers(IMAGE_ORIENTATION)[..] {
            // Positive x runs to the patient's left (PS3.3, C.7.6.2.1.1).
            let is_sideways = x.abs() > y.abs() && x.abs() > z.abs();
            return is_sideways.then_some(if x > 0.0 { RADIOLOGICAL } else { NEUROLOGICAL });
        }
        match self.text(PATIENT_ORIENTATION)?.split('\\').next()?.chars().next()? {
            'L' => Some(RADIOLOGICAL),
            'R' => Some(NEUROLOGICAL),
            _ => None,
        }
    }

    /// Returns a digest of the patient's id, else of the study; None when neither is recorded.
    pub(super) fn group(&self) -> Option<String> {
        let (name, id) = match self.text(PATIENT_ID) {
            Some(patient) => ("patient", patient),
            None => ("study", self.text(STUDY)?),
        };
        let digest = Sha256::digest(format!("{name}\n{id}").as_bytes());
        let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Some(format!("{name}-{digits}"))
    }

    /// Returns remarks for the report.
    pub(super) fn remarks(&self) -> Vec<String> {
        let burned = match self.text(BURNED_IN).as_deref() {
            Some("YES") => "DICOM that says text is burned into its pixels (0028,0301): look for names and dates",
            Some("NO") => return Vec::new(),
            _ => "DICOM that does not say whether text is burned into its pixels (0028,0301)",
        };
        vec![burned.to_owned()]
    }
}

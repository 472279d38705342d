//! Voxels of a NIfTI file, and its slices.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use image::{DynamicImage, GrayImage};
use sha2::{Digest as _, Sha256};
use stepwise_data::case::{Pixels, SourceKind};
use stepwise_data::image::check_size;

use super::super::intensity::{Mapping, WindowFunction, extremes};
use super::super::options::{PixelOptions, Plane, WindowChoice};
use super::super::refused::Refused;
use super::geometry::Geometry;
use super::header::{Header, LENGTH, Voxel};

/// First bytes of a gzip file.
const GZIP: &[u8] = &[0x1F, 0x8B];
/// Most unpacked bytes before a volume, 2 GiB. A packed file can hold any number of bytes.
const MOST_BEFORE: u64 = 2 << 30;

/// A NIfTI-1 volume in memory, as stored.
pub struct Volume {
    header: Header,
    voxels: Vec<u8>,
}

/// A slice of a volume, as radiologists see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Rescaled values, row by row; `width * height` of them.
    pub values: Vec<f64>,
}

fn opened(path: &Path) -> Result<File, Refused> {
    File::open(path).map_err(|error| {
        Refused::new(format!("{}: cannot be read: {error}", path.display()), "check that the file may be read")
    })
}

/// Returns the bytes of a file, unpacked if they are packed by gzip.
fn unpacked<'a>(mut file: impl BufRead + 'a) -> Box<dyn Read + 'a> {
    let is_packed = file.fill_buf().is_ok_and(|start| start.starts_with(GZIP));
    if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) }
}

fn head(reader: &mut dyn Read) -> Result<Header, Refused> {
    let mut bytes = [0; LENGTH];
    reader.read_exact(&mut bytes).map_err(|_| cut_off())?;
    Header::read(&bytes)
}

fn cut_off() -> Refused {
    Refused::new("the NIfTI file is cut off or damaged", "copy it again from its source")
}

fn named(path: &Path, refused: Refused) -> Refused {
    Refused::new(format!("{}: {}", path.display(), refused.what), refused.advice)
}

/// Returns the SHA-256 of a file as 64 lower-case hexadecimal digits.
///
/// # Errors
/// When the file cannot be read; the error names it.
pub(crate) fn file_sha256(path: &Path) -> Result<String, Refused> {
    let mut digest = Sha256::new();
    std::io::copy(&mut opened(path)?, &mut digest).map_err(|_| named(path, cut_off()))?;
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Volume {
    /// Reads the volume with the number `volume`, counted from 1, of a `.nii` or `.nii.gz` file. Only its voxels are kept
    /// in memory.
    ///
    /// # Errors
    /// When the file cannot be read, has no proper header, is cut off, or has several volumes and `volume` is None or
    /// beyond them. Every error names the file.
    pub fn open(path: &Path, volume: Option<u32>) -> Result<Self, Refused> {
        Self::read(BufReader::new(opened(path)?), volume).map_err(|refused| named(path, refused))
    }

    /// Reads the volume with the number `volume`, counted from 1, from the bytes of a `.nii` or `.nii.gz` file. Only its
    /// voxels are kept in memory.
    ///
    /// # Errors
    /// As [`Volume::open`], without the name of the file.
    pub fn read(file: impl BufRead, volume: Option<u32>) -> Result<Self, Refused> {
        let mut reader = unpacked(file);
        let header = head(&mut reader)?;
        let index = match (volume, header.volumes) {
            (_, 1) => 0,
            (Some(volume), volumes) if (1..=volumes).contains(&(volume as usize)) => volume as usize - 1,
            (_, volumes) => {
                let what = format!("has {volumes} volumes, such as time points or MRI sequences");
                return Err(Refused::new(what, format!("choose one with --frame N, 1 to {volumes}")));
            }
        };
        let size = header.shape.iter().product::<usize>() * header.voxel.bytes();
        let before = (header.start - LENGTH) as u64 + (size as u64).saturating_mul(index as u64);
        if before > MOST_BEFORE {
            let what = format!("has more than {MOST_BEFORE} bytes before volume {}", index + 1);
            return Err(Refused::new(what, "store the volume in a file of its own"));
        }
        let passed = std::io::copy(&mut reader.by_ref().take(before), &mut std::io::sink()).map_err(|_| cut_off())?;
        let mut voxels = Vec::new();
        reader.take(size as u64).read_to_end(&mut voxels).map_err(|_| cut_off())?;
        if passed != before || voxels.len() != size {
            return Err(cut_off());
        }
        Ok(Self { header, voxels })
    }

    /// Returns the number of slices of a plane.
    pub fn slices(&self, plane: Plane) -> usize {
        self.header.shape[self.header.geometry.view(plane).through]
    }

    /// Returns whether the volume of a file has the same size and lies in the same way. Only its header is read.
    ///
    /// # Errors
    /// When the file cannot be read or has no proper header. Every error names the file.
    pub(crate) fn fits(&self, path: &Path) -> Result<bool, Refused> {
        let other = head(&mut unpacked(BufReader::new(opened(path)?))).map_err(|refused| named(path, refused))?;
        Ok(self.header.shape == other.shape && self.header.geometry == other.geometry)
    }

    /// Returns the lowest and the highest rescaled value; values that are not finite do not count.
    pub(crate) fn extremes(&self) -> (f64, f64) {
        let count = self.header.shape.iter().product();
        extremes((0..count).map(|index| self.value(index)).filter(|value| value.is_finite()))
    }

    fn value(&self, index: usize) -> f64 {
        let size = self.header.voxel.bytes();
        let bytes = &self.voxels[index * size..(index + 1) * size];
        // Numbers are put in little endian order.
        let mut ordered = [0; 8];
        ordered[..size].copy_from_slice(bytes);
        if self.header.is_big {
            ordered[..size].reverse();
        }
        let [a, b, c, d, ..] = ordered;
        let stored = match self.header.voxel {
            Voxel::U8 => f64::from(a),
            Voxel::I8 => f64::from(a as i8),
            Voxel::U16 => f64::from(u16::from_le_bytes([a, b])),
            Voxel::I16 => f64::from(i16::from_le_bytes([a, b])),
            Voxel::U32 => f64::from(u32::from_le_bytes([a, b, c, d])),
            Voxel::I32 => f64::from(i32::from_le_bytes([a, b, c, d])),
            Voxel::F32 => f64::from(f32::from_le_bytes([a, b, c, d])),
            Voxel::F64 => f64::from_le_bytes(ordered),
        };
        stored * self.header.scale.0 + self.header.scale.1
    }

    /// Returns a slice as radiologists see it; None when there is no slice with this index.
    pub fn slice(&self, plane: Plane, index: usize) -> Option<Slice> {
        let view = self.header.geometry.view(plane);
        let shape = self.header.shape;
        if index >= shape[view.through] {
            return None;
        }
        let (width, height) = (shape[view.columns.0], shape[view.rows.0]);
        let strides = [1, shape[0], shape[0] * shape[1]];
        let place = |(axis, from_end): (usize, bool), step: usize| {
            (if from_end { shape[axis] - 1 - step } else { step }) * strides[axis]
        };
        let start = index * strides[view.through];
        let values = (0..height)
            .flat_map(|row| (0..width).map(move |column| (row, column)))
            .map(|(row, column)| self.value(start + place(view.rows, row) + place(view.columns, column)))
            .collect();
        // An axis has at most 32,767 voxels, as the header stores it in 16 bits.
        Some(Slice { width: width as u32, height: height as u32, values })
    }

    /// Returns the mapping to grey levels. A range of the lowest and the highest value is that of the whole volume.
    ///
    /// # Errors
    /// When no mapping is named and the voxels are not whole numbers of 8 bits.
    pub(crate) fn mapping(&self, options: &PixelOptions) -> Result<Mapping, Refused> {
        match (options.window, options.intensity) {
            (Some(WindowChoice::Values(window)), _) => Ok(Mapping::Window(window, WindowFunction::Linear)),
            (Some(WindowChoice::Number(_)), _) => {
                Err(Refused::new("NIfTI files have no numbered windows", "give --window CENTRE/WIDTH"))
            }
            (None, Some(intensity)) => Ok(Mapping::of(intensity, self.extremes())),
            (None, None) if self.header.voxel == Voxel::U8 && self.header.scale == (1.0, 0.0) => {
                Ok(Mapping::Range(0.0, 255.0))
            }
            (None, None) => {
                let advice = "say how values become grey levels: --window CENTRE/WIDTH, --intensity LOW:HIGH or \
                              --intensity min-max";
                Err(Refused::new("NIfTI values have no fixed range", advice))
            }
        }
    }

    /// Draws a slice, and records how. `mapping` is the one of the volume, `path` the file in the source, and `sha256`
    /// its digest.
    ///
    /// # Errors
    /// When there is no slice with this index, or it exceeds the limits of images.
    pub(crate) fn drawn(
        &self,
        plane: Plane,
        index: usize,
        mapping: Mapping,
        path: &str,
        sha256: &str,
    ) -> Result<(DynamicImage, Pixels), Refused> {
        let slice = self.slice(plane, index).ok_or_else(|| {
            let what = format!("{path}: has no {} slice {index}: it has {}", plane.word(), self.slices(plane));
            Refused::new(what, "give the indices of slices from 0 on")
        })?;
        check_size(Path::new(path), (slice.width, slice.height))?;
        let levels = slice.values.iter().map(|value| mapping.level(*value)).collect();
        // Cannot be None: a slice has as many values as pixels.
        let picture = GrayImage::from_raw(slice.width, slice.height, levels).unwrap_or_default();
        let pixels = Pixels {
            source: Some(path.to_owned()),
            sha256: sha256.to_owned(),
            kind: SourceKind::Nifti,
            bits: 8 * self.header.voxel.bytes() as u16,
            mapping: Some(mapping.to_string()),
            window: mapping.window(),
            inverted: false,
            turn: Some("turned by the affine to the view of radiologists".to_owned()),
            frame: None,
            slice: Some(format!("{} {index}", plane.word())),
        };
        Ok((picture.into(), pixels))
    }

    /// Returns on which side of a slice the patient's right is; None for sagittal slices.
    pub(crate) fn orientation(plane: Plane) -> Option<&'static str> {
        Geometry::orientation(plane)
    }
}

//! Header of a NIfTI-1 file (<https://nifti.nimh.nih.gov/nifti-1>): 348 bytes.

use super::super::refused::Refused;
use super::geometry::Geometry;

/// Bytes of the header.
pub(super) const LENGTH: usize = 348;
/// Most bytes of voxels of a volume, 512 MiB.
const MOST_BYTES: u64 = 512 << 20;

/// Type of a voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voxel {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    F64,
}

impl Voxel {
    fn of(code: i16) -> Option<Self> {
        Some(match code {
            2 => Self::U8,
            256 => Self::I8,
            512 => Self::U16,
            4 => Self::I16,
            768 => Self::U32,
            8 => Self::I32,
            16 => Self::F32,
            64 => Self::F64,
            _ => return None,
        })
    }

    /// Returns the number of bytes of a voxel.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Header of a file.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Whether numbers are big endian.
    pub(super) is_big: bool,
    /// Number of voxels along the three stored axes.
    pub(super) shape: [usize; 3],
    /// Number of volumes, for example of time points or of MRI sequences.
    pub(super) volumes: usize,
    pub(super) voxel: Voxel,
    /// Position of the first voxel.
    pub(super) start: usize,
    /// Factor and summand of stored values.
    pub(super) scale: (f64, f64),
    pub(super) geometry: Geometry,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// When it is no NIfTI-1 header of a single file, promises too many voxels, has a type of voxels that is not read, or
    /// does not say how the volume lies in the body.
    pub(super) fn read(bytes: &[u8; LENGTH]) -> Result<Self, Refused> {
        let refused = |what: &str, advice: &str| Refused::new(what, advice);
        let is_big = match (i32::from_le_bytes(four(bytes, 0)), i32::from_be_bytes(four(bytes, 0))) {
            (348, _) => false,
            (_, 348) => true,
            (540, _) | (_, 540) => {
                return Err(refused("is NIfTI-2, which is not read", "convert it to NIfTI-1"));
            }
            _ => {
                return Err(refused(
                    "is no NIfTI file",
                    "check that it is a volume, and copy it again from its source",
                ));
            }
        };
        let int = |at: usize| {
            let two = [bytes[at], bytes[at + 1]];
            if is_big { i16::from_be_bytes(two) } else { i16::from_le_bytes(two) }
        };
        let float = |at: usize| {
            f64::from(if is_big { f32::from_be_bytes(four(bytes, at)) } else { f32::from_le_bytes(four(bytes, at)) })
        };
        if &bytes[344..348] != b"n+1\0" {
            return Err(refused("keeps header and voxels in two files", "convert it to one .nii or .nii.gz file"));
        }
        let dimensions = int(40);
        let extent = |axis: usize| usize::try_from(int(40 + 2 * axis)).ok().filter(|extent| *extent > 0);
        if !(3..=7).contains(&dimensions) {
            return Err(refused(&format!("has {dimensions} dimensions"), "give a volume of three dimensions"));
        }
        let (Some(x), Some(y), Some(z)) = (extent(1), extent(2), extent(3)) else {
            return Err(refused("has an axis without voxels", "copy it again from its source"));
        };
        let further = (4..=dimensions as usize).map(|axis| extent(axis).unwrap_or(1));
        let volumes = further.fold(1usize, usize::saturating_mul);
        let code = int(70);
        let voxel = Voxel::of(code).ok_or_else(|| {
            let what = format!("has voxels of type {code}, which are not read");
            Refused::new(what, "convert it to whole numbers or floating-point numbers of one value a voxel")
        })?;
        let size = (x as u64).saturating_mul(y as u64).saturating_mul(z as u64).saturating_mul(voxel.bytes() as u64);
        if size > MOST_BYTES {
            let what = format!("promises {x}x{y}x{z} voxels, {size} bytes; at most {MOST_BYTES} are allowed");
            return Err(Refused::new(what, "cut the volume, or store it with fewer bytes a voxel"));
        }
        let start = float(108);
        if !(352.0..=1e6).contains(&start) {
            return Err(refused("has no valid position of its voxels", "copy it again from its source"));
        }
        let (slope, intercept) = (float(112), float(116));
        let scale =
            if slope == 0.0 || !slope.is_finite() || !intercept.is_finite() { (1.0, 0.0) } else { (slope, intercept) };
        let affine = if int(254) > 0 {
            [280, 296, 312].map(|row| [float(row), float(row + 4), float(row + 8)])
        } else if int(252) > 0 {
            let mirrored = float(76) < 0.0;
            from_quaternion([float(256), float(260), float(264)], [float(80), float(84), float(88)], mirrored)
        } else {
            let advice = "store its orientation in the header (qform or sform) with the tool that made it";
            return Err(refused("does not say how the volume lies in the body", advice));
        };
        let geometry = Geometry::of(affine).ok_or_else(|| {
            refused("has an orientation without sense", "store its orientation again with the tool that made it")
        })?;
        Ok(Self { is_big, shape: [x, y, z], volumes, voxel, start: start as usize, scale, geometry })
    }
}

/// Returns rows of the rotation with voxel sizes (nifti1.h, method 2).
fn from_quaternion([b, c, d]: [f64; 3], sizes: [f64; 3], is_mirrored: bool) -> [[f64; 3]; 3] {
    let a = (1.0 - (b * b + c * c + d * d)).max(0.0).sqrt();
    let rows = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - c * c - b * b],
    ];
    let factor = if is_mirrored { -1.0 } else { 1.0 };
    rows.map(|[x, y, z]| [x * sizes[0], y * sizes[1], z * sizes[2] * factor])
}

fn four(bytes: &[u8; LENGTH], at: usize) -> [u8; 4] {
    [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
}

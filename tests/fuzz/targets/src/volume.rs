//! Fuzz target for NIfTI volumes.

use stepwise_datasets::{Plane, Volume};

use crate::support::refused;

/// Reads the first volume of a file and its middle slice in each plane.
///
/// # Errors
/// When the volume is refused.
///
/// # Panics
/// When a slice has another number of values than pixels, or an error gives no advice.
pub fn volume(data: &[u8]) -> Result<(), String> {
    let volume = Volume::read(data, Some(1)).map_err(refused)?;
    for plane in [Plane::Axial, Plane::Coronal, Plane::Sagittal] {
        let count = volume.slices(plane);
        let slice = volume.slice(plane, count / 2).expect("there is a middle slice");
        assert_eq!(slice.values.len(), slice.width as usize * slice.height as usize);
        assert_eq!(volume.slice(plane, count), None);
    }
    Ok(())
}

//! Regions of a placed case, derived from the same shapes as the image.

use image::GrayImage;

use super::facts::Facts;
use super::raster;
use super::scene::Scene;
use super::shape::Shape;
use crate::case::{Region, RegionRole, Shape as RegionShape};

/// Id of the only image of a case.
pub(super) const IMAGE: &str = "i0";

/// An optional organ that would be clearly visible if it were present.
pub(super) struct Organ {
    pub(super) label: &'static str,
    /// Id of the organ's region; None where the organ is missing.
    pub(super) region: Option<String>,
}

/// Regions of a case, masks of its mask regions, and organs that questions may be about.
pub(super) struct Regions {
    pub(super) all: Vec<Region>,
    /// Region id and mask.
    pub(super) masks: Vec<(String, GrayImage)>,
    pub(super) organs: Vec<Organ>,
}

impl Regions {
    /// Builds all regions of a case. `side` is the image's side in pixels, and `mask_path` returns the path of a
    /// region's mask file by the region's id. Organs and findings are left out where the image cannot be judged, and so
    /// are regions without pixels.
    pub(super) fn of(facts: &Facts, scene: &Scene, side: u32, mask_path: &dyn Fn(&str) -> String) -> Self {
        let mut regions = Self { all: Vec::new(), masks: Vec::new(), organs: Vec::new() };
        let body = raster::mask(&[&scene.body, &scene.view], side);
        regions.add_mask("body", "body", RegionRole::Body, body.clone(), mask_path);
        if facts.sufficient {
            regions.add_organs(scene, &body, side);
            for (number, lesion) in scene.lesions.iter().enumerate() {
                let mask = raster::mask(&[&lesion.outline], side);
                regions.add_mask(&format!("finding-{}", number + 1), "finding", RegionRole::Finding, mask, mask_path);
            }
            regions.add_box("sign", facts.sign.name(), RegionRole::Finding, scene.sign.as_ref(), side);
            regions.add_box("device", facts.device.name(), RegionRole::Device, scene.device.as_ref(), side);
        }
        regions.add_box("marker", "side marker", RegionRole::Reference, scene.marker.as_ref(), side);
        regions.add_box("cross", "cross", RegionRole::Reference, scene.cross.as_ref(), side);
        for (colour, [x0, y0, x1, y1]) in &scene.marks {
            let frame = Shape::Rect { low: [*x0, *y0], high: [*x1, *y1] };
            let label = format!("{} mark", colour.name());
            regions.add_box(&format!("mark-{}", colour.name()), &label, RegionRole::Reference, Some(&frame), side);
        }
        regions
    }

    /// Returns the region with this id; None when there is none.
    pub(super) fn get(&self, id: &str) -> Option<&Region> {
        self.all.iter().find(|region| region.id == id)
    }

    /// Returns the ids of all findings, without signs; empty when there are none.
    pub(super) fn findings(&self) -> Vec<String> {
        self.all.iter().filter(|region| region.label == "finding").map(|region| region.id.clone()).collect()
    }

    fn add_organs(&mut self, scene: &Scene, body: &GrayImage, side: u32) {
        for placed in &scene.parts {
            let part = &placed.part;
            let shape = raster::mask(&[&part.shape], side);
            let seen = raster::both(&shape, body);
            let region = placed
                .present
                .then(|| self.add(&format!("organ-{}", part.label), part.label, RegionRole::Organ, &seen))
                .flatten();
            // Whether an organ may be asked about must not depend on whether it is present.
            let whole = raster::area(&shape);
            let plain = raster::area(&seen) * 10 >= whole * 7 && whole * 400 >= (side * side) as usize;
            if part.optional && plain {
                self.organs.push(Organ { label: part.label, region });
            }
        }
    }

    fn add_box(&mut self, id: &str, label: &str, role: RegionRole, shape: Option<&Shape>, side: u32) {
        if let Some(shape) = shape {
            self.add(id, label, role, &raster::mask(&[shape], side));
        }
    }

    /// Adds a box region around the mask and returns its id; None where the mask is empty.
    fn add(&mut self, id: &str, label: &str, role: RegionRole, mask: &GrayImage) -> Option<String> {
        let bounds = raster::bounds(mask)?;
        let shape = RegionShape::Box { bounds };
        self.all.push(Region { id: id.into(), image: IMAGE.into(), label: label.into(), shape, role });
        Some(id.into())
    }

    fn add_mask(
        &mut self,
        id: &str,
        label: &str,
        role: RegionRole,
        mask: GrayImage,
        mask_path: &dyn Fn(&str) -> String,
    ) {
        if let Some(bounds) = raster::bounds(&mask) {
            let shape = RegionShape::Mask { path: mask_path(id), bounds };
            self.all.push(Region { id: id.into(), image: IMAGE.into(), label: label.into(), shape, role });
            self.masks.push((id.into(), mask));
        }
    }
}
